package disk_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/buckettest"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/fault"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("TRAINYARD_DISK_WRITER"); dir != "" {
		writer(dir)
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
	buckettest.Run(t, func(t *testing.T) bucket.Store { return open(t, t.TempDir()) })
}

// content of a name and a number: what is read must be all of it.
func content(name string, n int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%s#%d|", name, n)), 1+n%5000)
}

// writer puts, overwrites, uploads in chunks and composes, and prints a line
// for each that was acknowledged, until it is killed.
func writer(dir string) {
	ctx := context.Background()
	s, err := disk.Open(ctx, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	_, _ = s.CreateBucket(ctx, bucket.Bucket{Name: "box", Project: "p"})
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for n := rng.IntN(1 << 20); ; n++ {
		name := fmt.Sprintf("o%d", rng.IntN(20))
		body := content(name, n)
		o := bucket.PutOptions{}
		o.Bucket, o.Name, o.Size = "box", name, -1
		switch rng.IntN(3) {
		case 0:
			fmt.Println("begin", name, n)
			_, err = s.Put(ctx, o, bytes.NewReader(body))
		case 1:
			fmt.Println("begin", name, n)
			var id string
			if id, err = s.StartUpload(ctx, o); err == nil {
				half := len(body) / 2
				if _, err = s.Upload(ctx, id, 0, int64(len(body)), bytes.NewReader(body[:half])); err == nil {
					_, err = s.Upload(ctx, id, int64(half), int64(len(body)), bytes.NewReader(body[half:]))
				}
			}
		case 2:
			half := len(body) / 2
			a, b := o, o
			a.Name, b.Name = "part-a", "part-b"
			if _, err = s.Put(ctx, a, bytes.NewReader(body[:half])); err == nil {
				_, err = s.Put(ctx, b, bytes.NewReader(body[half:]))
			}
			fmt.Println("begin", name, n)
			if err == nil {
				_, err = s.Compose(ctx, o, []bucket.Source{{Bucket: "box", Name: "part-a"}, {Bucket: "box", Name: "part-b"}}, true)
			}
		}
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("done", name, n)
	}
}

func TestKilledWritersLoseNothingThatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	last := map[string]int{} // acknowledged
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "TRAINYARD_DISK_WRITER="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		maybe := map[string]int{} // begun and not acknowledged
		kill := time.AfterFunc(time.Duration(50+rng.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		sc := bufio.NewScanner(out)
		for sc.Scan() {
			var verb, name string
			var n int
			if _, err := fmt.Sscan(sc.Text(), &verb, &name, &n); err != nil || verb == "error" {
				t.Fatalf("the writer said %q", sc.Text())
			}
			switch verb {
			case "begin":
				maybe[name] = n
			case "done":
				last[name] = n
				delete(maybe, name)
			}
		}
		kill.Stop()
		_ = cmd.Wait()

		s, err := disk.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for name, n := range last {
			_, r, err := s.Open(t.Context(), "box", name, 0, 0, -1, bucket.Conditions{})
			if err != nil {
				t.Fatalf("round %d: %s was acknowledged: %v", round, name, err)
			}
			got, err := io.ReadAll(r)
			r.Close()
			begun, was := maybe[name]
			if err != nil || !bytes.Equal(got, content(name, n)) && !(was && bytes.Equal(got, content(name, begun))) {
				t.Fatalf("round %d: %s holds %d bytes that are neither the acknowledged nor the next content (%v)", round, name, len(got), err)
			}
			if was && bytes.Equal(got, content(name, begun)) {
				last[name] = begun
			}
		}
		s.Close()
	}
	if len(last) == 0 {
		t.Fatal("nothing was ever acknowledged")
	}
	// Nothing is left of what was cut off, once what is young has aged.
	old := time.Now().Add(-time.Hour)
	_ = filepath.WalkDir(filepath.Join(dir, "content"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			_ = os.Chtimes(p, old, old)
		}
		return nil
	})
	s := open(t, dir)
	page, err := s.List(t.Context(), "box", bucket.Query{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir)
	s.Swept()
	if files(t, dir) == len(page.Objects) {
		return
	}
	t.Errorf("%d content files for %d objects", files(t, dir), len(page.Objects))
}

func files(t *testing.T, dir string) (n int) {
	t.Helper()
	_ = filepath.WalkDir(filepath.Join(dir, "content"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return nil
	})
	return n
}

func TestADamagedIndexIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "index.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := disk.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), path) || fault.HintOf(err) == "" {
		t.Errorf("Open = %v, want an error that names %s, with a hint", err, path)
	}
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
