package stage

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
)

// shelf is a store in memory with one bucket.
type shelf struct {
	objects map[string][]byte
	sent    []string
	err     error // of the next upload
}

func (s *shelf) Stat(_ context.Context, bucket, object string) (int64, []byte, error) {
	b, ok := s.objects[bucket+"/"+object]
	if !ok {
		return 0, nil, fault.Errorf(fault.NotFound, "no such object")
	}
	sum := md5.Sum(b)
	return int64(len(b)), sum[:], nil
}

func (s *shelf) Upload(_ context.Context, bucket, object string, r io.Reader, sent func(int64)) error {
	if s.err != nil {
		err := s.err
		s.err = nil
		return err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	sent(int64(len(b)))
	s.objects[bucket+"/"+object] = b
	s.sent = append(s.sent, object)
	return nil
}

func files(t *testing.T, texts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func quiet(Archive) func(int64) { return func(int64) {} }

func TestPlacesAreTheOriginals(t *testing.T) {
	for _, tt := range []struct {
		got, want Place
	}{
		{InBucket("gs://b", "job1"), Place{"b", "job1/"}},
		{InJobDir("gs://b/"), Place{"b", "packages/"}},
		{InJobDir("gs://b"), Place{"b", "packages/"}},
		{InJobDir("gs://b/out/1/"), Place{"b", "out/1/packages/"}},
	} {
		if tt.got != tt.want {
			t.Errorf("%+v, want %+v", tt.got, tt.want)
		}
	}
}

// TestWhatIsThereIsNotSentAgain stages a group, the same again, and one with a
// change, which must not touch what the first put there.
func TestWhatIsThereIsNotSentAgain(t *testing.T) {
	dir := files(t, map[string]string{"a.whl": "aaa", "b.tar.gz": "bb"})
	paths := []string{filepath.Join(dir, "a.whl"), filepath.Join(dir, "b.tar.gz")}
	s := &shelf{objects: map[string][]byte{}}
	stage := func() *Group {
		t.Helper()
		s.sent = nil
		g, err := Read(paths, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Place(t.Context(), s, Place{"bucket", "job/"}); err != nil {
			t.Fatal(err)
		}
		if err := g.Send(t.Context(), s, quiet); err != nil || !g.Complete() {
			t.Fatalf("Send: %v", err)
		}
		return g
	}
	first := stage()
	if len(s.sent) != 2 {
		t.Errorf("sent %v, want both", s.sent)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte("aaabb")))
	if want := []string{"gs://bucket/job/" + digest + "/a.whl", "gs://bucket/job/" + digest + "/b.tar.gz"}; !cmp.Equal(first.URIs(), want) {
		t.Errorf("URIs %v, want %v", first.URIs(), want)
	}
	if again := stage(); len(s.sent) != 0 || !cmp.Equal(again.URIs(), first.URIs()) {
		t.Errorf("unchanged, sent %v to %v", s.sent, again.URIs())
	}
	if err := os.WriteFile(paths[0], []byte("AAA"), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := stage()
	if len(s.sent) != 2 || cmp.Equal(changed.URIs(), first.URIs()) || string(s.objects[strings.TrimPrefix(first.URIs()[0], "gs://")]) != "aaa" {
		t.Errorf("changed, sent %v", s.sent)
	}
	// What somebody spoiled is sent again.
	s.objects[strings.TrimPrefix(changed.URIs()[1], "gs://")] = []byte("xx")
	if stage(); len(s.sent) != 1 || string(s.objects[strings.TrimPrefix(changed.URIs()[1], "gs://")]) != "bb" {
		t.Errorf("spoiled, sent %v", s.sent)
	}
}

func TestFailuresNameTheFileAndItsPlace(t *testing.T) {
	dir := files(t, map[string]string{"x/a.whl": "1", "y/a.whl": "2"})
	if _, err := Read([]string{filepath.Join(dir, "x/a.whl"), filepath.Join(dir, "y/a.whl")}, nil); err == nil || err.Error() != "Cannot upload multiple packages with the same filename: [a.whl]" {
		t.Errorf("Read = %v", err)
	}
	missing := filepath.Join(dir, "none.whl")
	if _, err := Read([]string{missing}, nil); err == nil || err.Error() != "Unable to read file ["+missing+"]: no such file or directory" {
		t.Errorf("Read = %v", err)
	}
	g, err := Read([]string{filepath.Join(dir, "x/a.whl")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{objects: map[string][]byte{}}
	if err := g.Place(t.Context(), s, Place{"bucket", "job/"}); err != nil {
		t.Fatal(err)
	}
	s.err = fault.Errorf(fault.Full, "the disk is full")
	err = g.Send(t.Context(), s, quiet)
	if !fault.Is(err, fault.Full) || !strings.HasPrefix(err.Error(), "Could not upload file ["+dir+"/x/a.whl] to [bucket/job/") || g.Complete() {
		t.Errorf("Send = %v", err)
	}
	s.err = fault.Errorf(fault.NotFound, "gone")
	if err := g.Send(t.Context(), s, quiet); !fault.Is(err, fault.NotFound) || fault.HintOf(err) != "make it with: trainyard storage buckets create gs://bucket" {
		t.Errorf("Send = %v", err)
	}
}

// A digest that is known is taken for one archive that goes alone; that of
// several is of all.
func TestAKnownDigestIsTaken(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.whl"), filepath.Join(dir, "b.whl")
	for _, p := range []string{a, b} {
		if err := os.WriteFile(p, []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known := map[string]string{a: fmt.Sprintf("%x", sha256.Sum256([]byte("content")))}
	for _, paths := range [][]string{{a}, {b}, {a, b}} {
		with, err := Read(paths, known)
		if err != nil {
			t.Fatal(err)
		}
		without, err := Read(paths, nil)
		if err != nil || !cmp.Equal(with, without) {
			t.Errorf("%v: %+v with a known digest, %+v without, %v", paths, with, without, err)
		}
	}
}
