package rtmp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandshakeBothSides(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	done := make(chan error, 1)
	go func() { done <- acceptHandshake(bufio.NewReader(server), server) }()
	// A pipe holds nothing, so the client reads what is written at once.
	if err := offerHandshake(bufio.NewReader(client), client); err != nil {
		t.Error("client:", err)
	}
	if err := <-done; err != nil {
		t.Error("server:", err)
	}
}

// clientHello returns C0, C1 and C2 of a client that echoes nothing.
func clientHello(version byte) []byte {
	return append([]byte{version}, bytes.Repeat([]byte{0xA5}, 2*handshakeSize)...)
}

func TestHandshakeAnswer(t *testing.T) {
	for _, version := range []byte{0, 3, 5, 31} {
		in := clientHello(version)
		var out bytes.Buffer
		r := bufio.NewReader(io.MultiReader(bytes.NewReader(in), strings.NewReader("next")))
		if err := acceptHandshake(r, &out); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		answer := out.Bytes()
		if len(answer) != 1+2*handshakeSize || answer[0] != protocolVersion {
			t.Fatalf("version %d: answer of %d bytes begins with %d", version, len(answer), answer[0])
		}
		if !bytes.Equal(answer[1+handshakeSize:], in[1:1+handshakeSize]) {
			t.Errorf("version %d: S2 does not repeat C1", version)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "next" {
			t.Errorf("version %d: %q left after the handshake, want %q", version, rest, "next")
		}
	}
}

func TestFault_R5_HandshakeRefused(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"HTTP GET":            {"GET / HTTP/1.1\r\n\r\n", errNotRTMP},
		"HTTP POST":           {"POST /open/1 HTTP/1.1\r\n\r\n", errNotRTMP},
		"TLS":                 {"\x16\x03\x01\x02\x00", errNotRTMP},
		"first byte 32":       {" ", errNotRTMP},
		"RTMPE":               {string(clientHello(6)), errEncrypted},
		"nothing":             {"", io.EOF},
		"half of C1":          {string(clientHello(3)[:700]), io.ErrUnexpectedEOF},
		"no C2":               {string(clientHello(3)[:1+handshakeSize]), io.EOF},
		"C2 short by a byte":  {string(clientHello(3)[:2*handshakeSize]), io.EOF},
		"garbage, high bytes": {strings.Repeat("\xff", 4000), errNotRTMP},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := acceptHandshake(bufio.NewReader(strings.NewReader(c.in)), &out)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if c.want == errNotRTMP && out.Len() > 0 {
				t.Errorf("answered %d bytes to what is not RTMP", out.Len())
			}
		})
	}
}

// A peer that stops half way holds the goroutine until the deadline, and no longer.
func TestFault_R5_HandshakeDeadline(t *testing.T) {
	for name, sent := range map[string]int{"nothing sent": 0, "half of C1": 700, "C2 never": 1 + handshakeSize} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				go func() {
					_, _ = client.Write(clientHello(3)[:sent])
					_, _ = io.Copy(io.Discard, client)
				}()
				start := time.Now()
				_ = server.SetDeadline(start.Add(5 * time.Second))
				err := acceptHandshake(bufio.NewReader(server), server)
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v, want the deadline", err)
				}
				if took := time.Since(start); took != 5*time.Second {
					t.Errorf("took %v, want 5s", took)
				}
				server.Close()
			})
		})
	}
}

func TestHandshakeClientRefuses(t *testing.T) {
	if err := offerHandshake(bufio.NewReader(bytes.NewReader(clientHello(6))), io.Discard); err == nil {
		t.Error("server version 6 taken")
	}
	if err := offerHandshake(bufio.NewReader(strings.NewReader("\x03half")), io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short answer: got %v", err)
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(clientHello(3))
	f.Add(clientHello(6))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		err := acceptHandshake(bufio.NewReader(bytes.NewReader(in)), &out)
		whole := len(in) >= 1+2*handshakeSize && in[0] < firstNonVersion && in[0] != encryptedVersion && in[0] != tlsFirstByte
		if (err == nil) != whole {
			t.Fatalf("%d bytes: %v", len(in), err)
		}
		_ = offerHandshake(bufio.NewReader(bytes.NewReader(in)), io.Discard)
	})
}
