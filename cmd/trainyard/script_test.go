package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScript runs the transcripts in testdata/script: the command line as
// somebody types it, against a server that it starts by itself.
func TestScript(t *testing.T) {
	if files, err := filepath.Glob("testdata/script/*.txtar"); err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"interrupt": interrupt},
		Setup: func(env *testscript.Env) error {
			addr := freeAddr()
			data := filepath.Join(env.WorkDir, ".data")
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("HOME", filepath.Join(env.WorkDir, ".home"))
			env.Setenv("TRAINYARD_LISTEN", addr)
			env.Setenv("ADDR", addr)
			env.Setenv("TRAINYARD_DATA_DIR", data)
			env.Setenv("MARKS", filepath.Join(data, "marks")) // seen by programs, whose /tmp is their own
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
			env.Setenv("PYTHONDONTWRITEBYTECODE", "1")
			for _, name := range []string{"PYENV_ROOT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_CERT", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy"} {
				if v, ok := os.LookupEnv(name); ok {
					env.Setenv(name, v)
				}
			}
			// What an agent puts on the path of a job's program.
			standIns := filepath.Join(env.WorkDir, ".stand-ins")
			if err := os.Mkdir(standIns, 0o755); err != nil {
				return err
			}
			for _, name := range []string{"gsutil", "gcloud"} {
				if err := os.Symlink(binary, filepath.Join(standIns, name)); err != nil {
					return err
				}
			}
			env.Setenv("STANDINS", standIns)
			examples, err := filepath.Abs("../../examples")
			if err != nil {
				return err
			}
			env.Setenv("EXAMPLES", examples)
			env.Defer(func() {
				for range 20 {
					pids := processesOf(data)
					for _, pid := range pids {
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
					if len(pids) == 0 {
						return
					}
				}
			})
			return nil
		},
	})
}

// interrupt runs a command and sends it SIGINT when its output has a text:
// interrupt TEXT COMMAND…; the output is left in the file "interrupted".
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: interrupt TEXT COMMAND…")
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(binary), args[1]), args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = strings.Split(strings.Join(environ(ts), "\n"), "\n")
	seen := &watcher{text: []byte(args[0]), found: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = seen, seen
	ts.Check(cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var err error
	select {
	case <-seen.found:
		ts.Check(cmd.Process.Signal(os.Interrupt))
		err = <-done
	case err = <-done:
	}
	fmt.Fprintf(&seen.all, "exit: %v\n", err)
	ts.Check(os.WriteFile(ts.MkAbs("interrupted"), seen.all.Bytes(), 0o644))
}

func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TRAINYARD_LISTEN", "TRAINYARD_DATA_DIR", "XDG_CONFIG_HOME", "PYTHONDONTWRITEBYTECODE"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

type watcher struct {
	text  []byte
	all   bytes.Buffer
	found chan struct{}
	once  bool
}

func (w *watcher) Write(p []byte) (int, error) {
	w.all.Write(p)
	if !w.once && bytes.Contains(w.all.Bytes(), w.text) {
		w.once = true
		close(w.found)
	}
	return len(p), nil
}
