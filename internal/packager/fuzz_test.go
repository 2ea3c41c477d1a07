package packager

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/headrace/headrace/internal/media"
)

// FuzzCutter feeds entries that no ingest would write. Whatever comes: no panic, no
// part beyond the target, segments in a row.
func FuzzCutter(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte("\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x05\x02\x40\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(binary.BigEndian.AppendUint64([]byte{1, 3}, math.MaxInt64))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newCutter("x1", media.Video, halfSecond, 6e9, new(discontinuities))
		in := testInits["h264"]
		c.push(media.Entry{Event: &media.Event{Kind: media.NewInit, Init: &in}})
		now, msn := media.Ticks(epoch*90000), uint64(100)
		for ; len(data) >= 10; data = data[10:] {
			op, arg := data[0], data[1]
			wild := media.Ticks(binary.BigEndian.Uint64(data[2:]))
			near := now + wild%(20*90000)
			if op&0x80 != 0 {
				near = wild
			}
			switch op % 8 {
			case 0:
				msn += uint64(arg % 4)
				c.push(media.Entry{Event: &media.Event{Kind: media.Boundary, MSN: msn, At: near}})
			case 1:
				msn += uint64(arg % 3)
				c.push(media.Entry{Event: &media.Event{Kind: media.Gap, MSN: msn, At: near, Duration: wild % (1 << 40)}})
			case 2:
				c.push(media.Entry{Event: &media.Event{Kind: media.Discontinuity}})
			case 3:
				c.lag(&in)
			case 4:
				in = testInits[[...]string{"h264", "h264b", "aac44", "aac48"}[arg%4]]
				next := in
				c.push(media.Entry{Event: &media.Event{Kind: media.NewInit, Init: &next}})
			default:
				c.push(media.Entry{Sample: media.Sample{
					DTS: near, PTS: near + media.Ticks(int8(arg))*3000, Duration: wild % 9000, Sync: op&0x40 != 0, Data: data[:arg%8],
				}})
				now = min(max(near, 0), maxTime)
			}
		}
		tr := c.finish()
		if tr == nil {
			return
		}
		for i, s := range tr.Segments {
			if i > 0 && s.MSN != tr.Segments[i-1].MSN+1 {
				t.Fatalf("segment %d follows %d", s.MSN, tr.Segments[i-1].MSN)
			}
			for _, p := range s.Parts {
				if d := p.Duration.Duration(s.Timescale()); d <= 0 || d > halfSecond.PartTarget {
					t.Fatalf("part %d lasts %v", p.Number, d)
				}
			}
		}
	})
}
