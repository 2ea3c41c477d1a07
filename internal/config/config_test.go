package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "headrace.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestLoadOrderOfOverride(t *testing.T) {
	path := write(t, "rtmp:\n  addr: \":1\"\nhttp:\n  addr: \":1\"\nsegment:\n  duration: 4s\ningest:\n  hold: 12s\n")
	c, err := Load(path,
		[]string{"HEADRACE_HTTP_ADDR=:2", "HEADRACE_SEGMENT_DURATION=3s", "HEADRACE_RTMP_APPS=live, studio", "PATH=/bin"},
		[]string{"segment.duration=1s", "auth.anonymous_play=false", "limits.max_streams=7"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.RTMP.Addr = ":1"               // file
	want.Ingest.Hold = 12 * time.Second // file
	want.HTTP.Addr = ":2"               // environment over file
	want.RTMP.Apps = []string{"live", "studio"}
	want.Segment.Duration = time.Second // flag over environment over file
	want.Auth.AnonymousPlay = false
	want.Limits.MaxStreams = 7
	if d := cmp.Diff(want, c); d != "" {
		t.Errorf("configuration (-want +got):\n%s", d)
	}
}

func TestLoadStreams(t *testing.T) {
	c, err := Load(write(t, "streams:\n  studio/one:\n    publish_keys: [first-key, second-key]\n    on_second_publisher: takeover\n"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	want := map[string]Stream{"studio/one": {PublishKeys: []Secret{"first-key", "second-key"}, OnSecondPublisher: Takeover}}
	if d := cmp.Diff(want, c.Streams); d != "" {
		t.Errorf("streams (-want +got):\n%s", d)
	}
	if got := c.Policy("studio/one"); got != Takeover {
		t.Errorf("policy of studio/one: %v", got)
	}
	if got := c.Policy("unlisted"); got != Reject {
		t.Errorf("policy of a stream that is not listed: %v", got)
	}
}

func TestLoadEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "rtmp:\n", "rtmp:\nhttp:\n  # addr: \":80\"\n"} {
		c, err := Load(write(t, text), nil, nil)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if d := cmp.Diff(Default(), c); d != "" {
			t.Errorf("%q changes the defaults:\n%s", text, d)
		}
	}
}

func TestLoadErrorsSayWhere(t *testing.T) {
	const secret = "dont-show-me"
	for _, c := range []struct {
		name, file string
		env, sets  []string
		want       []string
	}{
		{name: "unknown key", file: "auth:\n  publish_key: " + secret + "\nrtmp:\n  adr: \":1\"\n", want: []string{"line 4, column 3", "adr"}},
		{name: "unknown section", file: "rtpm:\n  addr: \":1\"\n", want: []string{"line 1", "rtpm"}},
		{name: "wrong type", file: "rtmp:\n  max_connections: many\n", want: []string{"line 2"}},
		{name: "no duration", file: "segment:\n  part: half\n", want: []string{"half"}},
		{name: "two documents", file: "rtmp:\n  addr: x\n---\nrtmp:\n  addr: y\n", want: []string{"more than one"}},
		{name: "not a mapping", file: "- a\n", want: []string{"line 1"}},
		{name: "secret of a wrong type", file: "auth:\n  publish_key: [" + secret + "]\n", want: []string{"line 2"}},
		{name: "not YAML", file: "rtmp: [\n", want: []string{"line 1"}},
		{name: "environment", env: []string{"HEADRACE_SEGMENT_PART=half"}, want: []string{"HEADRACE_SEGMENT_PART", "500ms"}},
		{name: "flag without value", sets: []string{"rtmp.addr"}, want: []string{"section.key=value"}},
		{name: "flag of no setting", sets: []string{"rtmp.adr=:1"}, want: []string{"rtmp.adr", "no such setting"}},
		{name: "all at once", sets: []string{"http.h2c=perhaps", "limits.max_streams=x"}, want: []string{"http.h2c", "limits.max_streams"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(write(t, c.file), c.env, c.sets)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows a secret: %q", err)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
}

func TestValidateNamesEverySetting(t *testing.T) {
	for _, c := range []struct {
		setting string
		change  func(*Config)
	}{
		{"rtmp.addr", func(c *Config) { c.RTMP.Addr = "1935" }},
		{"rtmp.tls_addr", func(c *Config) { c.RTMP.TLSAddr = ":seven" }},
		{"http.addr", func(c *Config) { c.HTTP.Addr = "" }},
		{"tls.cert_file", func(c *Config) { c.HTTP.TLSAddr = ":443" }},
		{"tls.key_file", func(c *Config) { c.RTMP.TLSAddr = ":443" }},
		{"rtmp.addr", func(c *Config) { c.RTMP.Addr = c.HTTP.Addr }},
		{"rtmp.apps", func(c *Config) { c.RTMP.Apps = nil }},
		{"rtmp.apps", func(c *Config) { c.RTMP.Apps = []string{"../live"} }},
		{"rtmp.merge_latency", func(c *Config) { c.RTMP.MergeLatency = -1 }},
		{"rtmp.max_connections", func(c *Config) { c.RTMP.MaxConnections = 0 }},
		{"auth.publish_key", func(c *Config) { c.Auth.PublishKey = "short" }},
		{"auth.admin_token", func(c *Config) { c.Auth.AdminToken = "has a blank in it" }},
		{"streams.a b", func(c *Config) { c.Streams = map[string]Stream{"a b": {}} }},
		{"streams.a.publish_keys[0]", func(c *Config) { c.Streams = map[string]Stream{"a": {PublishKeys: []Secret{""}}} }},
		{"streams.a.on_second_publisher", func(c *Config) { c.Streams = map[string]Stream{"a": {OnSecondPublisher: "both"}} }},
		{"segment.duration", func(c *Config) { c.Segment.Duration = 2 }}, // what "duration: 2" means to YAML
		{"segment.part", func(c *Config) { c.Segment.Part = 3 * time.Second }},
		{"segment.window", func(c *Config) { c.Segment.Window = 4 * time.Second }},
		{"limits.max_streams", func(c *Config) { c.Limits.MaxStreams = -1 }},
		{"log.level", func(c *Config) { c.Log.Level = "loud" }},
		{"log.format", func(c *Config) { c.Log.Format = "xml" }},
		{"data_dir", func(c *Config) { c.DataDir = "" }},
	} {
		cfg := Default()
		c.change(&cfg)
		se, ok := errors.AsType[*SettingError](cfg.Validate())
		for _, e := range unjoin(cfg.Validate()) {
			if s, _ := errors.AsType[*SettingError](e); s.Setting == c.setting {
				se = s
			}
		}
		if !ok || se.Setting != c.setting || se.Hint == "" {
			t.Errorf("%s: got %v", c.setting, cfg.Validate())
		}
	}
}

func TestValidateReturnsAllErrors(t *testing.T) {
	c := Default()
	c.Log.Level, c.DataDir, c.RTMP.Addr = "loud", "", "x"
	if got := len(unjoin(c.Validate())); got != 3 {
		t.Errorf("%d errors, want 3:\n%v", got, c.Validate())
	}
}

func unjoin(err error) []error {
	j, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	return j.Unwrap()
}

func TestSecretShowsItselfNowhere(t *testing.T) {
	const canary = "canary-0123456789"
	c := Default()
	c.Auth.PublishKey = canary
	c.Streams = map[string]Stream{"a": {PublishKeys: []Secret{canary}}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%T %v"} {
		fmt.Fprintf(&out, verb+"\n", c, c.Auth.PublishKey)
	}
	fmt.Fprint(&out, c.Auth.PublishKey, &c)
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	out.Write(y)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "key", c.Auth.PublishKey, "config", c)
	}
	got := out.String()
	if strings.Contains(got, canary) || strings.Contains(got, fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret is in:\n%s", got)
	}
	if !strings.Contains(string(j), `"***"`) || !strings.Contains(string(y), "***") {
		t.Errorf("no *** where the secret stood:\n%s\n%s", j, y)
	}
	if c.Auth.PublishKey.Reveal() != canary {
		t.Error("Reveal does not")
	}
}

func TestEnsureSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	first := Default()
	first.DataDir = dir
	made, err := first.EnsureSecrets()
	if err != nil {
		t.Fatal(err)
	}
	if !made.PublishKey || !made.AdminToken {
		t.Errorf("made %+v at the first start", made)
	}
	if err := first.Validate(); err != nil {
		t.Errorf("generated secrets are not valid: %v", err)
	}
	if first.Auth.PublishKey == first.Auth.AdminToken {
		t.Error("key and token are the same")
	}
	st, err := os.Stat(filepath.Join(dir, "secrets.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("secrets.yaml has mode %v", st.Mode())
	}

	second := Default()
	second.DataDir = dir
	if made, err = second.EnsureSecrets(); err != nil || made != (Generated{}) {
		t.Errorf("second start: made %+v, %v", made, err)
	}
	if second.Auth != first.Auth {
		t.Error("the second start has other secrets")
	}

	own := Default()
	own.DataDir = dir
	own.Auth.AdminToken = "chosen-by-a-person"
	if _, err = own.EnsureSecrets(); err != nil {
		t.Fatal(err)
	}
	if own.Auth.AdminToken != "chosen-by-a-person" || own.Auth.PublishKey != first.Auth.PublishKey {
		t.Error("the operator's own setting does not win alone")
	}
}

func TestEnsureSecretsDamagedFile(t *testing.T) {
	c := Default()
	c.DataDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(c.DataDir, secretsFile), []byte("publish_key: [dont-show-me"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.EnsureSecrets()
	if err == nil || strings.Contains(err.Error(), "dont-show-me") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownEnv(t *testing.T) {
	got := UnknownEnv([]string{"HEADRACE_RTMP_ADR=x", "HEADRACE_RTMP_ADDR=:1", "HOME=/", "HEADRACE_PORT=tcp://1"})
	if d := cmp.Diff([]string{"HEADRACE_PORT", "HEADRACE_RTMP_ADR"}, got); d != "" {
		t.Error(d)
	}
}
