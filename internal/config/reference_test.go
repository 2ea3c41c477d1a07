package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md and examples/headrace.yaml")

// golden compares got with the file, or writes the file with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s is not what the settings are now; run\n\tgo test ./internal/config -update\n(-file +settings):\n%s", path, d)
	}
}

func TestReferenceIsCurrent(t *testing.T) {
	golden(t, "../../docs/configuration.md", reference())
}

func TestExampleIsCurrentAndValid(t *testing.T) {
	const path = "../../examples/headrace.yaml"
	golden(t, path, example())
	c, err := Load(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("the example is not valid: %v", err)
	}
	if len(c.Streams) == 0 {
		t.Error("the example shows no stream")
	}
	c.Streams = nil
	if d := cmp.Diff(Default(), c); d != "" {
		t.Errorf("the example does not show the defaults (-default +example):\n%s", d)
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	c := Default()
	for _, f := range append(fields(&c), fields(&Stream{})...) {
		if f.path == "" || f.unit == "" || len(f.doc) < 15 || !strings.HasSuffix(f.doc, ".") {
			t.Errorf("setting %q: unit %q, doc %q", f.path, f.unit, f.doc)
		}
	}
}

// yamlValue writes the value of a setting as a person would in the file.
func yamlValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		s := x.String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		return s
	case []string:
		return "[" + strings.Join(x, ", ") + "]"
	case []Secret:
		return "[]"
	case Policy:
		return string(Reject)
	}
	if v.Kind() == reflect.String {
		if s := v.String(); s == "" || strings.HasPrefix(s, ":") {
			return fmt.Sprintf("%q", s)
		}
	}
	return fmt.Sprint(v.Interface())
}

const referenceHead = `# Configuration

<!-- Made by ` + "`go test ./internal/config -update`" + ` from internal/config/config.go. Do not edit. -->

Nothing needs to be configured. What is set counts in this order, the later over the earlier:

1. the default;
2. the YAML file: ` + "`headrace --config headrace.yaml`" + ` ([a complete one](../examples/headrace.yaml));
3. the environment: ` + "`HEADRACE_`" + `, section, ` + "`_`" + `, key: ` + "`HEADRACE_HTTP_ADDR=:80`" + `;
4. flags: ` + "`--set section.key=value`" + `, as often as needed: ` + "`--set http.addr=:80`" + `.

A key that does not exist is an error with its line and column. Durations carry a unit: ` + "`500ms`, `2s`, `1m`" + `.
In the environment and in flags, a list is written with commas. Put secrets in the file or the environment:
flags can be read by every user of the machine. ` + "`headrace check`" + ` says what is wrong with a configuration,
and with the machine, before you start.
`

func reference() []byte {
	var b bytes.Buffer
	b.WriteString(referenceHead)
	c := Default()
	root := reflect.ValueOf(&c).Elem()
	for i := range root.NumField() {
		sf := root.Type().Field(i)
		switch sf.Type.Kind() {
		case reflect.Struct:
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", sf.Tag.Get("yaml"), sf.Tag.Get("doc"))
			table(&b, sf.Tag.Get("yaml")+".", root.Field(i), true)
		case reflect.Map:
			fmt.Fprintf(&b, "\n## %s\n\n%s Below each name:\n\n", sf.Tag.Get("yaml"), sf.Tag.Get("doc"))
			table(&b, "", reflect.New(sf.Type.Elem()).Elem(), false)
		}
	}
	b.WriteString("\n## At the top level\n\n")
	head(&b, true)
	for _, f := range fields(&c) {
		if !strings.Contains(f.path, ".") {
			row(&b, f, true)
		}
	}
	return b.Bytes()
}

func table(b *bytes.Buffer, prefix string, v reflect.Value, env bool) {
	head(b, env)
	var fs []field
	walk(v, prefix, &fs)
	for _, f := range fs {
		row(b, f, env)
	}
}

func head(b *bytes.Buffer, env bool) {
	if env {
		b.WriteString("| setting | default | unit | what | environment |\n| --- | --- | --- | --- | --- |\n")
	} else {
		b.WriteString("| setting | default | unit | what |\n| --- | --- | --- | --- |\n")
	}
}

func row(b *bytes.Buffer, f field, env bool) {
	fmt.Fprintf(b, "| `%s` | `%s` | %s | %s |", f.path, yamlValue(f.value), f.unit, f.doc)
	if env {
		fmt.Fprintf(b, " `%s` |", f.env())
	}
	b.WriteByte('\n')
}

func example() []byte {
	var b bytes.Buffer
	b.WriteString("# Every setting of Headrace with its default. Delete what you do not change.\n# Made by `go test ./internal/config -update`; docs/configuration.md has the same as tables.\n")
	c := Default()
	root := reflect.ValueOf(&c).Elem()
	for i := range root.NumField() {
		sf := root.Type().Field(i)
		name := sf.Tag.Get("yaml")
		fmt.Fprintf(&b, "\n# %s\n", sf.Tag.Get("doc"))
		switch sf.Type.Kind() {
		case reflect.Struct:
			fmt.Fprintf(&b, "%s:\n", name)
			settings(&b, "  ", root.Field(i))
		case reflect.Map:
			fmt.Fprintf(&b, "%s:\n  studio/one:\n", name)
			settings(&b, "    ", reflect.ValueOf(Stream{PublishKeys: []Secret{"change-this-key"}}))
		default:
			fmt.Fprintf(&b, "%s: %s\n", name, yamlValue(root.Field(i)))
		}
	}
	return b.Bytes()
}

func settings(b *bytes.Buffer, indent string, v reflect.Value) {
	var fs []field
	walk(v, "", &fs)
	for _, f := range fs {
		value := yamlValue(f.value)
		if keys, ok := f.value.Interface().([]Secret); ok {
			value = "[" + keys[0].Reveal() + "]"
		}
		fmt.Fprintf(b, "%s# %s [%s]\n%s%s: %s\n", indent, f.doc, f.unit, indent, f.path, value)
	}
}
