package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// watcher is an output that calls a function when a text has been written.
type watcher struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	text string
	then func()
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.buf.Write(p)
	if w.then != nil && strings.Contains(w.buf.String(), w.text) {
		w.then()
		w.then = nil
	}
	return n, err
}

func (w *watcher) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// run is a command line in this process against the fake.
func run(ctx context.Context, f *fake, stdout, stderr io.Writer, args ...string) int {
	env := []string{"TRAINYARD_ENDPOINT=" + f.URL, "HOME=/nonexistent"}
	return Main(ctx, append([]string{"trainyard"}, args...), env, strings.NewReader(""), stdout, stderr, Programs{Version: "1.0"})
}

func TestCtrlCWhileStreamingLeavesTheJobAndSaysSo(t *testing.T) {
	f := newFake(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	errs := &watcher{text: "line two", then: interrupt}
	var out bytes.Buffer
	code := run(ctx, f, &out, errs, "jobs", "submit", "training", "j", "--packages", "gs://bucket/x.whl", "--module-name", "t.task", "--stream-logs", "--", "--hang")
	if code != exitFailed || !strings.Contains(errs.String(), "Interrupted; the job goes on.") || !strings.Contains(errs.String(), "trainyard jobs stream-logs j") {
		t.Errorf("exit %d, stderr %s", code, errs)
	}
	if !strings.Contains(out.String(), "jobId: j\nstate: QUEUED") {
		t.Errorf("stdout %q does not show the job", out.String())
	}
	if f.jobs["j"]["endTime"] != nil {
		t.Error("the job was ended")
	}

	ctx, interrupt = context.WithCancel(t.Context())
	defer interrupt()
	shown := &watcher{text: "line two", then: interrupt}
	errs = &watcher{}
	if code := run(ctx, f, shown, errs, "jobs", "stream-logs", "j"); code != exitInterrupted || !strings.Contains(errs.String(), "Your job is still active.") {
		t.Errorf("stream-logs: exit %d, stderr %s", code, errs)
	}
}

func TestCtrlCBetweenPackagingAndUploadSaysThatNothingWasSubmitted(t *testing.T) {
	f := newFake(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "__init__.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	p := Programs{Version: "1.0", Package: func(ctx context.Context, o PackageOptions) (Packaged, error) {
		defer interrupt()
		return packageFolder(ctx, o)
	}}
	errs := &watcher{}
	args := []string{"trainyard", "jobs", "submit", "training", "j", "--package-path", folder, "--module-name", "t.task", "--staging-bucket", "gs://bucket"}
	code := Main(ctx, args, []string{"TRAINYARD_ENDPOINT=" + f.URL, "HOME=/nonexistent"}, strings.NewReader(""), io.Discard, errs, p)
	if code != exitInterrupted || !strings.Contains(errs.String(), "Nothing was submitted.") || len(f.jobs) > 0 {
		t.Errorf("exit %d, %d jobs, stderr %s", code, len(f.jobs), errs)
	}
}

func TestAReaderThatWentAwayEndsACommandQuietly(t *testing.T) {
	f := newFake(t)
	if code := run(t.Context(), f, io.Discard, io.Discard, "jobs", "submit", "training", "j", "--packages", "gs://bucket/x.whl", "--module-name", "t.task", "-q"); code != 0 {
		t.Fatalf("submit: exit %d", code)
	}
	r, w := io.Pipe()
	_ = r.CloseWithError(syscall.EPIPE)
	var errs bytes.Buffer
	if code := run(t.Context(), f, w, &errs, "jobs", "stream-logs", "j"); code != exitFailed || errs.Len() > 0 {
		t.Errorf("exit %d, stderr %q", code, errs.String())
	}
}

func TestCtrlCBeforeTheJobIsCreatedSubmitsNothingAndSaysSo(t *testing.T) {
	f := newFake(t)
	folder := t.TempDir()
	for where, pack := range map[string]func(ctx context.Context, interrupt func()) error{
		"packaging": func(ctx context.Context, interrupt func()) error { interrupt(); return ctx.Err() },
		"uploading": func(context.Context, func()) error { return nil },
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		errs := &watcher{text: "Uploading", then: interrupt}
		p := Programs{Version: "1.0", Package: func(ctx context.Context, o PackageOptions) (Packaged, error) {
			if err := pack(ctx, interrupt); err != nil {
				return Packaged{}, err
			}
			return packageFolder(ctx, o)
		}}
		if err := os.WriteFile(filepath.Join(folder, "__init__.py"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"trainyard", "jobs", "submit", "training", "j", "--package-path", folder, "--module-name", "t.task", "--staging-bucket", "gs://bucket"}
		code := Main(ctx, args, []string{"TRAINYARD_ENDPOINT=" + f.URL, "HOME=/nonexistent"}, strings.NewReader(""), io.Discard, errs, p)
		if want := "Interrupted while " + where + ". Nothing was submitted."; code != exitInterrupted || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit %d, stderr %s", where, code, errs)
		}
		if len(f.jobs) > 0 {
			t.Errorf("%s: a job was created", where)
		}
	}
}

func TestCtrlCEndsALocalRun(t *testing.T) {
	f := newFake(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	errs := &watcher{text: "complained", then: interrupt}
	code := run(ctx, f, io.Discard, errs, "local", "train", "--packages", "gs://bucket/x.whl", "--module-name", "t.task", "--", "--print", "--hang")
	if code != exitInterrupted || !strings.Contains(errs.String(), "Interrupted; ending the program.") {
		t.Errorf("exit %d, stderr %s", code, errs)
	}
	if len(f.order) != 1 || f.jobs[f.order[0]]["state"] != "CANCELLED" {
		t.Errorf("the job was not ended: %v", f.jobs)
	}
}

// TestALocalRunStaysOnThisMachine: an endpoint elsewhere is not used.
func TestALocalRunStaysOnThisMachine(t *testing.T) {
	f := newFake(t)
	if err := os.Remove(filepath.Join(f.dir, "server.json")); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	code := run(t.Context(), f, io.Discard, &errs, "local", "train", "--packages", "gs://bucket/x.whl", "--module-name", "t.task")
	if code == 0 || len(f.jobs) > 0 || !strings.Contains(errs.String(), "is not on this machine; using your own.") {
		t.Errorf("exit %d, %d jobs there, stderr %s", code, len(f.jobs), errs.String())
	}
}
