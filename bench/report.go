package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A table is one section of the report.
type table struct {
	title string
	note  string // what was done, in a sentence or two
	rows  []row
}

// A row is one figure, beside what it should be if anybody has said so.
type row struct {
	what, figure string
	reach        string // "": only told
	reached      bool
}

func (t *table) tell(what, format string, args ...any) {
	t.rows = append(t.rows, row{what: what, figure: fmt.Sprintf(format, args...)})
}

func (t *table) judge(what, figure, reach string, reached bool) {
	t.rows = append(t.rows, row{what, figure, reach, reached})
}

func (t *table) write(b *strings.Builder) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n| what | figure | to reach | |\n|---|---|---|---|\n", t.title, t.note)
	for _, r := range t.rows {
		verdict := ""
		if r.reach != "" {
			verdict = "**not reached**"
			if r.reached {
				verdict = "reached"
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.what, r.figure, r.reach, verdict)
	}
	b.WriteString("\n")
}

// conditions says what the figures were taken on.
func conditions(ctx context.Context, r *rig) string {
	var b strings.Builder
	line := func(what, value string) { fmt.Fprintf(&b, "- %s: %s\n", what, value) }
	line("Date", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	line("Processor", fmt.Sprintf("%s, %d cores; load average before %s", cpuModel(), runtime.NumCPU(), loadAverage()))
	line("System", fmt.Sprintf("Linux %s, %s, loopback", firstWord("/proc/sys/kernel/osrelease"), runtime.Version()))
	line("Commit", commit(ctx))
	line("Clip", r.clip.describe())
	if r.short {
		line("Run", "short: a smoke test, the figures are rough")
	}
	return b.String()
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	return strings.Join(f[:min(3, len(f))], " ")
}

func firstWord(path string) string {
	b, _ := os.ReadFile(path)
	f := strings.Fields(string(b))
	if len(f) == 0 {
		return "unknown"
	}
	return f[0]
}

func commit(ctx context.Context) string {
	id, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	s := strings.TrimSpace(string(id))
	changed, _ := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output()
	if len(changed) > 0 {
		s += " with changes"
	}
	return s
}

// percentile returns the p-quantile (0 to 1) of ds, which it sorts; 0 if there is none.
func percentile(ds []time.Duration, p float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	return ds[int(p*float64(len(ds)-1)+0.5)]
}

// ms writes a delay in milliseconds.
func ms(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

const mega = 1e6

// gbit returns bytes in Gbit.
func gbit(bytes float64) float64 { return bytes * 8 / 1e9 }
