package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
)

// secretsFile is where generated secrets are kept, below the data directory.
const secretsFile = "secrets.yaml"

// kept is what stands in secretsFile. Plain strings: here they must be written.
type kept struct {
	PublishKey string `yaml:"publish_key,omitempty"`
	AdminToken string `yaml:"admin_token,omitempty"`
}

// Generated says which secrets EnsureSecrets has just made.
type Generated struct{ PublishKey, AdminToken bool }

// EnsureSecrets fills the secrets that c leaves empty: from secrets.yaml in the data
// directory, or, where that has none, with new ones that it puts there (mode 0600;
// the directory is made if missing). An operator's own setting wins and is not kept.
func (c *Config) EnsureSecrets() (Generated, error) {
	var made Generated
	if c.Auth.PublishKey != "" && c.Auth.AdminToken != "" {
		return made, nil
	}
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return made, fmt.Errorf("make data directory: %w", err)
	}
	root, err := os.OpenRoot(c.DataDir)
	if err != nil {
		return made, fmt.Errorf("open data directory: %w", err)
	}
	defer root.Close()
	k, err := readSecrets(root)
	if err != nil {
		return made, err
	}
	fill := func(s *Secret, keep *string) bool {
		if *s != "" {
			return false
		}
		fresh := *keep == ""
		if fresh {
			*keep = rand.Text() // 26 characters of base32, 130 bits
		}
		*s = Secret(*keep)
		return fresh
	}
	made.PublishKey = fill(&c.Auth.PublishKey, &k.PublishKey)
	made.AdminToken = fill(&c.Auth.AdminToken, &k.AdminToken)
	if made == (Generated{}) {
		return made, nil
	}
	return made, writeSecrets(root, k)
}

func readSecrets(root *os.Root) (kept, error) {
	var k kept
	b, err := root.ReadFile(secretsFile)
	if errors.Is(err, os.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, fmt.Errorf("read generated secrets: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(b, &k, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) {
		return k, fmt.Errorf("%s in the data directory is damaged: mend or delete it; a deleted one is made anew, with other secrets", secretsFile)
	}
	return k, nil
}

// writeSecrets replaces the file in one step, so that a crash leaves the old or the new.
func writeSecrets(root *os.Root, k kept) error {
	b, err := yaml.Marshal(k)
	if err != nil {
		return fmt.Errorf("encode generated secrets: %w", err)
	}
	b = append([]byte("# Made by headrace at its first start. Keep it secret.\n"), b...)
	const temporary = secretsFile + ".new"
	if err := root.WriteFile(temporary, b, 0o600); err != nil {
		return fmt.Errorf("keep generated secrets: %w", err)
	}
	if err := root.Rename(temporary, secretsFile); err != nil {
		return fmt.Errorf("keep generated secrets: %w", err)
	}
	return nil
}
