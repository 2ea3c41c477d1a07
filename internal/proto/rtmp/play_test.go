package rtmp

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/media"
)

// TestChunkRun reads what a chunkRun builds with the reader of chunks.
func TestChunkRun(t *testing.T) {
	var r chunkRun
	var want []message
	for _, at := range []timestamp{0, 0xFFFFFE, 0xFFFFFF, 0xFFFFFFFF} {
		for _, size := range []int{0, 1, 300, smallPayload, smallPayload + 1, ourChunkSize - 5, ourChunkSize - 4, 4*ourChunkSize + 7} {
			data := bytes.Repeat([]byte{0xC4}, size) // like a type 3 header
			r.add(chunkStreamVideo, typeVideo, at, []byte("head!"), data)
			want = append(want, message{chunkStreamVideo, typeVideo, playStream, at, append([]byte("head!"), data...)})
		}
	}
	parts, size := r.take()
	b := slices.Concat(parts...)
	if len(b) != size {
		t.Errorf("got %d bytes, said to be %d", len(b), size)
	}
	in := newChunkReader(bufio.NewReader(bytes.NewReader(b)))
	in.chunkSize = ourChunkSize
	for i, w := range want {
		got, err := in.next()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w, got, cmp.AllowUnexported(message{})); d != "" {
			t.Fatalf("message %d (-want +got):\n%s", i, d)
		}
	}
}

// summary writes tags in a short form.
func summary(tags []message) (s []string) {
	for _, m := range tags {
		switch m.kind {
		case typeDataAMF0:
			v, _ := m.values()
			s = append(s, fmt.Sprint(v[0]))
		case typeVideo, typeAudio:
			parse := tagParser(parseVideo)
			if m.kind == typeAudio {
				parse = parseAudio
			}
			p, err := parse(nil, m.payload)
			if err != nil || len(p) != 1 {
				return append(s, fmt.Sprint("bad tag: ", err))
			}
			text := fmt.Sprintf("%d %v %d %v", uint32(m.time), p[0].codec, p[0].track, p[0].kind)
			if p[0].key() {
				text += " key"
			}
			s = append(s, text)
		}
	}
	return s
}

func TestPlay(t *testing.T) {
	s, hub, _ := playServer(t, 0)
	addr := listen(t, s, nil)
	c := newClip(t, hub, "a")
	for range 32 { // a whole GOP that is old, and two frames
		c.frame(2000)
	}
	p := dialPlay(t, addr, "a", nil)
	var tags []message
	for range 8 {
		m, err := p.tag()
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, m)
	}
	large := clipVideo
	large.Config = []byte("\x01\x64\x00\x28avcC")
	for c.frames < 60 {
		c.frame(10)
	}
	c.video.Append(newInit(large))
	c.frame(200_000)
	c.End()
	rest, err := p.all()
	if err != nil {
		t.Fatal(err)
	}
	tags = append(tags, rest...)
	got := summary(tags)
	want := []string{"|RtmpSampleAccess", "onMetaData", "1000 h264 0 config key", "1000 aac 0 config", "1000 h264 0 frame key",
		"981 aac 0 frame", "1003 aac 0 frame", "1033 h264 0 frame"}
	if d := cmp.Diff(want, got[:8]); d != "" {
		t.Errorf("begin (-want +got):\n%s", d)
	}
	end := slices.Index(got, "2000 h264 0 frame key")
	if end < 0 {
		t.Fatalf("no second key frame in %q", got)
	}
	if got := got[end-3 : end]; got[1] != "onMetaData" || !strings.HasSuffix(got[2], "h264 0 config key") {
		t.Errorf("before a key frame with new configuration: got %q", got)
	}
	pictures := 0
	for _, g := range got {
		if strings.Contains(g, "h264 0 frame") {
			pictures++
		}
	}
	if pictures != 31 {
		t.Errorf("got %d pictures, want 31", pictures)
	}
	wantStatus := []string{"NetStream.Play.Reset", "NetStream.Play.Start", "NetStream.Play.UnpublishNotify", "NetStream.Play.Stop"}
	if d := cmp.Diff(wantStatus, p.statuses); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
}

