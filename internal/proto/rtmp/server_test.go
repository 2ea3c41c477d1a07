package rtmp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/internal/session"
)

func TestPublish(t *testing.T) {
	r := loopback(t, Options{}, door{})
	c, src := r.publish("studio/cam-1?key=secret")
	if got := src.session.Stream; got != "studio/cam-1" {
		t.Errorf("stream %q, want %q", got, "studio/cam-1")
	}
	writeTags(t, c,
		Tag{9, 1000, avcInterTag}, // before its configuration: dropped, counted
		Tag{18, 1000, appendAMF(nil, "@setDataFrame", "onMetaData", ECMAArray{{"width", 96.0}})},
		Tag{9, 1000, avcConfigTag}, Tag{9, 1000, avcConfigTag}, Tag{8, 1000, aacConfigTag},
		Tag{9, 1000, avcKeyTag}, Tag{8, 1010, aacFrameTag}, Tag{9, 1040, avcInterTag}, Tag{8, 1040, nil})
	c.Close()
	if err := src.end(t); err != nil {
		t.Errorf("ended with %v, want a goodbye", err)
	}
	inits, video := src.track(videoRef)
	if len(inits) != 1 || len(video) != 2 {
		t.Fatalf("video: %d configurations, %d samples", len(inits), len(video))
	}
	if s := video[0]; s.DTS != 90_000 || s.PTS != 90_000 || !s.Sync || string(s.Data) != string(avcKeyTag[5:]) {
		t.Errorf("first picture: %+v", s)
	}
	if s := video[1]; s.DTS != 93_600 || s.PTS != 97_200 || s.Sync {
		t.Errorf("second picture: %+v", s)
	}
	inits, audio := src.track(audioRef)
	if len(inits) != 1 || len(audio) != 1 {
		t.Fatalf("audio: %d configurations, %d samples", len(inits), len(audio))
	}
	if s := audio[0]; s.DTS != 44541 || s.PTS != s.DTS || !s.Sync || string(s.Data) != string(aacFrameTag[2:]) {
		t.Errorf("audio frame: %+v", s)
	}
	if got := src.session.Dropped.Load(); got != 1 {
		t.Errorf("%d dropped, want 1", got)
	}
	if strings.Contains(r.log.String(), "secret") {
		t.Errorf("the key is in the log:\n%s", r.log)
	}
}

func TestConnectionLost(t *testing.T) {
	r := loopback(t, Options{}, door{})
	c, src := r.publish("cam?key=secret")
	c.nc.Close()
	if err := src.end(t); !errors.Is(err, errLost) {
		t.Errorf("ended with %v, want %v", err, errLost)
	}
}

func TestKick(t *testing.T) {
	r := loopback(t, Options{}, door{})
	c, src := r.publish("cam?key=secret")
	if !r.broker.Kick(src.session.ID) {
		t.Fatal("no such session")
	}
	if err := src.end(t); !errors.Is(err, session.ErrKicked) {
		t.Errorf("ended with %v", err)
	}
	<-c.ended
}

// Before it is let in, a peer gets no room for long messages.
func TestFault_R3_LongMessageBeforePublish(t *testing.T) {
	r := loopback(t, Options{}, door{})
	err := r.commands(message{chunkStream: 6, kind: typeVideo, stream: 1, payload: make([]byte, maxValues+1)})
	if err == nil {
		t.Error("taken")
	}
	for r.server.Stats.Broken.Load() == 0 {
		runtime.Gosched()
	}
	c, src := r.publish("cam?key=secret")
	long := append(append([]byte{}, avcKeyTag[:5]...), "\x00\x01\x00\x00"+strings.Repeat("x", 1<<16)...)
	writeTags(t, c, Tag{9, 0, avcConfigTag}, Tag{9, 0, long})
	src.await(t, videoRef, 1)
}

func TestPublishAgainOnOneConnection(t *testing.T) {
	r := loopback(t, Options{}, door{})
	c, src := r.publish("cam?key=secret")
	_ = c.out.send(command{"deleteStream", 0, []any{nil, 1.0}}.message(chunkStreamCommand, 0))
	if err := src.end(t); err != nil {
		t.Errorf("first: ended with %v", err)
	}
	_ = c.out.send(command{"publish", 0, []any{nil, "cam?key=secret"}}.message(chunkStreamStatus, 1))
	<-r.sink.opened
}

// Unknown streams and wrong keys get the same bytes.
func TestRefusalsLookAlike(t *testing.T) {
	r := loopback(t, Options{}, door{})
	var texts []string
	for _, name := range []string{"cam?key=wrong", "unknown?key=wrong", "cam"} {
		err := r.dial(name, nil).Publish()
		wantRefusal(t, err, codeDenied)
		texts = append(texts, err.Error())
	}
	if texts[0] != texts[1] || texts[1] != texts[2] {
		t.Errorf("got %q", texts)
	}
}

