package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ml "google.golang.org/api/ml/v1"
)

// crashGang is a replica of a gang: it leaves a mark, waits until every replica
// of its job has left one, prints numbered lines, and ends as its role and the
// arguments say. It finds out itself whether the run before it is still there.
const crashGang = `
import json, os, sys, time
marks, name, end = sys.argv[1], sys.argv[2], sys.argv[3]
spec = json.loads(os.environ["CLUSTER_SPEC"])
role, index = spec["task"]["type"], spec["task"]["index"]
me = os.path.join(marks, "%s.%s.%d" % (name, role, index))
if os.path.exists(me):
    for line in open(me):
        pid, started = line.split()
        try:
            stat = open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()
        except (IOError, OSError):
            continue
        if stat[19] == started and stat[0] not in "ZX":  # dead and not yet collected
            open(os.path.join(marks, "OVERLAP." + name), "a").write("%s %d\n" % (role, index))
with open(me, "a") as f:
    f.write("%d %s\n" % (os.getpid(), open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]))
all = [os.path.join(marks, "%s.%s.%d" % (name, r, i)) for r, hosts in spec["cluster"].items() for i in range(len(hosts))]
while not __import__("builtins").all(os.path.exists(m) for m in all):
    time.sleep(0.02)
for i in range(20):
    print("line %d" % i)
    if i % 8 == 0:
        sys.stdout.flush()
        time.sleep(0.02)
sys.stdout.flush()
if end == "bad" and role == "worker" and index == 0:
    sys.exit(3)
while role == "ps" or end in ("bad", "wait"):
    time.sleep(0.05)
`

// gangs is a server whose users submit gangs of one to eight replicas.
type gangs struct {
	*yard
	uri   string
	marks string

	mu       sync.Mutex
	accepted map[string]gangJob // guarded by mu
}

type gangJob struct {
	end         string // "ok", "bad" or "wait"
	workers, ps int
}

func newGangs(t *testing.T) *gangs {
	g := &gangs{yard: newYard(t, "--max-parallel-jobs", "3"), accepted: map[string]gangJob{}}
	g.yard.marks()
	g.marks = filepath.Join(g.dir, "marks")
	source := filepath.Join(t.TempDir(), "app", "ganging")
	write(t, filepath.Join(source, "__init__.py"), "")
	write(t, filepath.Join(source, "task.py"), crashGang)
	g.mustRun("jobs", "submit", "training", "first", "--package-path", source, "--module-name", "ganging.task", "--", g.marks, "first", "ok")
	first := g.ended("local", "first")
	if first.State != "SUCCEEDED" {
		t.Fatalf("the first job: %s %s", first.State, first.ErrorMessage)
	}
	g.uri = first.TrainingInput.PackageUris[0]
	return g
}

// users submit jobs until ctx ends, and repeat what was not answered.
func (g *gangs) users(ctx context.Context, seed uint64, ends []string) *sync.WaitGroup {
	var users sync.WaitGroup
	for u := range 2 {
		users.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(u)))
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("g%d_%d", u, n)
				j := gangJob{end: ends[rng.IntN(len(ends))], workers: rng.IntN(6), ps: rng.IntN(3)}
				if j.end == "bad" && j.workers == 0 {
					j.workers = 1
				}
				if !g.submit(ctx, id, j) {
					return
				}
				if j.end == "wait" && !g.persist(ctx, "POST", "/v1/projects/local/jobs/"+id+":cancel", struct{}{}, "") {
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(rng.IntN(1500)) * time.Millisecond):
				}
			}
		})
	}
	return &users
}

func (g *gangs) submit(ctx context.Context, id string, j gangJob) bool {
	in := &ml.GoogleCloudMlV1__TrainingInput{
		Region: "us-central1", PackageUris: []string{g.uri}, PythonModule: "ganging.task", Args: []string{g.marks, id, j.end},
		ScaleTier: "CUSTOM", MasterType: "n1-standard-4",
	}
	if j.workers > 0 {
		in.WorkerType, in.WorkerCount = "n1-standard-4", int64(j.workers)
	}
	if j.ps > 0 {
		in.ParameterServerType, in.ParameterServerCount = "n1-standard-4", int64(j.ps)
	}
	if !g.persist(ctx, "POST", "/v1/projects/local/jobs", ml.GoogleCloudMlV1__Job{JobId: id, TrainingInput: in}, id) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accepted[id] = j
	return true
}

