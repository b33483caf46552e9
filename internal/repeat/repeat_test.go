package repeat_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/repeat"
)

// yard accepts jobs in memory.
type yard struct {
	jobs   map[job.ID]repeat.New
	lock   *job.Lock
	python error
	gone   string // a package that nobody has
}

func (y *yard) repeater() *repeat.Repeater {
	return &repeat.Repeater{
		Create: func(_ context.Context, n repeat.New) (job.Job, bool, error) {
			was, there := y.jobs[n.Spec.Key.ID]
			switch {
			case !there:
				y.jobs[n.Spec.Key.ID] = n
			case n.RequestID == "" || was.RequestID != n.RequestID:
				return job.Job{}, false, fault.Errorf(fault.Conflict, "taken")
			}
			return job.Job{Spec: n.Spec, Document: n.Document}, !there, nil
		},
		Again: func(was job.Job, id job.ID, r repeat.Request, packages []job.Package) (job.Spec, json.RawMessage, error) {
			s := was.Spec
			s.Key.ID, s.Packages = id, packages
			return s, was.Document, nil
		},
		Find: func(_ context.Context, _ job.Job, p job.Package) (job.Package, error) {
			if p.URI == y.gone {
				return p, fault.Errorf(fault.NotFound, "no object")
			}
			return p, nil
		},
		Made: func(job.Job) (job.Lock, error) {
			if y.lock == nil {
				return job.Lock{}, fault.Errorf(fault.NotFound, "none")
			}
			return *y.lock, nil
		},
		Python: func(context.Context, job.Lock) error { return y.python },
	}
}

func was(id string) job.Job {
	return job.Job{Spec: job.Spec{Key: job.Key{Project: "p", ID: job.ID(id)}, Packages: []job.Package{{URI: "gs://b/p", Generation: 3}}, Groups: job.Basic.Groups(),
		Origin: job.Origin{Commit: "0123456789", Client: "gcloud/1"}}, Document: []byte("{}")}
}

func TestARepetitionHasTheLockAndSaysWhatItRepeats(t *testing.T) {
	y := &yard{jobs: map[job.ID]repeat.New{}, lock: &job.Lock{Python: "3.11.7", Packages: []string{"six==1"}}}
	j, notes, err := y.repeater().Rerun(t.Context(), was("a"), repeat.Request{Client: "trainyard/1"})
	if err != nil || j.Key.ID != "a_2" || len(notes) > 0 {
		t.Fatalf("%s, %q, %v", j.Key.ID, notes, err)
	}
	if o := j.Origin; o.Repeats != "a" || o.Client != "trainyard/1" || o.Commit != "0123456789" || j.Lock.Python != "3.11.7" || j.Packages[0].Generation != 3 {
		t.Errorf("the repetition is %+v", j.Spec)
	}
	if text := y.jobs["a_2"].Events[0].Text; !strings.Contains(text, "repeats job a ") || !strings.Contains(text, "Python 3.11.7, 1 packages") {
		t.Errorf("its log begins with %q", text)
	}
	if j, _, err := y.repeater().Rerun(t.Context(), was("a"), repeat.Request{Fresh: true}); err != nil || j.Lock != nil {
		t.Errorf("with a new environment it has the lock %v, %v", j.Lock, err)
	}
}

func TestIDsAreTheNextFreeOnes(t *testing.T) {
	y := &yard{jobs: map[job.ID]repeat.New{"a_2": {}, "a_3": {}}}
	again := func(of job.Job, r repeat.Request, want job.ID) job.Job {
		t.Helper()
		j, _, err := y.repeater().Rerun(t.Context(), of, r)
		if err != nil || j.Key.ID != want {
			t.Errorf("the repetition of %s is %s, %v; want %s", of.Key.ID, j.Key.ID, err, want)
		}
		return j
	}
	fourth := again(was("a"), repeat.Request{RequestID: "r"}, "a_4")
	again(was("a"), repeat.Request{RequestID: "r"}, "a_4") // the same request
	fifth := again(fourth, repeat.Request{}, "a_5")
	again(fifth, repeat.Request{}, "a_6")
	again(was("digits_1"), repeat.Request{}, "digits_1_2")
	again(was("a"), repeat.Request{ID: "mine"}, "mine")
	if _, _, err := y.repeater().Rerun(t.Context(), was("a"), repeat.Request{ID: "mine"}); !fault.Is(err, fault.Conflict) || fault.HintOf(err) == "" {
		t.Errorf("an id that is taken: %v", err)
	}
	if _, _, err := y.repeater().Rerun(t.Context(), was(strings.Repeat("x", 127)), repeat.Request{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an id without room: %v", err)
	}
}

func TestNothingIsAcceptedThatCannotBeRepeated(t *testing.T) {
	y := &yard{jobs: map[job.ID]repeat.New{}, lock: &job.Lock{Python: "3.1.0"}, python: fault.Errorf(fault.Precondition, "Python 3.1.0 is gone").WithHint("install it")}
	_, _, err := y.repeater().Rerun(t.Context(), was("a"), repeat.Request{})
	if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.HintOf(err), "--new-environment") {
		t.Errorf("a Python that is gone: %v (%s)", err, fault.HintOf(err))
	}
	if _, _, err := y.repeater().Rerun(t.Context(), was("a"), repeat.Request{Fresh: true}); err != nil {
		t.Errorf("its way out: %v", err)
	}
	delete(y.jobs, "a_2")
	y.python, y.gone = nil, "gs://b/p"
	if _, _, err := y.repeater().Rerun(t.Context(), was("a"), repeat.Request{}); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "gs://b/p") {
		t.Errorf("a package that is gone: %v", err)
	}
	if len(y.jobs) > 0 {
		t.Errorf("accepted: %v", y.jobs)
	}
}

func TestWithoutAnEnvironmentItIsChosenAnew(t *testing.T) {
	y := &yard{jobs: map[job.ID]repeat.New{}}
	j, notes, err := y.repeater().Rerun(t.Context(), was("a"), repeat.Request{})
	if err != nil || j.Lock != nil || !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "never had an environment") }) {
		t.Errorf("lock %v, %q, %v", j.Lock, notes, err)
	}
	locked := was("b") // a repetition that was cancelled before it ran
	locked.Lock = &job.Lock{Python: "3.11.7"}
	if j, _, err := y.repeater().Rerun(t.Context(), locked, repeat.Request{}); err != nil || j.Lock == nil || j.Lock.Python != "3.11.7" {
		t.Errorf("the lock of one that has not run: %+v, %v", j.Lock, err)
	}
	image := was("c")
	image.Groups[0].Image = "x"
	y.lock = &job.Lock{Python: "3.11.7"}
	if j, _, err := y.repeater().Rerun(t.Context(), image, repeat.Request{}); err != nil || j.Lock != nil {
		t.Errorf("a container's lock: %+v, %v", j.Lock, err)
	}
}
