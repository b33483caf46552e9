package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/trainyard/trainyard/internal/fault"
)

var update = flag.Bool("update", false, "write the expected output of scripts anew")

func TestMain(m *testing.M) {
	program := func() {
		os.Exit(Main(context.Background(), os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr, Programs{Version: "1.0", Build: "test", Package: packageFolder}))
	}
	if os.Getenv("TRAINYARD_TEST_MAIN") != "" {
		program()
	}
	testscript.Main(m, map[string]func(){"trainyard": program})
}

// TestScript runs the transcripts, each against a fake server of its own. The
// command "requests" prints what that server was asked, less what follows a
// job; "body JOB" prints the document that a job was created with.
func TestScript(t *testing.T) {
	var servers sync.Map // fakes by address; scripts run in parallel
	at := func(ts *testscript.TestScript) *fake {
		f, _ := servers.Load(ts.Getenv("FAKE"))
		return f.(*fake)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			f := newFake(t)
			servers.Store(f.URL, f)
			e.Setenv("TRAINYARD_ENDPOINT", f.URL)
			e.Setenv("FAKE", f.URL)
			e.Setenv("FAKEDIR", f.dir)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/.config")
			e.Setenv("XDG_DATA_HOME", e.WorkDir+"/.data")
			e.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"requests": func(ts *testscript.TestScript, _ bool, _ []string) {
				f := at(ts)
				f.mu.Lock()
				defer f.mu.Unlock()
				fmt.Fprintln(ts.Stdout(), strings.Join(f.requests, "\n"))
				f.requests = nil
			},
			"body": func(ts *testscript.TestScript, _ bool, args []string) {
				f := at(ts)
				f.mu.Lock()
				defer f.mu.Unlock()
				fmt.Fprintln(ts.Stdout(), f.bodies[args[0]])
			},
			"objects": func(ts *testscript.TestScript, _ bool, _ []string) {
				f := at(ts)
				f.mu.Lock()
				defer f.mu.Unlock()
				var names []string
				for n := range f.objects {
					names = append(names, n)
				}
				slices.Sort(names)
				fmt.Fprintln(ts.Stdout(), strings.Join(names, "\n"))
			},
		},
	})
}

// packageFolder is a packager for tests: one archive that holds the module's
// name.
func packageFolder(_ context.Context, o PackageOptions) (Packaged, error) {
	if _, err := os.Stat(filepath.Join(o.Path, "__init__.py")); err != nil {
		return Packaged{}, fault.Errorf(fault.Invalid, "[%s] is not a valid Python package because it does not contain an `__init__.py` file.", o.Path)
	}
	path := filepath.Join(o.Into, filepath.Base(o.Path)+"-0.0.0.tar.gz")
	return Packaged{Archives: []string{path}, Module: o.Module}, os.WriteFile(path, []byte(o.Module+"\n"), 0o600)
}
