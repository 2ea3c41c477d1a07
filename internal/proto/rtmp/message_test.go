package rtmp

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// flvTag returns a tag as it stands in an aggregate message.
func flvTag(kind messageType, at uint32, data string) string {
	b := append([]byte{byte(kind)}, appendUint24(nil, uint32(len(data)))...)
	b = append(appendUint24(b, at&0xFFFFFF), byte(at>>24), 0, 0, 0)
	return string(b) + data + "\x00\x00\x00\x10"
}

func TestFault_R6_Aggregate(t *testing.T) {
	row := flvTag(typeVideo, 0xFFFFFFF0, "first") + flvTag(typeAudio, 5, "second") + flvTag(typeAggregate, 6, "inner") +
		flvTag(typeVideo, 0xFFFFFFF1, "")
	for name, c := range map[string]struct {
		payload string
		want    []string // type@time payload
		err     bool
	}{
		"tags":                 {payload: row, want: []string{"9@1000 first", "8@1021 second", "9@1001 "}},
		"nothing":              {},
		"last trailer missing": {payload: row[:len(row)-4], want: []string{"9@1000 first", "8@1021 second", "9@1001 "}},
		"cut within a header":  {payload: row[:len(row)-5], want: []string{"9@1000 first", "8@1021 second"}, err: true},
		"size beyond the end":  {payload: "\x09\xFF\xFF\xFF" + strings.Repeat("x", 40), err: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := message{kind: typeAggregate, stream: 1, time: 1000, payload: []byte(c.payload)}
			var got []string
			var err error
			for tag, e := range m.tags() {
				if err = e; err == nil {
					got = append(got, describe(tag))
				}
			}
			if d := cmp.Diff(c.want, got); d != "" || (err != nil) != c.err {
				t.Errorf("error %v, tags %s", err, d)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	connect := appendAMF(nil, connectOBS...)
	for name, m := range map[string]message{
		"AMF0":                {kind: typeCommandAMF0, payload: connect},
		"AMF3 wrapping":       {kind: typeCommandAMF3, payload: append([]byte{0}, connect...)},
		"AMF3 type, but bare": {kind: typeCommandAMF3, payload: connect},
	} {
		c, err := m.command()
		if err != nil || c.name != "connect" || c.transaction != 1 || c.object(0).String("app") != "live" || c.text(1) != "" {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
	for name, payload := range map[string][]byte{
		"empty":         nil,
		"only a number": appendAMF(nil, 1.0),
		"cut short":     connect[:20],
		"too long":      appendAMF(nil, "connect", 1.0, strings.Repeat("x", 65536)),
	} {
		if c, err := (message{kind: typeCommandAMF0, payload: payload}).command(); err == nil {
			t.Errorf("%s: taken as %+v", name, c)
		}
	}
}

func TestMetadata(t *testing.T) {
	data := ECMAArray{{"width", 1280.0}}
	for name, values := range map[string][]any{
		"as publishers send it": {"@setDataFrame", "onMetaData", data},
		"bare":                  {"onMetaData", data},
	} {
		o, err := message{kind: typeDataAMF0, payload: appendAMF(nil, values...)}.metadata()
		if w, _ := o.Number("width"); err != nil || w != 1280 {
			t.Errorf("%s: got %v, %v", name, o, err)
		}
	}
	for name, values := range map[string][]any{"cue point": {"onCuePoint", data}, "no object": {"onMetaData"}, "object first": {data, data}} {
		if o, err := (message{kind: typeDataAMF0, payload: appendAMF(nil, values...)}).metadata(); o != nil || err != nil {
			t.Errorf("%s: got %v, %v", name, o, err)
		}
	}
}

func TestControlMessages(t *testing.T) {
	if event, data, err := userEvent(pingRequest, 77).userEvent(); event != pingRequest || data != 77 || err != nil {
		t.Errorf("ping: got %d, %d, %v", event, data, err)
	}
	if n, err := windowAckSize(2_500_000).uint32(); n != 2_500_000 || err != nil {
		t.Errorf("window: got %d, %v", n, err)
	}
	if n, err := acknowledgement(1<<32 + 9).uint32(); n != 9 || err != nil {
		t.Errorf("acknowledgement wraps: got %d, %v", n, err)
	}
	if got := setPeerBandwidth(1, dynamicLimit).payload; string(got) != "\x00\x00\x00\x01\x02" {
		t.Errorf("peer bandwidth: got %x", got)
	}
	if _, err := control(typeSetChunkSize, []byte{1, 2, 3}).uint32(); !errors.Is(err, errShortMessage) {
		t.Errorf("three bytes: got %v", err)
	}
	if _, _, err := control(typeUserControl, []byte{1}).userEvent(); !errors.Is(err, errShortMessage) {
		t.Errorf("one byte: got %v", err)
	}
}
