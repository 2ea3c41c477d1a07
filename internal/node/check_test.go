package node

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/config"
)

// certificate writes a self-signed certificate for loopback and returns its files.
func certificate(t *testing.T, from, until time.Time) config.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: from, NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return config.TLS{CertFile: write("cert.pem", "CERTIFICATE", cert), KeyFile: write("key.pem", "PRIVATE KEY", secret)}
}

// fakeFFmpeg puts a program of that name first in PATH, so that Check finds one anywhere.
func fakeFFmpeg(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ffmpeg"), []byte("#!/bin/sh\necho ffmpeg version 99\necho more\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestCheckOfAGoodMachine(t *testing.T) {
	fakeFFmpeg(t)
	cfg := settings(t)
	cfg.TLS = certificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	var out bytes.Buffer
	if err := Check(t.Context(), cfg, &out); err != nil {
		t.Errorf("%v:\n%s", err, out.String())
	}
	for _, want := range []string{"settings", "rtmp.addr", "http.addr", "data_dir", "certificate valid until", "ffmpeg version 99\n", "clock"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if left, _ := os.ReadDir(cfg.DataDir); len(left) != 0 {
		t.Errorf("check leaves %v in the data directory", left)
	}
}

func TestCheckNamesWhatToMend(t *testing.T) {
	fakeFFmpeg(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, c := range []struct {
		name   string
		change func(*config.Config)
		want   []string
	}{
		{"two wrong settings", func(c *config.Config) { c.Log.Level, c.Segment.Part = "loud", 0 }, []string{"log.level", "segment.part"}},
		{"taken port", func(c *config.Config) { c.HTTP.Addr = taken.Addr().String() }, []string{"http.addr", "another process"}},
		{"no directory", func(c *config.Config) { c.DataDir = filepath.Join(file, "data") }, []string{"data_dir"}},
		{"no certificate", func(c *config.Config) { c.TLS.CertFile, c.TLS.KeyFile = file, file }, []string{"tls", "PEM"}},
		{"old certificate", func(c *config.Config) { c.TLS = certificate(t, now.AddDate(-1, 0, 0), now.AddDate(0, 0, -1)) }, []string{"tls", "have a new one made"}},
		{"certificate of the future", func(c *config.Config) { c.TLS = certificate(t, now.AddDate(0, 0, 1), now.AddDate(1, 0, 0)) }, []string{"tls", "valid from"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := settings(t)
			c.change(&cfg)
			var out bytes.Buffer
			if err := Check(t.Context(), cfg, &out); !errors.Is(err, ErrCheckFailed) {
				t.Errorf("err = %v", err)
			}
			var failed string
			for line := range strings.Lines(out.String()) {
				if strings.Contains(line, "FAIL") {
					failed += line
				}
			}
			for _, want := range c.want {
				if !strings.Contains(failed, want) {
					t.Errorf("no %q in what failed:\n%s", want, failed)
				}
			}
			if n := strings.Count(failed, "FAIL"); n > 2 {
				t.Errorf("%d failures for one cause:\n%s", n, failed)
			}
		})
	}
}

func TestCheckWithoutFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out bytes.Buffer
	if err := Check(t.Context(), settings(t), &out); !errors.Is(err, ErrCheckFailed) || !strings.Contains(out.String(), "install") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

func TestCheckClock(t *testing.T) {
	if err := checkClock(time.Date(1970, 1, 1, 0, 3, 0, 0, time.UTC)); err == nil {
		t.Error("a clock that was never set passes")
	}
	if err := checkClock(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
}
