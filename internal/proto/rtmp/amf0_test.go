package rtmp

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// connectOBS is the values of a connect command as OBS sends it.
var connectOBS = []any{"connect", 1.0, Object{
	{"app", "live"}, {"type", "nonprivate"}, {"flashVer", "FMLE/3.0 (compatible; FMSc/1.0)"},
	{"swfUrl", "rtmp://localhost/live"}, {"tcUrl", "rtmp://localhost/live"},
}}

func TestAMFRoundTrip(t *testing.T) {
	for name, values := range map[string][]any{
		"connect": connectOBS,
		"scalars": {1.5, math.Copysign(0, -1), math.Inf(1), true, false, "", "text", nil, Undefined{}, Date(1.7e12)},
		"nested": {Object{{"a", ECMAArray{{"b", []any{1.0, "x", nil}}}}, {"a", "again"}, {"", "nameless"}},
			ECMAArray{{"empty", Object(nil)}}},
		"long string": {strings.Repeat("x", 70000)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeAMF(appendAMF(nil, values...))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(values, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// The bytes stand in AMF0 as examples of each type, so decoding does not rest on our own encoder alone.
func TestAMFDecode(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []any
	}{
		"number":                   {"\x00\x40\x59\x00\x00\x00\x00\x00\x00", []any{100.0}},
		"boolean above 1":          {"\x01\x02", []any{true}},
		"ecma array, count wrong":  {"\x08\xff\xff\xff\xff\x00\x01k\x05\x00\x00\x09", []any{ECMAArray{{"k", nil}}}},
		"typed object":             {"\x10\x00\x01C\x00\x01k\x01\x01\x00\x00\x09", []any{Object{{"k", true}}}},
		"xml":                      {"\x0f\x00\x00\x00\x02<>", []any{"<>"}},
		"date with a zone":         {"\x0b\x00\x00\x00\x00\x00\x00\x00\x00\xff\xc4", []any{Date(0)}},
		"strict array, then value": {"\x0a\x00\x00\x00\x01\x05\x06", []any{[]any{nil}, Undefined{}}},
		"nothing":                  {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeAMF([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestObjectGet(t *testing.T) {
	o := Object{{"tcurl", "lower"}, {"TCURL", "upper"}, {"n", 2.0}, {"map", ECMAArray{{"*", 7.0}}}}
	if got := o.String("TCURL"); got != "upper" {
		t.Errorf("exact name: got %q, want %q", got, "upper")
	}
	if got := o.String("tcUrl"); got != "lower" {
		t.Errorf("name in another case: got %q, want %q", got, "lower")
	}
	if got := o.String("n"); got != "" {
		t.Errorf("number asked for as string: got %q, want none", got)
	}
	if n, ok := o.Number("n"); !ok || n != 2 {
		t.Errorf("number: got %v, %v", n, ok)
	}
	if n, ok := o.Object("map").Number("*"); !ok || n != 7 {
		t.Errorf("property of an ECMA array: got %v, %v", n, ok)
	}
	if o.Object("n") != nil || o.Get("none") != nil {
		t.Error("found what is not there")
	}
}

// nest returns n objects in each other.
func nest(n int) []byte {
	b := bytes.Repeat([]byte("\x03\x00\x01k"), n)
	return append(append(b, amfNull), bytes.Repeat([]byte{0, 0, amfObjectEnd}, n)...)
}

func TestFault_R1_AMF0Truncated(t *testing.T) {
	whole := appendAMF(nil, connectOBS...)
	starts := map[int]bool{} // where a value ends, the rest is whole
	for n := range connectOBS {
		starts[len(appendAMF(nil, connectOBS[:n]...))] = true
	}
	for n := range whole {
		if _, err := decodeAMF(whole[:n]); (err == nil) != starts[n] {
			t.Errorf("first %d bytes: error %v", n, err)
		}
	}
}

func TestFault_R1_AMF0Malformed(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		want error // nil: any
	}{
		"unknown marker":           {in: []byte{0x42}},
		"movie clip":               {in: []byte{0x04}},
		"reference":                {in: []byte{0x07, 0, 0}},
		"stray end marker":         {in: []byte{0x09}},
		"AMF3":                     {[]byte{0x11, 0x01}, errAMF3},
		"object without end":       {[]byte("\x03\x00\x01k\x05"), errAMFShort},
		"key without value":        {in: []byte("\x03\x00\x01k\x00\x00\x09")},
		"array of 2^32-1":          {[]byte{0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x05}, errAMFShort},
		"long string of 4 GiB":     {[]byte{0x0C, 0xFF, 0xFF, 0xFF, 0xFF, 'x'}, errAMFShort},
		"17 deep":                  {nest(17), errAMFDepth},
		"100000 deep":              {nest(100_000), errAMFDepth},
		"arrays in arrays":         {bytes.Repeat([]byte{0x0A, 0, 0, 0, 1}, 17), errAMFDepth},
		"4097 values":              {bytes.Repeat([]byte{amfNull}, 4097), errAMFElements},
		"4097 values in an array":  {append([]byte{0x0A, 0xFF, 0xFF, 0xFF, 0xFF}, bytes.Repeat([]byte{5}, 4097)...), errAMFElements},
		"4097 values in an object": {append([]byte{0x03}, bytes.Repeat([]byte{0, 1, 'k', 5}, 4097)...), errAMFElements},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decodeAMF(c.in); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	for name, in := range map[string][]byte{"16 deep": nest(16), "4096 values": bytes.Repeat([]byte{amfNull}, 4096)} {
		if _, err := decodeAMF(in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A count alone must cost nothing: the array of 2^32-1 above, measured.
func TestFault_R1_CountAllocatesNothing(t *testing.T) {
	in := []byte{0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x05}
	r := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			_, _ = decodeAMF(in)
		}
	})
	if got := r.AllocedBytesPerOp(); got > 1024 {
		t.Errorf("%d bytes allocated for an array of one", got)
	}
}

func FuzzAMF0(f *testing.F) {
	f.Add(appendAMF(nil, connectOBS...))
	f.Add(appendAMF(nil, "@setDataFrame", "onMetaData", ECMAArray{{"width", 1280.0}, {"stereo", true}}))
	f.Add(nest(16))
	f.Add([]byte("\x10\x00\x01C\x00\x01k\x01\x01\x00\x00\x09\x0b\x00\x00\x00\x00\x00\x00\x00\x00\xff\xc4\x0f\x00\x00\x00\x02<>"))
	f.Add([]byte{0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x05})
	f.Fuzz(func(t *testing.T, in []byte) {
		values, err := decodeAMF(in)
		again := appendAMF(nil, values...)
		back, err2 := decodeAMF(again)
		if err2 != nil {
			t.Fatalf("what was read (%v) cannot be read back: %v", err, err2)
		}
		if !bytes.Equal(again, appendAMF(nil, back...)) { // by bytes, for NaN's sake
			t.Fatalf("got %v, want %v", back, values)
		}
	})
}
