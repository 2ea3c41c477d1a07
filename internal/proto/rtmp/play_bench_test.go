package rtmp

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/session"
)

// drainEnv makes TestDrainPlayers, in a process of its own, the players of the
// benchmark: "address count".
const drainEnv = "HEADRACE_RTMP_DRAIN"

func TestDrainPlayers(t *testing.T) {
	addr, count, ok := strings.Cut(os.Getenv(drainEnv), " ")
	if !ok {
		return // not a test: what BenchmarkPlayFanout runs as another process
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			p, err := play(nc, "a", nil)
			if err != nil {
				t.Error(err)
				return
			}
			_ = drain(p.br)
		})
	}
	wg.Wait()
}

// cpu returns the CPU time that this process has used, in user and in kernel mode.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func sent(b *session.Broker) (n uint64, players int) {
	all := b.Sessions()
	for _, s := range all {
		n += s.Sent.Load()
	}
	return n, len(all)
}

// BenchmarkPlayFanout measures the server's CPU seconds for each gigabit sent to
// players on the loopback interface: 3 Mb/s at 30 pictures a second with a key frame
// each second, AAC beside it, in real time. The players are another process. Run it
// with -benchtime 1x: one iteration is ten seconds of the stream.
func BenchmarkPlayFanout(b *testing.B) {
	for _, latency := range []time.Duration{DefaultMergeLatency, 350 * time.Millisecond, 0} {
		for _, players := range []int{100, 300} {
			b.Run(fmt.Sprintf("merge=%v/players=%d", latency, players), func(b *testing.B) {
				benchFanout(b, latency, players)
			})
		}
	}
}

func benchFanout(b *testing.B, latency time.Duration, players int) {
	s, hub, broker := playServer(b, latency)
	addr := listen(b, s, nil)
	c := newClip(b, hub, "a")
	frame := func() {
		size := 11_500
		if c.frames%30 == 0 {
			size = 45_000
		}
		c.frame(size)
	}
	frame()
	drainers := exec.Command(os.Args[0], "-test.run=^TestDrainPlayers$")
	drainers.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", drainEnv, addr, players))
	drainers.Stderr = os.Stderr
	if err := drainers.Start(); err != nil {
		b.Fatal(err)
	}
	tick := time.NewTicker(time.Second / 30)
	defer tick.Stop()
	for n := 0; n < players; _, n = sent(broker) { // until all are there
		<-tick.C
		frame()
	}
	for range 30 { // and a second more
		<-tick.C
		frame()
	}
	bytes, _ := sent(broker)
	used := cpu(b)
	b.ResetTimer()
	for range b.N {
		for range 300 {
			<-tick.C
			frame()
		}
	}
	b.StopTimer()
	used = cpu(b) - used
	now, left := sent(broker)
	if left != players {
		b.Errorf("%d players left of %d", left, players)
	}
	gigabits := float64(now-bytes) * 8 / 1e9
	b.ReportMetric(used.Seconds()/gigabits, "cpu-s/Gbit")
	b.ReportMetric(gigabits/b.Elapsed().Seconds(), "Gbit/s")
	var dropped uint64
	for _, p := range broker.Sessions() {
		dropped += p.Dropped.Load()
	}
	b.ReportMetric(float64(dropped), "dropped")
	c.End()
	if err := drainers.Wait(); err != nil {
		b.Error(err)
	}
}
