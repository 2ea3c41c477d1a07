package rtmp

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestFault_Q2_UnsentBytes: what the kernel holds for a player that does not read is
// bounded too.
func TestFault_Q2_UnsentBytes(t *testing.T) {
	const window = 64 << 10 // of the player
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, window) }); e != nil {
			return e
		}
		return err
	}}
	player, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer player.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	limitUnsent(server, maxUnsent)
	if err := server.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := server.Write(make([]byte, 32<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("wrote %d bytes to a player that does not read, %v", n, err)
	}
	if n > 2*window+2*maxUnsent {
		t.Errorf("the kernel took %d bytes", n)
	}
	t.Logf("the kernel took %d bytes", n)
}