// commands sends rows of commands to a fresh server and returns the first refusal.
func (r *rig) commands(commands ...message) error {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer nc.Close()
	c := &Client{wire: newWire(nc)}
	c.wait.until = time.Now().Add(5 * time.Second)
	if err := offerHandshake(c.br, nc); err != nil {
		r.t.Fatal(err)
	}
	if err := c.out.send(commands...); err != nil {
		return err
	}
	_, err = c.await(func(command) bool { return false })
	return err
}

func TestFault_R6_OutOfOrder(t *testing.T) {
	r := loopback(t, Options{}, door{})
	call := func(stream uint32, name string, args ...any) message {
		return command{name, 1, append([]any{nil}, args...)}.message(chunkStreamCommand, stream)
	}
	connect := command{"connect", 1, []any{Object{{"app", "live"}}}}.message(chunkStreamCommand, 0)
	create, publish := call(0, "createStream"), call(1, "publish", "cam?key=secret", "live")
	video := message{chunkStream: 6, kind: typeVideo, stream: 1, payload: avcKeyTag}
	for name, c := range map[string]struct {
		in   []message
		code string
	}{
		"publish before connect":       {[]message{publish}, codeNoCall},
		"createStream before connect":  {[]message{create}, codeNoCall},
		"connect twice":                {[]message{connect, connect}, codeNoCall},
		"publish without createStream": {[]message{connect, publish}, codeBadName},
		"play without createStream":    {[]message{connect, call(1, "play", "cam")}, codeNoPlay},
		"publish twice":                {[]message{connect, create, publish, publish}, codeBadName},
		"play while publishing":        {[]message{connect, create, publish, call(1, "play", "cam")}, codeNoPlay},
		"too many streams":             {append([]message{connect}, slices.Repeat([]message{create}, 9)...), codeNoCall},
		"video before connect":         {[]message{video, publish}, codeNoCall},
		"video before publish":         {[]message{connect, create, video, call(1, "publish", "cam?key=wrong")}, codeDenied},
		"unknown types and calls": {[]message{{chunkStream: 9, kind: 77, payload: []byte("x")}, connect,
			{chunkStream: 9, kind: typeSharedObjectAMF0}, call(0, "pause", true), call(0, "nonsense"), create, call(1, "publish", "cam?key=wrong")}, codeDenied},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{t: t, addr: r.addr}
			wantRefusal(t, r.commands(c.in...), c.code)
		})
	}
	t.Run("command that is none", func(t *testing.T) {
		r := &rig{t: t, addr: r.addr}
		if err := r.commands(connect, message{chunkStream: 3, kind: typeCommandAMF0, payload: []byte{0x42}}); err == nil {
			t.Error("taken")
		}
	})
	t.Run("aggregate while publishing", func(t *testing.T) {
		r := loopback(t, Options{}, door{})
		c, src := r.publish("cam?key=secret")
		row := flvTag(typeAudio, 500, string(aacConfigTag)) + flvTag(typeAudio, 500, string(aacFrameTag)) + flvTag(typeAudio, 523, string(aacFrameTag))
		writeTags(t, c, Tag{uint8(typeAggregate), 1000, []byte(row)})
		if s := src.await(t, audioRef, 2); s[0].DTS != 44100 || s[1].DTS != 45114 {
			t.Errorf("at %d and %d", s[0].DTS, s[1].DTS)
		}
	})
}

func TestFault_R8_Names(t *testing.T) {
	r := loopback(t, Options{}, door{})
	connect := func(o Object) message { return command{"connect", 1, []any{o}}.message(chunkStreamCommand, 0) }
	create := command{"createStream", 2, []any{nil}}.message(chunkStreamCommand, 0)
	for name, stream := range map[string]any{
		"empty": "", "only a query": "?key=secret", "number": 5.0, "null": nil, "NUL": "ca\x00m?key=secret", "parent": "../cam?key=secret",
		"escaped parent": "%2e%2e/cam?key=secret", "backslash": `a\cam?key=secret`, "look-alike": "саm?key=secret",
		"two slashes": "a//cam?key=secret", "129 bytes": strings.Repeat("a", 129) + "?key=secret", "40 KiB": strings.Repeat("a", 40<<10) + "?key=secret",
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{t: t, addr: r.addr}
			publish := command{"publish", 0, []any{nil, stream}}.message(chunkStreamCommand, 1)
			wantRefusal(t, r.commands(connect(Object{{"app", "live"}}), create, publish), codeBadName)
		})
	}
	publish := command{"publish", 0, []any{nil, "cam?key=wrong"}}.message(chunkStreamCommand, 1)
	for name, o := range map[string]Object{"no app, no tcUrl": nil, "app of 40 KiB": {{"app", strings.Repeat("a", 40<<10)}}} {
		code := map[bool]string{true: codeDenied, false: codeBadName}[o == nil]
		wantRefusal(t, (&rig{t: t, addr: r.addr}).commands(connect(o), create, publish), code)
		_ = name
	}
}

