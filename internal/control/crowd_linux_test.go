package control

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/executor/fake"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
)

// BenchmarkCrowd is the whole loop with its store and a machine in memory: a
// thousand replicas run in a hundred jobs, ten thousand jobs wait. It measures
// a pass, the memory of the process (which is also the machine's), and what
// the loop and its watchers use when nothing happens.
func BenchmarkCrowd(b *testing.B) {
	ctx, end := context.WithCancel(b.Context())
	file := filepath.Join(b.TempDir(), "jobs.db")
	open := func() *store.Store {
		s, err := store.Open(ctx, file, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := open()
	const jobs, each, queued = 100, 10, 10_000
	for i := range jobs + queued {
		spec := job.Spec{Key: job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%d", i))}, Primary: "master", Module: "trainer.task", Args: []string{"run", "forever"},
			JobDir: "gs://bucket/models/run", RuntimeVersion: "2.11", PythonVersion: "3.7", MaxRunning: 7 * 24 * time.Hour, Packages: []job.Package{{URI: "gs://bucket/staging/trainer-0.1.tar.gz", Size: 12345, MD5: make([]byte, 16)}},
			Groups: []job.Group{{Role: job.Master, Count: 1, Machine: "n1-highcpu-8", Need: job.Need{CPUs: 1, Memory: 1 << 30}}, {Role: job.Worker, Count: each - 1, Machine: "n1-highcpu-8", Need: job.Need{CPUs: 1, Memory: 1 << 30}}}}
		if _, _, err := s.Create(ctx, store.New{Spec: spec, Document: fmt.Appendf(nil, `{"jobId": %q, "trainingInput": {"scaleTier": "CUSTOM", "masterType": "n1-highcpu-8"}}`, spec.Key.ID), Wire: "ml/v1"}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	s = open() // as a server finds it
	defer s.Close()
	c := New(Options{Store: s, Executor: fake.New(fake.NewMachine(executor.Capacity{CPUs: jobs * each, Memory: 4 << 40}, fake.Clock{})), Log: slog.New(slog.DiscardHandler)})
	over := make(chan error, 1)
	began := time.Now()
	go func() { over <- c.Run(ctx, func() {}) }()
	for running := 0; running < jobs; {
		running = 0
		c.inLoop(ctx, func() {
			for _, it := range c.order {
				if it.State == job.Running {
					running++
				}
			}
		})
		<-time.After(50 * time.Millisecond)
	}
	allRun := time.Since(began)

	var passes time.Duration
	for b.Loop() {
		c.inLoop(ctx, func() {
			began := time.Now()
			if actions, _ := Decide(c.o.Now(), c.snapshot(c.capacity)); len(actions) > 0 {
				b.Errorf("something is to be done: %+v", actions)
			}
			passes += time.Since(began)
		})
	}
	b.ReportMetric(allRun.Seconds(), "s-until-all-run")
	b.ReportMetric(float64(passes.Microseconds())/1e3/float64(b.N), "ms/pass")
	const rest = 3 * time.Second
	before := cpuTime(b)
	<-time.After(rest)
	b.ReportMetric((cpuTime(b)-before).Seconds()/rest.Seconds(), "cores-at-rest")
	b.ReportMetric(resident(b), "MB-resident")
	end()
	if err := <-over; err != nil {
		b.Error(err)
	}
}

// BenchmarkQueue takes two hundred queued jobs through a machine that runs two
// at once, and on which programs take no time: what is left is the loop and
// its commits.
func BenchmarkQueue(b *testing.B) {
	const jobs = 200
	var took time.Duration
	for b.Loop() {
		ctx, end := context.WithCancel(b.Context())
		s, err := store.Open(ctx, filepath.Join(b.TempDir(), "jobs.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		for n := range jobs {
			spec := job.Spec{Key: job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%d", n))}, Primary: "master", Module: "m", Args: []string{"exit", "0"},
				Groups: []job.Group{{Role: job.Master, Count: 1, Need: job.Need{CPUs: 1}}}}
			if _, _, err := s.Create(ctx, store.New{Spec: spec, Document: []byte("{}"), Wire: "ml/v1"}); err != nil {
				b.Fatal(err)
			}
		}
		c := New(Options{Store: s, Executor: fake.New(fake.NewMachine(executor.Capacity{CPUs: 2}, fake.Clock{})), Log: slog.New(slog.DiscardHandler)})
		over := make(chan error, 1)
		began := time.Now()
		go func() { over <- c.Run(ctx, func() {}) }()
		for left := jobs; left > 0; {
			c.inLoop(ctx, func() { left = len(c.order) })
			<-time.After(5 * time.Millisecond)
		}
		took += time.Since(began)
		end()
		if err := <-over; err != nil {
			b.Error(err)
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(took.Microseconds())/1e3/float64(b.N*jobs), "ms/job")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func resident(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("resident memory is read from Linux's /proc")
	}
	kb, err := strconv.Atoi(string(regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)[1]))
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1024
}
