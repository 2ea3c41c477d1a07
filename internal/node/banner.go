package node

import (
	"fmt"
	"io"
	"net"
)

// Banner tells the operator what to push to and what to open. A secret is shown when
// it has just been made: this goes to a terminal, once, not to a log.
func (n *Node) Banner(w io.Writer) { n.banner(w, "NAME", n.made.PublishKey) }

func (n *Node) banner(w io.Writer, stream string, showKey bool) {
	fmt.Fprintln(w)
	if a := n.cfg.RTMP.Addr; a != "" {
		key := "KEY"
		if showKey {
			key = n.cfg.Auth.PublishKey.Reveal()
		}
		fmt.Fprintf(w, "  Push   rtmp://%s/%s\n", reachable(a), n.cfg.RTMP.Apps[0])
		fmt.Fprintf(w, "         stream key: %s?key=%s\n", "NAME", key)
		if !showKey {
			fmt.Fprintf(w, "         (KEY is the one configured, or stands in %s/secrets.yaml)\n", n.cfg.DataDir)
		}
	}
	if a := n.cfg.HTTP.Addr; a != "" {
		fmt.Fprintf(w, "  Watch  http://%s/watch/%s\n", reachable(a), stream)
	}
	if a := n.cfg.HTTP.TLSAddr; a != "" {
		fmt.Fprintf(w, "  Watch  https://%s/watch/%s\n", reachable(a), stream)
	}
	if n.made.AdminToken {
		fmt.Fprintf(w, "  Admin  token for /api: %s (kept in %s/secrets.yaml)\n", n.cfg.Auth.AdminToken.Reveal(), n.cfg.DataDir)
	}
	fmt.Fprintln(w)
}

// reachable returns addr as it can be typed on this machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
