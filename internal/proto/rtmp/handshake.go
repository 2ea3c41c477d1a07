package rtmp

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

const (
	// protocolVersion is C0 and S0 (RTMP 1.0, 5.2.2).
	protocolVersion = 3

	// encryptedVersion is the C0 of RTMPE, which we do not speak.
	encryptedVersion = 6

	// firstNonVersion: from here on the first byte is text or TLS, never a version
	// (RTMP 1.0, 5.2.2 keeps 32 and above free for telling text protocols apart).
	firstNonVersion = 32

	// tlsFirstByte begins a TLS record of a handshake (RFC 8446, 5.1).
	tlsFirstByte = 0x16

	// handshakeSize is the bytes of C1, S1, C2 and S2 (RTMP 1.0, 5.2.3 and 5.2.4).
	handshakeSize = 1536
)

var (
	errNotRTMP   = errors.New("first byte is not an RTMP version: the peer speaks something else, perhaps HTTP or TLS")
	errEncrypted = errors.New("peer asks for RTMPE, which is not spoken here")
)

// acceptHandshake is the server's side of the plain handshake. The caller has set the
// deadlines and flushes nothing: w is the connection itself.
//
// C2 counts by its length only. It should repeat S1 (RTMP 1.0, 5.2.4), but GStreamer
// 1.22 writes a time of its own into it.
func acceptHandshake(r *bufio.Reader, w io.Writer) error {
	version, err := r.ReadByte()
	switch {
	case err != nil:
		return fmt.Errorf("read C0: %w", err)
	case version >= firstNonVersion, version == tlsFirstByte:
		return errNotRTMP
	case version == encryptedVersion:
		return errEncrypted
	}
	var answer [1 + 2*handshakeSize]byte // S0, S1, S2
	answer[0] = protocolVersion
	fillRandom(answer[1:][:handshakeSize])
	if _, err := io.ReadFull(r, answer[1+handshakeSize:]); err != nil { // S2 repeats C1
		return fmt.Errorf("read C1: %w", err)
	}
	if _, err := w.Write(answer[:]); err != nil {
		return fmt.Errorf("write S0, S1, S2: %w", err)
	}
	if _, err := r.Discard(handshakeSize); err != nil {
		return fmt.Errorf("read C2: %w", err)
	}
	return nil
}

// offerHandshake is the client's side.
func offerHandshake(r *bufio.Reader, w io.Writer) error {
	var hello [1 + handshakeSize]byte
	hello[0] = protocolVersion
	fillRandom(hello[1:])
	if _, err := w.Write(hello[:]); err != nil {
		return fmt.Errorf("write C0, C1: %w", err)
	}
	if _, err := io.ReadFull(r, hello[:]); err != nil {
		return fmt.Errorf("read S0, S1: %w", err)
	}
	if hello[0] != protocolVersion {
		return fmt.Errorf("server answers with version %d", hello[0])
	}
	if _, err := w.Write(hello[1:]); err != nil { // C2 repeats S1
		return fmt.Errorf("write C2: %w", err)
	}
	if _, err := r.Discard(handshakeSize); err != nil {
		return fmt.Errorf("read S2: %w", err)
	}
	return nil
}

// fillRandom makes C1 or S1: time 0, four zero bytes, and random ones. The zeros
// tell a peer that we do not take part in the digest handshake.
func fillRandom(b []byte) {
	_, _ = rand.Read(b[8:]) // never fails (crypto/rand since Go 1.24)
}
