// Package rtmp speaks RTMP, RTMPS and Enhanced RTMP: publishers come in, players
// go out, and a small client publishes and plays elsewhere.
//
// The standards are Adobe's RTMP 1.0 of 2012 (cited as "RTMP 1.0"), the AMF0 file
// format ("AMF0"), FLV 10.1 and Enhanced RTMP v2. The package does not speak RTMPE,
// RTMPT, the digest handshake, or AMF3 beyond its one-byte wrapping.
//
// The layers, each in files of its own: handshake; chunks (chunk.go, chunk_write.go)
// that carry messages (message.go, control.go, command.go with amf0.go); tags
// (tag*.go) inside audio and video messages; a wire, which is a connection that
// speaks in messages; and on it the server's side (server.go, conn.go, publish.go,
// play.go) or a client's (client.go).
package rtmp
