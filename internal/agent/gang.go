package agent

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
)

// patience is how long the others are waited for before the log says so.
const patience = 5 * time.Second

// gather waits until every replica of the attempt is ready, or was: whoever
// sees the last one ready makes the file that lets all go. Files are looked at
// more and more seldom, always within a twentieth of the time waited so far:
// the wait is short as a rule, and a user has few inotify instances.
func (a *agent) gather(ctx context.Context) error {
	if err := a.stopped(ctx); err != nil || len(a.task.Gang) < 2 {
		return err
	}
	attempt := filepath.Dir(string(a.dir))
	if exists(filepath.Join(attempt, goFile)) {
		return nil // a restart
	}
	start, said := time.Now(), false
	if err := os.WriteFile(filepath.Join(attempt, readyPrefix+filepath.Base(string(a.dir))), nil, 0o600); err != nil {
		return disk(attempt, err)
	}
	for !exists(filepath.Join(attempt, goFile)) {
		absent, err := a.absent(attempt)
		if err != nil {
			return err
		}
		if len(absent) == 0 {
			// Durable, as the exit records are of the programs that it lets go: a
			// restart must not wait for one that has ended.
			if _, err := makeOnce(filepath.Join(attempt, goFile)); err != nil {
				return err
			}
			break
		}
		waited := time.Since(start)
		if waited > patience && !said {
			said = true
			a.book.say(logs.Info, "Ready to start. Waiting for "+strings.Join(absent, ", ")+": replicas start together.")
		}
		select {
		case <-ctx.Done():
			return errStopped
		case <-time.After(min(max(waited/20, 2*time.Millisecond), 100*time.Millisecond)):
		}
	}
	a.status.done("gang", start, "waited for the other replicas")
	return a.stopped(ctx)
}

// absent names the other replicas that are not ready: those without a mark,
// and those whose marked agent is gone.
func (a *agent) absent(attempt string) ([]string, error) {
	entries, err := os.ReadDir(attempt)
	if err != nil {
		return nil, err
	}
	latest := map[string]int{} // replica → run with a mark
	for _, e := range entries {
		run, marked := strings.CutPrefix(e.Name(), readyPrefix)
		replica, number, ok := strings.Cut(run, ".")
		if n, err := strconv.Atoi(number); marked && ok && err == nil {
			latest[replica] = max(n, latest[replica])
		}
	}
	var absent []string
	for _, p := range a.task.Gang {
		if p.Replica == a.task.Replica.Replica {
			continue // and never look at one's own lock
		}
		n, ok := latest[replicaName(p.Replica)]
		if ok {
			if _, ok, err = Folder(filepath.Join(attempt, RunName(p.Replica, n))).Alive(); err != nil {
				return nil, err
			}
		}
		if !ok {
			absent = append(absent, executor.Task(p.Replica))
		}
	}
	return absent, nil
}

// hosts are where the replicas of the attempt are.
func (t *Task) hosts() []string {
	var hosts []string
	for _, p := range t.Gang {
		if host, _, err := net.SplitHostPort(p.Address); err == nil {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func replicaName(r job.Replica) string { return string(r.Role) + "-" + strconv.Itoa(r.Index) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
