package control

import (
	"fmt"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// crowd is a thousand running replicas, in jobs of one and of eight, and ten
// thousand queued jobs.
func crowd() View {
	v := View{Capacity: executor.Capacity{CPUs: 1000, Memory: 4 << 40}}
	add := func(it *Item) *Item {
		it.Seq = int64(len(v.Items))
		it.Key.ID = job.ID(fmt.Sprintf("j%d", it.Seq))
		it.Priority = int(it.Seq) % 3
		v.Items = append(v.Items, it)
		return it
	}
	for i := range 100 {
		n := 8
		if i%10 == 0 {
			n = 28
		}
		it := add(band(make([]*job.Exit, n)...))
		it.Groups[1].Need = job.Need{CPUs: 1}
	}
	for range 10_000 {
		add(item(1, job.Queued, 4))
	}
	return v
}

// BenchmarkDecide is one pass of the loop when nothing is to do.
func BenchmarkDecide(b *testing.B) {
	v := crowd()
	b.ReportAllocs()
	for b.Loop() {
		if actions, _ := Decide(t0.Add(time.Hour), v); len(actions) != 0 {
			b.Fatalf("%d actions, want none: %+v", len(actions), actions[0])
		}
	}
}

// BenchmarkStandings is what an answer about the queue costs the loop.
func BenchmarkStandings(b *testing.B) {
	v := crowd()
	b.ReportAllocs()
	for b.Loop() {
		if n := len(standings(v)); n != 10_000 {
			b.Fatal(n)
		}
	}
}

// BenchmarkForecast is the estimate for the last of ten thousand.
func BenchmarkForecast(b *testing.B) {
	v := crowd()
	hour := func(job.Key) (time.Duration, bool) { return time.Hour, true }
	last := v.Items[len(v.Items)-1].Key
	for b.Loop() {
		if _, ok, _ := forecast(t0, v, last, hour); !ok {
			b.Fatal("no estimate")
		}
	}
}
