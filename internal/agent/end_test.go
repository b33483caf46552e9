package agent

import (
	"bufio"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
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