// The publication goes on where a configuration changes; one that is repeated is no change.
func TestConfigurationChanges(t *testing.T) {
	r := loopback(t, Options{}, door{})
	c, src := r.publish("cam?key=secret")
	writeTags(t, c, Tag{8, 0, aacConfigTag}, Tag{8, 0, aacFrameTag}, Tag{8, 23, aacConfigTag}, Tag{8, 23, aacFrameTag},
		Tag{8, 46, []byte("\xaf\x00\x11\x90")}, Tag{8, 46, aacFrameTag}, // 48 kHz, stereo
		Tag{8, 69, []byte("\xaf\x00\x00")}, Tag{8, 69, aacFrameTag}) // nonsense: what was there stays
	samples := src.await(t, audioRef, 4)
	inits, _ := src.track(audioRef)
	if len(inits) != 2 || inits[0].SampleRate != 44100 || inits[1].SampleRate != 48000 || inits[1].Channels != 2 {
		t.Errorf("configurations %+v", inits)
	}
	if samples[1].DTS != 1014 || samples[3].DTS != 3312 {
		t.Errorf("at %d and %d", samples[1].DTS, samples[3].DTS)
	}
}

// NAL unit lengths of 2 bytes become 4.
func TestShortNALLengths(t *testing.T) {
	for name, c := range map[string]struct {
		size     int
		in, want string
		ok       bool
	}{
		"2 bytes":         {2, "\x00\x03abc\x00\x01d", "\x00\x00\x00\x03abc\x00\x00\x00\x01d", true},
		"1 byte":          {1, "\x01a", "\x00\x00\x00\x01a", true},
		"4 bytes":         {4, "\x00\x00\x00\x01a", "\x00\x00\x00\x01a", true},
		"beyond the end":  {2, "\x00\x04abc", "", false},
		"cut in a length": {2, "\x00\x01a\x00", "", false},
	} {
		got, err := trackConfig{lengthSize: c.size}.unit([]byte(c.in))
		if string(got) != c.want || (err == nil) != c.ok {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestFault_R10_AcksAndPings(t *testing.T) {
	r := loopback(t, Options{}, door{})
	c := r.dial("cam?key=secret", nil)
	var acks []uint32
	read := func(until messageType) message {
		for {
			m, err := c.in.next()
			if err != nil {
				t.Fatal(err)
			}
			if m.kind == typeAcknowledgement {
				n, _ := m.uint32()
				acks = append(acks, n)
			}
			if m.kind == until {
				return m
			}
		}
	}
	_ = c.out.send(windowAckSize(0)) // nothing to divide by, nothing to wait for
	_ = c.out.send(message{chunkStream: 7, kind: typeDataAMF0, payload: make([]byte, 60_000)}, userEvent(pingRequest, 99))
	if event, at, _ := read(typeUserControl).userEvent(); event != pingResponse || at != 99 || len(acks) > 0 {
		t.Errorf("got event %d of %d, acknowledgements %v", event, at, acks)
	}
	_ = c.out.send(windowAckSize(10_000))
	for range 3 {
		_ = c.out.send(message{chunkStream: 7, kind: typeDataAMF0, payload: make([]byte, 9_000)})
	}
	_ = c.out.send(userEvent(pingRequest, 100))
	read(typeUserControl)
	if len(acks) < 2 || acks[len(acks)-1] < 60_000 {
		t.Errorf("acknowledgements %v", acks)
	}
}

func TestEnhancedConnect(t *testing.T) {
	ask := Object{{"app", "live"}, {"fourCcList", []any{"*"}}, {"videoFourCcInfoMap", Object{{"*", 7.0}}}, {"audioFourCcInfoMap", Object{{"*", 7.0}}},
		{"capsEx", 15.0}}
	answer := func(o Object) Object {
		m := connectAnswer(command{"connect", 1, []any{o}})
		c, err := m[len(m)-1].command()
		if err != nil {
			t.Fatal(err)
		}
		return c.object(1)
	}
	got := answer(ask)
	if list, _ := got.Get("fourCcList").([]any); len(list) != 5 || list[0] != "avc1" {
		t.Errorf("fourCcList: %v", list)
	}
	if n, _ := got.Object("videoFourCcInfoMap").Number("hvc1"); n != canForward {
		t.Errorf("hvc1: %v", n)
	}
	if n, _ := got.Object("audioFourCcInfoMap").Number("Opus"); n != canForward {
		t.Errorf("Opus: %v", n)
	}
	if n, _ := got.Number("capsEx"); n != 14 {
		t.Errorf("capsEx: %v", n)
	}
	for _, p := range answer(Object{{"app", "live"}}) {
		if slices.Contains([]string{"fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"}, p.Name) {
			t.Errorf("%s sent to a client that sent none", p.Name)
		}
	}
}

// failing fails a few times to accept, as it does without file descriptors.
type failing struct {
	net.Listener
	mu   sync.Mutex // guards left
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left > 0 {
		f.left--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

func TestFault_Q6_AcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		r := newRig(t, &failing{Listener: l, left: 5}, Options{}, door{})
		start := time.Now()
		c, _ := r.publishPipe(l)
		if took := time.Since(start); took != 155*time.Millisecond { // 5+10+20+40+80
			t.Errorf("took %v", took)
		}
		c.Close()
		r.stop()
	})
}

func TestConnectionLimits(t *testing.T) {
	g := gate{total: 3, perNet: 2, nets: map[netip.Prefix]int{}}
	ip := netip.MustParseAddr
	for _, c := range []struct {
		addr string
		want bool
	}{{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, {"192.0.2.1", true}, {"192.0.2.2", false}} {
		if got := g.enter(ip(c.addr)); got != c.want {
			t.Errorf("%s: got %v", c.addr, got)
		}
	}
	g.leave(ip("2001:db8::1"))
	if !g.enter(ip("2001:db8::9")) {
		t.Error("no place after one left")
	}
	for _, a := range []string{"2001:db8::1", "2001:db8::2", "192.0.2.1"} {
		g.leave(ip(a))
	}
	if g.open != 0 || len(g.nets) != 0 {
		t.Errorf("%d open, %v", g.open, g.nets)
	}

	r := loopback(t, Options{MaxConnsPerIP: 1}, door{})
	first := r.dial("cam?key=secret", nil)
	if _, err := Dial(t.Context(), r.url("cam"), nil); err == nil {
		t.Error("second connection of an address taken")
	}
	if got := r.server.Stats.TurnedAway.Load(); got != 1 {
		t.Errorf("%d turned away", got)
	}
	first.Close()
}

// Sessions that fail in every way leave nothing behind.
func TestFault_Q12_FailedSessionsLeaveNoGoroutine(t *testing.T) {
	r := loopback(t, Options{}, door{})
	fail := []func(nc net.Conn){
		func(net.Conn) {},
		func(nc net.Conn) { _, _ = nc.Write([]byte("GET / HTTP/1.1\r\n\r\n")) },
		func(nc net.Conn) { _, _ = nc.Write(clientHello(6)) },
		func(nc net.Conn) { _, _ = nc.Write(clientHello(3)) },
		func(nc net.Conn) { _, _ = nc.Write(append(clientHello(3), 0xFF, 0xFF, 0xFF)) },
		func(nc net.Conn) {
			if c, err := newClient(nc, "rtmp://h", "live", "cam?key=wrong"); err == nil {
				_ = c.Publish()
			}
		},
		func(nc net.Conn) {
			if c, err := newClient(nc, "rtmp://h", "live", "cam?key=secret"); err == nil && c.Publish() == nil {
				src := <-r.sink.opened
				nc.Close()
				<-src.closed
				c.Close()
			}
		},
	}
	cycle := func(n int) {
		for i := range n {
			nc, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			fail[i%len(fail)](nc)
			nc.Close()
		}
		for r.server.Stats.Open.Load() > 0 {
			runtime.Gosched()
		}
	}
	cycle(2 * len(fail))
	before := runtime.NumGoroutine()
	cycle(700)
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+2; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
	if lines := strings.Count(r.log.String(), "WARN"); lines > 30 {
		t.Errorf("%d warnings for 700 bad connections", lines)
	}
}

func TestRunEndsWithContext(t *testing.T) {
	r := loopback(t, Options{}, door{})
	_, src := r.publish("cam?key=secret")
	r.stop()
	if err := src.end(t); err == nil {
		t.Error("ended with a goodbye")
	}

	s, err := New(Options{Addr: "127.0.0.1:0", Broker: r.broker})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	broker := session.NewBroker(session.Options{})
	for name, o := range map[string]Options{
		"no broker": {Addr: ":1"}, "no address": {Broker: broker}, "RTMPS without a certificate": {TLSAddr: ":1", Broker: broker},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
