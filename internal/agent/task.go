package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Version is the version of task.json that this build writes and reads.
const Version = 1

// Files of a run's folder. Who writes which: the executor task.json and stop,
// the agent all others.
const (
	taskFile   = "task.json"   // what to run; there means: may be started
	begunFile  = "begun"       // made once, with O_EXCL: whoever makes it runs the program
	agentFile  = "agent.json"  // who the agent is and where its processes are
	statusFile = "status.json" // how far it is
	exitFile   = "exit.json"   // how it ended; the last thing written
	lockFile   = "lock"        // held for as long as the agent lives
	stopFile   = "stop"        // the wish that it end
	ErrFile    = "agent.err"   // the agent's own output
	UserDir    = "user_dir"    // the program's working directory
)

// Files of an attempt's folder, beside its runs' folders, that agents make.
const (
	readyPrefix = "ready." // before a run's name: its agent waits for the others
	goFile      = "go"     // made once: all were ready, programs start
)

// Task is one run of one replica: all that an agent needs to know.
type Task struct {
	Version int
	Job     job.Key
	Seq     int64
	Attempt int
	Name    string // the attempt's
	Replica executor.Replica
	// Gang are all replicas of the attempt, this one among them.
	Gang []Peer
	// GPUs are the program's, by the names that CUDA knows them by; nil where
	// the machine has none.
	GPUs []string
	// MemoryLimit caps the program's memory where the machine can; zero is no cap.
	MemoryLimit int64
	// StorageProxy gives the program a proxy that stands in for Cloud Storage's
	// hosts, PrivateTmp a /tmp of its own, where the machine can.
	StorageProxy, PrivateTmp bool
	// Token is the job's: what the program asks of the server, it asks with it.
	Token string `json:",omitempty"`

	DataDir  string
	Spool    string // the log that the agent writes
	Packages string // folder of fetched archives, shared by the job's runs
	// Environments is for the maker of environments; nobody here reads it.
	Environments map[string]string `json:",omitempty"`
}

// Peer is a replica and where its program listens.
type Peer struct {
	job.Replica
	Address string
}

// RunName names the folder of one run: "master-0.1" is the first restart.
func RunName(r job.Replica, run int) string {
	return fmt.Sprintf("%s.%d", replicaName(r), run)
}

// IDPrefix sorts the log's entries by attempt, replica and run.
func (t *Task) IDPrefix() string {
	letter := map[job.Role]string{job.Master: "m", job.ParameterServer: "p", job.Worker: "w", job.Evaluator: "e"}[t.Replica.Role]
	if letter == "" {
		letter = "x"
	}
	return fmt.Sprintf("%04d%s%03d%02d", t.Attempt, letter, t.Replica.Index, t.Replica.Run)
}

// WriteTask makes a run startable: the task is on disk, whole, when it returns.
func WriteTask(dir string, t *Task) error {
	t.Version = Version
	return writeJSON(filepath.Join(dir, taskFile), t, true)
}

// ReadTask reads what WriteTask wrote. No task is fault.NotFound.
func ReadTask(dir string) (*Task, error) {
	var t Task
	if err := readJSON(filepath.Join(dir, taskFile), &t); err != nil {
		return nil, err
	}
	if t.Version != Version {
		return nil, fault.Errorf(fault.Precondition, "%s is of version %d, and this program reads version %d", filepath.Join(dir, taskFile), t.Version, Version)
	}
	return &t, nil
}

// status is what status.json holds.
type status struct {
	Phase   string          `json:"phase"` // "preparing" or "running"
	Started time.Time       `json:"started,omitzero"`
	Program int             `json:"program,omitempty"` // pid
	Steps   []executor.Step `json:"steps"`
}

// self is what agent.json holds: enough to find all that a dead agent left.
type self struct {
	Pid     int       `json:"pid"`
	Started time.Time `json:"started"`
	Group   string    `json:"group,omitempty"`  // the program's cgroup, as a folder
	Others  []string  `json:"others,omitempty"` // and those of other controllers, where they are apart
}

// errDamaged is a file that says nothing: what is not made durable may be empty
// after a power cut.
var errDamaged = errors.New("the file is damaged")

// none says whether an error of readJSON means that nothing was said.
func none(err error) bool { return fault.Is(err, fault.NotFound) || errors.Is(err, errDamaged) }

func readJSON(path string, v any) error {
	// The program may have put anything there, and who opens a named pipe waits.
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return fmt.Errorf("read %s: %w: it is a named pipe", path, errDamaged)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &fault.Error{Kind: fault.NotFound, Msg: path + " does not exist", Err: err}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w: %w", path, errDamaged, err)
	}
	return nil
}
