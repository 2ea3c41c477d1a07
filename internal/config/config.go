// Package config is what an operator can set: one YAML file, environment variables
// and flags, in that order of override. Only node reads it; every other package gets
// its own Options. Each setting is described once, in the tags of these structs;
// docs/configuration.md and examples/headrace.yaml are made from them by a test.
package config

import "time"

// The defaults, with their reasons. A zero-configuration server uses exactly these.
const (
	DefaultRTMPAddr = ":1935" // IANA: macromedia-fcs, what every encoder fills in
	DefaultHTTPAddr = ":8080"
	DefaultDataDir  = "data"

	// DefaultMergeLatency is how long small writes to an RTMP player may be
	// gathered: two frames at 60 a second, which nobody sees.
	DefaultMergeLatency = 33 * time.Millisecond

	DefaultRTMPConnections      = 2000
	DefaultRTMPConnectionsPerIP = 200
	DefaultHTTPConnections      = 20_000
	DefaultHTTPConnectionsPerIP = 1000
	DefaultMaxStreams           = 500

	// DefaultSegment suits encoders with a keyframe every 2 s, which is what the
	// large platforms ask for.
	DefaultSegment = 2 * time.Second

	// DefaultPart gives about 1.5 to 2 s behind live (three parts of hold-back,
	// rfc8216bis 4.4.3.8) at two requests a second and viewer.
	DefaultPart = 500 * time.Millisecond

	DefaultWindow = 30 * time.Second

	// DefaultHold covers an encoder's restart, so that players stay on the same
	// playlist while it is away.
	DefaultHold = 30 * time.Second

	// DefaultDrain is enough for players to fetch the last parts of ended playlists.
	DefaultDrain = 10 * time.Second
)

// Config is all settings. The doc tag of a field says what it does; unit names what
// its number counts; a default of zero that means something is said in doc.
type Config struct {
	RTMP    RTMP              `yaml:"rtmp" doc:"RTMP and Enhanced RTMP, in and out."`
	HTTP    HTTP              `yaml:"http" doc:"HTTP: playlists and media for players, the player page, the API, metrics and health."`
	TLS     TLS               `yaml:"tls" doc:"The certificate for every listener that speaks TLS."`
	Auth    Auth              `yaml:"auth" doc:"Who may publish, play and administer."`
	Streams map[string]Stream `yaml:"streams" doc:"Settings of single streams, by name. Streams that are not listed need no entry. Only in the file."`
	Segment Segment           `yaml:"segment" doc:"How streams are cut. Fixed for the life of a stream."`
	Ingest  Ingest            `yaml:"ingest" doc:"How sources are treated."`
	Limits  Limits            `yaml:"limits" doc:"What the server takes on before it refuses."`
	Log     Log               `yaml:"log" doc:"The log, on standard error."`

	DataDir string        `yaml:"data_dir" doc:"Directory for what must outlive the process: the generated secrets. Created if missing." unit:"path"`
	Drain   time.Duration `yaml:"drain" doc:"How long a stopping server lets viewers fetch what is left before it closes their connections." unit:"duration"`
}

// RTMP configures the RTMP listeners.
type RTMP struct {
	Addr                string        `yaml:"addr" doc:"Address to listen on; empty: no plain RTMP." unit:"host:port"`
	TLSAddr             string        `yaml:"tls_addr" doc:"Address for RTMPS (usually :1936 or :443); empty: none. Needs the tls section." unit:"host:port"`
	Apps                []string      `yaml:"apps" doc:"Application names that clients may connect to: the path of the push URL before the stream." unit:"names"`
	MergeLatency        time.Duration `yaml:"merge_latency" doc:"How long small writes to a player may be gathered into one. 0: not at all." unit:"duration"`
	MaxConnections      int           `yaml:"max_connections" doc:"Connections at once, publishers and players." unit:"connections"`
	MaxConnectionsPerIP int           `yaml:"max_connections_per_ip" doc:"Connections at once from one address (IPv6: one /64)." unit:"connections"`
}

