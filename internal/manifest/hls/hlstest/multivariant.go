package hlstest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	resolutionRE = regexp.MustCompile(`^[1-9][0-9]*x[1-9][0-9]*$`)
	frameRateRE  = regexp.MustCompile(`^[0-9]+\.[0-9]{3}$`)
)

// CheckMultivariant returns everything that is wrong with a multivariant playlist.
func CheckMultivariant(b []byte) []error {
	c := &checker{}
	lines, err := split(b)
	if err != nil {
		return []error{err}
	}
	c.is(slices.Contains(lines, "#EXT-X-INDEPENDENT-SEGMENTS"), "no EXT-X-INDEPENDENT-SEGMENTS")
	groups := map[string][]attrs{}
	var variants []attrs
	uris := map[string]bool{}
	for i := 0; i < len(lines); i++ {
		tag, value, _ := strings.Cut(lines[i], ":")
		switch tag {
		case "#EXT-X-MEDIA":
			a, err := parseAttrs(value)
			if err != nil {
				c.errs = append(c.errs, err)
				continue
			}
			c.errs = append(c.errs, checkMedia(a)...)
			group := a["TYPE"] + a["GROUP-ID"]
			groups[group] = append(groups[group], a)
		case "#EXT-X-STREAM-INF":
			a, err := parseAttrs(value)
			if err != nil {
				c.errs = append(c.errs, err)
				continue
			}
			variants = append(variants, a)
			if i++; i == len(lines) || lines[i] == "" || lines[i][0] == '#' {
				c.errs = append(c.errs, errors.New("no URI behind EXT-X-STREAM-INF"))
				continue
			}
			uri := lines[i] + " " + a["AUDIO"]
			c.is(!uris[uri], "two variants are %s", uri)
			uris[uri] = true
		}
	}
	c.is(len(variants) > 0, "no variant")
	c.groups(groups)
	for _, a := range variants {
		c.variant(a, groups)
		c.is((a["CLOSED-CAPTIONS"] == "NONE") == (variants[0]["CLOSED-CAPTIONS"] == "NONE"), "CLOSED-CAPTIONS=NONE on some variants only")
	}
	return c.errs
}

func checkMedia(a attrs) []error {
	c := &checker{}
	for _, name := range []string{"GROUP-ID", "NAME", "LANGUAGE"} {
		_, err := a.quoted(name)
		c.is(err == nil, "EXT-X-MEDIA: %v", err)
	}
	if a["TYPE"] == "AUDIO" {
		_, err := a.quoted("CHANNELS")
		c.is(err == nil, "EXT-X-MEDIA: %v", err)
	}
	c.is(a["DEFAULT"] != "YES" || a["AUTOSELECT"] == "YES", "EXT-X-MEDIA: DEFAULT without AUTOSELECT")
	return c.errs
}

// groups checks what groups must agree on (rfc8216bis, 4.4.6.1.1).
func (c *checker) groups(groups map[string][]attrs) {
	members := map[string]string{} // by TYPE
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		var names []string
		defaults := 0
		for _, a := range groups[id] {
			names = append(names, a["NAME"]+a["LANGUAGE"])
			if a["DEFAULT"] == "YES" {
				defaults++
			}
		}
		slices.Sort(names)
		c.is(len(slices.Compact(slices.Clone(names))) == len(names), "group %s has a NAME twice", id)
		c.is(defaults <= 1, "group %s has %d defaults", id, defaults)
		kind, all := groups[id][0]["TYPE"], strings.Join(names, " ")
		other, ok := members[kind]
		c.is(!ok || all == other, "group %s has other members than the one before", id)
		members[kind] = all
	}
}

func (c *checker) variant(a attrs, groups map[string][]attrs) {
	bandwidth, err := a.uint("BANDWIDTH")
	c.is(err == nil && bandwidth > 0, "variant: BANDWIDTH %s, %v", a["BANDWIDTH"], err)
	average, err := a.uint("AVERAGE-BANDWIDTH")
	c.is(err == nil && average <= bandwidth, "variant: AVERAGE-BANDWIDTH %d of BANDWIDTH %d, %v", average, bandwidth, err)
	codecs, err := a.quoted("CODECS")
	c.is(err == nil, "variant: %v", err)
	if strings.ContainsAny(codecs, " ;") {
		c.errs = append(c.errs, fmt.Errorf("variant: CODECS %q", codecs))
	}
	if r, ok := a["RESOLUTION"]; ok {
		c.is(resolutionRE.MatchString(r), "variant: RESOLUTION %s", r)
		c.is(slices.Contains([]string{"SDR", "HLG", "PQ"}, a["VIDEO-RANGE"]), "variant: VIDEO-RANGE %s", a["VIDEO-RANGE"])
	}
	if r, ok := a["FRAME-RATE"]; ok {
		c.is(frameRateRE.MatchString(r), "variant: FRAME-RATE %s", r)
	}
	if g, ok := a["AUDIO"]; ok {
		c.is(len(groups["AUDIO"+g]) > 0, "variant: there is no audio group %s", g)
		c.is(strings.Contains(codecs, ","), "variant: CODECS %q does not name the audio of group %s", codecs, g)
	}
}
