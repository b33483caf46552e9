package process

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// What is between Start and the program's first line, the interpreter's own
// start included.
func BenchmarkStartToFirstLine(b *testing.B) {
	py, err := python()
	if err != nil {
		b.Skip(err)
	}
	app, err := filepath.Abs("testdata/app")
	if err != nil {
		b.Fatal(err)
	}
	e, err := New(Options{DataDir: b.TempDir(), Environments: map[string]string{"python": py, "app": app}})
	if err != nil {
		b.Fatal(err)
	}
	var n int64
	var first time.Duration
	for b.Loop() {
		n++
		began := time.Now()
		h, err := e.Start(b.Context(), executor.Attempt{Name: fmt.Sprintf("j%d-a1", n), Seq: n, Number: 1, Replicas: []executor.Replica{
			{Replica: job.Replica{Role: job.Master}, Module: "doer", Args: []string{"print", "hello"}},
		}})
		if err != nil {
			b.Fatal(err)
		}
		st := executor.Status{}
		for len(st.Replicas) == 0 || st.Replicas[0].Exit == nil {
			if st, err = e.Wait(b.Context(), h, st); err != nil {
				b.Fatal(err)
			}
		}
		for _, s := range st.Replicas[0].Steps {
			if s.Name == "first line" {
				first += s.Start.Add(s.Took).Sub(began)
			}
		}
	}
	b.ReportMetric(float64(first.Milliseconds())/float64(n), "first-line-ms")
}
