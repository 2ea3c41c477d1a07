package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/proto/rtmp"
)

// The clip is as long as a whole number of frames of both tracks: 240 at 30 Hz, 375 of
// 1024 samples at 48 kHz. So it can follow itself without a seam.
const (
	clipSeconds = 8
	clipLength  = clipSeconds * 1000 // ms
	clipVideo   = clipSeconds * 30
	clipAudio   = clipSeconds * 48_000 / 1024
)

// FLV tag types (Video File Format 10.1, E.4.1).
const (
	tagAudio = 8
	tagVideo = 9
	tagData  = 18
)

// A clip is what publishers send: once the head, then the body again and again.
type clip struct {
	head []rtmp.Tag // metadata and configurations
	body []rtmp.Tag // media, in order of time, which is below clipLength
}

// makeClip has ffmpeg write the clip to path.
func makeClip(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, "ffmpeg", "-y", "-v", "error",
		"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t",
		"-f", "lavfi", "-i", "anoisesrc=color=pink:amplitude=0.3:sample_rate=48000",
		"-t", fmt.Sprint(clipSeconds+1), "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-bf", "0", "-g", "30", "-keyint_min", "30", "-sc_threshold", "0",
		"-b:v", "3M", "-maxrate", "3M", "-bufsize", "1M",
		"-c:a", "aac", "-b:a", "128k", "-ac", "2", "-f", "flv", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the clip with ffmpeg: %w: %s", err, out)
	}
	return nil
}

// readClip reads an FLV file that makeClip has written.
func readClip(path string) (*clip, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const header, tagHeader, backPointer = 9, 11, 4
	if len(b) < header+backPointer {
		return nil, errors.New("the clip is no FLV file")
	}
	c := &clip{}
	video, audio := 0, 0
	for b = b[header+backPointer:]; len(b) >= tagHeader; {
		size := int(binary.BigEndian.Uint32(b) & 0xffffff)
		t := rtmp.Tag{Type: b[0], Time: binary.BigEndian.Uint32(b[4:])>>8 | uint32(b[7])<<24}
		if len(b) < tagHeader+size+backPointer {
			return nil, errors.New("the clip is cut short")
		}
		t.Data, b = b[tagHeader:tagHeader+size], b[tagHeader+size+backPointer:]
		switch {
		case t.Type == tagData || size > 1 && t.Data[1] == 0: // AVCPacketType, AACPacketType: configuration
			c.head = append(c.head, t)
		case t.Type == tagVideo && size > 1 && t.Data[1] == 1 && video < clipVideo:
			t.Time = uint32((video*1000 + 15) / 30)
			video++
			c.body = append(c.body, t)
		case t.Type == tagAudio && audio < clipAudio:
			t.Time = uint32(audio * 1024 / 48)
			audio++
			c.body = append(c.body, t)
		}
	}
	if video != clipVideo || audio != clipAudio {
		return nil, fmt.Errorf("the clip has %d video and %d audio frames, want %d and %d", video, audio, clipVideo, clipAudio)
	}
	slices.SortStableFunc(c.body, func(a, b rtmp.Tag) int { return cmp.Compare(a.Time, b.Time) })
	return c, nil
}

// bytes returns the media bytes of one round.
func (c *clip) bytes() int {
	n := 0
	for _, t := range c.body {
		n += len(t.Data)
	}
	return n
}

// bitrate returns the clip's rate in bytes a second.
func (c *clip) bitrate() float64 { return float64(c.bytes()) / clipSeconds }

func (c *clip) describe() string {
	return fmt.Sprintf("1280x720 at 30 Hz, H.264 without B-frames, GOP 1 s, AAC 48 kHz, %.2f Mb/s in all, %d s looped",
		c.bitrate()*8/mega, clipSeconds)
}

// send publishes the clip over and over in real time, from its beginning, until stop
// is closed. sent, if not nil, is told each tag just before it is written.
func (c *clip) send(client *rtmp.Client, stop <-chan struct{}, sent func(rtmp.Tag)) error {
	for _, t := range c.head {
		if err := client.WriteTag(t); err != nil {
			return err
		}
	}
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for round := uint32(0); ; round++ {
		for _, t := range c.body {
			t.Time += round * clipLength
			timer.Reset(time.Until(begun.Add(time.Duration(t.Time) * time.Millisecond)))
			select {
			case <-timer.C:
			case <-stop:
				return nil
			}
			if sent != nil {
				sent(t)
			}
			if err := client.WriteTag(t); err != nil {
				return err
			}
		}
	}
}
