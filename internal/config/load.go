package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFileSize bounds the configuration file, in bytes.
const maxFileSize = 1 << 20

// Load returns the defaults overridden by the YAML file at path (if not empty), then
// by the environment (as os.Environ gives it), then by sets, each "section.key=value".
// It does not validate: see Validate. A setting that does not exist is an error in the
// file and in sets; in the environment others may use our prefix: see UnknownEnv.
func Load(path string, environ, sets []string) (Config, error) {
	c := Default()
	if path != "" {
		b, err := readFile(path)
		if err != nil {
			return Config{}, err
		}
		if err := decode(b, &c); err != nil {
			return Config{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	all := fields(&c)
	var errs []error
	env := environment(environ)
	for _, f := range all {
		if v, ok := env[f.env()]; ok {
			if err := f.set(v); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %w", f.env(), hide(f, err)))
			}
		}
	}
	for _, s := range sets {
		if err := set(all, s); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Config{}, err
	}
	return c, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(b) > maxFileSize {
		return nil, fmt.Errorf("read configuration: %s is larger than %d bytes", path, maxFileSize)
	}
	return b, nil
}

// decode reads YAML over what c holds. Errors name line and column.
func decode(b []byte, c *Config) error {
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return where(err)
	}
	if len(file.Docs) > 1 {
		return errors.New("more than one document (a line with ---)")
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		m, ok := doc.Body.(*ast.MappingNode)
		if ok { // a section with nothing in it means the defaults, not zeros
			m.Values = slices.DeleteFunc(m.Values, func(v *ast.MappingValueNode) bool {
				return v.Value.Type() == ast.NullType
			})
		}
		if doc.Body.Type() == ast.NullType || (ok && len(m.Values) == 0) {
			continue
		}
		if err := yaml.NodeToValue(doc.Body, c, yaml.Strict()); err != nil {
			return where(err)
		}
	}
	return nil
}

// where words a YAML error with its place, but without the excerpt that the library
// shows: the lines around a mistake may hold a secret.
func where(err error) error {
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil {
		pos := e.GetToken().Position
		return fmt.Errorf("line %d, column %d: %s", pos.Line, pos.Column, e.GetMessage())
	}
	return err
}

func set(all []field, s string) error {
	path, value, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("--set %s: write section.key=value", path)
	}
	i := slices.IndexFunc(all, func(f field) bool { return f.path == path })
	if i < 0 {
		return fmt.Errorf("--set %s: no such setting; docs/configuration.md lists them", path)
	}
	if err := all[i].set(value); err != nil {
		return fmt.Errorf("--set %s: %w", path, hide(all[i], err))
	}
	return nil
}

// hide drops the text of an error that might quote a secret.
func hide(f field, err error) error {
	if _, ok := f.value.Interface().(Secret); ok {
		return errors.New("not valid")
	}
	return err
}

func environment(environ []string) map[string]string {
	env := make(map[string]string)
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, EnvPrefix) {
			env[k] = v
		}
	}
	return env
}

// UnknownEnv returns the names of the variables in environ that begin like ours and
// are no setting: a misspelling, or something an orchestrator put there (Kubernetes
// sets HEADRACE_SERVICE_HOST and the like for a service of that name).
func UnknownEnv(environ []string) []string {
	c := Default()
	env := environment(environ)
	for _, f := range fields(&c) {
		delete(env, f.env())
	}
	names := make([]string, 0, len(env))
	for k := range env {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}
