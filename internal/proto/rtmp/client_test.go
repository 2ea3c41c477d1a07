package rtmp

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/codecs"
)

// foreign runs serve for one connection of gortmplib's server, and returns a client's
// URL and what waits for serve.
func foreign(t *testing.T, serve func(*gortmplib.ServerConn) error) (url string, wait func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer l.Close()
		nc, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer nc.Close()
		sc := &gortmplib.ServerConn{RW: nc}
		if err = sc.Initialize(); err == nil {
			if err = sc.AcceptConn(); err == nil {
				err = serve(sc)
			}
		}
		done <- err
	}()
	return "rtmp://" + l.Addr().String() + "/live/cam?key=x", func() {
		t.Helper()
		if err := <-done; err != nil {
			t.Error("gortmplib:", err)
		}
	}
}

func TestClientPublishesToGortmplib(t *testing.T) {
	var got [][]byte
	url, wait := foreign(t, func(sc *gortmplib.ServerConn) error {
		if sc.URL.Path != "/live/cam" || sc.URL.RawQuery != "key=x" || !sc.Publish {
			t.Errorf("publish %v of %v", sc.Publish, sc.URL)
		}
		r := &gortmplib.Reader{Conn: sc}
		if err := r.Initialize(); err != nil {
			return err
		}
		for _, track := range r.Tracks() {
			r.OnDataH264(track, func(_, _ time.Duration, au [][]byte) { got = append(got, au...) })
		}
		for {
			if err := r.Read(); err != nil || len(got) >= 41 { // 40 pictures, and the parameter sets
				return err
			}
		}
	})
	c, err := Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Publish(); err != nil {
		t.Fatal(err)
	}
	writeTags(t, c, Tag{9, 0, avcConfigTag})
	for i := range uint32(60) {
		tag := avcInterTag
		if i == 0 {
			tag = avcKeyTag
		}
		if c.WriteTag(Tag{9, 100 * i, tag}) != nil {
			break // it has enough
		}
	}
	wait()
	if len(got) < 41 || !bytes.Contains(bytes.Join(got, nil), avcKeyTag[9:]) {
		t.Errorf("gortmplib got %d units", len(got))
	}
}

func TestClientPlaysFromGortmplib(t *testing.T) {
	url, wait := foreign(t, func(sc *gortmplib.ServerConn) error {
		track := &gortmplib.Track{Codec: &codecs.H264{SPS: avcConfigTag[13:35], PPS: avcConfigTag[38:]}}
		w := &gortmplib.Writer{Conn: sc, Tracks: []*gortmplib.Track{track}}
		if err := w.Initialize(); err != nil {
			return err
		}
		return w.WriteH264(track, time.Second, time.Second, [][]byte{{0x65, 1, 2, 3}})
	})
	c, err := Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Play(); err != nil {
		t.Fatal(err)
	}
	for {
		tag, err := c.ReadTag()
		if err != nil {
			t.Fatal(err)
		}
		if tag.Type == 9 && bytes.HasSuffix(tag.Data, []byte{0, 0, 0, 4, 0x65, 1, 2, 3}) {
			if tag.Time != 1000 {
				t.Errorf("picture at %d", tag.Time)
			}
			break
		}
	}
	wait()
}

func TestDialRefusesURL(t *testing.T) {
	for _, url := range []string{"http://h/live/cam", "rtmp://%zz/", "rtmp://127.0.0.1:1/live/cam?key=secret"} {
		_, err := Dial(t.Context(), url, nil)
		if err == nil || bytes.Contains([]byte(err.Error()), []byte("secret")) {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
