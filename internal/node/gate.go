package node

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// gate bounds the connections of several listeners together, in all and from one
// address. Loopback is exempt from the latter: a proxy on this machine carries everybody.
type gate struct {
	total, perNet int

	mu   sync.Mutex // guards all below; a leaf
	open int
	nets map[netip.Prefix]int
}

func newGate(total, perNet int) *gate {
	return &gate{total: total, perNet: perNet, nets: map[netip.Prefix]int{}}
}

// enter counts a connection in and returns how it is counted out; ok is false at the limit.
func (g *gate) enter(remote net.Addr) (leave func(), ok bool) {
	var net_ netip.Prefix
	if ap, err := netip.ParseAddrPort(remote.String()); err == nil && !ap.Addr().IsLoopback() {
		addr := ap.Addr().Unmap().WithZone("")
		bits := 64
		if addr.Is4() {
			bits = 32
		}
		net_, _ = addr.Prefix(bits)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= g.total || net_.IsValid() && g.nets[net_] >= g.perNet {
		return nil, false
	}
	g.open++
	g.nets[net_]++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.open--
		if g.nets[net_]--; g.nets[net_] == 0 {
			delete(g.nets, net_)
		}
	}), true
}

func (g *gate) listener(l net.Listener) net.Listener { return &gatedListener{l, g} }

type gatedListener struct {
	net.Listener
	gate *gate
}

// Accept returns the next connection that is within the limits; others are closed. It
// waits out a shortage of file descriptors: an accept loop never ends for that.
func (l *gatedListener) Accept() (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; {
		c, err := l.Listener.Accept()
		if te, ok := err.(interface{ Temporary() bool }); ok && te.Temporary() {
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		if err != nil {
			return nil, err
		}
		leave, ok := l.gate.enter(c.RemoteAddr())
		if !ok {
			c.Close()
			continue
		}
		return &gatedConn{c.(*net.TCPConn), leave}, nil
	}
}

// gatedConn keeps the methods of a TCP connection, so that files and several buffers
// at once go out by the fast path.
type gatedConn struct {
	*net.TCPConn
	leave func()
}

func (c *gatedConn) Close() error {
	c.leave()
	return c.TCPConn.Close()
}
