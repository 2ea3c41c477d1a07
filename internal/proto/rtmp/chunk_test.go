package rtmp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// describe returns a message as "type@time payload".
func describe(m message) string { return fmt.Sprintf("%d@%d %s", m.kind, uint32(m.time), m.payload) }

func readerOf(b []byte) *chunkReader { return newChunkReader(bufio.NewReader(bytes.NewReader(b))) }

// readMessages returns all messages of r, described, and the error that ended them.
func readMessages(r *chunkReader) (all []string, err error) {
	for {
		m, err := r.next()
		if err != nil {
			return all, err
		}
		all = append(all, describe(m))
	}
}

// A handChunker writes chunks with every field chosen by the test, so that the reader
// is not tested against our writer's habits.
type handChunker struct {
	b        []byte
	size     int
	form     int  // bytes of the basic header
	repeat   bool // extended timestamps are repeated in continuations
	repeated []byte
}

func (h *handChunker) basic(format byte, id uint32) {
	format <<= 6
	switch h.form {
	case 1:
		h.b = append(h.b, format|byte(id))
	case 2:
		h.b = append(h.b, format, byte(id-64))
	case 3:
		h.b = append(h.b, format|1, byte(id-64), byte((id-64)>>8))
	}
}

// message writes one whole message. field is the timestamp, or its delta.
func (h *handChunker) message(format byte, id, field uint32, kind messageType, payload string) {
	h.basic(format, id)
	if format < 3 {
		h.b = appendUint24(h.b, min(field, extendedMark))
		h.repeated = nil
		if field >= extendedMark {
			h.repeated = binary.BigEndian.AppendUint32(nil, field)
		}
	}
	if format < 2 {
		h.b = append(appendUint24(h.b, uint32(len(payload))), byte(kind))
	}
	if format == 0 {
		h.b = append(h.b, 1, 0, 0, 0)
	}
	if format < 3 || h.repeat {
		h.b = append(h.b, h.repeated...)
	}
	h.payload(id, payload)
}

func (h *handChunker) payload(id uint32, payload string) {
	for n := min(h.size, len(payload)); ; n = min(h.size, len(payload)) {
		h.b = append(h.b, payload[:n]...)
		if payload = payload[n:]; payload == "" {
			return
		}
		h.basic(3, id)
		if h.repeat {
			h.b = append(h.b, h.repeated...)
		}
	}
}

func text(n int, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, seed))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

// Section 5.3.1 of RTMP 1.0 in all its forms: four message headers, three basic
// headers, chunk sizes around the message's length, extended timestamps or not.
func TestChunkForms(t *testing.T) {
	forms := []struct {
		bytes int
		id    uint32
	}{{1, 3}, {1, 63}, {2, 64}, {2, 319}, {3, 64}, {3, 320}, {3, 65599}}
	for _, f := range forms {
		for _, size := range []int{1, 127, 128, 129, 65536} {
			for _, step := range []uint32{40, 0xFFFFFE, 0xFFFFFF, 0x01000000} {
				for _, repeat := range []bool{true, false} {
					for format := range byte(4) {
						name := fmt.Sprintf("fmt %d csid %d in %d bytes size %d step %#x repeat %v", format, f.id, f.bytes, size, step, repeat)
						checkForm(t, name, &handChunker{size: size, form: f.bytes, repeat: repeat}, format, f.id, step)
					}
				}
			}
		}
	}
}

// checkForm writes a message with a full header, one with a delta, and two in format.
func checkForm(t *testing.T, name string, h *handChunker, format byte, id, step uint32) {
	t.Helper()
	h.b = binary.BigEndian.AppendUint32([]byte("\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00"), uint32(h.size))
	payload := []string{text(300, 1), text(300, 2), text(300, 3), text(300, 4)}
	h.message(0, id, 1000, typeVideo, payload[0])
	h.message(1, id, step, typeAudio, payload[1])
	want := []string{"1@0 " + string(h.b[12:16]), "9@1000 " + payload[0], fmt.Sprintf("8@%d %s", 1000+step, payload[1])}
	for i, p := range payload[2:] {
		field, at := step, 1000+step*uint32(i+2)
		if format == 0 {
			field = at
		}
		h.message(format, id, field, typeAudio, p)
		want = append(want, fmt.Sprintf("8@%d %s", at, p))
	}
	r := readerOf(h.b)
	got, err := readMessages(r)
	if err != io.EOF || r.find(id) == nil {
		t.Errorf("%s: %v, chunk stream known: %v", name, err, r.find(id) != nil)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: %s", name, d)
	}
}

