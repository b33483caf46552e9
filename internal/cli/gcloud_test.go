package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOutputIsWhatGcloudPrints runs the unmodified gcloud and ours against the
// same server and compares what goes to standard output.
func TestOutputIsWhatGcloudPrints(t *testing.T) {
	gcloud := os.Getenv("GCLOUD")
	if gcloud == "" {
		var err error
		if gcloud, err = exec.LookPath("gcloud"); err != nil {
			t.Skip("SKIPPED: no gcloud on PATH and none named by GCLOUD; nothing was compared with it")
		}
	}
	if testing.Short() {
		t.Skip("SKIPPED: gcloud takes seconds to start")
	}
	if out, err := exec.CommandContext(t.Context(), gcloud, "version", "--format=value('Google Cloud SDK')").Output(); err == nil {
		t.Logf("comparing with gcloud %s", bytes.TrimSpace(out))
	}
	f := newFake(t)
	for _, id := range []string{"one", "two", "three"} {
		args := []string{"jobs", "submit", "training", id, "--packages", "gs://bucket/x.whl", "--module-name", "t.task", "--labels", "n=" + id, "-q", "--"}
		if id == "two" {
			args = append(args, "--fail", "a b", "ünïcode")
		}
		var out bytes.Buffer
		if code := run(t.Context(), f, &out, &out, args...); code != 0 {
			t.Fatalf("submit %s: exit %d: %s", id, code, out.String())
		}
	}
	var out bytes.Buffer
	run(t.Context(), f, &out, &out, "jobs", "wait", "two")

	env := append(os.Environ(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_ML="+f.URL+"/", "CLOUDSDK_AUTH_DISABLE_CREDENTIALS=True", "CLOUDSDK_CORE_PROJECT=local",
		"CLOUDSDK_CONFIG="+t.TempDir(), "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1")
	for _, args := range [][]string{
		{"jobs", "list"},
		{"jobs", "list", "--filter", "state=FAILED OR labels.n:th*", "--sort-by", "~jobId", "--format", "csv(jobId,state,createTime.date(tz=UTC))"},
		{"jobs", "list", "--format", "table(jobId,createTime,state)"},
		{"jobs", "list", "--format", "value(createTime,jobId)"},
		{"jobs", "list", "--format", "json(createTime,jobId)"},
		{"jobs", "list", "--limit", "2", "--format", "json"},
		{"jobs", "describe", "two"},
		{"jobs", "describe", "two", "--format", "value(trainingInput.args,labels.list())"},
	} {
		cmd := exec.CommandContext(t.Context(), gcloud, append([]string{"ai-platform"}, args...)...)
		cmd.Env = env
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		want, err := cmd.Output()
		if err != nil {
			t.Errorf("gcloud %q: %v: %s", args, err, stderr.String())
			continue
		}
		var got, errs bytes.Buffer
		if code := run(t.Context(), f, &got, &errs, args...); code != 0 {
			t.Errorf("ours %q: exit %d: %s", args, code, errs.String())
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%q (-gcloud +ours)\n%s", args, diff)
		}
	}
}

// TestInPlaceRunsWhatGcloudRuns compares what a program is given by gcloud's
// local train and by ours: folder, arguments, TF_CONFIG; and the exit status.
func TestInPlaceRunsWhatGcloudRuns(t *testing.T) {
	gcloud := os.Getenv("GCLOUD")
	if gcloud == "" {
		var err error
		if gcloud, err = exec.LookPath("gcloud"); err != nil {
			t.Skip("SKIPPED: no gcloud on PATH and none named by GCLOUD; nothing was compared with it")
		}
	}
	if testing.Short() {
		t.Skip("SKIPPED: gcloud takes seconds to start")
	}
	app := filepath.Join(t.TempDir(), "app", "trainer")
	if err := os.MkdirAll(app, 0o700); err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(filepath.Dir(app), "python")
	script := `#!/bin/sh
[ "$1" = -c ] && echo "$TENSORFLOW" && exit
case "$TF_CONFIG" in *'"type": "worker"'*|*'"type":"worker"'*|*'"type": "ps"'*|*'"type":"ps"'*) exec sleep 60;; esac
pwd; echo "$*"; echo "$TF_CONFIG"; exit 9
`
	if err := os.WriteFile(python, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		tensorflow string
		args       []string
	}{
		{"2.11.0", []string{"--job-dir", "out", "--", "--a", "b c"}},
		{"2.11.0", []string{"--distributed", "--worker-count", "1", "--start-port", "9000"}},
		{"1.15.5", []string{"--distributed", "--parameter-server-count", "0", "--job-dir", "gs://b/c", "--", "x"}},
	} {
		args := append([]string{"ai-platform", "local", "train", "--package-path", app, "--module-name", "trainer.task"}, tt.args...)
		env := append(os.Environ(), "TENSORFLOW="+tt.tensorflow, "CLOUDSDK_ML_ENGINE_LOCAL_PYTHON="+python, "CLOUDSDK_CONFIG="+t.TempDir(),
			"CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1")
		theirs := exec.CommandContext(t.Context(), gcloud, args...)
		theirs.Env = env
		want, err := theirs.Output()
		if theirs.ProcessState.ExitCode() != 9 {
			t.Fatalf("gcloud %q: %v, %s", args, err, want)
		}
		var got, errs bytes.Buffer
		ours := append([]string{"trainyard", "ai-platform", "local", "train", "--in-place"}, args[3:]...)
		if code := Main(t.Context(), ours, env, strings.NewReader(""), &got, &errs, Programs{Version: "1.0"}); code != 9 {
			t.Errorf("ours %q: exit %d: %s", args, code, errs.String())
		}
		if diff := cmp.Diff(told(t, string(want)), told(t, got.String())); diff != "" {
			t.Errorf("%q (-gcloud +ours)\n%s", tt.args, diff)
		}
	}
}

// told takes apart what the program of a test prints: two lines, and JSON.
func told(t *testing.T, out string) []any {
	t.Helper()
	lines := strings.SplitN(out, "\n", 3)
	if len(lines) < 3 {
		t.Fatalf("not three lines: %q", out)
	}
	var config any
	if err := json.Unmarshal([]byte(lines[2]), &config); err != nil {
		t.Fatalf("%s: %v", lines[2], err)
	}
	return []any{lines[0], lines[1], config}
}
