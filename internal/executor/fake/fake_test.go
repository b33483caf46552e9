package fake

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/executor/executortest"
	"github.com/trainyard/trainyard/internal/job"
)

func TestSuite(t *testing.T) {
	m := NewMachine(executor.Capacity{CPUs: 2}, Clock{})
	executortest.Run(t, executortest.Harness{
		New:    func(*testing.T) executor.Executor { return New(m) },
		Module: "doer",
		Lose: func(t *testing.T, h string, r job.Replica) {
			if err := m.Lose(h, r); err != nil {
				t.Fatal(err)
			}
		},
		Left: func(_ *testing.T, h string) int { return m.Left(h) },
	})
}

func TestADayPassesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(NewMachine(executor.Capacity{}, Clock{}))
		began := time.Now()
		h, err := e.Start(t.Context(), executor.Attempt{Name: "j1-a1", Replicas: []executor.Replica{
			{Replica: job.Replica{Role: job.Master}, Args: []string{"run", "24h", "exit", "9"}},
			{Replica: job.Replica{Role: job.Worker}, Args: []string{"run", "1h", "lose"}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		seen, err := e.Wait(t.Context(), h, executor.Status{})
		if err != nil {
			t.Fatal(err)
		}
		seen, err = e.Wait(t.Context(), h, seen)
		if d := time.Since(began); err != nil || d != time.Hour || seen.Replicas[1].State != job.ReplicaLost {
			t.Errorf("after %v the worker is %s, %v; want lost after 1h", d, seen.Replicas[1].State, err)
		}
		seen, err = e.Wait(t.Context(), h, seen)
		if d := time.Since(began); err != nil || d != 24*time.Hour || seen.Replicas[0].Exit == nil || seen.Replicas[0].Exit.Code != 9 {
			t.Errorf("after %v the master is %+v, %v; want exit 9 after 24h", d, seen.Replicas[0], err)
		}
	})
}

func TestArgumentsThatMeanNothingAreRefused(t *testing.T) {
	for _, args := range [][]string{{"jump"}, {"run"}, {"run", "x"}, {"exit", "x"}, {"exit", "256"}, {"die", "SIGNOTHING"}, {"trap", ""}} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse(%q) accepts it", args)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("run", "10s", "exit", "7")
	f.Add("ignore", "SIGTERM", "lose", "")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		p, err := parse([]string{a, b, c, d})
		if err == nil && (p.length < 0 || p.end.Code < 0 || p.end.Code > 255) {
			t.Errorf("parse(%q, %q, %q, %q) = %+v", a, b, c, d, p)
		}
	})
}
