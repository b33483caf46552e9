package storetest

import (
	"fmt"
	"time"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
)

func (s suite) typical() {
	if _, ok, err := s.s.Typical(s.t.Context(), "p", "trainer.task"); ok || err != nil {
		s.t.Errorf("of nothing: %v, %v", ok, err)
	}
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	run := func(id, module string, end job.State, took time.Duration) {
		spec := Spec(key(id))
		spec.Module = module
		_, _, err := s.s.Create(s.t.Context(), store.New{Spec: spec, Document: []byte(`{}`), Wire: "ml/v1"})
		if err == nil {
			_, err = s.s.Apply(s.t.Context(), job.Change{Key: key(id), State: end, Started: begun, Ended: begun.Add(took)})
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for i, minutes := range []int{90, 1, 2, 30, 4, 5} { // the first is too long ago
		run(fmt.Sprintf("s%d", i), "trainer.task", job.Succeeded, time.Duration(minutes)*time.Minute)
	}
	run("f", "trainer.task", job.Failed, time.Hour)
	run("o", "other.task", job.Succeeded, time.Second)
	for module, want := range map[string]time.Duration{"trainer.task": 4 * time.Minute, "other.task": time.Second} {
		if d, ok, err := s.s.Typical(s.t.Context(), "p", module); err != nil || !ok || d != want {
			s.t.Errorf("%s takes %v (%v, %v), want %v", module, d, ok, err, want)
		}
	}
	// Of a module that never ran, what the project's last runs took: 1 s, 2, 4, 5 and 30 min.
	if d, ok, err := s.s.Typical(s.t.Context(), "p", "new.task"); err != nil || !ok || d != 4*time.Minute {
		s.t.Errorf("a new module takes %v (%v, %v), want what the project's do", d, ok, err)
	}
	if _, ok, _ := s.s.Typical(s.t.Context(), "q", "trainer.task"); ok {
		s.t.Error("another project's jobs tell of this one's")
	}
}
