// Package archtest holds the import rules of the repository, imports.txt, and the
// test that enforces them. The rules are what keeps the pipeline legible: words,
// then the spine, then stages and adapters, then control.
package archtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/headrace/headrace/"

type rule struct {
	pattern *regexp.Regexp
	text    string
	any     bool
	own     []*regexp.Regexp // of ours, below internal/
	other   []string         // module prefixes
	used    bool
}

func glob(s string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, `.+`) + "$")
}

func readRules(t *testing.T) []*rule {
	t.Helper()
	f, err := os.Open("imports.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rules []*rule
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, allowed, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("imports.txt: no colon in %q", line)
		}
		r := &rule{text: strings.TrimSpace(name), pattern: glob(strings.TrimSpace(name))}
		for _, a := range strings.Fields(allowed) {
			switch {
			case a == "any":
				r.any = true
			case strings.Contains(strings.SplitN(a, "/", 2)[0], "."):
				r.other = append(r.other, a)
			default:
				r.own = append(r.own, glob(a))
			}
		}
		rules = append(rules, r)
	}
	return rules
}

// find returns the rule of pkg: the one with its very name, else the longest glob.
func find(rules []*rule, pkg string) *rule {
	var best *rule
	for _, r := range rules {
		if r.text == pkg {
			return r
		}
		if r.pattern.MatchString(pkg) && (best == nil || len(r.text) > len(best.text)) {
			best = r
		}
	}
	return best
}

func (r *rule) allows(pkg, imp string) bool {
	if r.any {
		return true
	}
	if own, ok := strings.CutPrefix(imp, module+"internal/"); ok {
		for _, p := range r.own {
			if p.MatchString(own) {
				return true
			}
		}
		return false
	}
	if strings.HasPrefix(imp, module) {
		return false
	}
	if !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		return true // standard library
	}
	for _, o := range r.other {
		if imp == o || strings.HasPrefix(imp, o+"/") {
			return true
		}
	}
	return false
}

type pkg struct {
	ImportPath  string
	Imports     []string
	TestImports []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestImports(t *testing.T) {
	rules := readRules(t)
	for _, p := range list(t) {
		name, ok := strings.CutPrefix(p.ImportPath, module+"internal/")
		if !ok {
			continue // cmd, web, test, bench: they stand outside the pipeline
		}
		if strings.HasSuffix(name, "test") && name != "archtest" {
			continue // conformance kits
		}
		r := find(rules, name)
		if r == nil {
			t.Errorf("%s has no row in imports.txt: add one that says what it may import", name)
			continue
		}
		r.used = true
		for _, imp := range p.Imports {
			if strings.HasSuffix(imp, "/config") && strings.HasPrefix(imp, module) && name != "node" {
				t.Errorf("%s imports config: a package gets its Options, it never reads the configuration", name)
			}
			if strings.HasSuffix(imp, "internal/node") {
				t.Errorf("%s imports node: nobody does", name)
			}
			if !r.allows(name, imp) {
				t.Errorf("%s may not import %s (imports.txt, row %q)", name, imp, r.text)
			}
		}
		for _, imp := range p.TestImports {
			own := strings.HasPrefix(imp, module)
			if own && !strings.HasSuffix(imp, "test") && imp != p.ImportPath && !r.allows(name, imp) {
				t.Errorf("the tests of %s may not import %s (imports.txt, row %q)", name, imp, r.text)
			}
		}
	}
	for _, r := range rules {
		if !r.used {
			t.Errorf("imports.txt: row %q is for no package: delete it", r.text)
		}
	}
}

func TestRulesCanFail(t *testing.T) {
	rules := readRules(t)
	for _, c := range []struct{ pkg, imp string }{
		{"media", module + "internal/live"},
		{"packager", module + "internal/ingest"},
		{"proto/rtmp", module + "internal/proto/srt"},
		{"live", "github.com/prometheus/client_golang/prometheus"},
	} {
		if find(rules, c.pkg).allows(c.pkg, c.imp) {
			t.Errorf("%s may import %s: the rules hold nothing", c.pkg, c.imp)
		}
	}
	if !find(rules, "packager").allows("packager", module+"internal/container/cmaf") {
		t.Error("packager may not import container/cmaf")
	}
}
