package store_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/trainyard/trainyard/internal/store"
	"github.com/trainyard/trainyard/internal/store/storetest"
)

func open(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestTheStorePassesTheSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		dir := filepath.Join(t.TempDir(), "a folder with ?, # and %20")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return open(t, filepath.Join(dir, "jobs.db"))
	})
}
