package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// TestAFullDiskLosesNothing fills a disk of 16 MiB with several writers at once.
// What was acknowledged stays, deleting works, and with room again everything
// goes on, uploads from the bytes that were acknowledged.
func TestAFullDiskLosesNothing(t *testing.T) {
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("SKIPPED: a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(small, "gs")
	s := open(t, dir)
	if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		t.Fatal(err)
	}
	options := func(name string) (o bucket.PutOptions) {
		o.Bucket, o.Name, o.Size = "box", name, -1 // so that nothing is refused early
		return o
	}
	body := func(name string) []byte { return bytes.Repeat([]byte(name+"|"), 20_000) }
	id, err := s.StartUpload(t.Context(), options("upload"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upload(t.Context(), id, 0, -1, bytes.NewReader(body("first"))); err != nil {
		t.Fatal(err)
	}

	var mu sync.Mutex
	kept := map[string]bool{}
	fill := func(round string) error {
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for w := range errs {
			wg.Go(func() {
				for i := range 100 {
					name := fmt.Sprintf("%s-%d-%d", round, w, i)
					if _, errs[w] = s.Put(t.Context(), options(name), bytes.NewReader(body(name))); errs[w] != nil {
						return
					}
					mu.Lock()
					kept[name] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}
	whole := func() {
		t.Helper()
		page, err := s.List(t.Context(), "box", bucket.Query{})
		if err != nil || len(page.Objects) != len(kept) {
			t.Errorf("%d objects are listed, %d were acknowledged, %v", len(page.Objects), len(kept), err)
		}
		for name := range kept {
			if got, err := get(t, s, name, 0, -1); err != nil || !bytes.Equal(got, body(name)) {
				t.Errorf("%s reads %d bytes, %v", name, len(got), err)
			}
		}
		if got := len(files(t, dir)); got != len(kept) {
			t.Errorf("%d content files for %d objects", got, len(kept))
		}
	}
	if err := fill("a"); !fault.Is(err, fault.Full) {
		t.Fatalf("after %d objects: %v, want that the disk is full", len(kept), err)
	}
	// The last blocks too: then not even the index has room.
	filler, err := os.Create(filepath.Join(small, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := filler.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	filler.Close()
	if _, err := s.Put(t.Context(), options("more"), bytes.NewReader(body("more"))); !fault.Is(err, fault.Full) {
		t.Errorf("a put without any room: %v", err)
	}
	st, err := s.Upload(t.Context(), id, int64(len(body("first"))), -1, bytes.NewReader(body("second")))
	if !fault.Is(err, fault.Full) || st.Received != int64(len(body("first"))) {
		t.Errorf("an upload without any room: %+v, %v", st, err)
	}
	if err := s.Room(0); !fault.Is(err, fault.Full) {
		t.Errorf("Room: %v", err)
	}
	whole()

	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	deleted := 0
	for name := range kept {
		if err := s.Delete(t.Context(), "box", name, 0, bucket.Conditions{}); err != nil {
			t.Fatalf("deleting on a full disk: %v", err)
		}
		delete(kept, name)
		if deleted++; deleted == len(kept)/2 {
			break
		}
	}
	if err := fill("b"); !fault.Is(err, fault.Full) {
		t.Errorf("with room again it was never full: %v", err)
	}
	whole()
	for name := range kept {
		if err := s.Delete(t.Context(), "box", name, 0, bucket.Conditions{}); err != nil {
			t.Fatal(err)
		}
		delete(kept, name)
		if s.Room(4<<20) == nil {
			break
		}
	}
	all := append(body("first"), body("second")...)
	if st, err = s.Upload(t.Context(), id, int64(len(body("first"))), int64(len(all)), bytes.NewReader(body("second"))); err != nil || st.Object == nil {
		t.Fatalf("the upload goes on: %+v, %v", st, err)
	}
	if got, err := get(t, s, "upload", 0, -1); err != nil || !bytes.Equal(got, all) {
		t.Errorf("what was uploaded reads %d bytes, %v", len(got), err)
	}
}

// TestADiskThatCannotBeWrittenIsSaid makes the store's disk read-only under it.
// A put is to be tried again and says where; afterwards all goes on.
func TestADiskThatCannotBeWrittenIsSaid(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		t.Fatal(err)
	}
	put := func() error {
		_, err := s.Put(t.Context(), bucket.PutOptions{Object: bucket.Object{Bucket: "box", Name: "o", Size: 1}}, bytes.NewReader([]byte("x")))
		return err
	}
	if err := errors.Join(put(), s.Ready()); err != nil {
		t.Fatal(err)
	}
	// Over what is open: a disk with open files is not made read-only on request.
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("SKIPPED: nothing can be mounted here: %v", err)
	}
	mounted := true
	unmount := func() {
		if mounted {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
		mounted = false
	}
	t.Cleanup(unmount)
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"Ready": s.Ready(), "Put": put()} {
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s on a read-only disk: %v, want that %s is read-only", what, err, dir)
		}
	}
	unmount()
	if err := errors.Join(put(), s.Ready()); err != nil {
		t.Errorf("when it can be written again: %v", err)
	}
}
