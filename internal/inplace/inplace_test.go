//go:build unix

package inplace

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTFConfigIsTheOriginals has the documents of the original word for word.
func TestTFConfigIsTheOriginals(t *testing.T) {
	c := &Cluster{ParameterServers: 2, Workers: 2, Evaluators: 1, StartPort: 27182}
	const cluster = `"cluster": {"chief": ["localhost:27182"], "ps": ["localhost:27183", "localhost:27184"], "worker": ["localhost:27185", "localhost:27186"]}`
	for _, tt := range []struct {
		name    string
		cluster map[string][]string
		task    task
		args    []string
		want    string
	}{
		{"evaluator of a cluster", c.addresses("chief"), task{"evaluator", 0}, []string{"--a", "1"},
			`{"job": {"job_name": "trainer.task", "args": ["--a", "1"]}, "task": {"type": "evaluator", "index": 0}, ` + cluster + `, "environment": "cloud"}`},
		{"second worker", c.addresses("chief"), task{"worker", 1}, nil,
			`{"job": {"job_name": "trainer.task", "args": []}, "task": {"type": "worker", "index": 1}, ` + cluster + `, "environment": "cloud"}`},
		{"nobody but a master", (&Cluster{StartPort: 9}).addresses("master"), task{"master", 0}, nil,
			`{"job": {"job_name": "trainer.task", "args": []}, "task": {"type": "master", "index": 0}, "cluster": {"master": ["localhost:9"], "ps": [], "worker": []}, "environment": "cloud"}`},
		{"not distributed", nil, task{}, []string{"x"},
			`{"job": {"job_name": "trainer.task", "args": ["x"]}, "task": {}, "cluster": {}, "environment": "cloud"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tfConfig("trainer.task", tt.args, tt.cluster, tt.task)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, tt.want), decoded(t, got)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestAClusterNeedsPorts(t *testing.T) {
	for c, fine := range map[Cluster]bool{
		{StartPort: 65535}:                                             true,
		{StartPort: 65534, Workers: 2}:                                 false,
		{StartPort: 65534, Evaluators: 9}:                              true,
		{StartPort: 0}:                                                 false,
		{StartPort: 27182, ParameterServers: 2, Workers: 2}:            true,
		{StartPort: 27182, ParameterServers: 40000, Workers: 0}:        false,
		{StartPort: 1, ParameterServers: 1, Workers: 1, Evaluators: 1}: true,
	} {
		if err := c.Check(); (err == nil) != fine {
			t.Errorf("%+v.Check() = %v", c, err)
		}
	}
}

// stand is a Python that does what a shell script says; it knows TensorFlow in
// the version that it is given, empty for none.
func stand(t *testing.T, tensorflow, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python")
	text := `#!/bin/sh
if [ "$1" = -c ]; then
  [ -n "` + tensorflow + `" ] && echo "` + tensorflow + `"
  exit
fi
` + script
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	text string
	then func()
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.b.Write(p)
	if o.then != nil && strings.Contains(o.b.String(), o.text) {
		o.then()
		o.then = nil
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func program(python string, out *output, said *[]string) Program {
	return Program{
		Python: python, Module: "trainer.task", Args: []string{"--a", "b c"}, Dir: filepath.Dir(python), Env: append(os.Environ(), "MINE=yes", "TF_CONFIG=old"),
		In: strings.NewReader("typed\n"), Out: out, Err: out,
		Warn: func(format string, _ ...any) { *said = append(*said, format) },
	}
}

func TestTheProgramRunsAsItLies(t *testing.T) {
	var out output
	var said []string
	p := program(stand(t, "", `read line; echo "$line: $* in $(pwd) $MINE $TF_CONFIG"; exit 7`), &out, &said)
	code, err := p.Run(t.Context())
	if code != 7 || err != nil {
		t.Errorf("Run = %d, %v", code, err)
	}
	dir, err := filepath.EvalSymlinks(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	want := `typed: -m trainer.task --a b c in ` + dir + ` yes {"cluster":{},"environment":"cloud","job":{"args":["--a","b c"],"job_name":"trainer.task"},"task":{}}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if said != nil {
		t.Errorf("warned of %q: TensorFlow is nobody's business here", said)
	}
}

// TestThePrimaryDecides: the others, which never end, are ended with it, and
// its status is the run's.
func TestThePrimaryDecides(t *testing.T) {
	for version, primary := range map[string]string{"1.15.5": "master", "2.11.0": "chief", "3.0": "chief", "": "chief"} {
		t.Run("TensorFlow "+version, func(t *testing.T) {
			var out output
			var said []string
			dir := t.TempDir()
			// A process says that it is there by a named pipe; the primary reads from as many as there are.
			p := program(stand(t, version, `
type=$(expr "$TF_CONFIG" : '.*"type":"\([a-z]*\)"'); index=$(expr "$TF_CONFIG" : '.*"index":\([0-9]*\)')
echo "$type $index"
[ "$type" = `+primary+` ] || { echo there >`+dir+`/$type-$index; exec sleep 600; }
for f in ps-0 worker-0 worker-1 evaluator-0; do read x <`+dir+`/$f; done
kill -9 $$`), &out, &said)
			p.Cluster = &Cluster{ParameterServers: 1, Workers: 2, Evaluators: 1, StartPort: 20000}
			for _, name := range []string{"ps-0", "worker-0", "worker-1", "evaluator-0"} {
				if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, err := p.Run(t.Context())
			if code != 137 || err != nil {
				t.Errorf("Run = %d, %v; want what a shell makes of SIGKILL", code, err)
			}
			for _, want := range []string{"ps 0", "worker 0", "worker 1", "evaluator 0", primary + " 0"} {
				if !strings.Contains(out.String(), want+"\n") {
					t.Errorf("no %s among\n%s", want, out.String())
				}
			}
			if warned := len(said) > 0; warned != (version == "" || version == "3.0") {
				t.Errorf("warnings %q", said)
			}
		})
	}
}

func TestAnInterruptReachesTheProgramOnce(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var said []string
	out := &output{text: "ready", then: interrupt}
	p := program(stand(t, "", `trap 'n=$((n+1)); echo "interrupted $n"; kill $!; exit 5' INT; sleep 600 & echo ready; wait`), out, &said)
	code, err := p.Run(ctx)
	if code != 5 || err != nil || out.String() != "ready\ninterrupted 1\n" {
		t.Errorf("Run = %d, %v, %q", code, err, out.String())
	}
}

func TestThePythonIsTheOneAskedForElseTheFirstOnThePath(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(first, "python3"), filepath.Join(second, "python"), filepath.Join(second, "python3")} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ asked, path, want string }{
		{"", first + ":" + second, filepath.Join(second, "python")},
		{"", first, filepath.Join(first, "python3")},
		{filepath.Join(first, "python3"), second, filepath.Join(first, "python3")},
		{"", "/nonexistent", ""},
		{"/nonexistent/python", first, ""},
	} {
		if got, err := Python(tt.asked, tt.path); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Python(%q, %q) = %q, %v; want %q", tt.asked, tt.path, got, err, tt.want)
		}
	}
}
