package rtmp

import "encoding/binary"

// smallPayload is the most bytes of a payload that are copied into the bytes around
// it. Copied once, they save every player an entry in its writev.
const smallPayload = 1024

// A batch is a run of messages of a stream as bytes on the wire, made once and written
// to all players. It refers to the samples' own bytes. It never changes.
type batch struct {
	base [][]byte // of the default tracks
	all  [][]byte // of all tracks; nil when there are only the default ones

	size     int    // bytes of all
	first    uint64 // how many messages came before
	messages uint64
	intro    *intro // what a player that starts here needs first; nil: none may start here
}

// An intro is the configuration of the tracks: onMetaData and the sequence headers.
type intro struct{ base, all []byte }

func (i *intro) bytes(multitrack bool) []byte {
	if multitrack {
		return i.all
	}
	return i.base
}

func (b batch) parts(multitrack bool) [][]byte {
	if multitrack && b.all != nil {
		return b.all
	}
	return b.base
}

// Size implements live.Item.
func (b batch) Size() int { return b.size }

// Sync implements live.Item.
func (b batch) Sync() bool { return b.intro != nil }

// A chunkRun builds the bytes of messages in a row. They have full headers only (type 0),
// so that they mean the same to every player, whatever it got before.
type chunkRun struct {
	parts [][]byte
	open  []byte // the bytes that are ours since the last part
	size  int
}

// add appends a message whose payload is head and then data. It keeps data, not head.
func (r *chunkRun) add(chunkStream byte, kind messageType, at timestamp, head, data []byte) {
	length := len(head) + len(data)
	field := min(uint32(at), extendedMark)
	b := appendBasicHeader(r.open, 0, uint32(chunkStream))
	b = appendUint24(b, field)
	b = append(appendUint24(b, uint32(length)), byte(kind))
	b = binary.LittleEndian.AppendUint32(b, playStream)
	if field == extendedMark {
		b = binary.BigEndian.AppendUint32(b, uint32(at))
	}
	r.size += len(b) - len(r.open)
	r.open = b
	room := r.put(head, ourChunkSize, chunkStream, at)
	r.put(data, room, chunkStream, at)
}

// put appends a part of a payload, of which the current chunk has room for so many
// bytes, and returns the room then left.
func (r *chunkRun) put(p []byte, room int, chunkStream byte, at timestamp) int {
	for len(p) > 0 {
		if room == 0 { // RTMP 1.0, 5.3.1.2.4 and 5.3.1.3
			r.open = appendBasicHeader(r.open, 3, uint32(chunkStream))
			r.size++
			if at >= extendedMark {
				r.open = binary.BigEndian.AppendUint32(r.open, uint32(at))
				r.size += 4
			}
			room = ourChunkSize
		}
		n := min(room, len(p))
		if n <= smallPayload {
			r.open = append(r.open, p[:n]...)
		} else {
			r.parts = append(r.parts, r.open, p[:n:n])
			r.open = nil
		}
		r.size += n
		p, room = p[n:], room-n
	}
	return room
}

// take returns what was built and starts anew.
func (r *chunkRun) take() (parts [][]byte, size int) {
	parts, size = r.parts, r.size
	if len(r.open) > 0 {
		parts = append(parts, r.open)
	}
	*r = chunkRun{}
	return parts, size
}
