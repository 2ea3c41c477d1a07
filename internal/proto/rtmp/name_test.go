package rtmp

import "testing"

func TestParseAddress(t *testing.T) {
	for _, c := range []struct{ app, name, stream, credential string }{
		{"live", "cam", "cam", ""},
		{"live", "cam?key=s3", "cam", "s3"},
		{"live", "cam?a=b&token=t&key=s3", "cam", "t"},
		{"live/inst", "cam?key=x", "inst/cam", "x"},
		{"app/inst", "key?tok=x", "app/inst/key", ""},
		{"live/cam", "", "cam", ""},
		{"live/cam?key=x", "", "cam", "x"},
		{"live?key=x", "cam", "cam", "x"},
		{"live?key=x", "cam?key=y", "cam", "y"},
		{"", "live/cam", "cam", ""},
		{"/live/", "/cam/", "cam", ""},
		{"live//", "cam", "/cam", ""},
		{"live", "a//cam", "a//cam", ""},
		{"live", "", "", ""},
		{"studio", "live", "studio/live", ""},
		{"live", "live/cam", "live/cam", ""},
		{"live", "cam?s3cret", "cam", "s3cret"},
		{"live", "cam?key=a%2Bb", "cam", "a+b"},
		{"live", "cam?key=a+b", "cam", "a+b"},
		{"live", "cam?key=100%", "cam", "100%"},
		{"live", "cam?key=a?b=c", "cam", "a?b=c"},
		{"live", "cam?key=", "cam", ""},
	} {
		got := parseAddress(c.app, c.name, []string{"live"})
		if got.stream != c.stream || string(got.credential) != c.credential {
			t.Errorf("%q, %q: got %q with %q, want %q with %q", c.app, c.name, got.stream, string(got.credential), c.stream, c.credential)
		}
	}
}

func TestAppOf(t *testing.T) {
	for _, c := range []struct {
		in   Object
		want string
	}{
		{Object{{"app", "live"}, {"tcUrl", "rtmp://h/other"}}, "live"},
		{Object{{"tcurl", `"rtmp://h:1935/live/inst"`}}, "live/inst"},
		{Object{{"tcUrl", "rtmp://h"}}, ""},
		{Object{{"tcUrl", "nonsense"}}, ""},
		{Object{{"tcUrl", 5.0}}, ""},
		{nil, ""},
	} {
		if got := appOf(c.in); got != c.want {
			t.Errorf("%v: got %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("live", "cam?key=%zz")
	f.Add("live/inst?x", "//../\x00")
	f.Fuzz(func(t *testing.T, app, name string) { parseAddress(app, name, []string{"live"}) })
}
