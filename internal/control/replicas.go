package control

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
)

// Replicas is a job's latest attempt, replica by replica.
type Replicas struct {
	State    job.State `json:"state"`
	Attempt  int       `json:"attempt"`
	Restarts int       `json:"restarts"`
	Replicas []Member  `json:"replicas"`
	Cost     any       `json:"cost,omitempty"`
}

// Pricer says what a job cost until now, as JSON is made of; ok is false where
// nothing has a price.
type Pricer func(j job.Job, attempts []job.Attempt, now time.Time) (cost any, ok bool)

// Member is one replica and its latest run.
type Member struct {
	Task       string           `json:"task"` // "worker-replica-1", as in logs
	Role       job.Role         `json:"role"`
	Index      int              `json:"index"`
	State      job.ReplicaState `json:"state"`
	Run        int              `json:"run"` // 0 is the first; each restart is one more
	Machine    string           `json:"machineType"`
	Address    string           `json:"address,omitempty"`
	Exit       string           `json:"exit,omitempty"` // "0", "1", "SIGKILL", "out of memory"
	Step       string           `json:"step,omitempty"` // in which it ended, where that was not the program
	Started    time.Time        `json:"startTime,omitzero"`
	Ended      time.Time        `json:"endTime,omitzero"`
	CPU        float64          `json:"cpu"` // processors busy, at the last sample
	CPUSeconds float64          `json:"cpuSeconds"`
	Memory     int64            `json:"memoryBytes,string"`
	Peak       int64            `json:"peakMemoryBytes,string"`
	Limit      int64            `json:"memoryLimitBytes,omitempty,string"`
	Disk       int64            `json:"diskBytes,omitempty,string"`
	Processes  int              `json:"processes,omitempty"`
	GPUs       []Device         `json:"gpus,omitempty"`
	Sampled    time.Time        `json:"sampleTime,omitzero"`
}

// Device is a GPU that a replica was given.
type Device struct {
	Name   string `json:"name"`
	Busy   int    `json:"busyPercent"`
	Memory int64  `json:"memoryBytes,string"`
}

// Replicas tells of a job as the store has it, with what it uses now.
func (c *Controller) Replicas(ctx context.Context, j job.Job, h History) (Replicas, error) {
	attempts, err := h.Attempts(ctx, j.Key)
	if err != nil {
		return Replicas{}, err
	}
	v := Replicas{State: j.Shown(), Attempt: j.Attempt, Replicas: []Member{}}
	if len(attempts) == 0 {
		return v, nil
	}
	uses, err := c.Usage(ctx, j.Key)
	if err != nil {
		return Replicas{}, err
	}
	if c.o.Price != nil {
		if cost, ok := c.o.Price(j, attempts, c.o.Now()); ok {
			v.Cost = cost
		}
	}
	for _, r := range attempts[len(attempts)-1].Replicas {
		v.Restarts += r.Run
		v.Replicas = append(v.Replicas, member(j.Spec, r, uses))
	}
	return v, nil
}

func member(spec job.Spec, r job.ReplicaRun, uses []executor.Usage) Member {
	m := Member{Task: task(r.Replica), Role: r.Role, Index: r.Index, State: r.State, Run: r.Run, Address: r.Address, Started: r.Started}
	if i := slices.IndexFunc(spec.Groups, func(g job.Group) bool { return g.Role == r.Role }); i >= 0 {
		m.Machine = spec.Groups[i].Machine
	}
	if e := r.Exit; e != nil {
		m.Ended, m.Exit = r.Ended, exitWord(e)
		m.CPUSeconds, m.Peak, m.Limit = e.CPUSeconds, e.PeakMemory, e.MemLimit
		if e.Step != "run" {
			m.Step = e.Step
		}
		return m
	}
	for _, u := range uses {
		if u.Replica != r.Replica || u.Run != r.Run {
			continue
		}
		m.CPU, m.CPUSeconds, m.Memory, m.Peak, m.Disk, m.Processes, m.Sampled = u.CPU, u.CPUSeconds, u.Memory, u.PeakMemory, u.Disk, u.Processes, u.Time
		for _, g := range u.GPUs {
			m.GPUs = append(m.GPUs, Device(g))
		}
	}
	return m
}

func exitWord(e *job.Exit) string {
	switch {
	case e.OutOfMem:
		return "out of memory"
	case e.Requested:
		return "stopped"
	case e.Signal != "":
		return e.Signal
	}
	return strconv.Itoa(e.Code)
}

// Load is how full the executor is.
type Load struct {
	Total   Amount `json:"total"` // zero is no limit
	Free    Amount `json:"free"`
	Running int    `json:"running"`
	Waiting int    `json:"waiting"`
}

// Load asks the loop; ok is false when there is none.
func (c *Controller) Load(ctx context.Context) (l Load, ok bool) {
	answer := make(chan Load, 1)
	if !c.inLoop(ctx, func() {
		v := c.snapshot(c.capacity)
		r := newRoom(v, admission(v.Items).holding)
		l := Load{Total: *amount(job.Need(v.Capacity)), Free: *amount(positive(r.left.Need))}
		for _, it := range v.Items {
			switch {
			case it.State.Final():
			case waits(it):
				l.Waiting++
			default:
				l.Running++
			}
		}
		answer <- l
	}) {
		return Load{}, false
	}
	return <-answer, true
}