// The same timestamps come of both encoders' habits, in the field's three meanings.
func TestFault_R4_ExtendedTimestamp(t *testing.T) {
	for _, repeat := range []bool{true, false} {
		h := &handChunker{size: 128, form: 1, repeat: repeat}
		long := text(300, 1)
		h.message(0, 4, 0xFFFFFF, typeVideo, long)
		h.message(1, 4, 0x01000000, typeVideo, long)
		h.message(3, 4, 0, typeVideo, long)
		h.message(2, 4, 1, typeVideo, long)
		h.message(0, 4, 0xFFFFFFF0, typeVideo, long)
		h.message(1, 4, 0x20, typeVideo, "over 2^32")
		want := []string{"9@16777215 " + long, "9@33554431 " + long, "9@50331647 " + long, "9@50331648 " + long,
			"9@4294967280 " + long, "9@16 over 2^32"}
		got, err := readMessages(readerOf(h.b))
		if d := cmp.Diff(want, got); d != "" || err != io.EOF {
			t.Errorf("repeat %v: %v, %s", repeat, err, d)
		}
	}
}

// A continuation without repetition, shorter than a timestamp, is complete although
// nothing follows it: the reader must not wait for four bytes to compare.
func TestFault_R4_ShortContinuationIsNotHeldBack(t *testing.T) {
	h := &handChunker{size: 128, form: 1}
	h.message(0, 4, 0x01000000, typeVideo, text(128, 1)+"zz")
	pr, pw := io.Pipe()
	defer pr.Close()
	go func() { _, _ = pw.Write(h.b) }() // and nothing more, nor an end
	m, err := newChunkReader(bufio.NewReader(pr)).next()
	if err != nil || len(m.payload) != 130 {
		t.Errorf("got %d bytes, %v", len(m.payload), err)
	}
}

