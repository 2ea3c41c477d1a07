package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// EnvPrefix begins the name of every environment variable that is a setting.
const EnvPrefix = "HEADRACE_"

// A field is one setting, found by walking Config.
type field struct {
	path  string // as in YAML: rtmp.addr
	doc   string
	unit  string
	value reflect.Value // addressable if the config was
}

// env returns the environment variable of the field: HEADRACE_RTMP_ADDR.
func (f field) env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(f.path, ".", "_"))
}

// fields returns the settings of the struct v points to, in the order of declaration.
// Maps are not descended into: what they hold has no fixed path.
func fields(v any) []field {
	var out []field
	walk(reflect.ValueOf(v).Elem(), "", &out)
	return out
}

func walk(v reflect.Value, prefix string, out *[]field) {
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		path := prefix + sf.Tag.Get("yaml")
		switch sf.Type.Kind() {
		case reflect.Struct:
			walk(v.Field(i), path+".", out)
		case reflect.Map:
		default:
			*out = append(*out, field{path: path, doc: sf.Tag.Get("doc"), unit: sf.Tag.Get("unit"), value: v.Field(i)})
		}
	}
}

// set parses s, as it stands in a flag or an environment variable, into the field.
func (f field) set(s string) error {
	switch p := f.value.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("%q is no duration; write for example 500ms or 2s", s)
		}
		*p = d
		return nil
	case *[]string:
		*p = nil
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*p = append(*p, part)
			}
		}
		return nil
	}
	switch f.value.Kind() {
	case reflect.String:
		f.value.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		f.value.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no whole number", s)
		}
		f.value.SetInt(n)
	default:
		return fmt.Errorf("can only be set in the file")
	}
	return nil
}
