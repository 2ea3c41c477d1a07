package rtmp

import "context"

// A player is a connection's playback.
type player struct{}

func (p *player) close(reason error) {}

// handlePlay answers a play command.
func (c *conn) handlePlay(_ context.Context, _ message, _ command) error {
	if err := c.ready(codeNoPlay); err != nil {
		return err
	}
	return reject(codeNoPlay, "playing is not offered here")
}
