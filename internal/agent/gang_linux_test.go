package agent

import (
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
)

func TestAReplicaKnowsItsGang(t *testing.T) {
	t.Setenv("no_proxy", "intra.invalid")
	tr := newTrial(t, interpreter(t), tellProgram)
	tr.task.Attempt, tr.task.Replica.Run = 2, 1
	tr.task.Replica.Need = job.Need{CPUs: 0.3, GPUs: 2}
	tr.task.GPUs = []string{"1", "3"}
	tr.task.Gang = []Peer{ // of one: nobody is waited for
		{tr.task.Replica.Replica, "trainer-0.invalid:2222"},
	}
	tr.run()
	got := tr.told()
	for k, want := range map[string]string{
		"no_proxy": "localhost,127.0.0.1,::1,trainer-0.invalid,intra.invalid", "CUDA_VISIBLE_DEVICES": "1,3", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "OMP_NUM_THREADS": "1",
	} {
		if got[k] != want {
			t.Errorf("%s is %q, want %q", k, got[k], want)
		}
	}
	// Whoever reads the log is told, and so is whoever reads it by machine.
	first := tr.log()[0]
	if want := "Restart 1 of " + executor.Task(tr.task.Replica.Replica) + " in attempt 2 of the job."; first.Message != want || first.Severity != logs.Warning {
		t.Errorf("the first line is %q (%s), want %q", first.Message, first.Severity, want)
	}
	if attempt, run := first.Try(); attempt != 2 || run != 1 {
		t.Errorf("its entry is of attempt %d, run %d", attempt, run)
	}
}

func TestAProgramWithoutGPUsSeesNoneOfTheMachines(t *testing.T) {
	tr := newTrial(t, interpreter(t), tellProgram)
	tr.task.GPUs = []string{}
	tr.run()
	if v, ok := tr.told()["CUDA_VISIBLE_DEVICES"]; !ok || v != "" {
		t.Errorf("CUDA_VISIBLE_DEVICES is %q, %t; want it empty", v, ok)
	}
	tr = newTrial(t, interpreter(t), tellProgram)
	tr.run()
	if v, ok := tr.told()["CUDA_VISIBLE_DEVICES"]; ok {
		t.Errorf("on a machine without GPUs, CUDA_VISIBLE_DEVICES is %q", v)
	}
}

func TestAProgramDoesNotStartBeforeItsPeers(t *testing.T) {
	tr := newTrial(t, interpreter(t), tellProgram)
	tr.task.Gang = []Peer{{tr.task.Replica.Replica, ""}, {job.Replica{Role: job.Worker, Index: 7}, ""}}
	tr.start()
	tr.awaitLine("a note") // of the environment
	if err := tr.dir.Stop(); err != nil {
		t.Fatal(err)
	}
	exit := tr.end()
	if !exit.Requested || strings.Contains(tr.printed(), "Running command") {
		t.Errorf("without its peer, the run ended as %+v:\n%s", exit, tr.printed())
	}
}
