package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// A process is looked at from outside.
type process struct{ pid int }

// cpu returns the user and system time that the process has used, to the nanosecond:
// /proc has it too, but in steps of 10 ms.
func (p process) cpu() (time.Duration, error) {
	const processClock = 2                   // CPUCLOCK_SCHED of the whole process
	clock := int32(^p.pid<<3 | processClock) // what clock_getcpuclockid(3) returns
	var t syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", p.pid, errno)
	}
	return time.Duration(t.Nano()), nil
}

// rss returns the resident bytes.
func (p process) rss() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(v), " kB"))
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", p.pid)
}

// A usage is what a process used over a time.
type usage struct {
	wall, cpu time.Duration
}

// cores returns the mean number of cores that were busy.
func (u usage) cores() float64 { return u.cpu.Seconds() / u.wall.Seconds() }

// watch measures the process for d.
func (p process) watch(ctx context.Context, d time.Duration) (usage, error) {
	before, err := p.cpu()
	if err != nil {
		return usage{}, err
	}
	begun := time.Now()
	if err := pause(ctx, d); err != nil {
		return usage{}, err
	}
	after, err := p.cpu()
	return usage{time.Since(begun), after - before}, err
}
