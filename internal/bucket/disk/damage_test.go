package disk_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/fault"
)

// filled makes a store with n small objects and closes it.
func filled(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		put(t, s, fmt.Sprint("object", i), []byte("content"))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func put(t *testing.T, s *disk.Store, name string, body []byte) bucket.Object {
	t.Helper()
	o := bucket.PutOptions{}
	o.Bucket, o.Name, o.Size = "box", name, int64(len(body))
	made, err := s.Put(t.Context(), o, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func get(t *testing.T, s *disk.Store, name string, offset, length int64) ([]byte, error) {
	_, r, err := s.Open(t.Context(), "box", name, 0, offset, length, bucket.Conditions{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestADamagedIndexIsRefusedByNameWithAWayOut(t *testing.T) {
	for name, spoil := range map[string]func(path string, b []byte) error{
		"no database": func(path string, b []byte) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), len(b)), 0o600) },
		"garbage header": func(path string, b []byte) error {
			return os.WriteFile(path, append(bytes.Repeat([]byte("x"), 100), b[100:]...), 0o600)
		},
		"cut in half": func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)/2], 0o600) },
		"empty":       func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"gone":        func(path string, _ []byte) error { return os.Remove(path) },
		"pages overwritten": func(path string, b []byte) error {
			for at := 4096; at+4096 <= len(b); at += 3 * 4096 {
				copy(b[at:], bytes.Repeat([]byte("\xaa"), 4096))
			}
			return os.WriteFile(path, b, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t, 60)
			path := filepath.Join(dir, "index.db")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(path, b); err != nil {
				t.Fatal(err)
			}
			before := len(files(t, dir))
			begin := time.Now()
			s, err := disk.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") || fault.HintOf(err) == "" || time.Since(begin) > 5*time.Second {
				t.Errorf("after %s: %v; hint %q", time.Since(begin), err, fault.HintOf(err))
			}
			if after := len(files(t, dir)); after != before || before != 60 {
				t.Errorf("%d content files, then %d", before, after)
			}
		})
	}
}

// TestDamagedContentIsNamed spoils content on the disk in each way; whoever
// reads the whole, or any of it where the size is wrong, is told which object it
// is, and does not get all of it.
func TestDamagedContentIsNamed(t *testing.T) {
	for _, size := range []int{1000, 1 << 20} {
		for what, spoil := range map[string]func(path string, b []byte) error{
			"cut":  func(path string, b []byte) error { return os.Truncate(path, int64(size)/2) },
			"long": func(path string, b []byte) error { return os.WriteFile(path, append(b, 'x'), 0o600) },
			"gone": func(path string, _ []byte) error { return os.Remove(path) },
			"flip": func(path string, b []byte) error { b[size/3] ^= 4; return os.WriteFile(path, b, 0o600) },
			"tail": func(path string, b []byte) error { b[size-1] ^= 4; return os.WriteFile(path, b, 0o600) },
		} {
			t.Run(fmt.Sprint(what, size), func(t *testing.T) {
				dir := filled(t, 0)
				s := open(t, dir)
				body := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
				put(t, s, "hurt/model", body)
				path := files(t, dir)[0]
				put(t, s, "sound", body)
				if err := spoil(path, bytes.Clone(body)); err != nil {
					t.Fatal(err)
				}
				got, err := get(t, s, "hurt/model", 0, -1)
				if err == nil || !strings.Contains(err.Error(), "box/hurt/model") || len(got) >= size {
					t.Errorf("the whole reads %d bytes, %v", len(got), err)
				}
				if _, err := get(t, s, "hurt/model", 10, 10); what != "flip" && what != "tail" && (err == nil || !strings.Contains(err.Error(), "box/hurt/model")) {
					t.Errorf("a range: %v", err)
				}
				o := bucket.PutOptions{}
				o.Bucket, o.Name = "box", "both"
				if _, err = s.Compose(t.Context(), o, []bucket.Source{{Bucket: "box", Name: "sound"}, {Bucket: "box", Name: "hurt/model"}}, true); err == nil || !strings.Contains(err.Error(), "hurt/model") {
					t.Errorf("a compose of it: %v", err)
				}
				if got, err := get(t, s, "sound", 0, -1); err != nil || !bytes.Equal(got, body) {
					t.Errorf("another object reads %d bytes, %v", len(got), err)
				}
				put(t, s, "hurt/model", body)
				if got, err := get(t, s, "hurt/model", 0, -1); err != nil || !bytes.Equal(got, body) {
					t.Errorf("put again, it reads %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// TestDamagedUploadsAreNamed: what was acknowledged of an upload is not made
// up, nor is a part.
func TestDamagedUploadsAreNamed(t *testing.T) {
	ctx, dir := t.Context(), filled(t, 0)
	s := open(t, dir)
	o := bucket.PutOptions{}
	o.Bucket, o.Name, o.Size = "box", "x", -1
	id, err := s.StartUpload(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upload(ctx, id, 0, -1, strings.NewReader("acknowledged")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "uploads", id), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upload(ctx, id, 12, 15, strings.NewReader("end")); err == nil || !strings.Contains(err.Error(), id) || fault.HintOf(err) == "" {
		t.Errorf("the upload goes on: %v", err)
	}

	if id, err = s.StartParts(ctx, o); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutPart(ctx, id, 1, o, strings.NewReader("a part")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files(t, dir)[0], []byte("a tarp"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.FinishParts(ctx, id, []bucket.PartRef{{Number: 1}}); err == nil || !strings.Contains(err.Error(), "part 1") {
		t.Errorf("parts are finished: %v", err)
	}
}