// settle ends what the users were cut off from, and waits for the end of all.
func (g *gangs) settle() {
	g.t.Helper()
	err := g.ml().Projects.Jobs.List("projects/local").Pages(g.t.Context(), func(page *ml.GoogleCloudMlV1__ListJobsResponse) error {
		for _, j := range page.Jobs {
			if known, told := g.accepted[j.JobId]; j.JobId != "first" && (!told || known.end == "wait") {
				g.persist(g.t.Context(), "POST", "/v1/projects/local/jobs/"+j.JobId+":cancel", struct{}{}, "")
			}
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	for id := range g.accepted {
		g.ended("local", id)
	}
}

// runs is how often each replica of a job began, by its task's name.
func (g *gangs) runs(id string) map[string]int {
	n := map[string]int{}
	files, _ := filepath.Glob(filepath.Join(g.marks, id+".*"))
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			g.t.Error(err)
		}
		n[strings.TrimPrefix(filepath.Base(file), id+".")] = bytes.Count(b, []byte("\n"))
	}
	return n
}

// nothingLeft expects that every process, folder of an attempt, port and cgroup
// of ended jobs is gone, or is about to be.
func (g *gangs) nothingLeft() {
	g.t.Helper()
	look := func() (left []string) {
		for _, pid := range processesOf(filepath.Join(g.dir, "jobs")) {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			left = append(left, fmt.Sprintf("process %d: %q", pid, line))
		}
		held, _ := filepath.Glob(filepath.Join(g.dir, "attempts", "[^.]*")) // an attempt's ports are in it; what a killed write left is swept later
		left = append(left, held...)
		_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), "trainyard-") && g.owns(path) {
				left = append(left, path)
			}
			return nil
		})
		return left
	}
	left := look()
	for deadline := time.Now().Add(20 * time.Second); len(left) > 0 && time.Now().Before(deadline); left = look() {
		<-time.After(20 * time.Millisecond)
	}
	for _, what := range left {
		g.t.Errorf("left after every job ended: %s", what)
	}
	if overlaps, _ := filepath.Glob(filepath.Join(g.marks, "OVERLAP.*")); len(overlaps) > 0 {
		g.t.Errorf("runs of one replica at the same time: %v", overlaps)
	}
}

// owns reports whether a cgroup was made for a run of this server, by the names
// that its agents wrote down.
func (g *gangs) owns(path string) bool {
	agents, _ := filepath.Glob(filepath.Join(g.dir, "jobs", "*", "*", "*", "agent.json"))
	for _, file := range agents {
		if b, _ := os.ReadFile(file); bytes.Contains(b, []byte(path)) {
			return true
		}
	}
	return false
}

