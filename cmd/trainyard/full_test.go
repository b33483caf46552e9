package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/bucket"
)

// TestAFullDiskIsSaidAndNothingIsLost runs a server on a disk of 32 MiB. What
// does not fit is 507, health says so, and when there is room again everything
// that was acknowledged is there.
func TestAFullDiskIsSaidAndNothingIsLost(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount a small disk")
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: cannot mount a tmpfs: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	y := newYard(t)
	y.stop()
	y.dir = filepath.Join(disk, "yard")
	y.start()

	put := func(name string, size int, length bool) int {
		var body io.Reader = bytes.NewReader(make([]byte, size))
		if !length {
			body = io.MultiReader(body) // no Content-Length
		}
		resp, err := http.Post(y.url()+"/upload/storage/v1/b/trainyard-default/o?uploadType=media&name="+name, "application/octet-stream", body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	ready := func() int {
		resp, err := http.Get(y.url() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if code := put("small", 1000, true); code != 200 {
		t.Fatalf("a small object: %d", code)
	}
	s := &remote{base: y.url()}
	o := bucket.PutOptions{}
	o.Bucket, o.Name = "trainyard-default", "session"
	session, err := s.StartUpload(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	chunks := bytes.Repeat([]byte("chunk"), 200_000)
	half := int64(len(chunks) / 2)
	if st, err := s.Upload(t.Context(), session, 0, -1, bytes.NewReader(chunks[:half])); err != nil || st.Received != half {
		t.Fatalf("a chunk: %+v, %v", st, err)
	}
	if code := put("large", 64<<20, true); code != 507 {
		t.Errorf("an object larger than the disk, with its length: %d, want 507", code)
	}
	if code := put("large", 64<<20, false); code != 507 {
		t.Errorf("an object larger than the disk, without its length: %d, want 507", code)
	}
	kept := []string{"small"}
	for i := range 64 {
		name := fmt.Sprintf("block%d", i)
		code := put(name, 1<<20, true)
		if code == 507 {
			break
		}
		if code != 200 {
			t.Fatalf("%s: %d", name, code)
		}
		kept = append(kept, name)
	}
	if len(kept) < 10 {
		t.Errorf("only %d objects fitted on the disk", len(kept))
	}
	// The last crumbs, down to a byte, so that nothing can be accepted: a file
	// takes whole pages, and the last page may be just what is kept back.
	for i := 1 << 19; i >= 1; i /= 2 {
		for n := 0; put(fmt.Sprintf("crumb%d_%d", i, n), i, true) == 200; n++ {
		}
	}
	if code := ready(); code != http.StatusServiceUnavailable {
		t.Errorf("readyz on a full disk: %d, want 503", code)
	}
	if st, err := s.Upload(t.Context(), session, half, int64(len(chunks)), bytes.NewReader(chunks[half:])); err == nil {
		t.Errorf("a chunk on a full disk: %+v", st)
	} else if refused, ok := errors.AsType[*refusal](err); !ok || !strings.HasPrefix(refused.status, "507") && !strings.HasPrefix(refused.status, "503") {
		t.Errorf("a chunk on a full disk: %v, want 507 or 503", err)
	}
	for _, name := range kept[1:] {
		req, _ := http.NewRequest("DELETE", y.url()+"/storage/v1/b/trainyard-default/o/"+name, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusNoContent {
			t.Fatalf("deleting %s on a full disk: %v %v", name, resp, err)
		}
		resp.Body.Close()
	}
	if code := ready(); code != 200 {
		t.Errorf("readyz with room again: %d", code)
	}
	if code := put("after", 1<<20, true); code != 200 {
		t.Errorf("an object with room again: %d", code)
	}
	y.kill()
	y.start()
	if st, err := s.UploadStatus(t.Context(), session); err != nil || st.Received != half {
		t.Errorf("the session is at %d of the %d bytes that were acknowledged, %v", st.Received, half, err)
	}
	if st, err := s.Upload(t.Context(), session, half, int64(len(chunks)), bytes.NewReader(chunks[half:])); err != nil || st.Object == nil {
		t.Errorf("the session goes on: %+v, %v", st, err)
	}
	if got := y.mustRun("storage", "cat", "gs://trainyard-default/session"); got != string(chunks) {
		t.Errorf("the session's object has %d bytes", len(got))
	}
	if got := y.mustRun("storage", "cat", "gs://trainyard-default/small"); len(got) != 1000 {
		t.Errorf("the small object has %d bytes after all this", len(got))
	}
}

// TestACutUploadLeavesNothing cuts an upload in the middle, in each of the ways
// that announce a length.
func TestACutUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	for _, query := range []string{"uploadType=media&name=cut", "uploadType=multipart&name=cut"} {
		r, w := io.Pipe()
		req, _ := http.NewRequest("POST", y.url()+"/upload/storage/v1/b/trainyard-default/o?"+query, r)
		req.ContentLength = 10 << 20
		req.Header.Set("Content-Type", "multipart/related; boundary=b")
		go func() {
			_, _ = io.WriteString(w, "--b\nContent-Type: application/json\n\n{}\n--b\nContent-Type: text/plain\n\nhalf of it")
			_ = w.CloseWithError(io.ErrUnexpectedEOF)
		}()
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				t.Errorf("%s: a cut upload was accepted", query)
			}
		}
		if _, _, err := y.run("storage", "cat", "gs://trainyard-default/cut"); err == nil {
			t.Errorf("%s: there is an object after a cut upload", query)
		}
	}
}

// TestAServerThatFindsNoRoomForItsLogIsHeard starts one in the background on a
// full disk.
func TestAServerThatFindsNoRoomForItsLogIsHeard(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount a small disk")
	}
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: cannot mount a tmpfs: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	_ = os.WriteFile(filepath.Join(disk, "filler"), make([]byte, 1<<20), 0o600)
	start := exec.Command(binary, "server", "start")
	start.Env = append(os.Environ(), "TRAINYARD_DATA_DIR="+filepath.Join(disk, "yard"), "TRAINYARD_LISTEN="+freeAddr(), "XDG_CONFIG_HOME="+t.TempDir())
	out, err := start.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "server.log cannot be written: no space left on device") {
		t.Errorf("server start on a full disk: %v\n%s", err, out)
	}
}
