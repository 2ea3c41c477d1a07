package hls

import (
	"strconv"
	"time"

	"github.com/headrace/headrace/internal/media"
)

// scale is what playlists count seconds in: five decimals (rfc8216bis, 4.4.4.1, asks
// for an accuracy that sums do not drift away from; Apple recommends five).
const scale media.Timescale = 100_000

// A tick5 is a time or a span in units of 10 us. Spans are differences of rounded
// points in time, so that those of adjoining parts and segments add up exactly.
type tick5 int64

// at returns the point t, counted in ts.
func at(t media.Ticks, ts media.Timescale) tick5 { return tick5(t.Rescale(ts, scale)) }

// span returns the time from start on, d long.
func span(start, d media.Ticks, ts media.Timescale) tick5 {
	return at(start+d, ts) - at(start, ts)
}

// ceil returns d, rounded up: a limit that no rounded span below it exceeds.
func ceil(d time.Duration) tick5 {
	const unit = time.Second / time.Duration(scale)
	return tick5((d + unit - 1) / unit)
}

// targetDuration returns EXT-X-TARGETDURATION: whole seconds, one at least.
func targetDuration(c media.Cadence) int64 {
	return max(1, int64((c.TargetDuration+time.Second-1)/time.Second))
}

// appendSeconds writes v as seconds with all five decimals.
func appendSeconds(b []byte, v tick5) []byte {
	v = max(0, v)
	b = strconv.AppendInt(b, int64(v)/int64(scale), 10)
	b = append(b, '.')
	rest := int64(v) % int64(scale)
	for unit := int64(scale) / 10; unit > 0; unit /= 10 {
		b = append(b, byte('0'+rest/unit%10))
	}
	return b
}

// appendShort writes v as seconds without closing zeros.
func appendShort(b []byte, v tick5) []byte {
	b = appendSeconds(b, v)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	return b
}

// appendDate writes t, counted in ts from the Unix epoch, as EXT-X-PROGRAM-DATE-TIME
// wants it: rounded to milliseconds, UTC.
func appendDate(b []byte, t media.Ticks, ts media.Timescale) []byte {
	return time.UnixMilli(int64(t.Rescale(ts, 1000))).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}
