package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
	"github.com/trainyard/trainyard/internal/store/storetest"
)

func TestAFullDiskIsSaidAndTheStoreWorksAgainWhenThereIsSpace(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("SKIPPED: a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "jobs.db"))
	made := 0
	create := func(n int) error {
		errs := make(chan error, 8)
		for w := range cap(errs) { // several, so that they share commits
			go func() {
				_, _, err := s.Create(t.Context(), store.New{Spec: storetest.Spec(job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%d_%d", n, w))}), Document: make([]byte, 20_000)})
				errs <- err
			}()
		}
		var first error
		for range cap(errs) {
			switch err := <-errs; {
			case err == nil:
				made++
			case first == nil:
				first = err
			}
		}
		return first
	}
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = create(n)
	}
	if !fault.Is(err, fault.Full) {
		t.Fatalf("after %d jobs: %v, want that the disk is full", made, err)
	}
	list := func() int {
		jobs, _, err := s.List(t.Context(), "p", store.ListQuery{})
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		return len(jobs)
	}
	if got := list(); got != made || made == 0 {
		t.Errorf("%d jobs are there, %d were acknowledged", got, made)
	}
	if _, err := s.Apply(t.Context(), job.Change{Key: job.Key{Project: "p", ID: "j0_0"}, Error: string(make([]byte, 1<<20))}); !fault.Is(err, fault.Full) {
		t.Errorf("Apply: %v, want that the disk is full", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := create(n); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if got := list(); got != made {
		t.Errorf("%d jobs are there at last, %d were acknowledged", got, made)
	}
}
