package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/config"
)

// ErrCheckFailed says that `headrace check` found something to mend.
var ErrCheckFailed = errors.New("there is something to mend")

// checks runs the checks of a machine and prints each result.
type checks struct {
	w      io.Writer
	failed bool
}

func (c *checks) report(what string, err error, note string) {
	switch {
	case err != nil:
		c.failed = true
		fmt.Fprintf(c.w, "  FAIL  %-12s %v\n", what, err)
	case note != "":
		fmt.Fprintf(c.w, "  ok    %-12s %s\n", what, note)
	default:
		fmt.Fprintf(c.w, "  ok    %s\n", what)
	}
}

// Check validates the configuration and looks at the machine: addresses, data
// directory, certificate, ffmpeg, clock. It prints what it finds, with what to do, and
// returns ErrCheckFailed if something has to be mended.
func Check(ctx context.Context, cfg config.Config, w io.Writer) error {
	c := &checks{w: w}
	if err := cfg.Validate(); err != nil {
		for e := range strings.Lines(err.Error()) {
			c.report("setting", errors.New(strings.TrimSpace(e)), "")
		}
	} else {
		c.report("settings", nil, "")
	}
	for _, l := range []struct{ name, addr string }{
		{"rtmp.addr", cfg.RTMP.Addr}, {"rtmp.tls_addr", cfg.RTMP.TLSAddr}, {"http.addr", cfg.HTTP.Addr}, {"http.tls_addr", cfg.HTTP.TLSAddr},
	} {
		if l.addr != "" {
			c.report(l.name, checkAddr(ctx, l.addr), l.addr+" is free")
		}
	}
	c.report("data_dir", checkDir(cfg.DataDir), cfg.DataDir+" can be written")
	if cfg.TLS.CertFile != "" {
		note, err := checkCertificate(cfg.TLS.CertFile, cfg.TLS.KeyFile, time.Now())
		c.report("tls", err, note)
	}
	note, err := checkFFmpeg(ctx)
	c.report("ffmpeg", err, note)
	c.report("clock", checkClock(time.Now()), time.Now().UTC().Format(time.RFC3339))
	if c.failed {
		return ErrCheckFailed
	}
	return nil
}

func checkAddr(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("%w: another process may hold it; stop that one or choose another address", err)
	}
	return l.Close()
}

func checkDir(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("%w: choose a directory that this user can make", err)
	}
	probe := filepath.Join(dir, ".check")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		return fmt.Errorf("%w: this user must be able to write there", err)
	}
	return os.Remove(probe)
}

func checkCertificate(certFile, keyFile string, now time.Time) (note string, err error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return "", fmt.Errorf("%w: certificate and key must be PEM files that belong together", err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return "", err
	}
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return "", fmt.Errorf("the certificate is valid from %s to %s: have a new one made", cert.NotBefore.Format(time.DateOnly), cert.NotAfter.Format(time.DateOnly))
	}
	return "certificate valid until " + cert.NotAfter.Format(time.DateOnly), nil
}

func checkFFmpeg(ctx context.Context) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-version").Output()
	if err != nil {
		return "", fmt.Errorf("%w: install it (Debian: apt-get install ffmpeg); only the demo needs it so far", err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first, nil
}

// checkClock looks for a clock that was never set. PROGRAM-DATE-TIME and segment
// numbers come from it.
func checkClock(now time.Time) error {
	if now.Year() < 2026 {
		return fmt.Errorf("it is %s here: set the clock (NTP)", now.Format(time.RFC3339))
	}
	return nil
}
