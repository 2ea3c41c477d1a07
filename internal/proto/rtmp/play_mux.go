package rtmp

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headrace/headrace/internal/live"
	"github.com/headrace/headrace/internal/media"
)

const (
	// maxBehind is how much media, in milliseconds, is kept for players that are behind.
	// One that is further behind goes on at the newest key frame.
	maxBehind = 5000

	// earliest is the time, in milliseconds, given to the first message: the other track's
	// may lie before it, and there is no time below 0.
	earliest = 1000

	// metaTime is the time of onMetaData. With any other one, ffmpeg 5.1 makes a subtitle
	// track of it.
	metaTime = 0

	// maxPlayTracks is the most tracks of a kind that are sent: their ids are UI8.
	maxPlayTracks = 256
)

// A muxer reads a stream and writes the log of its batches. It belongs to one goroutine.
type muxer struct {
	stream  *live.Stream
	log     *live.Log[batch]
	latency time.Duration // how long the entries of a batch are gathered

	tracks []*muxTrack // in the stream's order
	extra  bool        // there are tracks besides the default ones

	zero    int64 // milliseconds on the stream's timeline that are time 0 on the wire
	started bool

	cur       batch     // in the making, of the bytes in these two
	base, all chunkRun  // all is used only if there are extra tracks
	due       time.Time // when it goes out, if it is not empty
	messages  uint64    // in all batches before
	last      int64     // time of the newest message
	starts    []start   // the batches kept that players may start at, oldest first
	scratch   [maxTagHeader]byte
}

// A muxTrack is a track as it is sent. Before its first configuration it is not.
type muxTrack struct {
	track *live.Track
	tag   tagTrack
	set   bool   // tag.init and config hold
	conf  []byte // the payload of its sequence header
}

// A start is a batch that players may start at, and its time.
type start struct {
	seq live.Seq
	at  int64
}

func newMuxer(s *live.Stream, log *live.Log[batch], latency time.Duration) *muxer {
	return &muxer{stream: s, log: log, latency: latency}
}

// run writes until the stream or ctx ends, and closes the log.
func (m *muxer) run(ctx context.Context) {
	defer m.log.Close(nil)
	r := m.stream.Merged(nil)
	// Players take onMetaData for what there is to come: it must name all the tracks
	// there are, before the first entries of each.
	for _, t := range m.stream.Tracks() {
		if init := t.Init(); init != nil {
			m.configure(m.find(t), *init)
		}
	}
	for {
		e, err := m.next(ctx, r)
		switch {
		case err == nil:
			m.entry(e)
			if m.latency == 0 {
				m.cut()
			}
		case errors.Is(err, live.ErrLagged):
			m.cut() // goes on at a sync sample
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			m.cut()
		default: // the end of the stream, or of ctx
			m.cut()
			return
		}
	}
}

// next returns the next entry, or context.DeadlineExceeded when the batch is due.
func (m *muxer) next(ctx context.Context, r *live.MergeReader) (live.TrackEntry, error) {
	if m.cur.messages == 0 {
		return r.Next(ctx)
	}
	if !time.Now().Before(m.due) {
		return live.TrackEntry{}, context.DeadlineExceeded
	}
	ctx, cancel := context.WithDeadline(ctx, m.due)
	defer cancel()
	return r.Next(ctx)
}

// find returns the track's place, a new one if it has none; nil if there are too many.
func (m *muxer) find(t *live.Track) *muxTrack {
	n := 0
	for _, known := range m.tracks {
		if known.track == t {
			return known
		}
		if known.track.Kind == t.Kind {
			n++
		}
	}
	if n == maxPlayTracks {
		return nil
	}
	mt := &muxTrack{track: t, tag: tagTrack{track: uint8(n)}}
	m.tracks = append(m.tracks, mt)
	return mt
}

// entry takes up one entry of a track.
func (m *muxer) entry(e live.TrackEntry) {
	t := m.find(e.Track)
	switch {
	case t == nil:
	case e.Event == nil:
		if t.set {
			m.sample(t, e.Sample)
		}
	case e.Event.Kind == media.NewInit:
		if t.set && t.tag.init.Same(*e.Event.Init) {
			return
		}
		if !m.configure(t, *e.Event.Init) || !m.started {
			return // who starts later gets it first anyway
		}
		m.announce(t)
	}
	// Boundaries and gaps are for segments. A discontinuity needs no word: times go on
	// along the stream's timeline, and a new decoder configuration has come if needed.
}

