package node

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGateCountsByNetwork(t *testing.T) {
	g := newGate(5, 2)
	from := func(s string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	leave, ok := g.enter(from("192.0.2.1:1"))
	_, ok2 := g.enter(from("192.0.2.1:2"))
	_, ok3 := g.enter(from("192.0.2.1:3"))
	if !ok || !ok2 || ok3 {
		t.Errorf("one address, limit 2: %v %v %v", ok, ok2, ok3)
	}
	leave()
	leave() // counts once
	if _, ok := g.enter(from("[::ffff:192.0.2.1]:4")); !ok {
		t.Error("the place that was left is not free")
	}
	if _, ok := g.enter(from("192.0.2.1:5")); ok {
		t.Error("leaving twice made two places")
	}
	_, a := g.enter(from("[2001:db8::1]:1"))
	_, b := g.enter(from("[2001:db8::2]:1"))
	_, c := g.enter(from("[2001:db8::3]:1"))
	if !a || !b || c {
		t.Errorf("one /64, limit 2: %v %v %v", a, b, c)
	}
	if _, ok := g.enter(from("127.0.0.1:1")); !ok {
		t.Error("loopback is refused below the limit of all")
	}
	if _, ok := g.enter(from("127.0.0.1:2")); ok {
		t.Error("the limit of all does not hold")
	}
}

func TestGateForgetsWhoLeft(t *testing.T) {
	g := newGate(1, 1)
	for range 1000 {
		leave, ok := g.enter(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)})
		if !ok {
			t.Fatal("refused")
		}
		leave()
	}
	if g.open != 0 || len(g.nets) != 0 {
		t.Errorf("%d open, %d networks are left", g.open, len(g.nets))
	}
}

func TestGatedListenerClosesWhatIsTooMuch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "in") }))
	s.Listener.Close()
	s.Listener = newGate(1, 1).listener(l)
	s.Start()
	defer s.Close()
	first := client(t, http1)
	if code, _, _ := get(t, first, s.URL); code != 200 {
		t.Fatalf("the first: %d", code)
	}
	if res, err := client(t, http1).Get(s.URL); err == nil {
		res.Body.Close()
		t.Error("the second is answered though the first holds the only place")
	}
	first.CloseIdleConnections()
	eventually(t, "a place is free again", func() bool {
		res, err := client(t, http1).Get(s.URL)
		if err != nil {
			return false
		}
		res.Body.Close()
		return true
	})
}
