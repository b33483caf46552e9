package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the expected output of scripts anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trainyard": func() {
		os.Exit(Main(context.Background(), os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr, Programs{Version: "1.0", Build: "test"}))
	}})
}

// TestScript runs the transcripts, each against a fake server of its own. The
// command "requests" prints what that server was asked, less what follows a
// job; "body JOB" prints the document that a job was created with.
func TestScript(t *testing.T) {
	servers := map[string]*fake{}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			f := newFake(t)
			servers[f.URL] = f
			e.Setenv("TRAINYARD_ENDPOINT", f.URL)
			e.Setenv("FAKE", f.URL)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/.config")
			e.Setenv("XDG_DATA_HOME", e.WorkDir+"/.data")
			e.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"requests": func(ts *testscript.TestScript, _ bool, _ []string) {
				f := servers[ts.Getenv("FAKE")]
				f.mu.Lock()
				defer f.mu.Unlock()
				fmt.Fprintln(ts.Stdout(), strings.Join(f.requests, "\n"))
				f.requests = nil
			},
			"body": func(ts *testscript.TestScript, _ bool, args []string) {
				f := servers[ts.Getenv("FAKE")]
				f.mu.Lock()
				defer f.mu.Unlock()
				fmt.Fprintln(ts.Stdout(), f.bodies[args[0]])
			},
			"objects": func(ts *testscript.TestScript, _ bool, _ []string) {
				f := servers[ts.Getenv("FAKE")]
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
