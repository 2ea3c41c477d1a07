package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// minSecretLength is the fewest characters of a key or token chosen by a person.
const minSecretLength = 8

// A SettingError is one thing that is wrong with a configuration, and what to do.
type SettingError struct {
	Setting string // path, such as rtmp.addr
	Problem string
	Hint    string // what the operator should write; may be empty
}

func (e *SettingError) Error() string {
	s := e.Setting + ": " + e.Problem
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// checker collects what is wrong.
type checker struct{ errs []error }

func (c *checker) require(ok bool, setting, problem, hint string) {
	if !ok {
		c.errs = append(c.errs, &SettingError{setting, problem, hint})
	}
}

// Validate returns all that is wrong with c, joined; each is a *SettingError.
// It looks at values only: whether files and ports are there is the affair of
// `headrace check`.
func (c Config) Validate() error {
	var k checker
	c.validateListeners(&k)
	c.validateAuth(&k)
	c.validateMedia(&k)
	k.require(c.DataDir != "", "data_dir", "is empty", "name a directory, for example data")
	k.between("drain", c.Drain, 0, 10*time.Minute)
	_, err := c.LogLevel()
	k.require(err == nil, "log.level", fmt.Sprintf("%q is no level", c.Log.Level), "debug, info, warn or error")
	k.require(c.Log.Format == "text" || c.Log.Format == "json", "log.format", fmt.Sprintf("%q is no format", c.Log.Format), "text or json")
	return errors.Join(k.errs...)
}

// LogLevel returns log.level as slog has it.
func (c Config) LogLevel() (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(c.Log.Level))
	return l, err
}

func (c Config) validateListeners(k *checker) {
	k.addr("rtmp.addr", c.RTMP.Addr)
	k.addr("rtmp.tls_addr", c.RTMP.TLSAddr)
	k.addr("http.addr", c.HTTP.Addr)
	k.addr("http.tls_addr", c.HTTP.TLSAddr)
	k.require(c.HTTP.Addr != "" || c.HTTP.TLSAddr != "", "http.addr", "there is no HTTP listener, so nobody can watch", "set http.addr or http.tls_addr")
	if c.RTMP.TLSAddr != "" || c.HTTP.TLSAddr != "" {
		k.require(c.TLS.CertFile != "", "tls.cert_file", "is empty, but a listener with TLS needs it", "name a PEM file, or empty tls_addr")
		k.require(c.TLS.KeyFile != "", "tls.key_file", "is empty, but a listener with TLS needs it", "name a PEM file, or empty tls_addr")
	}
	k.distinct(map[string]string{
		"rtmp.addr": c.RTMP.Addr, "rtmp.tls_addr": c.RTMP.TLSAddr,
		"http.addr": c.HTTP.Addr, "http.tls_addr": c.HTTP.TLSAddr,
	})
	k.require(len(c.RTMP.Apps) > 0 || (c.RTMP.Addr == "" && c.RTMP.TLSAddr == ""), "rtmp.apps", "is empty, so nobody can connect", "for example [live]")
	for _, app := range c.RTMP.Apps {
		k.require(nameGrammar.MatchString(app), "rtmp.apps", fmt.Sprintf("%q is no name", app), nameHint)
	}
	k.between("rtmp.merge_latency", c.RTMP.MergeLatency, 0, time.Second)
	k.positive("rtmp.max_connections", int64(c.RTMP.MaxConnections))
	k.positive("rtmp.max_connections_per_ip", int64(c.RTMP.MaxConnectionsPerIP))
	k.positive("http.max_connections", int64(c.HTTP.MaxConnections))
	k.positive("http.max_connections_per_ip", int64(c.HTTP.MaxConnectionsPerIP))
}

func (c Config) validateAuth(k *checker) {
	k.secret("auth.publish_key", c.Auth.PublishKey)
	k.secret("auth.admin_token", c.Auth.AdminToken)
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s := c.Streams[name]
		path := "streams." + name
		k.require(len(name) <= maxName && nameGrammar.MatchString(name), path, "is no stream name", nameHint)
		for i, key := range s.PublishKeys {
			at := fmt.Sprintf("%s.publish_keys[%d]", path, i)
			k.require(key != "", at, "is empty", "delete it, or write a key")
			k.secret(at, key)
		}
		p := s.OnSecondPublisher
		k.require(p == "" || p == Reject || p == Takeover, path+".on_second_publisher", fmt.Sprintf("%q is no policy", p), "reject or takeover")
	}
}

func (c Config) validateMedia(k *checker) {
	k.between("segment.duration", c.Segment.Duration, 500*time.Millisecond, 30*time.Second)
	k.between("segment.part", c.Segment.Part, 100*time.Millisecond, 5*time.Second)
	k.require(c.Segment.Part <= c.Segment.Duration, "segment.part", "is longer than segment.duration", "a part is a piece of a segment")
	// RFC 8216, 6.2.2: a live playlist holds at least three target durations.
	k.require(c.Segment.Window >= 3*c.Segment.Duration, "segment.window", "is shorter than three segments", "players need at least that much")
	k.between("segment.window", c.Segment.Window, 0, time.Hour)
	k.between("ingest.hold", c.Ingest.Hold, 0, time.Hour)
	k.positive("limits.max_streams", int64(c.Limits.MaxStreams))
}

// Names of streams and applications: session.ParseName is the judge at run time;
// here the operator is told early.
var nameGrammar = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)

const (
	maxName  = 128 // bytes
	nameHint = "letters, digits, _ and -, parts joined by /, 128 bytes at most"
)

func (k *checker) addr(setting, addr string) {
	if addr == "" {
		return
	}
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	k.require(err == nil, setting, fmt.Sprintf("%q is no address to listen on", addr), "write [host]:port, for example :8080 or 127.0.0.1:8080")
}

// distinct demands that no two settings name the same address. Port 0 lets the
// system choose, so it may be there twice.
func (k *checker) distinct(addrs map[string]string) {
	seen := make(map[string]string)
	for _, setting := range slices.Sorted(maps.Keys(addrs)) {
		addr := addrs[setting]
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
			continue
		}
		other, taken := seen[addr]
		k.require(!taken, setting, fmt.Sprintf("%s is already taken by %s", addr, other), "choose another port")
		seen[addr] = setting
	}
}

func (k *checker) between(setting string, d, low, high time.Duration) {
	k.require(d >= low && d <= high, setting, fmt.Sprintf("%v is out of range", d), fmt.Sprintf("%v to %v; durations need a unit, as in 500ms", low, high))
}

func (k *checker) positive(setting string, n int64) {
	k.require(n > 0, setting, fmt.Sprintf("%d is out of range", n), "1 or more")
}

// secretGrammar is what travels unharmed in a URL's query, a header and a YAML file.
var secretGrammar = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

func (k *checker) secret(setting string, s Secret) {
	if s == "" {
		return
	}
	k.require(len(s) >= minSecretLength && len(s) <= 256, setting, fmt.Sprintf("has %d characters", len(s)), fmt.Sprintf("%d to 256", minSecretLength))
	k.require(secretGrammar.MatchString(s.Reveal()), setting, "has characters that do not travel in a URL", "letters, digits and . _ ~ -")
}
