package rtmp

import (
	"errors"
	"fmt"
)

// maxValues is the longest command or data message read, in bytes. Metadata of real
// encoders has less than 2 KiB.
const maxValues = 64 << 10

var (
	errValuesSize = errors.New("command or data message is too long")
	errNoCommand  = errors.New("command message does not begin with a name")
)

// A command is a call of the peer, or an answer to one of ours (RTMP 1.0, 7.2).
type command struct {
	name        string
	transaction float64 // 0: no answer is wanted
	args        []any   // the command object is the first, as a rule nil
}

// arg returns argument n, nil if there are fewer. The command object is number 0.
func (c command) arg(n int) any {
	if n < len(c.args) {
		return c.args[n]
	}
	return nil
}

// text returns argument n, "" if it is no string.
func (c command) text(n int) string {
	s, _ := c.arg(n).(string)
	return s
}

// object returns argument n, nil if it is no object.
func (c command) object(n int) Object { return asObject(c.arg(n)) }

// values returns the AMF0 values of a command or data message.
func (m message) values() ([]any, error) {
	b := m.payload
	if len(b) > maxValues {
		return nil, fmt.Errorf("%w: %d bytes", errValuesSize, len(b))
	}
	if (m.kind == typeCommandAMF3 || m.kind == typeDataAMF3) && len(b) > 0 && b[0] == 0 {
		b = b[1:] // format 0: the values are AMF0 all the same
	}
	return decodeAMF(b)
}

// command returns the call that a command message is.
func (m message) command() (command, error) {
	values, err := m.values()
	if err != nil {
		return command{}, fmt.Errorf("parse command: %w", err)
	}
	if len(values) == 0 {
		return command{}, errNoCommand
	}
	name, ok := values[0].(string)
	if !ok {
		return command{}, errNoCommand
	}
	c := command{name: name}
	if len(values) > 1 {
		c.transaction, _ = values[1].(float64)
		c.args = values[2:]
	}
	return c, nil
}

// metadata returns what onMetaData says, nil if m is another data message. Publishers
// have it wrapped into @setDataFrame, servers send it bare.
func (m message) metadata() (Object, error) {
	values, err := m.values()
	if err != nil {
		return nil, fmt.Errorf("parse data message: %w", err)
	}
	if len(values) > 0 && values[0] == any("@setDataFrame") {
		values = values[1:]
	}
	if len(values) < 2 || values[0] != any("onMetaData") {
		return nil, nil
	}
	return asObject(values[1]), nil
}

// message returns c as a command message on the chunk stream and message stream given.
func (c command) message(chunkStream, stream uint32) message {
	b := appendAMF(nil, c.name, c.transaction)
	return message{chunkStream: chunkStream, kind: typeCommandAMF0, stream: stream, payload: appendAMF(b, c.args...)}
}
