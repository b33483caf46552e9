//go:build unix

package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/spf13/cobra"
)

// onTerminal runs trainyard on a terminal where somebody types, and gives all
// that is to be seen there.
func onTerminal(t *testing.T, f *fake, typed string, env []string, args ...string) (screen string, code int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Args = append([]string{"trainyard"}, args...)
	home := t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "TRAINYARD_ENDPOINT=" + f.URL, "TRAINYARD_TEST_MAIN=1"}, env...)
	cmd.Dir = home
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if _, err := io.WriteString(tty, typed); err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	_, _ = io.Copy(&seen, tty) // a terminal that nobody holds open is an error, and the end
	err = cmd.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(seen.String(), "\r\n", "\n"), code
}

func TestAMistakeIsOfferedToBeMadeGood(t *testing.T) {
	submit := []string{"jobs", "submit", "training"}
	good := []string{"--packages", "gs://bucket/x.whl", "--module-name", "trainer.task", "--region", "us-central1"}
	file := func(text string) string {
		path := t.TempDir() + "/job.yaml"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tt := range map[string]struct {
		args   []string
		meant  string // the end of the command that is offered
		posted string // what the job then has
	}{
		"dashes":                {append([]string{"my-job"}, good...), "training my_job --packages", `"jobId":"my_job"`},
		"an id in a file":       {append([]string{"--config", file("jobId: my-job\ntrainingInput: {}")}, good...), "--region us-central1 my_job", `"jobId":"my_job"`},
		"a file as module":      {[]string{"j", "--packages", "gs://bucket/x.whl", "--region=us-central1", "--module-name=trainer/task.py"}, "--module-name=trainer.task", `"pythonModule":"trainer.task"`},
		"a module in a file":    {[]string{"j", "--packages", "gs://bucket/x.whl", "--region=us-central1", "--config", file("trainingInput: {python_module: trainer/task.py}")}, "--module-name=trainer.task", `"pythonModule":"trainer.task"`},
		"no dashes":             {append(append([]string{"j"}, good...), "--epochs", "3", "--lr=1"), "--region us-central1 -- --epochs 3 --lr=1", `"args":["--epochs","3","--lr=1"]`},
		"no dashes, words":      {append([]string{"j", "fast"}, good...), "--region us-central1 -- fast", `"args":["fast"]`},
		"no dashes, in between": {append([]string{"j", "--epochs", "3"}, good...), "--region us-central1 -- --epochs 3", `"args":["--epochs","3"]`},
		"one slash":             {append([]string{"j", "--job-dir", "gs:/bucket/out"}, good...), "--job-dir gs://bucket/out --packages", `"jobDir":"gs://bucket/out"`},
		"one slash, package":    {[]string{"j", "--packages=gs:/bucket/x.whl", "--module-name", "t.task", "--region", "us-central1"}, "--packages=gs://bucket/x.whl", `"packageUris":["gs://bucket/x.whl"]`},
		"no scheme":             {append([]string{"j", "--staging-bucket", "bucket"}, good...), "--staging-bucket gs://bucket", `"jobId":"j"`},
		"a region":              {[]string{"j", "--packages", "gs://bucket/x.whl", "--module-name", "t.task", "--region", "europe-west"}, "--region europe-west1", `"region":"europe-west1"`},
		"a region from afar":    {[]string{"j", "--packages", "gs://bucket/x.whl", "--module-name", "t.task", "--region", "mars", "--", "--region", "x"}, "--region us-central1 -- --region x", `"region":"us-central1"`},
		"a flag":                {append([]string{"j", "--job-dri", "gs://bucket/out"}, good...), "--job-dir gs://bucket/out", `"jobDir":"gs://bucket/out"`},
		"two mistakes":          {append([]string{"my-job", "--epochs", "3"}, good...), "-- --epochs 3", `"args":["--epochs","3"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			args := append(append([]string{}, submit...), tt.args...)
			screen, code := onTerminal(t, f, "y\ny\n", nil, args...)
			if code != 0 || !strings.Contains(screen, "\n\n  trainyard jobs submit training ") || !strings.Contains(screen, "\nRun this instead? [y/N] ") || !strings.Contains(screen, tt.meant+"\n") && !strings.Contains(screen, tt.meant+" ") {
				t.Errorf("exit status %d, want the offer of %q:\n%s", code, tt.meant, screen)
			}
			posted := ""
			for _, b := range f.bodies {
				posted += string(b)
			}
			if !strings.Contains(posted, tt.posted) {
				t.Errorf("posted %s, want %s", posted, tt.posted)
			}
			for _, refused := range []struct {
				typed string
				env   []string
				more  []string
				asks  bool
			}{
				{"n\n", nil, nil, true}, {"\n", nil, nil, true}, {"\x04", nil, nil, true},
				{"y\n", []string{"CLOUDSDK_CORE_DISABLE_PROMPTS=1"}, nil, false}, {"y\n", []string{"TRAINYARD_QUIET=true"}, nil, false}, {"y\n", nil, []string{"--quiet"}, false},
			} {
				f := newFake(t)
				screen, code := onTerminal(t, f, refused.typed, refused.env, append(refused.more, args...)...)
				if code == 0 || len(f.bodies) > 0 || strings.Contains(screen, "Run this instead?") != refused.asks || !strings.Contains(screen, "hint:") {
					t.Errorf("typed %q with %v %v: exit status %d:\n%s", refused.typed, refused.env, refused.more, code, screen)
				}
			}
		})
	}
}

// TestNothingIsAskedWithoutATerminal: a pipe is nobody.
func TestNothingIsAskedWithoutATerminal(t *testing.T) {
	f := newFake(t)
	var out, errw bytes.Buffer
	env := []string{"TRAINYARD_ENDPOINT=" + f.URL, "HOME=" + t.TempDir()}
	code := Main(t.Context(), []string{"trainyard", "jobs", "submit", "training", "my-job", "--packages", "gs://bucket/x.whl", "--module-name", "t.task"}, env, strings.NewReader("y\n"), &out, &errw, Programs{})
	if code != 1 || strings.Contains(errw.String(), "instead") || !strings.Contains(errw.String(), "use my_job") || len(f.bodies) > 0 {
		t.Errorf("%d: %s", code, &errw)
	}
}

func TestWhatIsTheProgramsGoesBehindTheDashes(t *testing.T) {
	cmd := &cobra.Command{Use: "train"}
	cmd.Flags().StringP("name", "n", "", "")
	cmd.Flags().Bool("on", false, "")
	for in, want := range map[string]string{
		"a b":                 "a -- b",
		"a --on b --name x":   "a --on --name x -- b",
		"--name=x a --y -z 1": "--name=x a -- --y -z 1",
		"a -n x -5":           "a -n x -- -5",
		"a --y -- --name":     "a -- --y --name",
		"a --name":            "a --name --",
	} {
		if got := strings.Join(separated(cmd, 1, strings.Fields(in)), " "); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
