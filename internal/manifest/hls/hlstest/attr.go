package hlstest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// attrs is an attribute list (rfc8216bis, 4.2), quotes kept.
type attrs map[string]string

var attrRE = regexp.MustCompile(`^([A-Z0-9-]+)=("[^"\r\n]*"|[^", \t\r\n]+)(,|$)`)

func parseAttrs(s string) (attrs, error) {
	a := attrs{}
	for s != "" {
		m := attrRE.FindStringSubmatch(s)
		if m == nil {
			return nil, fmt.Errorf("attribute list breaks at %q", s)
		}
		if _, ok := a[m[1]]; ok {
			return nil, fmt.Errorf("attribute %s stands twice", m[1])
		}
		a[m[1]] = m[2]
		s = s[len(m[0]):]
		if m[3] == "," && s == "" {
			return nil, fmt.Errorf("attribute list ends with a comma")
		}
	}
	return a, nil
}

// quoted returns the content of a quoted-string; it is an error if it is none.
func (a attrs) quoted(name string) (string, error) {
	v, ok := a[name]
	if !ok {
		return "", fmt.Errorf("no %s", name)
	}
	if len(v) < 2 || v[0] != '"' {
		return "", fmt.Errorf("%s=%s is not quoted", name, v)
	}
	return strings.Trim(v, `"`), nil
}

var decimalRE = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

// seconds returns a decimal-floating-point.
func (a attrs) seconds(name string) (float64, error) {
	v, ok := a[name]
	if !ok {
		return 0, fmt.Errorf("no %s", name)
	}
	if !decimalRE.MatchString(v) {
		return 0, fmt.Errorf("%s=%s is not a decimal number", name, v)
	}
	return strconv.ParseFloat(v, 64)
}

func (a attrs) uint(name string) (uint64, error) {
	v, ok := a[name]
	if !ok {
		return 0, fmt.Errorf("no %s", name)
	}
	return parseUint(v)
}

// yes returns an enumerated-string of YES and NO; absent is NO.
func (a attrs) yes(name string) (bool, error) {
	switch v := a[name]; v {
	case "YES":
		return true, nil
	case "", "NO":
		return false, nil
	default:
		return false, fmt.Errorf("%s=%s is neither YES nor NO", name, v)
	}
}

var uintRE = regexp.MustCompile(`^[0-9]{1,20}$`)

func parseUint(s string) (uint64, error) {
	if !uintRE.MatchString(s) {
		return 0, fmt.Errorf("%q is not a decimal integer", s)
	}
	return strconv.ParseUint(s, 10, 64)
}