// TestCrashedServersKeepGangsWhole kills the server at random moments while
// gangs are created, started, run, cancelled and finished: a gang runs whole or
// not at all, no replica runs twice, every line is there once, and what a
// worker's failure or a cancel stops is stopped whole.
func TestCrashedServersKeepGangsWhole(t *testing.T) {
	t.Parallel()
	g := newGangs(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	ctx, cancel := context.WithCancel(t.Context())
	users := g.users(ctx, seed, []string{"ok", "ok", "ok", "bad", "wait"})
	rng := rand.New(rand.NewPCG(seed, 99))
	for range gangKills(t) {
		<-time.After(time.Duration(rng.IntN(400)) * time.Millisecond)
		g.kill()
		g.start()
	}
	cancel()
	users.Wait()
	t.Logf("%d gangs accepted", len(g.accepted))
	g.settle()
	for id, j := range g.accepted {
		is := g.ended("local", id)
		if want := map[string]string{"ok": "SUCCEEDED", "bad": "FAILED", "wait": "CANCELLED"}[j.end]; is.State != want {
			t.Errorf("%s (%+v) is %s, want %s: %s", id, j, is.State, want, is.ErrorMessage)
			continue
		}
		if j.end == "bad" && !strings.HasPrefix(is.ErrorMessage, "The replica worker 0 exited with a non-zero status of 3.") {
			t.Errorf("%s failed because: %s", id, is.ErrorMessage)
		}
		runs := g.runs(id)
		for task, n := range runs {
			if n != 1 {
				t.Errorf("%s: %s ran %d times", id, task, n)
			}
		}
		if all := 1 + j.workers + j.ps; len(runs) != all && j.end != "wait" {
			t.Errorf("%s: %d of %d replicas ran: %v", id, len(runs), all, runs)
		}
		lines := map[string][]string{}
		for _, e := range g.entries("local", id) {
			if m := e.JSONPayload.Message + e.TextPayload; strings.HasPrefix(m, "line ") {
				task := e.Resource.Labels["task_name"]
				lines[task] = append(lines[task], m)
			}
		}
		// The primary prints all it has to print; the others as far as they come
		// before they are asked to end.
		if n := len(lines["master-replica-0"]); j.end == "ok" && n != 20 {
			t.Errorf("%s: the primary has %d lines, want 20", id, n)
		}
		for task, said := range lines {
			for i, l := range said {
				if l != "line "+strconv.Itoa(i) {
					t.Errorf("%s: line %d of %s is %q", id, i, task, l)
					break
				}
			}
		}
	}
	g.nothingLeft()
}

// TestKilledAgentsKeepGangsWhole kills agents at random, each of them a lost
// machine. Its replica, or the whole job, is run again under the rules, never
// beside what the dead agent left; and every job succeeds.
func TestKilledAgentsKeepGangsWhole(t *testing.T) {
	t.Parallel()
	g := newGangs(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	ctx, cancel := context.WithCancel(t.Context())
	users := g.users(ctx, seed, []string{"ok", "ok", "wait"})
	rng := rand.New(rand.NewPCG(seed, 99))
	struck := map[string]int{} // job's folder → kills
	for killed := 0; killed < gangKills(t); {
		<-time.After(time.Duration(rng.IntN(200)) * time.Millisecond)
		if t.Failed() {
			break
		}
		// Three lost machines the rules make good, however they fall together.
		agents := slices.DeleteFunc(g.agents(), func(a agentProcess) bool { return struck[a.job] == 3 })
		if len(agents) == 0 {
			continue
		}
		a := agents[rng.IntN(len(agents))]
		if syscall.Kill(a.pid, syscall.SIGKILL) == nil {
			struck[a.job]++
			killed++
		}
	}
	cancel()
	users.Wait()
	t.Logf("%d gangs accepted, %d of them struck", len(g.accepted), len(struck))
	g.settle()
	again := 0
	for id, j := range g.accepted {
		is := g.ended("local", id)
		if want := map[string]string{"ok": "SUCCEEDED", "wait": "CANCELLED"}[j.end]; is.State != want {
			t.Errorf("%s (%+v) is %s, want %s: %s", id, j, is.State, want, is.ErrorMessage)
		}
		for task, n := range g.runs(id) {
			if again += n - 1; n > 24 { // four attempts of six runs
				t.Errorf("%s: %s ran %d times", id, task, n)
			}
		}
	}
	t.Logf("%d runs beyond the first", again)
	g.nothingLeft()
}

type agentProcess struct {
	pid int
	job string
}

// agents are this server's agents that live.
func (g *gangs) agents() []agentProcess {
	var list []agentProcess
	for _, pid := range processesOf(filepath.Join(g.dir, "jobs")) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		f := strings.Split(string(b), "\x00")
		if len(f) < 4 || f[1] != "agent" || f[2] != "--dir" {
			continue
		}
		// The program is called so, too, between its fork and its exec.
		var me struct{ Pid int }
		if b, err := os.ReadFile(filepath.Join(f[3], "agent.json")); err == nil && json.Unmarshal(b, &me) == nil && me.Pid == pid {
			list = append(list, agentProcess{pid, filepath.Dir(filepath.Dir(f[3]))})
		}
	}
	return list
}

// gangKills is how often: 25 in the ordinary suite.
func gangKills(t *testing.T) int {
	if testing.Short() {
		return 5
	}
	if os.Getenv("TRAINYARD_CRASH_KILLS") != "" {
		return kills(t)
	}
	return 25
}
