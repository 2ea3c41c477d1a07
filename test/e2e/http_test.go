package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a certificate for the loopback, signed by itself, and its key.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

// TestTLSAndHTTPVersions publishes by RTMPS and plays by each version of HTTP, in low
// latency, with the same rules held for each.
func TestTLSAndHTTPVersions(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	rtmps, https := freeAddr(t), freeAddr(t)
	s := start(t, quick, map[string]string{"tls.cert_file": cert, "tls.key_file": key, "rtmp.tls_addr": rtmps, "http.tls_addr": https})
	file := avClip(t, "22")
	pushFFmpeg(t, file, "rtmps://"+rtmps+"/live/tls?key="+publishKey)
	s.waitLive(t, "tls", 1)
	insecure := &tls.Config{InsecureSkipVerify: true} // the certificate is made for the test
	for _, c := range []struct {
		name, base string
		transport  http.RoundTripper
		version    int
	}{
		{"HTTP/1.1", "http://" + s.http, &http.Transport{DisableCompression: true}, 1},
		{"HTTP/1.1-TLS", "https://" + https, &http.Transport{DisableCompression: true, TLSClientConfig: insecure.Clone(), Protocols: only((*http.Protocols).SetHTTP1)}, 1},
		{"HTTP/2-TLS", "https://" + https, &http.Transport{DisableCompression: true, TLSClientConfig: insecure.Clone(), Protocols: only((*http.Protocols).SetHTTP2)}, 2},
		{"h2c", "http://" + s.http, &http.Transport{DisableCompression: true, Protocols: only((*http.Protocols).SetUnencryptedHTTP2)}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFollower(s, "tls", s.trackOf(t, "tls", "video"))
			f.client = &http.Client{Transport: c.transport, Timeout: 20 * time.Second}
			f.base = strings.Replace(f.base, "http://"+s.http, c.base, 1)
			res, err := f.client.Get(c.base + "/live/tls/master.m3u8")
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.ProtoMajor != c.version {
				t.Errorf("spoke %s", res.Proto)
			}
			stop := follow(t, f)
			ffprobe(t, time.Minute, s.master("tls"), fromStart...)
			if n := len(stop().check(t)); n < 12*30 {
				t.Errorf("the follower got %d frames", n)
			}
		})
	}
	t.Run("ffprobe-https", func(t *testing.T) {
		t.Parallel()
		out := ffprobe(t, time.Minute, "https://"+https+"/live/tls/master.m3u8", fromStart...)
		sameMedia(t, ffprobe(t, time.Minute, file), out, 3, inSync)
	})
}