// Type 3 after type 0 starts a message at the same time: the standard would add the
// whole timestamp again (RTMP 1.0, 5.3.1.2.4), which no encoder means.
func TestChunkType3AfterType0(t *testing.T) {
	h := &handChunker{size: 128, form: 1}
	h.message(0, 4, 5000, typeAudio, "first")
	h.message(3, 4, 0, typeAudio, "again")
	h.message(2, 4, 20, typeAudio, "later")
	h.message(3, 4, 0, typeAudio, "delta")
	want := []string{"8@5000 first", "8@5000 again", "8@5020 later", "8@5040 delta"}
	got, _ := readMessages(readerOf(h.b))
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestChunkInterleaving(t *testing.T) {
	h := &handChunker{size: 128, form: 1}
	long := text(200, 1)
	h.b = append(h.b, "\x04\x00\x00\x0a\x00\x00\xc8\x09\x01\x00\x00\x00"+long[:128]...)
	h.message(0, 5, 12, typeAudio, "between")
	h.message(0, 2, 0, typeAbort, "\x00\x00\x00\x09") // a chunk stream that is not there
	h.b = append(h.b, "\xc4"+long[128:]...)
	want := []string{"8@12 between", "2@0 \x00\x00\x00\x09", "9@10 " + long}
	got, err := readMessages(readerOf(h.b))
	if d := cmp.Diff(want, got); d != "" || err != io.EOF {
		t.Error(err, d)
	}
}

func TestChunkAbort(t *testing.T) {
	h := &handChunker{size: 128, form: 1}
	h.b = append(h.b, "\x04\x00\x00\x0a\x00\x00\xc8\x09\x01\x00\x00\x00"+text(128, 1)...)
	h.message(0, 2, 0, typeAbort, "\x00\x00\x00\x04")
	r := readerOf(h.b)
	if _, err := r.next(); err != nil || r.partial != 0 {
		t.Errorf("after abort: %v, %d bytes held", err, r.partial)
	}
}

// A new header within a message is against the standard; the message before it is
// given up, and the stream lives.
func TestChunkNewHeaderWithinMessage(t *testing.T) {
	for format := range byte(3) {
		h := &handChunker{size: 128, form: 1}
		h.message(0, 4, 10, typeVideo, text(200, 0))
		h.b = h.b[:12+128] // and the rest of it never comes
		payload := text(200, 1)
		h.message(format, 4, 10, typeVideo, payload)
		r := readerOf(h.b)
		m, err := r.next()
		if err != nil || string(m.payload) != payload || r.abandoned != 1 || r.partial != 0 {
			t.Errorf("fmt %d: %v, %q, %d abandoned, %d bytes held", format, err, m.payload, r.abandoned, r.partial)
		}
	}
}

func TestChunkEmptyMessage(t *testing.T) {
	h := &handChunker{size: 128, form: 1}
	h.message(0, 4, 10, typeAudio, "")
	h.message(3, 4, 0, typeAudio, "")
	got, err := readMessages(readerOf(h.b))
	if d := cmp.Diff([]string{"8@10 ", "8@10 "}, got); d != "" || err != io.EOF {
		t.Error(err, d)
	}
}

func TestFault_R2_ChunkSize(t *testing.T) {
	for _, c := range []struct {
		size uint32
		ok   bool
	}{{0, false}, {1, true}, {1 << 20, true}, {0xFFFFFF, true}, {1<<31 - 1, true}, {1 << 31, false}, {1<<32 - 1, false}} {
		h := &handChunker{size: 128, form: 1}
		h.message(0, 2, 0, typeSetChunkSize, string(binary.BigEndian.AppendUint32(nil, c.size)))
		h.size = int(max(c.size, 1))
		long := text(300, 1)
		h.message(0, 4, 0, typeVideo, long)
		r := readerOf(h.b)
		_, err := r.next()
		if !c.ok {
			if !errors.Is(err, errChunkSize) {
				t.Errorf("size %d: got %v", c.size, err)
			}
			continue
		}
		if m, err := r.next(); err != nil || string(m.payload) != long {
			t.Errorf("size %d: got %q, %v", c.size, m.payload, err)
		}
	}
	h := &handChunker{size: 128, form: 1}
	h.message(0, 2, 0, typeSetChunkSize, "\x00\x00")
	if _, err := readerOf(h.b).next(); !errors.Is(err, errShortMessage) {
		t.Errorf("two bytes: got %v", err)
	}
}

func TestFault_R2_ChunkSizeWithinMessage(t *testing.T) {
	long := text(1000, 1)
	h := &handChunker{size: 128, form: 1}
	h.b = append(h.b, "\x04\x00\x00\x0a\x00\x03\xe8\x09\x01\x00\x00\x00"+long[:128]...)
	h.message(0, 2, 0, typeSetChunkSize, "\x00\x00\x01\xF4") // 500
	h.b = append(h.b, "\xc4"+long[128:628]...)
	h.message(0, 2, 0, typeSetChunkSize, "\x00\x00\x00\x64") // 100
	for p := long[628:]; p != ""; p = p[min(100, len(p)):] {
		h.b = append(h.b, "\xc4"+p[:min(100, len(p))]...)
	}
	got, err := readMessages(readerOf(h.b))
	if err != io.EOF || len(got) != 3 || got[2] != "9@10 "+long {
		t.Errorf("got %v, %q", err, got)
	}
}

// declared returns the header of a message of size bytes on chunk stream id.
func declared(id uint32, size uint32) []byte {
	b := append(appendBasicHeader(nil, 0, id), 0, 0, 0)
	return append(append(appendUint24(b, size), byte(typeVideo)), 1, 0, 0, 0)
}

func TestFault_R3_MessageSize(t *testing.T) {
	for _, c := range []struct {
		size uint32
		want error
	}{{maxMessage, io.ErrUnexpectedEOF}, {maxMessage + 1, errMessageSize}, {0xFFFFFF, errMessageSize}} {
		r := readerOf(declared(4, c.size))
		if _, err := r.next(); !errors.Is(err, c.want) {
			t.Errorf("%d bytes: got %v, want %v", c.size, err, c.want)
		}
		if r.partial > firstAllocation {
			t.Errorf("%d bytes declared: %d held", c.size, r.partial)
		}
	}
	whole := append([]byte("\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\xff\xff\xff"), declared(4, maxMessage)...)
	r := readerOf(append(whole, make([]byte, maxMessage)...))
	_, _ = r.next()
	if m, err := r.next(); err != nil || len(m.payload) != maxMessage || cap(m.payload) != maxMessage {
		t.Errorf("longest message: %d bytes in %d, %v", len(m.payload), cap(m.payload), err)
	}
}

// 64 chunk streams declare 8 MiB each; memory follows what they send.
func TestFault_R3_PartialMessages(t *testing.T) {
	var b []byte
	for id := uint32(3); id < 3+maxChunkStreams; id++ {
		b = append(append(b, declared(id, maxMessage)...), make([]byte, 128)...)
	}
	r := readerOf(b)
	if _, err := r.next(); err != io.EOF {
		t.Fatal(err)
	}
	if r.partial > maxChunkStreams*firstAllocation {
		t.Errorf("%d bytes held for %d received", r.partial, len(b))
	}
	if _, err := readerOf(append(b, declared(200, 1)...)).next(); !errors.Is(err, errChunkStreams) {
		t.Errorf("chunk stream 65: got %v", err)
	}

	// Three streams get on to nearly 8 MiB: the third is one too many.
	b = []byte("\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x7f\xff\xff")
	for id := uint32(3); id < 6; id++ {
		b = append(append(b, declared(id, maxMessage)...), make([]byte, 0x7FFFFF)...)
	}
	r = readerOf(b)
	if _, err := readMessages(r); !errors.Is(err, errPartial) {
		t.Errorf("three messages of 8 MiB: got %v", err)
	}
	if r.partial > maxPartial {
		t.Errorf("%d bytes held", r.partial)
	}
}

func TestChunkUnopened(t *testing.T) {
	for format := byte(1); format < 4; format++ {
		b := append([]byte{format<<6 | 4}, make([]byte, 20)...)
		if _, err := readerOf(b).next(); !errors.Is(err, errChunkUnopened) {
			t.Errorf("fmt %d: got %v", format, err)
		}
	}
}

func TestChunkEndOfInput(t *testing.T) {
	h := &handChunker{size: 128, form: 3}
	h.message(0, 70, 0x01000000, typeVideo, text(200, 1))
	between := map[int]bool{0: true, 3 + 15 + 128: true, len(h.b): true} // whole chunks
	for n := range len(h.b) + 1 {
		_, err := readMessages(readerOf(h.b[:n]))
		want := io.ErrUnexpectedEOF
		if between[n] {
			want = io.EOF
		}
		if err != want {
			t.Errorf("after %d bytes: got %v, want %v", n, err, want)
		}
	}
}

// What the writer writes is read back, for messages of all lengths and times that
// jump, in chunk sizes that change.
func TestChunkWriterRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	times := []timestamp{0, 0, 40, 20, 0xFFFFFE, 0xFFFFFF, 0x01FFFFFE, 0x80000000, 0xFFFFFFFF, 3}
	ids := []uint32{2, 3, 63, 64, 319, 320, 65599}
	var b bytes.Buffer
	w := newChunkWriter(&b)
	var want []string
	send := func(m message, more ...[]byte) {
		if err := w.write(m, more...); err != nil {
			t.Fatal(err)
		}
		m.payload = append(bytes.Clone(m.payload), bytes.Join(more, nil)...)
		want = append(want, describe(m))
	}
	for i := range 3000 {
		if i%100 == 0 {
			send(setChunkSize(1 + rnd.Uint32N(300)))
		}
		send(message{chunkStream: ids[rnd.IntN(len(ids))], kind: typeVideo, stream: uint32(rnd.IntN(2)), time: times[rnd.IntN(len(times))],
			payload: []byte(text(rnd.IntN(4), 1))}, []byte(text(rnd.IntN(700), 2)), []byte(text(rnd.IntN(3), 3)))
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(b.Bytes()), "byte by byte": iotest.OneByteReader(bytes.NewReader(b.Bytes()))} {
		got, err := readMessages(newChunkReader(bufio.NewReader(r)))
		if d := cmp.Diff(want, got); d != "" || err != io.EOF {
			t.Errorf("%s: %v, %.2000s", name, err, d)
		}
	}
}