// configure sets the configuration of t and reports whether it can be sent.
func (m *muxer) configure(t *muxTrack, init media.Init) bool {
	if t == nil {
		return false
	}
	if t.tag.track > 0 && !m.extra {
		m.cut() // a batch either has tracks besides the default ones or not
		m.extra = true
	}
	t.tag.init = init
	config, err := t.tag.config()
	if t.set = err == nil; !t.set {
		return false
	}
	t.conf = append(t.tag.appendHeader(nil, packetConfig, true, 0), config...)
	return true
}

// announce puts a changed configuration into the stream, for those who play it.
func (m *muxer) announce(t *muxTrack) {
	if t.tag.track == 0 {
		m.add(t.tag, chunkStreamData, typeDataAMF0, metaTime, nil, m.metaData())
	}
	m.add(t.tag, chunkOf(t.tag), t.tag.messageType(), m.last, nil, t.conf)
}

func (m *muxer) metaData() []byte {
	var tags []tagTrack
	for _, t := range m.tracks {
		if t.set {
			tags = append(tags, t.tag)
		}
	}
	return appendAMF(nil, "onMetaData", metaData(tags))
}

// sample takes up a sample. Times are rounded to milliseconds once, from the stream's
// timeline, so that errors do not add up.
func (m *muxer) sample(t *muxTrack, s media.Sample) {
	scale := t.tag.init.Timescale()
	dts, pts := int64(s.DTS.Rescale(scale, 1000)), int64(s.PTS.Rescale(scale, 1000))
	if !m.started {
		m.started, m.zero = true, dts-earliest
	}
	at := max(dts-m.zero, 0)
	switch lead := m.lead(); {
	case t != lead:
	case t.track.Kind == media.Video && s.Sync:
		m.cut()
		m.cur.intro = m.intro(at)
	case t.track.Kind == media.Audio && m.cur.messages == 0:
		m.cur.intro = m.intro(at) // any frame will do, so the batches need not be cut for it
	}
	m.last = at
	head := t.tag.appendHeader(m.scratch[:0], packetFrame, s.Sync, int32(min(max(pts-dts, minS24), maxS24)))
	m.add(t.tag, chunkOf(t.tag), t.tag.messageType(), at, head, s.Data)
}

// lead returns the track whose sync samples are the places to start: the first one of video, else the first.
func (m *muxer) lead() *muxTrack {
	var first *muxTrack
	for _, t := range m.tracks {
		if t.set && t.track.Kind == media.Video {
			return t
		}
		if t.set && first == nil {
			first = t
		}
	}
	return first
}

// intro returns the configuration of all tracks, to be sent at the time given.
func (m *muxer) intro(at int64) *intro {
	var base, all chunkRun
	meta := m.metaData()
	base.add(chunkStreamData, typeDataAMF0, metaTime, nil, meta)
	all.add(chunkStreamData, typeDataAMF0, metaTime, nil, meta)
	for _, t := range m.tracks {
		if !t.set {
			continue
		}
		all.add(chunkOf(t.tag), t.tag.messageType(), timestamp(at), nil, t.conf)
		if t.tag.track == 0 {
			base.add(chunkOf(t.tag), t.tag.messageType(), timestamp(at), nil, t.conf)
		}
	}
	b, _ := base.take()
	a, _ := all.take()
	return &intro{slices.Concat(b...), slices.Concat(a...)}
}

// add puts a message of a track into the batch. It keeps data, not head.
func (m *muxer) add(t tagTrack, chunkStream byte, kind messageType, at int64, head, data []byte) {
	if len(head)+len(data) > maxMessage {
		return // nobody would take it
	}
	if m.cur.messages == 0 {
		m.due = time.Now().Add(m.latency)
	}
	m.cur.messages++
	if t.track == 0 {
		m.base.add(chunkStream, kind, timestamp(at), head, data)
	}
	if m.extra {
		m.all.add(chunkStream, kind, timestamp(at), head, data)
	}
}

// cut sends the batch out, if there is anything in it, and lets go of what is too old.
func (m *muxer) cut() {
	b := m.cur
	m.cur = batch{}
	if b.messages == 0 {
		return
	}
	b.first = m.messages
	m.messages += b.messages
	b.base, b.size = m.base.take()
	if m.extra {
		b.all, b.size = m.all.take()
	}
	seq := m.log.Append(b)
	if !b.Sync() {
		return
	}
	m.starts = append(m.starts, start{seq, m.last})
	old := 0
	for old+1 < len(m.starts) && m.starts[old+1].at <= m.last-maxBehind {
		old++
	}
	m.starts = slices.Delete(m.starts, 0, old)
	m.log.Trim(m.starts[0].seq)
}

func chunkOf(t tagTrack) byte {
	if t.init.Kind() == media.Video {
		return chunkStreamVideo
	}
	return chunkStreamAudio
}
