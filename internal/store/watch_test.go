package store

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/trainyard/trainyard/internal/job"
)

func TestWatchesThatWereLetGoOfLeaveNothing(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "jobs.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k := job.Key{Project: "p", ID: "a"}
	for range 100 {
		_, first := s.Watch(k)
		_, second := s.Watch(k)
		first()
		s.changed(k) // takes the entry away while the second watches it
		_, third := s.Watch(k)
		second()
		if s.jobs[k] == nil {
			t.Fatal("letting go of an old watch took a new one away")
		}
		third()
	}
	if len(s.jobs) != 0 {
		t.Errorf("%d watches are left", len(s.jobs))
	}
}
