package diagnose

import (
	"testing"

	"github.com/trainyard/trainyard/internal/job"
)

func TestAnEchoSaysOnlyThatAnotherIsGone(t *testing.T) {
	lines := func(list ...string) job.Exit { return job.Exit{Code: 1, Step: "run", Tail: list} }
	raised := func(text string) job.Exit {
		return job.Exit{Code: 1, Step: "run", Uncaught: true, Traceback: "Traceback (most recent call last):\n  File \"/a/trainer/task.py\", line 3, in <module>\n    f()  # connection reset by peer\n" + text}
	}
	killed := lines("RuntimeError: Connection closed by peer [127.0.0.1]:53524")
	killed.OutOfMem = true
	install := raised("ConnectionResetError: [Errno 104] Connection reset by peer")
	install.Step = "environment"
	handled := raised("ConnectionResetError: [Errno 104] Connection reset by peer")
	handled.Uncaught, handled.AfterTraceback, handled.Tail = false, 2, []string{"going on alone", "the model is bad"}
	for _, tt := range []struct {
		name string
		exit job.Exit
		want bool
	}{
		{"gloo", raised("RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:53524"), true},
		{"workers that never came", raised("torch.distributed.DistStoreError: Timed out after 31 seconds waiting for clients. 1/2 clients joined."), true},
		{"gRPC", raised("tensorflow.python.framework.errors_impl.UnavailableError: Socket closed\nAdditional GRPC error information:"), true},
		{"compiled code's last words", lines("terminate called after throwing an instance of 'gloo::IoException'", "  what():  [pair.cc:575] Connection closed by peer [127.0.0.1]:20345"), true},
		{"a process of its own did", raised("RuntimeError: [gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:56493\n\nThe above exception was the direct cause of the following exception:\n\n" +
			"Traceback (most recent call last):\n  File \"/a/torch/run.py\", line 386, in launch_agent\n    raise ChildFailedError(\ntorch.distributed.elastic.multiprocessing.errors.ChildFailedError: "), true},
		{"its own", raised("ValueError: bad shard"), false},
		{"long ago", lines("lost one: connection reset by peer", "1", "2", "3", "4", "5"), false},
		{"handled", handled, false},
		{"out of memory", killed, false},
		{"of an index", install, false},
	} {
		if got := Echo(job.ReplicaRun{State: job.ReplicaExited, Exit: &tt.exit}); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if Echo(job.ReplicaRun{State: job.ReplicaLost}) {
		t.Error("one that was lost said nothing")
	}
}

// What a launcher in a replica says of the process that failed is not what
// happened.
func TestTheExceptionIsThatOfTheUsersOwnCode(t *testing.T) {
	d := Of(ended("Traceback (most recent call last):\n  File \"/a/trainer/train.py\", line 12, in <module>\n    raise ValueError('bad shard')\nValueError: bad shard\n\n" +
		"The above exception was the direct cause of the following exception:\n\n" +
		"Traceback (most recent call last):\n  File \"/e/lib/python3.12/site-packages/torch/distributed/run.py\", line 386, in launch_agent\n    raise ChildFailedError(\ntorch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n====="))
	if d.Exception != "ValueError: bad shard" || d.Where.String() != "trainer/train.py:12" {
		t.Errorf("%q at %s", d.Exception, d.Where)
	}
}
