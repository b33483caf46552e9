package cluster_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/cluster"
	"github.com/trainyard/trainyard/internal/job"
)

func TestSharesNeverExceedTheMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var groups []job.Group
		for _, role := range []job.Role{job.Master, job.Worker, job.ParameterServer, job.Evaluator}[:rapid.IntRange(1, 4).Draw(t, "roles")] {
			groups = append(groups, job.Group{
				Role: role, Count: rapid.IntRange(1, 40).Draw(t, "count"), Accelerator: job.Accelerator{Count: rapid.IntRange(0, 8).Draw(t, "gpus")},
				Need: job.Need{CPUs: rapid.Float64Range(0, 96).Draw(t, "cpus"), Memory: rapid.Int64Range(0, 1<<40).Draw(t, "memory")},
			})
		}
		cpus, memory := rapid.Float64Range(0, 256).Draw(t, "machine's cpus"), rapid.Int64Range(0, 1<<42).Draw(t, "machine's memory")
		total, shares := cluster.Total(groups), cluster.Shares(groups, cpus, memory)
		var sum job.Need
		for i, g := range groups {
			s := shares[i]
			sum.CPUs, sum.Memory = sum.CPUs+float64(g.Count)*s.CPUs, sum.Memory+int64(g.Count)*s.Memory
			if s.CPUs > g.Need.CPUs*(1+1e-9) || s.Memory > g.Need.Memory || s.GPUs != g.Accelerator.Count {
				t.Fatalf("%+v gets %+v, more than it asked for", g, s)
			}
			// Of one proportion: a replica that asks for twice as much gets twice as much.
			if want := g.Need.CPUs * math.Min(1, cpus/total.CPUs); cpus > 0 && total.CPUs > 0 && math.Abs(s.CPUs-want) > 1e-9*want {
				t.Fatalf("%+v gets %v CPUs, want %v", g, s.CPUs, want)
			}
		}
		if cpus > 0 && sum.CPUs > cpus*(1+1e-9) || memory > 0 && sum.Memory > memory {
			t.Fatalf("%v CPUs and %d bytes are given out, of %v and %d", sum.CPUs, sum.Memory, cpus, memory)
		}
		if (cpus == 0 || total.CPUs <= cpus) && math.Abs(sum.CPUs-total.CPUs) > 1e-6 || (memory == 0 || total.Memory <= memory) && sum.Memory != total.Memory {
			t.Fatalf("what fits is scaled: %+v of %+v", sum, total)
		}
	})
}

func TestSharesOfTheTiers(t *testing.T) {
	shares := cluster.Shares(job.Standard1.Groups(), 2, 0)
	if got := shares[0].CPUs + 4*shares[1].CPUs + 3*shares[2].CPUs; math.Abs(got-2) > 1e-9 {
		t.Errorf("STANDARD_1 gets %v of 2 CPUs", got)
	}
	if shares[0].CPUs != 2*shares[2].CPUs {
		t.Errorf("an n1-highcpu-8 gets %v, an n1-standard-4 %v", shares[0].CPUs, shares[2].CPUs)
	}
	for cpus, want := range map[float64]int{0: 1, 0.3: 1, 1: 1, 1.9: 1, 8: 8} {
		if got := cluster.Threads(cpus); got != want {
			t.Errorf("Threads(%v) = %d, want %d", cpus, got, want)
		}
	}
}