// A payload is the caller's: nothing that is read later may touch it.
func TestChunkPayloadsAreApart(t *testing.T) {
	h := &handChunker{size: 128, form: 1}
	h.message(0, 4, 0, typeVideo, strings.Repeat("a", 300))
	h.message(3, 4, 0, typeVideo, strings.Repeat("b", 300))
	r := readerOf(h.b)
	first, _ := r.next()
	second, _ := r.next()
	if string(first.payload) != strings.Repeat("a", 300) || string(second.payload) != strings.Repeat("b", 300) {
		t.Errorf("got %q and %q", first.payload, second.payload)
	}
}

func FuzzChunkReader(f *testing.F) {
	h := &handChunker{size: 128, form: 1, repeat: true}
	h.message(0, 4, 0x01000000, typeVideo, text(300, 1))
	h.message(3, 4, 0, typeVideo, text(300, 2))
	h.message(0, 2, 0, typeAbort, "\x00\x00\x00\x04")
	f.Add(h.b)
	f.Add(declared(4, maxMessage))
	for _, name := range captureNames {
		b := readCapture(f, name)[1+2*handshakeSize:]
		f.Add(b[:min(len(b), 4000)])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := readerOf(in)
		var b bytes.Buffer
		w := newChunkWriter(&b)
		var want []string
		for {
			m, err := r.next()
			if err != nil {
				break
			}
			want = append(want, describe(m))
			if err := w.write(m); err != nil {
				t.Fatal(err)
			}
		}
		if r.partial > maxPartial || r.received > uint64(len(in)) {
			t.Fatalf("%d bytes held, %d counted of %d", r.partial, r.received, len(in))
		}
		_ = w.flush()
		got, err := readMessages(readerOf(b.Bytes()))
		if d := cmp.Diff(want, got); d != "" || err != io.EOF {
			t.Fatalf("written and read back: %v %s", err, d)
		}
	})
}

// One allocation a frame, its payload, whatever the chunk size.
func BenchmarkChunkReader(b *testing.B) {
	for _, size := range []uint32{128, 4096, 65536} {
		b.Run(fmt.Sprintf("chunk=%d", size), func(b *testing.B) {
			const frames, frame = 100, 25_000
			var wire bytes.Buffer
			w := newChunkWriter(&wire)
			_ = w.write(setChunkSize(size))
			for i := range frames {
				_ = w.write(message{chunkStream: 6, kind: typeVideo, stream: 1, time: timestamp(i * 40), payload: make([]byte, frame)})
			}
			_ = w.flush()
			src := bytes.NewReader(nil)
			br := bufio.NewReaderSize(src, readBuffer)
			b.SetBytes(frames * frame)
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(wire.Bytes())
				br.Reset(src)
				r := newChunkReader(br)
				for {
					if _, err := r.next(); err != nil {
						break
					}
				}
			}
			b.ReportMetric(float64(testing.AllocsPerRun(10, func() {
				src.Reset(wire.Bytes())
				br.Reset(src)
				r := newChunkReader(br)
				for range frames + 1 {
					_, _ = r.next()
				}
			}))/frames, "allocs/frame")
		})
	}
}
