package rtmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// AMF0 values are held as float64, bool, string, Object, ECMAArray, []any (strict
// array), Date, Undefined, and nil for null.

// An Object is an AMF0 object, its properties in the order of the wire.
type Object []Property

// An ECMAArray is an object that was, or shall be, written as an AMF0 ECMA array.
type ECMAArray []Property

// A Property is a name and an AMF0 value.
type Property struct {
	Name  string
	Value any
}

// Undefined is the AMF0 value that is not even null.
type Undefined struct{}

// A Date is milliseconds since the Unix epoch. Its zone is reserved and 0 (AMF0, 2.13).
type Date float64

// Get returns the value of the property called name, nil if there is none. If no
// property has that very name, case is ignored: encoders differ in it.
func (o Object) Get(name string) any {
	for _, p := range o {
		if p.Name == name {
			return p.Value
		}
	}
	for _, p := range o {
		if strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return nil
}

// String returns the property called name, "" if it is no string.
func (o Object) String(name string) string {
	s, _ := o.Get(name).(string)
	return s
}

// Number returns the property called name and whether it is a number.
func (o Object) Number(name string) (float64, bool) {
	n, ok := o.Get(name).(float64)
	return n, ok
}

// Object returns the property called name, nil if it is no object.
func (o Object) Object(name string) Object { return asObject(o.Get(name)) }

// asObject returns v if it is an object or an ECMA array, else nil.
func asObject(v any) Object {
	switch v := v.(type) {
	case Object:
		return v
	case ECMAArray:
		return Object(v)
	}
	return nil
}

// Type markers (AMF0, 2.1).
const (
	amfNumber      = 0x00
	amfBoolean     = 0x01
	amfString      = 0x02
	amfObject      = 0x03
	amfNull        = 0x05
	amfUndefined   = 0x06
	amfECMAArray   = 0x08
	amfObjectEnd   = 0x09
	amfStrictArray = 0x0A
	amfDate        = 0x0B
	amfLongString  = 0x0C
	amfXML         = 0x0F
	amfTypedObject = 0x10
	amfAVMPlus     = 0x11 // AMF3 follows
)

const (
	// maxAMFDepth is how deep objects and arrays may be nested.
	maxAMFDepth = 16

	// maxAMFElements is how many values a message may hold, nested ones included.
	maxAMFElements = 4096
)

var (
	errAMFShort    = errors.New("AMF0 value is cut short")
	errAMFDepth    = errors.New("AMF0 values are nested too deep")
	errAMFElements = errors.New("too many AMF0 values")
	errAMF3        = errors.New("value is AMF3")
)

// decodeAMF returns the AMF0 values that b is a row of. With an error come those
// before it. Strings are copies, so that no value keeps b alive.
func decodeAMF(b []byte) ([]any, error) {
	r := amfReader{b: b}
	var values []any
	for len(r.b) > 0 {
		v := r.value(0)
		if r.err != nil {
			return values, r.err
		}
		values = append(values, v)
	}
	return values, nil
}

// An amfReader is a cursor that keeps the first error; after it all it reads is zero.
type amfReader struct {
	b        []byte
	elements int
	err      error
}

func (r *amfReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *amfReader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail(errAMFShort)
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// uint reads a big-endian number of size bytes.
func (r *amfReader) uint(size uint64) uint64 {
	var v uint64
	for _, c := range r.bytes(size) {
		v = v<<8 | uint64(c)
	}
	return v
}

func (r *amfReader) number() float64 { return math.Float64frombits(r.uint(8)) }

// text reads a string whose length takes size bytes.
func (r *amfReader) text(size uint64) string { return string(r.bytes(r.uint(size))) }

// value reads one value, which stands in depth others (AMF0, 2.2 to 2.18).
func (r *amfReader) value(depth int) any {
	if r.elements++; r.elements > maxAMFElements {
		r.fail(errAMFElements)
		return nil
	}
	switch marker := r.uint(1); marker {
	case amfNumber:
		return r.number()
	case amfBoolean:
		return r.uint(1) != 0
	case amfString:
		return r.text(2)
	case amfLongString, amfXML:
		return r.text(4)
	case amfObject:
		return Object(r.properties(depth))
	case amfTypedObject:
		r.text(2) // the class means nothing to us
		return Object(r.properties(depth))
	case amfECMAArray:
		r.uint(4) // a count, which is a hint: the end marker decides
		return ECMAArray(r.properties(depth))
	case amfStrictArray:
		return r.strictArray(depth)
	case amfDate:
		d := Date(r.number())
		r.uint(2)
		return d
	case amfNull:
		return nil
	case amfUndefined:
		return Undefined{}
	case amfAVMPlus:
		r.fail(errAMF3)
	default:
		r.fail(fmt.Errorf("unknown AMF0 type %#02x", marker))
	}
	return nil
}

// properties reads names and values up to the end marker, an empty name and 0x09.
func (r *amfReader) properties(depth int) []Property {
	if depth++; depth > maxAMFDepth {
		r.fail(errAMFDepth)
	}
	var all []Property
	for r.err == nil {
		name := r.text(2)
		if name == "" && len(r.b) > 0 && r.b[0] == amfObjectEnd {
			r.bytes(1)
			return all
		}
		all = append(all, Property{name, r.value(depth)})
	}
	return nil
}

func (r *amfReader) strictArray(depth int) []any {
	if depth++; depth > maxAMFDepth {
		r.fail(errAMFDepth)
	}
	var all []any // grows by what is there, not by what is declared
	for n := r.uint(4); n > 0 && r.err == nil; n-- {
		all = append(all, r.value(depth))
	}
	return all
}

// appendAMF appends values in AMF0. It panics for a Go type that is none of the AMF0
// values named above, which is our own mistake.
func appendAMF(dst []byte, values ...any) []byte {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			dst = append(dst, amfNull)
		case Undefined:
			dst = append(dst, amfUndefined)
		case bool:
			dst = append(dst, amfBoolean, 0)
			if v {
				dst[len(dst)-1] = 1
			}
		case float64:
			dst = binary.BigEndian.AppendUint64(append(dst, amfNumber), math.Float64bits(v))
		case Date:
			dst = binary.BigEndian.AppendUint64(append(dst, amfDate), math.Float64bits(float64(v)))
			dst = append(dst, 0, 0)
		case string:
			dst = appendAMFString(dst, v)
		case Object:
			dst = appendProperties(append(dst, amfObject), v)
		case ECMAArray:
			dst = binary.BigEndian.AppendUint32(append(dst, amfECMAArray), uint32(len(v)))
			dst = appendProperties(dst, v)
		case []any:
			dst = binary.BigEndian.AppendUint32(append(dst, amfStrictArray), uint32(len(v)))
			dst = appendAMF(dst, v...)
		default:
			panic(fmt.Sprintf("rtmp: no AMF0 form for %T", v))
		}
	}
	return dst
}

func appendAMFString(dst []byte, s string) []byte {
	if len(s) > math.MaxUint16 {
		return append(binary.BigEndian.AppendUint32(append(dst, amfLongString), uint32(len(s))), s...)
	}
	return append(binary.BigEndian.AppendUint16(append(dst, amfString), uint16(len(s))), s...)
}

func appendProperties(dst []byte, properties []Property) []byte {
	for _, p := range properties {
		name := p.Name[:min(len(p.Name), math.MaxUint16)]
		dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(name))), name...)
		dst = appendAMF(dst, p.Value)
	}
	return append(dst, 0, 0, amfObjectEnd)
}
