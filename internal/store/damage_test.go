package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
	"github.com/trainyard/trainyard/internal/store/storetest"
)

// filled makes a database with jobs, closed.
func filled(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.db")
	s, err := store.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func fill(t testing.TB, s *store.Store, n int) {
	t.Helper()
	const at = 200
	errs := make(chan error, at)
	for w := range at {
		go func() {
			for i := w; i < n; i += at {
				_, _, err := s.Create(t.Context(), store.New{Spec: storetest.Spec(job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%d", i))}), Document: []byte(`{}`)})
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range at {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

func TestADamagedFileIsRefusedByNameWithAWayOut(t *testing.T) {
	for name, spoil := range map[string]func(f *os.File, size int64) error{
		"garbage for a header": func(f *os.File, _ int64) error { _, err := f.WriteAt([]byte(strings.Repeat("x", 100)), 0); return err },
		"garbage all over": func(f *os.File, n int64) error {
			_, err := f.WriteAt([]byte(strings.Repeat("x", int(n))), 0)
			return err
		},
		"cut in half":   func(f *os.File, n int64) error { return f.Truncate(n / 2) },
		"cut in a page": func(f *os.File, n int64) error { return f.Truncate(n/2 + 100) },
		"a page overwritten": func(f *os.File, n int64) error {
			for at := int64(4096); at < n; at += 3 * 4096 {
				if _, err := f.WriteAt([]byte(strings.Repeat("\xaa", 4096)), at); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t, 200)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(f, info.Size()); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			s, err := store.Open(t.Context(), path, slog.New(slog.DiscardHandler))
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") || fault.HintOf(err) == "" || time.Since(begin) > 5*time.Second {
				t.Errorf("after %s: %v; hint %q", time.Since(begin), err, fault.HintOf(err))
			}
		})
	}
}

func TestTheSchemaOfANewerVersionIsRefusedAndLeftAlone(t *testing.T) {
	path := filled(t, 1)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA user_version = 1000"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "newer version") || fault.HintOf(err) == "" {
		t.Errorf("Open: %v; hint %q", err, fault.HintOf(err))
	}
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version != 1000 {
		t.Errorf("the version is %d then, %v", version, err)
	}
}

func TestAFolderThatIsNotThereIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "jobs.db")
	if _, err := store.Open(t.Context(), path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open: %v", err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "jobs.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create(context.Background(), store.New{Spec: storetest.Spec(job.Key{Project: "p", ID: "a"})}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Create: %v", err)
	}
}

func TestTenThousandUnfinishedJobsAreReadFast(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 10,000 jobs")
	}
	n, limit := 10_000, 2*time.Second
	if slow {
		n, limit = 1000, 5*time.Second
	}
	path := filled(t, n)
	begin := time.Now()
	s := open(t, path)
	work, err := s.Unfinished(t.Context())
	took := time.Since(begin)
	if err != nil || len(work) != n {
		t.Fatalf("%d jobs, %v", len(work), err)
	}
	if t.Logf("opened and read in %s", took); took > limit {
		t.Errorf("it took %s to open the store and read them", took)
	}
}
