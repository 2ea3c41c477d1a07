//go:build !linux

package rtmp

import "net"

// limitUnsent is for Linux; elsewhere the send buffer is what the system makes it.
func limitUnsent(net.Conn, int) {}
