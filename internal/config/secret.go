package config

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "***"

// A Secret is a string that does not show itself: whatever prints, logs or encodes
// it writes *** instead. An empty Secret prints as nothing.
type Secret string

// Reveal returns the secret itself. Its callers are few and easy to list.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, so that no verb, right or wrong, shows the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler: JSON and YAML both ask for it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
