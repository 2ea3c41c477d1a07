package rtmp

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes runs f in a bubble of fake time with a rig whose connections are pipes.
func pipes(t *testing.T, f func(t *testing.T, r *rig, l *pipeListener)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		r := newRig(t, l, Options{}, door{})
		f(t, r, l)
		r.stop()
	})
}

func (r *rig) publishPipe(l *pipeListener) (*Client, *source) {
	r.t.Helper()
	c, err := newClient(l.dial(), "rtmp://pipe", "live", "cam?key=secret")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Publish(); err != nil {
		r.t.Fatal(err)
	}
	return c, <-r.sink.opened
}

func TestFault_P8_EmptyPublish(t *testing.T) {
	pipes(t, func(t *testing.T, r *rig, l *pipeListener) {
		c, src := r.publishPipe(l)
		start := time.Now()
		var chatter sync.WaitGroup
		chatter.Go(func() { // metadata is not media
			for c.WriteTag(Tag{18, 0, appendAMF(nil, "onMetaData", Object{})}) == nil {
				time.Sleep(time.Second)
			}
		})
		<-src.closed
		if took := time.Since(start); took != mediaTimeout {
			t.Errorf("reaped after %v, want %v", took, mediaTimeout)
		}
		<-c.ended
		wantRefusal(t, c.endErr, codeBadMedia)
		c.Close()
		chatter.Wait()
		again, _ := r.publishPipe(l) // the slot is free
		again.Close()
	})
}

func TestFault_R7_ConfigurationMissing(t *testing.T) {
	nullSPS := []byte("\x17\x00\x00\x00\x00" + "\x01\x42\xc0\x0a\xff\xe1\x00\x00\x01\x00\x04\x68\xce\x0f\xc8")
	for name, c := range map[string]struct {
		tags [][]byte // sent every 40 ms
		text string
	}{
		"none":               {[][]byte{avcKeyTag, avcInterTag}, "without a decoder configuration"},
		"empty":              {[][]byte{avcConfigTag[:5], avcKeyTag}, "without a decoder configuration"},
		"null SPS":           {[][]byte{nullSPS, avcKeyTag}, "unusable decoder configuration"},
		"zero length AAC":    {[][]byte{{0xAF, 0}, aacFrameTag}, "without a decoder configuration"},
		"of audio only":      {[][]byte{aacConfigTag, aacFrameTag, avcKeyTag}, "video came without a decoder configuration"},
		"codec not carried":  {[][]byte{{0x2F, 1, 2, 3}}, "not carried"},
		"FourCC not carried": {[][]byte{[]byte("\x90vp09\x01\x02"), []byte("\xa1vp09\x01\x02")}, "vp09 is not carried"},
	} {
		t.Run(name, func(t *testing.T) {
			pipes(t, func(t *testing.T, r *rig, l *pipeListener) {
				client, src := r.publishPipe(l)
				start := time.Now()
				var err error
				for at := uint32(0); err == nil; at += 40 {
					for _, tag := range c.tags {
						kind := uint8(9)
						if tag[0]>>4 == 0xA && tag[0]&0xF == 0xF || tag[0] == 0x2F {
							kind = 8
						}
						if err == nil {
							err = client.WriteTag(Tag{kind, at, tag})
						}
					}
					time.Sleep(40 * time.Millisecond)
				}
				<-src.closed
				if took := time.Since(start); took < mediaTimeout || took > mediaTimeout+time.Second {
					t.Errorf("ended after %v", took)
				}
				if src.reason == nil || !strings.Contains(src.reason.Error(), c.text) {
					t.Errorf("ended with %v, want %q in it", src.reason, c.text)
				}
				if src.session.Dropped.Load() == 0 {
					t.Error("nothing counted as dropped")
				}
				client.Close()
			})
		})
	}
}

