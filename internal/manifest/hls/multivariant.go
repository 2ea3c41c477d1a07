package hls

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/presentation"
)

// startBandwidth is about what players should begin with, in bit/s: AVPlayer takes
// the first variant listed (Apple's authoring specification, 9).
const startBandwidth = 2_000_000

// Multivariant returns the multivariant playlist of the tracks of one stream, of
// those that have an initialisation segment. Each video track is a variant with
// every group of audio tracks; without video, each audio track is one.
func Multivariant(tracks []*presentation.Track) []byte {
	var video, audio []*presentation.Track
	for _, t := range tracks {
		switch {
		case t.Init() == nil:
		case t.Kind == media.Video:
			video = append(video, t)
		case t.Kind == media.Audio:
			audio = append(audio, t)
		}
	}
	b := append(make([]byte, 0, 256+len(tracks)*256), "#EXTM3U\n#EXT-X-VERSION:"+version+"\n#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	if len(video) == 0 {
		return appendVariants(b, audio, nil)
	}
	groups := audioGroups(audio)
	for _, g := range groups {
		b = g.append(b)
	}
	if len(groups) == 0 {
		return appendVariants(b, video, nil)
	}
	for _, g := range groups {
		b = appendVariants(b, video, g)
	}
	return b
}

// An audioGroup is the audio tracks of one codec: a player that cannot decode it
// takes the variants of another group.
type audioGroup struct {
	id     string // GROUP-ID
	tracks []*presentation.Track
}

// audioGroups returns the groups, that of the codec every player has first. Groups
// must have the same members (rfc8216bis, 4.4.6.1.1): tracks that do not pair up
// make one group.
func audioGroups(audio []*presentation.Track) []*audioGroup {
	sorted := slices.SortedStableFunc(slices.Values(audio), func(a, b *presentation.Track) int {
		return cmp.Compare(a.Init().Media.Codec, b.Init().Media.Codec)
	})
	var groups []*audioGroup
	for _, t := range sorted {
		id := t.Init().Media.Codec.String()
		if n := len(groups); n == 0 || groups[n-1].id != id {
			groups = append(groups, &audioGroup{id: id})
		}
		g := groups[len(groups)-1]
		g.tracks = append(g.tracks, t)
	}
	for _, g := range groups {
		if len(g.tracks) != len(groups[0].tracks) {
			return []*audioGroup{{id: "audio", tracks: sorted}}
		}
	}
	return groups
}

// append writes the group's EXT-X-MEDIA tags. NAME tells its members apart (rfc8216bis,
// 4.4.6.1.1) by their place, as nobody has said what language they are in.
func (g *audioGroup) append(b []byte) []byte {
	for i, t := range g.tracks {
		b = append(b, `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="`...)
		b = append(b, g.id...)
		b = append(b, `",NAME="Audio `...)
		b = strconv.AppendInt(b, int64(i+1), 10)
		b = append(b, `",LANGUAGE="und",DEFAULT=`...)
		if i == 0 {
			b = append(b, "YES"...)
		} else {
			b = append(b, "NO"...)
		}
		b = append(b, ",AUTOSELECT=YES"...)
		if n := t.Init().Media.Channels; n > 0 {
			b = append(b, `,CHANNELS="`...)
			b = strconv.AppendInt(b, int64(n), 10)
			b = append(b, '"')
		}
		b = append(b, `,URI="`...)
		b = append(b, MediaURI(t.ID)...)
		b = append(b, "\"\n"...)
	}
	return b
}

// dearest returns the highest rates of the group's members: each variant must have
// room for any of them (rfc8216bis, 4.4.6.2). A nil group costs nothing.
func (g *audioGroup) dearest() (peak, average int) {
	if g != nil {
		for _, t := range g.tracks {
			peak, average = max(peak, t.Bandwidth), max(average, t.AverageBandwidth)
		}
	}
	return peak, average
}

// codecs returns the RFC 6381 strings of t and of the group, each once; "" if one is not known.
func (g *audioGroup) codecs(t *presentation.Track) string {
	all := []string{t.Init().Media.CodecString}
	if g != nil {
		for _, a := range g.tracks {
			if c := a.Init().Media.CodecString; !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	if slices.Contains(all, "") {
		return ""
	}
	return strings.Join(all, ",")
}

// appendVariants writes an EXT-X-STREAM-INF tag for each track: by bandwidth, but
// the one to start with first.
func appendVariants(b []byte, tracks []*presentation.Track, g *audioGroup) []byte {
	order := slices.SortedStableFunc(slices.Values(tracks), func(a, b *presentation.Track) int {
		return cmp.Compare(a.Bandwidth, b.Bandwidth)
	})
	if len(order) > 0 && order[0].Kind == media.Video {
		start := 0
		for i, t := range order {
			if far(t) < far(order[start]) {
				start = i
			}
		}
		t := order[start]
		order = slices.Insert(slices.Delete(order, start, start+1), 0, t)
	}
	for _, t := range order {
		b = appendVariant(b, t, g)
	}
	return b
}

// far returns how far the rate of t is from the one to start with.
func far(t *presentation.Track) int {
	return max(t.Bandwidth-startBandwidth, startBandwidth-t.Bandwidth)
}

func appendVariant(b []byte, t *presentation.Track, g *audioGroup) []byte {
	in := &t.Init().Media
	peak, average := g.dearest()
	b = append(b, "#EXT-X-STREAM-INF:BANDWIDTH="...)
	b = strconv.AppendInt(b, int64(max(1, peak+t.Bandwidth)), 10)
	if t.AverageBandwidth > 0 {
		b = append(b, ",AVERAGE-BANDWIDTH="...)
		b = strconv.AppendInt(b, int64(average+t.AverageBandwidth), 10)
	}
	if c := g.codecs(t); c != "" {
		b = append(b, `,CODECS="`...)
		b = append(b, c...)
		b = append(b, '"')
	}
	if t.Kind == media.Video {
		b = appendPicture(b, in, t.FrameRate())
	}
	if g != nil {
		b = append(b, `,AUDIO="`...)
		b = append(b, g.id...)
		b = append(b, '"')
	}
	b = append(b, ",CLOSED-CAPTIONS=NONE\n"...)
	b = append(b, MediaURI(t.ID)...)
	return append(b, '\n')
}

func appendPicture(b []byte, in *media.Init, rate float64) []byte {
	if in.Width > 0 && in.Height > 0 {
		b = append(b, ",RESOLUTION="...)
		b = strconv.AppendInt(b, int64(in.Width), 10)
		b = append(b, 'x')
		b = strconv.AppendInt(b, int64(in.Height), 10)
	}
	if rate > 0 {
		b = append(b, ",FRAME-RATE="...)
		b = strconv.AppendFloat(b, rate, 'f', 3, 64)
	}
	return append(append(b, ",VIDEO-RANGE="...), videoRange(in.Color)...)
}

// videoRange returns VIDEO-RANGE of a transfer characteristic (ITU-T H.273, table 3;
// rfc8216bis, 4.4.6.2).
func videoRange(c media.Color) string {
	switch c.Transfer {
	case 16: // SMPTE ST 2084
		return "PQ"
	case 18: // ARIB STD-B67
		return "HLG"
	}
	return "SDR"
}