// HTTP configures the HTTP listeners.
type HTTP struct {
	Addr                string `yaml:"addr" doc:"Address to listen on without TLS; empty: none." unit:"host:port"`
	TLSAddr             string `yaml:"tls_addr" doc:"Address to listen on with TLS, HTTP/1.1 and HTTP/2; empty: none. Needs the tls section." unit:"host:port"`
	H2C                 bool   `yaml:"h2c" doc:"Accept HTTP/2 without TLS (prior knowledge) on addr, for a proxy in front." unit:"true or false"`
	MaxConnections      int    `yaml:"max_connections" doc:"Connections at once." unit:"connections"`
	MaxConnectionsPerIP int    `yaml:"max_connections_per_ip" doc:"Connections at once from one address (IPv6: one /64). Loopback is exempt: a proxy on this machine carries everybody." unit:"connections"`
}

// TLS names the certificate.
type TLS struct {
	CertFile string `yaml:"cert_file" doc:"Certificate chain in PEM, the server's own certificate first." unit:"path"`
	KeyFile  string `yaml:"key_file" doc:"Private key in PEM." unit:"path"`
}

// Auth holds the server-wide secrets.
type Auth struct {
	PublishKey    Secret `yaml:"publish_key" doc:"Stream key that publishes to any stream without keys of its own. Empty: generated at the first start and kept in data_dir." unit:"secret"`
	AdminToken    Secret `yaml:"admin_token" doc:"Bearer token for /api. Empty: generated at the first start and kept in data_dir." unit:"secret"`
	AnonymousPlay bool   `yaml:"anonymous_play" doc:"Let anybody play over RTMP; if not, a publish key of the stream is asked for. Over HTTP every stream is open to who knows its name." unit:"true or false"`
}

// Stream configures one stream.
type Stream struct {
	PublishKeys       []Secret `yaml:"publish_keys" doc:"Keys that may publish this stream. With at least one here, the server-wide key does not." unit:"secrets"`
	OnSecondPublisher Policy   `yaml:"on_second_publisher" doc:"What happens to a publisher with the right key while another one with the same key is alive: reject or takeover. One that has gone silent is always replaced." unit:"reject or takeover"`
}

// A Policy says what becomes of a second publisher.
type Policy string

const (
	Reject   Policy = "reject"
	Takeover Policy = "takeover"
)

// Segment is the cadence of all streams.
type Segment struct {
	Duration time.Duration `yaml:"duration" doc:"Segment grid. A segment begins at the first keyframe on or after each grid point, so encoders should send one at least this often." unit:"duration"`
	Part     time.Duration `yaml:"part" doc:"Part grid of Low-Latency HLS. Players stay about three parts behind live." unit:"duration"`
	Window   time.Duration `yaml:"window" doc:"How much of the past a playlist lists and the server keeps in memory." unit:"duration"`
}

// Ingest is how sources are treated.
type Ingest struct {
	Hold time.Duration `yaml:"hold" doc:"How long a stream without a source is held open for its encoder to come back." unit:"duration"`
}

// Limits bounds what the server takes on.
type Limits struct {
	MaxStreams int `yaml:"max_streams" doc:"Live streams at once; more are refused." unit:"streams"`
}

// Log configures the log.
type Log struct {
	Level  string `yaml:"level" doc:"Least severity written." unit:"debug, info, warn or error"`
	Format string `yaml:"format" doc:"Form of the lines." unit:"text or json"`
}

// Default returns the configuration of a server that nobody configured. The secrets
// are empty: EnsureSecrets fills them.
func Default() Config {
	return Config{
		RTMP: RTMP{
			Addr:                DefaultRTMPAddr,
			Apps:                []string{"live"},
			MergeLatency:        DefaultMergeLatency,
			MaxConnections:      DefaultRTMPConnections,
			MaxConnectionsPerIP: DefaultRTMPConnectionsPerIP,
		},
		HTTP: HTTP{
			Addr:                DefaultHTTPAddr,
			H2C:                 true,
			MaxConnections:      DefaultHTTPConnections,
			MaxConnectionsPerIP: DefaultHTTPConnectionsPerIP,
		},
		Auth:    Auth{AnonymousPlay: true},
		Segment: Segment{Duration: DefaultSegment, Part: DefaultPart, Window: DefaultWindow},
		Ingest:  Ingest{Hold: DefaultHold},
		Limits:  Limits{MaxStreams: DefaultMaxStreams},
		Log:     Log{Level: "info", Format: "text"},
		DataDir: DefaultDataDir,
		Drain:   DefaultDrain,
	}
}

// Policy returns what happens to a second publisher of stream.
func (c Config) Policy(stream string) Policy {
	if p := c.Streams[stream].OnSecondPublisher; p != "" {
		return p
	}
	return Reject
}
