package rtmp

import (
	"encoding/binary"
	"fmt"
)

// A userControl is the event of a User Control message (RTMP 1.0, 7.1.7).
type userControl uint16

const (
	streamBegin      userControl = 0
	streamEOF        userControl = 1
	setBufferLength  userControl = 3
	streamIsRecorded userControl = 4
	pingRequest      userControl = 6
	pingResponse     userControl = 7
)

// A bandwidthLimit is the type of a Set Peer Bandwidth message (RTMP 1.0, 5.4.5).
type bandwidthLimit uint8

const dynamicLimit bandwidthLimit = 2

// control returns a protocol control or User Control message.
func control(kind messageType, payload []byte) message {
	return message{chunkStream: chunkStreamControl, kind: kind, payload: payload}
}

// setChunkSize says that the chunks after it have up to size bytes of payload.
func setChunkSize(size uint32) message {
	return control(typeSetChunkSize, binary.BigEndian.AppendUint32(nil, size))
}

// acknowledgement says how many bytes have come in, modulo 2^32.
func acknowledgement(received uint64) message {
	return control(typeAcknowledgement, binary.BigEndian.AppendUint32(nil, uint32(received)))
}

// windowAckSize asks for an acknowledgement each size bytes.
func windowAckSize(size uint32) message {
	return control(typeWindowAckSize, binary.BigEndian.AppendUint32(nil, size))
}

// setPeerBandwidth asks the peer to have no more than size bytes unacknowledged.
func setPeerBandwidth(size uint32, limit bandwidthLimit) message {
	return control(typeSetPeerBandwidth, append(binary.BigEndian.AppendUint32(nil, size), byte(limit)))
}

// userEvent says that event happens; data is a message stream id, or a ping's time.
func userEvent(event userControl, data uint32) message {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 6), uint16(event))
	return control(typeUserControl, binary.BigEndian.AppendUint32(b, data))
}

// userEvent returns the event of a User Control message and the number after it, 0
// where there is none.
func (m message) userEvent() (userControl, uint32, error) {
	if len(m.payload) < 2 {
		return 0, 0, fmt.Errorf("%w: type %d, %d bytes", errShortMessage, m.kind, len(m.payload))
	}
	event := userControl(binary.BigEndian.Uint16(m.payload))
	if len(m.payload) < 6 {
		return event, 0, nil
	}
	return event, binary.BigEndian.Uint32(m.payload[2:]), nil
}
