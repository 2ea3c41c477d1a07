package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"

	"golang.org/x/sync/errgroup"

	"github.com/headrace/headrace/internal/demo"
	"github.com/headrace/headrace/internal/proto/rtmp"
)

// demoStream is the name under which the test programme is pushed.
const demoStream = "demo"

// RunDemo is Run with a generated test programme that is pushed over real RTMP, like
// any encoder's. The key is shown, so that a newcomer can push too.
func (n *Node) RunDemo(ctx context.Context, w io.Writer) error {
	if n.cfg.RTMP.Addr == "" {
		return fmt.Errorf("the demo pushes over RTMP: set rtmp.addr")
	}
	n.banner(w, demoStream, true)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.Run(ctx) })
	g.Go(func() error {
		select {
		case <-n.listening:
		case <-ctx.Done():
			return nil
		}
		return demo.Run(ctx, demo.Options{Logger: n.log, Push: n.pushDemo})
	})
	return g.Wait()
}

// pushDemo publishes an FLV stream to this server.
func (n *Node) pushDemo(ctx context.Context, flv io.Reader) error {
	key := n.cfg.Auth.PublishKey
	if keys := n.cfg.Streams[demoStream].PublishKeys; len(keys) > 0 {
		key = keys[0]
	}
	host, port, err := net.SplitHostPort(reachable(n.cfg.RTMP.Addr))
	if err != nil {
		return err
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	u := url.URL{Scheme: "rtmp", Host: net.JoinHostPort(host, port), Path: "/" + n.cfg.RTMP.Apps[0] + "/" + demoStream, RawQuery: "key=" + url.QueryEscape(key.Reveal())}
	c, err := rtmp.Dial(ctx, u.String(), nil)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if err := c.Publish(); err != nil {
		return err
	}
	return c.PublishFLV(flv)
}
