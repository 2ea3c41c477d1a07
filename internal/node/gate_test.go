package node

import (
	"net"
	"net/netip"
	"testing"
)

func tcp(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// Row Q3: connections are bounded, in all and from one address; IPv6 counts by /64.
func TestFault_Q3_ConnectionsAreBounded(t *testing.T) {
	g := newGate(5, 2)
	a1, ok1 := g.enter(tcp("[2001:db8::1]:1"))
	_, ok2 := g.enter(tcp("[2001:db8::2]:1"))
	if _, third := g.enter(tcp("[2001:db8::3]:1")); !ok1 || !ok2 || third {
		t.Error("one /64 is not held to two connections")
	}
	for range 3 { // loopback: only the total counts
		if _, ok := g.enter(tcp("127.0.0.1:1")); !ok {
			t.Error("loopback was held to the limit of an address")
		}
	}
	if _, ok := g.enter(tcp("192.0.2.1:1")); ok {
		t.Error("more than the total")
	}
	a1()
	a1() // counts once
	if _, ok := g.enter(tcp("192.0.2.1:1")); !ok {
		t.Error("a connection that closed is still counted")
	}
	if _, ok := g.enter(tcp("192.0.2.1:2")); ok {
		t.Error("a connection that closed twice was counted out twice")
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{":1935": "localhost:1935", "0.0.0.0:1": "localhost:1", "[::]:2": "localhost:2", "10.0.0.7:3": "10.0.0.7:3", "host:4": "host:4"} {
		if got := reachable(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
