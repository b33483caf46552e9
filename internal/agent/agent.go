// Package agent runs one replica of a job from its packages to its exit
// record: it fetches the packages, gets the environment, runs the program with
// its variables, pumps what it prints into the log, passes on the wish that it
// end, and writes the exit record last.
//
//	task.json → begun → preparing → running → exit.json
//
// An agent is a process of its own that outlives the server. Everything that
// others may know about it is in the run's folder. It does not know how it was
// started, what a retry is, or how an environment is made.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
)

// Options are what an agent is given beside its task.
type Options struct {
	DataDir string
	// Environments makes the environments that the task's configuration asks for.
	Environments func(config map[string]string, dataDir string) (Environments, error)
	// Binary is the program that `trainyard` is inside the job; empty for none.
	Binary string
	// Unseal opens secret variables.
	Unseal Unseal
	// Environ is the environment of the agent's own process, of which the
	// program gets proxies and certificates.
	Environ []string
	Log     *slog.Logger
}

// agent is one run.
type agent struct {
	Options
	dir    Folder
	task   *Task
	book   *book
	relay  *relay
	out    *wayOut // nil where there is none
	vars   variables
	status reporter
	tree   tree   // of the agent
	step   string // which of "variables", "fetch", "environment", "install", "run" is going on
}

// Run runs the task in dir, unless another agent does or did. Its error says
// why the agent could not do its work; how the program ended is in the exit
// record. Cancelling ctx is the wish that the program end.
func Run(ctx context.Context, dir string, o Options) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	task, err := ReadTask(dir)
	if err != nil {
		return err
	}
	d := Folder(dir)
	// Before the lock: whoever sees it held may send a signal.
	ctx, stop := stoppable(ctx, d)
	defer stop()
	lock, err := takeLock(d.file(lockFile))
	if fault.Is(err, fault.Conflict) {
		o.Log.Info("another agent runs this task", "dir", dir)
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close() // after the exit record
	mine, err := makeOnce(d.file(begunFile))
	if err != nil {
		return err
	}
	if !mine {
		o.Log.Info("this task was begun before", "dir", dir)
		return nil
	}
	a := &agent{Options: o, dir: d, task: task, step: "fetch"}
	a.status.path = d.file(statusFile)
	return a.run(ctx)
}

func (a *agent) run(ctx context.Context) error {
	a.tree = tree{root: os.Getpid()}
	if !adopt() { // then what gets away is found by its mark
		a.tree.dir = string(a.dir)
	}
	exit, err := a.work(ctx)
	if err != nil {
		exit = a.failed(ctx, err)
	}
	exit.Time = time.Now().UTC()
	a.status.tell()
	return a.finish(exit)
}

// work is the run between its beginning and its exit record. An error is why
// the program did not run.
func (a *agent) work(ctx context.Context) (job.Exit, error) {
	if err := writeJSON(a.dir.file(agentFile), self{Pid: os.Getpid(), Started: time.Now().UTC()}, false); err != nil {
		return job.Exit{}, err
	}
	a.status.write(func(st *status) { st.Phase = "preparing" })
	var err error
	if a.book, err = openBook(a.task); err != nil {
		return job.Exit{}, err
	}
	if again := a.task.again(); again != "" {
		a.book.say(logs.Warning, again)
	}
	a.book.say(logs.Info, "Running task with arguments: "+taskArguments(a.task))
	if a.relay, err = openRelay(ctx, a.task.DataDir, a.task.Token, a.Log); err != nil {
		return job.Exit{}, fmt.Errorf("open the relay to the server: %w", err)
	}
	if a.task.StorageProxy {
		if a.out, err = a.openWayOut(ctx); err != nil {
			a.book.say(logs.Warning, "gs:// is not served to programs that have Google's hosts compiled in, such as TensorFlow: "+err.Error())
		} else {
			defer a.out.close()
		}
	}
	served := make(chan struct{})
	go func() { defer close(served); a.relay.serve() }()
	defer func() { a.relay.close(); <-served }()
	if err := a.stopped(ctx); err != nil {
		return job.Exit{}, err
	}
	if a.vars, err = a.openVariables(); err != nil {
		a.step = "variables"
		return job.Exit{}, err
	}
	a.book.say(logs.Info, "Running module "+a.task.Replica.Module+".")

	files, err := a.fetch(ctx)
	if err != nil {
		return job.Exit{}, err
	}
	env, err := a.prepare(ctx, files)
	if err != nil {
		return job.Exit{}, err
	}
	if env.Release != nil {
		defer env.Release()
	}
	a.step = "run"
	if err := a.gather(ctx); err != nil {
		return job.Exit{}, err
	}
	exit, err := a.runProgram(ctx, env)
	if err == nil && exit.Traceback != "" && exit.Message == "" {
		exit.Message = packedByGcloud(files)
	}
	return exit, err
}

