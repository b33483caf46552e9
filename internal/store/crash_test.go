package store_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/store"
	"github.com/trainyard/trainyard/internal/store/storetest"
)

// childOf is set in the process that TestWhatWasAcknowledgedSurvivesAKill
// starts: its value is the database.
const childOf = "TRAINYARD_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childOf); path != "" {
		child(path, os.Getenv(childOf+"_ROUND"))
	}
	os.Exit(m.Run())
}

// child creates and changes jobs until it is killed, and prints what was
// acknowledged.
func child(path, round string) {
	s, err := store.Open(context.Background(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(what string, k job.Key) {
		mu.Lock()
		defer mu.Unlock()
		os.Stdout.WriteString(what + " " + string(k.ID) + "\n")
	}
	for worker := range 4 {
		go func() {
			for n := 0; ; n++ {
				k := job.Key{Project: "p", ID: job.ID(fmt.Sprintf("j%s_%d_%d", round, worker, n))}
				_, _, err := s.Create(context.Background(), store.New{Spec: storetest.Spec(k), Events: []job.Event{{Name: "queued"}}})
				if err != nil {
					say("error", k)
				}
				say("created", k)
				_, err = s.Apply(context.Background(), job.Change{Key: k, State: job.Running, Events: []job.Event{{Name: "running"}},
					Attempt: &job.Attempt{Number: 1, Replicas: []job.ReplicaRun{{Replica: job.Replica{Role: job.Master}}, {Replica: job.Replica{Role: job.Worker}}}}})
				if err != nil {
					say("error", k)
				}
				say("running", k)
			}
		}()
	}
	select {}
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "jobs.db")
	said := map[string]string{} // what was acknowledged last of each job
	for round := range 20 {
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), childOf+"="+path, fmt.Sprintf("%s_ROUND=%d", childOf, round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var kill *time.Timer
		for lines.Scan() {
			if kill == nil { // it is at work
				kill = time.AfterFunc(rand.N(30*time.Millisecond), func() { _ = cmd.Process.Kill() })
			}
			what, id, ok := strings.Cut(lines.Text(), " ")
			if !ok || what == "error" {
				t.Errorf("the child said %q", lines.Text())
			}
			said[id] = what
		}
		_ = cmd.Wait()
	}
	if len(said) < 20 {
		t.Fatalf("only %d jobs were acknowledged", len(said))
	}
	s := open(t, path)
	all, _, err := s.List(t.Context(), "p", store.ListQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range all {
		id := string(j.Key.ID)
		events, err := s.Events(t.Context(), j.Key, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		attempts, err := s.Attempts(t.Context(), j.Key)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case j.State == job.Running && len(events) == 2 && j.Attempt == 1 && len(attempts) == 1 && len(attempts[0].Replicas) == 2:
		case j.State == job.Queued && len(events) == 1 && j.Attempt == 0 && len(attempts) == 0 && said[id] != "running":
		default:
			t.Errorf("job %s was acknowledged as %q and is %s with %d events and attempts %v", id, said[id], j.State, len(events), attempts)
		}
		delete(said, id)
	}
	for id, what := range said {
		t.Errorf("job %s was acknowledged as %q and is gone", id, what)
	}
	t.Logf("%d jobs", len(all))
}