func TestPlayAbsentStream(t *testing.T) {
	s, _, _ := playServer(t, 0)
	p := dialPlay(t, listen(t, s, nil), "nothing", nil)
	if tags, err := p.all(); err != nil || len(tags) > 0 {
		t.Errorf("got %d tags, %v, want an orderly end", len(tags), err)
	}
	if d := cmp.Diff([]string{codeNotFound}, p.statuses); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
}

// TestPlaySameBytes: all players get the same bytes, whenever they came.
func TestPlaySameBytes(t *testing.T) {
	s, hub, _ := playServer(t, 0)
	addr := listen(t, s, nil)
	c := newClip(t, hub, "a")
	c.frame(70_000)
	first := dialPlay(t, addr, "a", nil)
	for range 4 { // until its first frame: the fanout is there
		if _, err := first.tag(); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		c.frame(2000)
	}
	second := dialPlay(t, addr, "a", nil)
	if _, err := second.tag(); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		c.frame(2000)
	}
	c.End()
	a, errA := first.all()
	b, errB := second.all()
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	const tail = 50
	if d := cmp.Diff(a[len(a)-tail:], b[len(b)-tail:], cmp.AllowUnexported(message{})); d != "" {
		t.Errorf("players differ:\n%s", d)
	}
}

// TestPlayMultitrack: only players that say they understand multitrack get more than
// the default tracks.
func TestPlayMultitrack(t *testing.T) {
	s, hub, _ := playServer(t, 0)
	addr := listen(t, s, nil)
	c := newClip(t, hub, "a")
	second := c.track(t, "a2", media.Init{Codec: media.Opus, Config: []byte{0, 2, 1, 0x38, 0, 0, 0xBB, 0x80, 0, 0, 0}, SampleRate: 48000, Channels: 2})
	for range 3 {
		c.frame(2000)
		second.Append(media.Entry{Sample: media.Sample{DTS: clipEpoch * 48000, PTS: clipEpoch * 48000, Sync: true, Data: []byte("opus")}})
	}
	c.End()
	for connect, want := range map[*Object]int{{}: 0, {{"capsEx", 2.0}}: 4} {
		tags, err := dialPlay(t, addr, "a", *connect).all()
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, line := range summary(tags) {
			if strings.Contains(line, "opus 1") {
				got++
			}
		}
		if got != want {
			t.Errorf("connect with %v: got %d messages of the second track, want %d", *connect, got, want)
		}
	}
}

func TestPlayTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	s, hub, _ := playServer(t, 0)
	addr := listen(t, s, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
	c := newClip(t, hub, "a")
	for range 5 {
		c.frame(150_000)
	}
	c.End()
	nc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	p, err := play(nc, "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := p.all()
	if err != nil {
		t.Fatal(err)
	}
	pictures := 0
	for _, m := range tags {
		if m.kind == typeVideo && len(m.payload) == 150_000+5 {
			pictures++
		}
	}
	if pictures != 5 {
		t.Errorf("got %d whole pictures, want 5", pictures)
	}
}

// TestFault_Q1_SlowPlayers: players that read 1 kB/s do not slow the stream or another
// player down, and cost little memory; they are closed or skip.
func TestFault_Q1_SlowPlayers(t *testing.T) {
	const players, seconds = 1000, 30
	synctest.Test(t, func(t *testing.T) {
		s, hub, broker := playServer(t, DefaultMergeLatency)
		c := newClip(t, hub, "a")
		c.frame(100)
		var wg sync.WaitGroup
		var fast atomic.Uint64
		before := heap()
		for range players {
			nc := pipe(t, s, &wg)
			wg.Go(func() {
				defer nc.Close()
				if _, err := play(nc, "a", nil); err != nil {
					t.Error(err)
					return
				}
				buf := make([]byte, 1000)
				for {
					if _, err := nc.Read(buf); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			})
		}
		nc := pipe(t, s, &wg)
		wg.Go(func() {
			defer nc.Close()
			p, err := play(nc, "a", nil)
			if err != nil {
				t.Error(err)
				return
			}
			tags, err := p.all()
			if err != nil {
				t.Error(err)
			}
			for _, m := range tags {
				if m.kind == typeVideo {
					fast.Add(1)
				}
			}
		})
		synctest.Wait()
		for n := range seconds * 30 {
			c.frame(12_000)
			time.Sleep(time.Second / 30)
			if n == 150 {
				if per := (heap() - before) / players; per > 256<<10 {
					t.Errorf("%d bytes for each slow player", per)
				} else {
					t.Logf("%d bytes for each slow player, both ends and the stream included", per)
				}
			}
		}
		c.End()
		synctest.Wait()
		time.Sleep(2 * writeTimeout)
		wg.Wait()
		if got := fast.Load(); got != seconds*30+2 {
			t.Errorf("the fast player got %d video messages, want %d", got, seconds*30+2)
		}
		if n := len(broker.Sessions()); n != 0 {
			t.Errorf("%d sessions left", n)
		}
		if len(s.fans.byStream) != 0 {
			t.Error("the fanout is left")
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// TestFault_Q2_StoppedPlayer: a player that stops reading is closed when one write has
// taken 10 s, and neither before nor by a limit on the whole.
func TestFault_Q2_StoppedPlayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, hub, broker := playServer(t, 0)
		c := newClip(t, hub, "a")
		c.mute = true // one message a picture: none is under way while the player pauses
		c.frame(100)
		var wg sync.WaitGroup
		nc := pipe(t, s, &wg)
		defer nc.Close()
		p, err := play(nc, "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 { // to the end of the configuration
			if _, err := p.tag(); err != nil {
				t.Fatal(err)
			}
		}
		for range 30 { // a minute of slow life
			for {
				m, err := p.tag()
				if err != nil {
					t.Fatal(err)
				}
				if m.kind == typeVideo {
					break
				}
			}
			time.Sleep(2 * time.Second)
			c.frame(100)
		}
		stopped := time.Now()
		for len(broker.Sessions()) > 0 {
			c.frame(10_000)
			time.Sleep(100 * time.Millisecond)
			if time.Since(stopped) > time.Minute {
				t.Fatal("a player that does not read is still there")
			}
		}
		if took := time.Since(stopped); took < writeTimeout || took > writeTimeout+time.Second {
			t.Errorf("closed after %v, want %v", took, writeTimeout)
		}
		c.End()
		wg.Wait()
	})
}

// TestPlayLag: a player that is more than the log behind goes on at the newest key frame.
func TestPlayLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, hub, broker := playServer(t, 0)
		c := newClip(t, hub, "a")
		c.frame(3000)
		var wg sync.WaitGroup
		nc := pipe(t, s, &wg)
		defer nc.Close()
		p, err := play(nc, "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, err := p.tag(); err != nil {
				t.Fatal(err)
			}
		}
		for range 300 {
			c.frame(3000)
			time.Sleep(time.Second / 60) // twice as fast as it plays: ten seconds in five
		}
		sessions := broker.Sessions()
		c.End()
		tags, err := p.all()
		if err != nil {
			t.Fatal(err)
		}
		got := summary(tags)
		resumed := slices.Index(got, "onMetaData")
		if resumed < 0 || !slices.Equal(got[resumed+1:resumed+4], []string{"11000 h264 0 config key", "11000 aac 0 config", "11000 h264 0 frame key"}) {
			t.Errorf("no new start at the newest key frame in %q", got)
		}
		if dropped := sessions[0].Dropped.Load(); dropped < 400 {
			t.Errorf("%d dropped messages counted, want more than 400", dropped)
		}
		nc.Close()
		wg.Wait()
	})
}

// TestPlayDeleteStream: a player may end its playback and keep the connection.
func TestPlayDeleteStream(t *testing.T) {
	s, hub, broker := playServer(t, 0)
	c := newClip(t, hub, "a")
	c.frame(100)
	p := dialPlay(t, listen(t, s, nil), "a", nil)
	for range 5 {
		if _, err := p.tag(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.out.send(command{"deleteStream", 0, []any{nil, 1.0}}.message(3, 0), command{"getStreamLength", 9, []any{nil}}.message(3, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if m.kind != typeCommandAMF0 {
			continue
		}
		if cmd, _ := m.command(); cmd.name == "_result" && cmd.transaction == 9 {
			break
		}
	}
	if n := len(broker.Sessions()); n != 0 {
		t.Errorf("%d sessions left", n)
	}
	s.fans.mu.Lock()
	defer s.fans.mu.Unlock()
	if len(s.fans.byStream) != 0 {
		t.Error("the fanout is left")
	}
}