// TestCacheContract asks for each kind of object as a CDN does.
func TestCacheContract(t *testing.T) {
	t.Parallel()
	s := start(t, quick)
	pushFFmpeg(t, avClip(t, "22"), s.push("cache"))
	s.waitLive(t, "cache", 2)
	track := s.trackOf(t, "cache", "video")
	pl, err := s.playlist("cache", track)
	if err != nil {
		t.Fatal(err)
	}
	dir := "/live/cache/" + track + "/"
	seg := pl.segments[len(pl.segments)-1]
	const forever = "max-age=31536000"
	for _, c := range []struct{ what, path, contentType, cache string }{
		{"multivariant playlist", "/live/cache/master.m3u8", "application/vnd.apple.mpegurl", "max-age="},
		{"media playlist", dir + "media.m3u8", "application/vnd.apple.mpegurl", "max-age="},
		{"blocking playlist", dir + fmt.Sprintf("media.m3u8?_HLS_msn=%d", pl.last()), "application/vnd.apple.mpegurl", "max-age="},
		{"initialisation segment", dir + seg.init, "video/mp4", forever},
		{"segment", dir + seg.uri, "video/iso.segment", forever},
		{"part", dir + seg.parts[0].uri, "video/iso.segment", forever},
	} {
		res, body, err := s.get(s.url(c.path), "Origin", "https://elsewhere.example")
		if err != nil {
			t.Fatal(err)
		}
		h := res.Header
		if res.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: %s, %d bytes", c.what, res.Status, len(body))
		}
		if got := h.Get("Content-Type"); got != c.contentType {
			t.Errorf("%s: Content-Type %q, want %q", c.what, got, c.contentType)
		}
		if got := h.Get("Cache-Control"); !strings.Contains(got, c.cache) || c.cache == forever && !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q, want %s", c.what, got, c.cache)
		}
		if got := h.Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", c.what, got)
		}
		if h.Get("Set-Cookie") != "" || h.Get("Location") != "" {
			t.Errorf("%s: a cookie or a redirect: %v", c.what, h)
		}
	}

	whole := s.mustGet(t, dir+seg.uri)
	res, body, err := s.get(s.url(dir+seg.uri), "Range", "bytes=100-199")
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusPartialContent || !bytes.Equal(body, whole[100:200]) {
		t.Errorf("range of a segment: %s, %d bytes", res.Status, len(body))
	}

	res, body, err = s.get(s.url(dir+"media.m3u8"), "Accept-Encoding", "gzip")
	if err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil || res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("playlist with gzip: %v, headers %v", err, res.Header)
	}
	if text, err := io.ReadAll(zr); err != nil || !bytes.HasPrefix(text, []byte("#EXTM3U\n")) {
		t.Errorf("playlist with gzip: %v, %.20q", err, text)
	}

	for what, path := range map[string]string{
		"segment ahead of live": dir + fmt.Sprintf("%d.m4s", pl.last()+100),
		"unknown track":         "/live/cache/v99/media.m3u8",
		"unknown stream":        "/live/nobody/master.m3u8",
	} {
		res, _, err := s.get(s.url(path))
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusNotFound || strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s, Cache-Control %q", what, res.Status, res.Header.Get("Cache-Control"))
		}
	}
	if err := s.expect(dir+"media.m3u8?_HLS_part=1", http.StatusBadRequest); err != nil {
		t.Error(err)
	}
	if err := s.expect(dir+fmt.Sprintf("media.m3u8?_HLS_msn=%d", pl.last()+20), http.StatusBadRequest); err != nil {
		t.Error(err)
	}
}

// mustGet returns the body of an answer 200.
func (s *server) mustGet(t *testing.T, path string) []byte {
	t.Helper()
	res, body, err := s.get(s.url(path))
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", path, res.Status)
	}
	return body
}

// only returns the one protocol that set turns on.
func only(set func(*http.Protocols, bool)) *http.Protocols {
	var p http.Protocols
	set(&p, true)
	return &p
}

// TestLongHold: a reload may wait for a segment two ahead, which takes longer than a
// client may take to send its request, or its connection to be idle between two.
func TestLongHold(t *testing.T) {
	t.Parallel()
	s := start(t, map[string]string{"segment.duration": "4s", "segment.part": "1s", "ingest.hold": "1500ms"})
	pushFFmpeg(t, avClip(t, "22"), s.push("hold"))
	s.waitLive(t, "hold", 1)
	track := s.trackOf(t, "hold", "video")
	pl, err := s.playlist("hold", track)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	res, body, err := s.get(s.media("hold", track) + fmt.Sprintf("?_HLS_msn=%d", pl.last()+2))
	if err != nil {
		t.Fatalf("after %v: %v", time.Since(begin), err)
	}
	waited := time.Since(begin)
	next, err := parsePlaylist(string(body))
	if err != nil {
		t.Fatalf("after %v: %s: %v", waited, res.Status, err)
	}
	if next.last() < pl.last()+2 {
		t.Errorf("after %v: the list ends with segment %d, want %d", waited, next.last(), pl.last()+2)
	}
	if waited < 5*time.Second {
		t.Errorf("it took %v: too short to show anything", waited)
	}
}
