package rtmp

import (
	"errors"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/session"
)

func TestFault_P2_HalfOpenIsTakenOver(t *testing.T) {
	r := loopback(t, Options{}, door{})
	old, src := r.publish("cam?key=secret")
	writeTags(t, old, Tag{8, 0, aacConfigTag}, Tag{8, 0, aacFrameTag})
	src.await(t, audioRef, 1)
	// The encoder is gone, and no FIN has come. It is back at once.
	start := time.Now()
	c, src2 := r.publish("cam?key=secret")
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("took over after %v, want 500ms at most", took)
	}
	if err := src.end(t); !errors.Is(err, session.ErrTakenOver) {
		t.Errorf("first ended with %v", err)
	}
	<-old.ended // its connection is closed
	writeTags(t, c, Tag{8, 0, aacConfigTag}, Tag{8, 0, aacFrameTag})
	src2.await(t, audioRef, 1)
}

// feed keeps c publishing until the function that it returns is called.
func feed(t *testing.T, c *Client, src *source) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		_ = c.WriteTag(Tag{8, 0, aacConfigTag})
		for at := uint32(0); ; at += 20 {
			if err := c.WriteTag(Tag{8, at, aacFrameTag}); err != nil {
				t.Error("first publisher:", err)
				return
			}
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	src.await(t, audioRef, 3)
	return func() {
		close(quit)
		<-done
	}
}

func TestFault_P3_OtherKeyIsRefused(t *testing.T) {
	r := loopback(t, Options{}, door{takeover: true})
	first, src := r.publish("cam?key=secret")
	stop := feed(t, first, src)
	wantRefusal(t, r.dial("cam?key=other", nil).Publish(), codeBadName)
	_, before := src.track(audioRef)
	src.await(t, audioRef, len(before)+5) // the first goes on
	stop()
}

func TestFault_P4_SameKeyWhileAlive(t *testing.T) {
	r := loopback(t, Options{}, door{})
	first, src := r.publish("cam?key=secret")
	stop := feed(t, first, src)
	wantRefusal(t, r.dial("cam?key=secret", nil).Publish(), codeBadName)
	_, before := src.track(audioRef)
	src.await(t, audioRef, len(before)+5)
	stop()
}
