package disk_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/buckettest"
	"github.com/trainyard/trainyard/internal/bucket/disk"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerOf); dir != "" {
		write(dir)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, dir string) *disk.Store {
	t.Helper()
	s, err := disk.Open(t.Context(), dir, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestDriverPassesTheSuite(t *testing.T) {
	buckettest.Run(t, buckettest.All, func(t *testing.T) bucket.Store { return open(t, t.TempDir()) })
}

// TestVersionOneIsTakenOver opens a store that version 1 of the schema made: a
// bucket, three objects and an upload that is half done.
func TestVersionOneIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/version1")); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for range 2 { // the second time it is of version 2 already
		s := open(t, dir)
		s.Swept()
		for _, name := range []string{"a", "dir/b", "../x"} {
			_, r, err := s.Open(ctx, "old", name, 0, 0, -1, bucket.Conditions{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			r.Close()
			if err != nil || string(got) != "content of "+name {
				t.Errorf("%s holds %q, %v", name, got, err)
			}
		}
		s.Close()
	}
	s := open(t, dir)
	const session = "PPF4MEXKHQMZ2A536RCGJE6KQ7"
	st, err := s.Upload(ctx, session, 12, 23, strings.NewReader("second half"))
	if err != nil || st.Object == nil || st.Object.Size != 23 {
		t.Errorf("the upload goes on: %+v, %v", st, err)
	}
	b, err := s.UpdateBucket(ctx, "old", func(b *bucket.Bucket) error { b.Versioning = true; return nil })
	if err != nil || b.Labels["team"] != "a" {
		t.Errorf("UpdateBucket = %+v, %v", b, err)
	}
	o := bucket.PutOptions{}
	o.Bucket, o.Name, o.Size = "old", "a", -1
	if _, err := s.Put(ctx, o, strings.NewReader("new")); err != nil {
		t.Fatal(err)
	}
	if page, err := s.List(ctx, "old", bucket.Query{Prefix: "a", Versions: true}); err != nil || len(page.Objects) != 2 || page.Objects[0].ContentType != "text/plain" {
		t.Errorf("versions of a: %+v, %v", page.Objects, err)
	}
}

// BenchmarkListTenOfHundredThousand is a page that a training program asks for
// again and again. It fails beyond a millisecond.
func BenchmarkListTenOfHundredThousand(b *testing.B) {
	dir := b.TempDir()
	open := func() *disk.Store {
		s, err := disk.Open(b.Context(), dir, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := open()
	if _, err := s.CreateBucket(b.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		b.Fatal(err)
	}
	s.Close()
	// Rows alone: a listing reads no content.
	db, err := sql.Open("sqlite", filepath.Join(dir, "index.db"))
	if err != nil {
		b.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100_000 {
		name := fmt.Sprintf("shard-%03d/part-%05d", i/100, i)
		facts, _ := json.Marshal(bucket.Object{Bucket: "box", Name: name, Generation: int64(i + 1), Metageneration: 1, ContentType: "application/octet-stream", StorageClass: "STANDARD", MD5: make([]byte, 16)})
		if _, err := tx.Exec("INSERT INTO objects (bucket, name, generation, metageneration, size, file, facts) VALUES ('box', ?, ?, 1, 0, ?, ?)", []byte(name), i+1, fmt.Sprint("file", i), string(facts)); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(tx.Commit(), db.Close()); err != nil {
		b.Fatal(err)
	}
	s = open()
	defer s.Close()
	for _, versions := range []bool{false, true} {
		b.Run(fmt.Sprintf("versions=%t", versions), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				page, err := s.List(b.Context(), "box", bucket.Query{Prefix: fmt.Sprintf("shard-%03d/", i%1000), Max: 10, Versions: versions})
				if err != nil || len(page.Objects) != 10 {
					b.Fatalf("%d objects, %v", len(page.Objects), err)
				}
			}
			if per := b.Elapsed() / time.Duration(b.N); b.N > 100 && per > time.Millisecond {
				b.Errorf("a page takes %v", per)
			}
		})
	}
}

// BenchmarkPut puts objects of two sizes with several writers at once, and
// writes and flushes files as many for comparison.
func BenchmarkPut(b *testing.B) {
	s, err := disk.Open(b.Context(), b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.CreateBucket(b.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for _, c := range []struct{ size, writers int }{{1 << 20, 1}, {1 << 20, 8}, {1 << 10, 64}} {
		body := make([]byte, c.size)
		for what, put := range map[string]func(name string) error{
			"driver": func(name string) error {
				o := bucket.PutOptions{}
				o.Bucket, o.Name, o.Size = "box", name, int64(c.size)
				_, err := s.Put(b.Context(), o, bytes.NewReader(body))
				return err
			},
			"file and fsync": func(name string) error {
				f, err := os.Create(filepath.Join(dir, name))
				if err != nil {
					return err
				}
				_, err = f.Write(body)
				return errors.Join(err, f.Sync(), f.Close())
			},
		} {
			b.Run(fmt.Sprintf("%d KiB/%d writers/%s", c.size>>10, c.writers, what), func(b *testing.B) {
				b.SetBytes(int64(c.size))
				var next atomic.Int64
				var wg sync.WaitGroup
				for range c.writers {
					wg.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							if err := put(fmt.Sprint(i % 512)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