// Media before its configuration is dropped; what follows it is taken.
func TestFault_R7_ConfigurationLate(t *testing.T) {
	pipes(t, func(t *testing.T, r *rig, l *pipeListener) {
		c, src := r.publishPipe(l)
		writeTags(t, c, Tag{9, 0, avcKeyTag})
		time.Sleep(9 * time.Second)
		writeTags(t, c, Tag{9, 9000, avcConfigTag}, Tag{9, 9000, avcKeyTag})
		src.await(t, videoRef, 1)
		time.Sleep(14 * time.Second) // idle, but not yet too long
		writeTags(t, c, Tag{9, 23000, avcKeyTag})
		src.await(t, videoRef, 2)
		start := time.Now()
		<-src.closed // readIdle later
		if took := time.Since(start); took != readIdle || src.reason == nil {
			t.Errorf("closed after %v with %v", took, src.reason)
		}
		c.Close()
	})
}

// One frame, then only metadata: the publication ends all the same.
func TestMediaStops(t *testing.T) {
	pipes(t, func(t *testing.T, r *rig, l *pipeListener) {
		c, src := r.publishPipe(l)
		writeTags(t, c, Tag{8, 0, aacConfigTag}, Tag{8, 0, aacFrameTag})
		src.await(t, audioRef, 1)
		start := time.Now()
		var chatter sync.WaitGroup
		chatter.Go(func() {
			for c.WriteTag(Tag{18, 0, appendAMF(nil, "onMetaData", Object{})}) == nil {
				time.Sleep(time.Second)
			}
		})
		<-src.closed
		if took := time.Since(start); took != mediaIdle || src.reason != errSilent {
			t.Errorf("closed after %v with %v", took, src.reason)
		}
		c.Close()
		chatter.Wait()
	})
}

func TestDeadlines(t *testing.T) {
	for name, c := range map[string]struct {
		send func(net.Conn)
		want time.Duration
	}{
		"silence":           {func(net.Conn) {}, handshakeTimeout},
		"half of C1":        {func(nc net.Conn) { _, _ = nc.Write(clientHello(3)[:900]) }, handshakeTimeout},
		"handshake only":    {func(nc net.Conn) { _, _ = nc.Write(clientHello(3)) }, requestTimeout},
		"drip":              {drip, requestTimeout},
		"never reads":       {neverReads, writeTimeout},
		"no request at all": {func(nc net.Conn) { _, _ = newClient(nc, "rtmp://pipe", "live", "cam") }, requestTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			pipes(t, func(t *testing.T, r *rig, l *pipeListener) {
				nc := l.dial()
				start := time.Now()
				synctest.Wait()
				var peer sync.WaitGroup
				peer.Go(func() { c.send(nc) })
				if name != "no request at all" && name != "never reads" { // those see to it by themselves
					peer.Go(func() { _, _ = io.Copy(io.Discard, nc) })
				}
				for r.server.Stats.Open.Load() > 0 {
					time.Sleep(time.Millisecond)
				}
				if took := time.Since(start); took < c.want || took > c.want+10*time.Millisecond {
					t.Errorf("closed after %v, want %v", took, c.want)
				}
				nc.Close()
				peer.Wait()
			})
		})
	}
}

// neverReads asks for an answer and does not take it.
func neverReads(nc net.Conn) {
	if offerHandshake(bufio.NewReader(nc), nc) == nil {
		h := &handChunker{size: 128, form: 1}
		h.message(0, 3, 0, typeCommandAMF0, string(appendAMF(nil, connectOBS...)))
		_, _ = nc.Write(h.b)
	}
}

// drip sends a connect command a byte a second.
func drip(nc net.Conn) {
	_, _ = nc.Write(clientHello(3))
	h := &handChunker{size: 128, form: 1}
	h.message(0, 3, 0, typeCommandAMF0, string(appendAMF(nil, connectOBS...)))
	for _, b := range h.b {
		if _, err := nc.Write([]byte{b}); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}
