package rtmp

import (
	"bytes"
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/media"
	"github.com/headrace/headrace/internal/session"
)

// maxTracks is the most tracks taken from one publisher.
const maxTracks = 16

// A publisher turns the messages of one publication into samples. It belongs to the
// goroutine that reads the connection.
type publisher struct {
	session *session.Publication
	clock   unwrapper
	tracks  map[session.TrackRef]*pubTrack
	packets []tagPacket // scratch

	flowing   bool      // an access unit has been taken
	lastTaken time.Time // when the newest was
	seen      string    // what has come instead, for the publisher to read
}

// A pubTrack is a track of a publisher.
type pubTrack struct {
	config    trackConfig // zero until a valid one has come
	record    []byte      // the configuration as it came: most encoders repeat it
	unusable  error       // why record is no configuration
	waitsFrom time.Time   // when the first frame came that had no configuration
}

func newPublisher(s *session.Publication) *publisher {
	return &publisher{session: s, tracks: map[session.TrackRef]*pubTrack{}, seen: "no audio or video came"}
}

// media takes an audio or video message. What cannot be used is dropped and counted;
// an error ends the publication.
func (p *publisher) media(m message, now time.Time) error {
	if len(m.payload) == 0 {
		return nil // Enhanced RTMP has it for silence
	}
	at := p.clock.unwrap(m.time)
	kind, parse := media.Video, parseVideo
	if m.kind == typeAudio {
		kind, parse = media.Audio, parseAudio
	}
	packets, err := parse(p.packets[:0], m.payload)
	if err != nil {
		p.session.Dropped.Add(1)
	}
	p.packets = packets
	for _, packet := range packets {
		if err := p.packet(session.TrackRef{Kind: kind, Index: packet.track}, packet, at, now); err != nil {
			return err
		}
	}
	clear(packets) // they hold the payload
	return nil
}

func (p *publisher) packet(ref session.TrackRef, packet tagPacket, at int64, now time.Time) error {
	switch packet.kind {
	case packetConfig, packetFrame:
	case packetUnknown, packetEmpty:
		p.session.Dropped.Add(1)
		return nil
	default:
		return nil
	}
	if packet.codec == 0 {
		p.session.Dropped.Add(1)
		p.seen = fmt.Sprintf("%v is not carried here", packet.coding)
		return nil
	}
	t := p.tracks[ref]
	if t == nil {
		if len(p.tracks) == maxTracks {
			p.session.Dropped.Add(1)
			return nil
		}
		t = &pubTrack{}
		p.tracks[ref] = t
	}
	if packet.kind == packetConfig {
		return p.configure(ref, t, packet)
	}
	return p.frame(ref, t, packet, at, now)
}

// configure takes a decoder configuration, if it is another one.
func (p *publisher) configure(ref session.TrackRef, t *pubTrack, packet tagPacket) error {
	if bytes.Equal(t.record, packet.data) && t.config.init.Codec == packet.codec {
		return nil
	}
	config, err := parseTrackConfig(packet.codec, packet.data)
	if err != nil { // what was there before stays
		t.unusable = err
		p.session.Dropped.Add(1)
		return nil
	}
	t.config, t.record, t.unusable, t.waitsFrom = config, packet.data, nil, time.Time{}
	if err := p.session.Configure(ref, config.init); err != nil {
		return fmt.Errorf("configure %v track %d: %w", ref.Kind, ref.Index, err)
	}
	return nil
}

// frame takes an access unit.
func (p *publisher) frame(ref session.TrackRef, t *pubTrack, packet tagPacket, at int64, now time.Time) error {
	if t.config.init.Codec != packet.codec {
		return p.wait(ref, t, now)
	}
	if packet.clamped {
		p.session.Dropped.Add(1)
	}
	data, err := t.config.unit(packet.data)
	if err != nil {
		p.session.Dropped.Add(1)
		return nil
	}
	// In nanoseconds: Enhanced RTMP may say more than a millisecond.
	dts := at*int64(time.Millisecond) + int64(packet.nano)
	pts := dts + int64(packet.composition)*int64(time.Millisecond)
	scale := t.config.init.Timescale()
	err = p.session.Write(ref, media.Sample{
		DTS:     media.Ticks(dts).Rescale(media.Timescale(time.Second), scale),
		PTS:     media.Ticks(pts).Rescale(media.Timescale(time.Second), scale),
		Sync:    ref.Kind == media.Audio || packet.key(),
		Data:    data,
		Arrived: now,
	})
	if err != nil {
		return fmt.Errorf("write %v track %d: %w", ref.Kind, ref.Index, err)
	}
	p.flowing, p.lastTaken = true, now
	return nil
}

// wait drops a frame that has no configuration, and gives up on a publisher that has
// sent such frames for mediaTimeout: its viewers would see nothing of the track, and
// it would not know (fault R7).
func (p *publisher) wait(ref session.TrackRef, t *pubTrack, now time.Time) error {
	p.session.Dropped.Add(1)
	why := fmt.Sprintf("%v came without a decoder configuration", ref.Kind)
	if t.unusable != nil {
		why = fmt.Sprintf("%v came with an unusable decoder configuration: %v", ref.Kind, t.unusable)
	}
	p.seen = why
	if t.waitsFrom.IsZero() {
		t.waitsFrom = now
	}
	if now.Sub(t.waitsFrom) >= mediaTimeout {
		return reject(codeBadMedia, "%s for %v", why, mediaTimeout)
	}
	return nil
}

// barren is the error of a publisher that has sent nothing of use for mediaTimeout.
func (p *publisher) barren() error {
	return reject(codeBadMedia, "no usable media within %v: %s", mediaTimeout, p.seen)
}

// data takes a data message. What metadata says of the tracks is a hint that nothing
// rests on, so that a broken one only counts.
func (p *publisher) data(m message) {
	if _, err := m.metadata(); err != nil {
		p.session.Dropped.Add(1)
	}
}
