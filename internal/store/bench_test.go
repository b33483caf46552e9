package store_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
	"github.com/trainyard/trainyard/internal/store/storetest"
)

// Durable creates, beside bare commits of the same database library with the
// same settings.
func BenchmarkCreate(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("store/%d clients", clients), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "jobs.db"))
			var n atomic.Int64
			b.SetParallelism(clients)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					k := job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%d", n.Add(1)))}
					if _, _, err := s.Create(b.Context(), store.New{Spec: storetest.Spec(k), Document: []byte(`{"jobId":"x"}`), Wire: "ml/v1"}); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
	b.Run("raw commits", func(b *testing.B) {
		db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "raw.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		if _, err := db.Exec("CREATE TABLE jobs (id TEXT PRIMARY KEY, document TEXT)"); err != nil {
			b.Fatal(err)
		}
		document := string(make([]byte, 900)) // as large as a row of ours
		for i := 0; b.Loop(); i++ {
			if _, err := db.Exec("INSERT INTO jobs VALUES (?, ?)", fmt.Sprint(i), document); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	})
}

func BenchmarkPageOfALargeTable(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "jobs.db"))
	fill(b, s, 100_000)
	for b.Loop() {
		if page, _, err := s.List(b.Context(), "p", store.ListQuery{Before: 50_000, Max: 100}); err != nil || len(page) != 100 {
			b.Fatal(len(page), err)
		}
	}
}
