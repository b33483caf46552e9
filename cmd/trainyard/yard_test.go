package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	ml "google.golang.org/api/ml/v1"
	"google.golang.org/api/option"
)

// binary is the trainyard that the tests drive: built once from this tree,
// with the race detector where the tests have it.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "trainyard-test-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "trainyard")
	args := []string{"build", "-ldflags", "-X main.version=0.1.0 -X main.build=1", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		os.Exit(1)
	}
	// What the tests start finds nothing of the person's who runs them.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "TRAINYARD_") && name != "TRAINYARD_TEST_PYTHON" && name != "TRAINYARD_CRASH_KILLS" && name != "TRAINYARD_FRAMEWORKS" {
			os.Unsetenv(name)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// yard is a server in a process of its own that a test may kill and start
// again on the same port and data.
type yard struct {
	t    *testing.T
	dir  string
	addr string
	args []string
	cmd  *exec.Cmd
	out  *lockedBuffer
	done chan error

	environ   []string // of the server, beside the usual
	gcloudEnv []string // beside the usual
}

func newYard(t *testing.T, args ...string) *yard {
	t.Helper()
	y := &yard{t: t, dir: filepath.Join(t.TempDir(), "yard"), addr: freeAddr(), args: args, out: &lockedBuffer{}}
	t.Cleanup(y.destroy)
	y.start()
	return y
}

// ports is where the next free port is looked for: below those that the system
// gives to outgoing connections, which might take a killed server's while it is
// away.
var ports atomic.Int32

func freeAddr() string {
	for {
		addr := fmt.Sprintf("127.0.0.1:%d", 10000+(os.Getpid()*7+int(ports.Add(1)))%9000)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
}

func (y *yard) url() string { return "http://" + y.addr }

// marks is a folder that programs of jobs see, too: they have a /tmp of their
// own.
func (y *yard) marks() string {
	y.t.Helper()
	dir := filepath.Join(y.dir, "marks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		y.t.Fatal(err)
	}
	return dir
}

// start returns when the server accepts requests.
func (y *yard) start() {
	y.t.Helper()
	if err := y.tryStart(); err != nil {
		y.t.Fatalf("serve: %v\n%s", err, y.out)
	}
}

func (y *yard) tryStart() error {
	y.cmd = exec.Command(binary, append([]string{"serve", "--listen", y.addr, "--data-dir", y.dir}, y.args...)...)
	y.cmd.Env = append(append(os.Environ(), "XDG_CONFIG_HOME="+y.dir+"-config"), y.environ...)
	y.cmd.Stderr = y.out
	stdout, err := y.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := y.cmd.Start(); err != nil {
		return err
	}
	line := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		sc := bufio.NewScanner(stdout)
		first := true
		for sc.Scan() {
			if first {
				first = false
				line <- sc.Text()
			}
			fmt.Fprintln(y.out, sc.Text())
		}
		if first {
			close(line)
		}
	}()
	y.done = make(chan error, 1)
	cmd := y.cmd
	done := y.done
	go func() { <-read; done <- cmd.Wait(); close(done) }()
	select {
	case text, ok := <-line:
		if !ok {
			return fmt.Errorf("ended before it was ready: %w", <-y.done)
		}
		if !strings.Contains(text, y.addr) {
			return fmt.Errorf("first line %q does not name %s", text, y.addr)
		}
		return nil
	case <-time.After(60 * time.Second):
		return errors.New("no line within 60 s")
	}
}

func (y *yard) kill() {
	if y.cmd == nil {
		return
	}
	_ = y.cmd.Process.Kill()
	<-y.done
	y.cmd = nil
}

// stop asks the server to end and says how long it took.
func (y *yard) stop() time.Duration {
	y.t.Helper()
	begin := time.Now()
	_ = y.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-y.done; err != nil {
		y.t.Errorf("serve ended with %v\n%s", err, y.out)
	}
	y.cmd = nil
	return time.Since(begin)
}

// destroy ends the server and whatever its jobs left.
func (y *yard) destroy() {
	y.kill()
	if y.t.Failed() {
		y.t.Logf("server said:\n%s", y.out)
	}
	for range 20 {
		found := false
		for _, pid := range processesOf(y.dir) {
			found = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if !found {
			return
		}
	}
}

// processesOf finds the processes that carry the data directory in their
// arguments or environment.
func processesOf(dir string) []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil || pid == os.Getpid() {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		environ, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if bytes.Contains(cmdline, []byte(dir)) || bytes.Contains(environ, []byte(dir)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// run runs trainyard against this server and returns its output.
func (y *yard) run(args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "TRAINYARD_ENDPOINT="+y.url(), "XDG_CONFIG_HOME="+y.dir+"-config", "XDG_DATA_HOME="+y.dir+"-none")
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

func (y *yard) mustRun(args ...string) string {
	y.t.Helper()
	stdout, stderr, err := y.run(args...)
	if err != nil {
		y.t.Fatalf("trainyard %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}

func (y *yard) ml() *ml.Service {
	y.t.Helper()
	s, err := ml.NewService(context.Background(), option.WithEndpoint(y.url()), option.WithHTTPClient(http.DefaultClient))
	if err != nil {
		y.t.Fatal(err)
	}
	return s
}

// upload puts an object with the plainest request there is.
func (y *yard) upload(bucket, name string, body []byte) {
	y.t.Helper()
	resp, err := http.Post(y.url()+"/upload/storage/v1/b/"+bucket+"/o?uploadType=media&name="+name, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		y.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
		y.t.Fatalf("upload of %s: %s %s", name, resp.Status, answer)
	}
}

// ended waits for a job's end on the stream of its states.
func (y *yard) ended(project, id string) *ml.GoogleCloudMlV1__Job {
	y.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithDeadline(y.t.Context(), deadline)
		j, err := y.follow(ctx, project, id)
		cancel()
		if err == nil {
			return j
		}
		if y.t.Context().Err() != nil {
			break
		}
	}
	why, _, _ := y.run("--project", project, "jobs", "why", id)
	replicas, _, _ := y.run("--project", project, "jobs", "describe", id, "--replicas")
	y.t.Fatalf("job %s did not end: %s\n%s", id, why, replicas)
	return nil
}

func (y *yard) follow(ctx context.Context, project, id string) (*ml.GoogleCloudMlV1__Job, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", y.url()+"/v1/projects/"+project+"/jobs/"+id+":follow?logs=false", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	sc := bufio.NewScanner(resp.Body)
	sc.Buffer(nil, 4<<20)
	name := ""
	for sc.Scan() {
		if v, ok := strings.CutPrefix(sc.Text(), "event: "); ok {
			name = v
		}
		if v, ok := strings.CutPrefix(sc.Text(), "data: "); ok && name == "end" {
			var j ml.GoogleCloudMlV1__Job
			return &j, json.Unmarshal([]byte(v), &j)
		}
	}
	return nil, errors.Join(sc.Err(), io.ErrUnexpectedEOF)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