func (a *agent) fetch(ctx context.Context) ([]File, error) {
	start := time.Now()
	f := &fetcher{base: a.relay.URL(), dir: a.task.Packages, client: http.DefaultClient, tries: 12, pause: backoff}
	var files []File
	had := 0
	for _, p := range a.task.Replica.Packages {
		a.book.say(logs.Info, "Downloading the package: "+p.URI)
		file, there, err := f.fetch(ctx, p)
		if err != nil {
			return nil, err
		}
		if there {
			had++
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		a.book.say(logs.Info, "No packages to install.")
		return nil, nil
	}
	note := ""
	if had == len(files) {
		note = "cached"
	}
	a.status.done("fetch", start, note)
	return files, nil
}

func (a *agent) prepare(ctx context.Context, files []File) (Env, error) {
	a.step = "environment"
	start := time.Now()
	maker, err := a.Environments(a.task.Environments, a.task.DataDir)
	if err != nil {
		return Env{}, err
	}
	for _, p := range a.task.Replica.Packages {
		a.book.say(logs.Info, "Installing the package: "+p.URI)
	}
	env, err := maker.Prepare(ctx, EnvRequest{Server: a.relay.URL(), Runtime: a.task.Replica.Runtime, Python: a.task.Replica.Python, Packages: files, Lock: a.task.Replica.Lock},
		func(line string) { a.book.say(logs.Info, line) })
	if err != nil {
		return Env{}, err
	}
	a.keepMade(env.Made)
	for _, n := range env.Notes {
		a.book.say(logs.Info, n)
	}
	note := "built"
	if env.Cached {
		note = "cached"
	}
	a.status.done("environment", start, note)
	return env, nil
}

// finish makes the log durable and then writes the exit record. While the disk
// takes none, full or read-only, it waits: a run without a record would count as
// lost and be repeated. Only where the run's folder is gone nobody waits for it.
func (a *agent) finish(exit job.Exit) error {
	if a.book != nil {
		a.book.end()
		defer a.book.close()
	}
	for {
		if a.book != nil {
			if err := a.book.sync(); err != nil {
				a.Log.Error("the end of the log is not durable", "err", err)
			}
		}
		err := writeJSON(a.dir.file(exitFile), exit, true)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return err
		}
		a.Log.Error("the exit record cannot be written yet", "err", err)
		time.Sleep(time.Second)
	}
}

// again says which repetition this run is; empty for the first run of the first
// attempt.
func (t *Task) again() string {
	task := executor.Task(t.Replica.Replica)
	switch run := t.Replica.Run; {
	case run > 0 && t.Attempt > 1:
		return fmt.Sprintf("Restart %d of %s in attempt %d of the job.", run, task, t.Attempt)
	case run > 0:
		return fmt.Sprintf("Restart %d of %s.", run, task)
	case t.Attempt > 1:
		return fmt.Sprintf("Attempt %d of the job.", t.Attempt)
	}
	return ""
}

// taskArguments are what the original's launcher was started with.
func taskArguments(t *Task) string {
	r := t.Replica
	args := append([]string{"--task=" + string(r.Role) + "-" + fmt.Sprint(r.Index), "--module=" + r.Module}, r.Args...)
	return strings.Join(args, " ")
}
