package rtmp

import (
	"net"
	"syscall"
)

// tcpNotSentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h.
const tcpNotSentLowat = 25

// limitUnsent bounds the bytes that wait in the kernel to be sent, which may be 4 MiB
// otherwise. It leaves alone what is under way, so fast players far off stay fast. An
// error means only that the kernel's own limit holds.
func limitUnsent(nc net.Conn, size int) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, size)
	})
}
