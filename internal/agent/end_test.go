package agent

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// TestAnEndThatCannotBeRecordedYetIsNotLost: a disk that has become read-only
// takes no record, until somebody has repaired it.
func TestAnEndThatCannotBeRecordedYetIsNotLost(t *testing.T) {
	tr := newTrial(t, interpreter(t), "raise SystemExit(3)\n")
	if err := os.MkdirAll(tr.dir.file("exit.json/in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	tr.stderr = w
	tr.start()
	said := bufio.NewScanner(r)
	for said.Scan() && !strings.Contains(said.Text(), "the exit record cannot be written yet") {
	}
	if err := os.RemoveAll(tr.dir.file("exit.json")); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if exit := tr.end(); exit.Code != 3 {
		t.Errorf("the record is %+v", exit)
	}
}

func TestAPausedAgentCanBeStopped(t *testing.T) {
	tr := newTrial(t, interpreter(t), "import time\nprint('it runs', flush=True)\nwhile True: time.sleep(1)\n")
	tr.start()
	tr.awaitLine("it runs")
	if err := tr.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := tr.dir.Stop(); err != nil {
		t.Fatal(err)
	}
	if exit := tr.end(); !exit.Requested {
		t.Errorf("the record is %+v", exit)
	}
}

// TestWhatIsNoRecordHoldsNobodyUp: the program's working directory is in the
// run's folder, where the server looks for the record meanwhile.
func TestWhatIsNoRecordHoldsNobodyUp(t *testing.T) {
	for what, made := range map[string]string{"a named pipe": "os.mkfifo('../exit.json')", "an empty file": "open('../exit.json', 'w').close()"} {
		t.Run(what, func(t *testing.T) {
			tr := newTrial(t, interpreter(t), "import os, time\n"+made+"\nprint('it is there', flush=True)\nwhile True: time.sleep(1)\n")
			tr.start()
			tr.awaitLine("it is there")
			looked := make(chan error, 1)
			go func() {
				st, err := tr.dir.Status()
				if err == nil && st.State != job.ReplicaRunning {
					err = fmt.Errorf("the run is %s", st.State)
				}
				looked <- err
			}()
			select {
			case err := <-looked:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				t.Error("who looks at the run waits for the pipe")
			}
			if err := tr.dir.Stop(); err != nil {
				t.Fatal(err)
			}
			if exit := tr.end(); !exit.Requested {
				t.Errorf("the record is %+v", exit)
			}
		})
	}
}
