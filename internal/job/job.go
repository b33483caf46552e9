// Package job says what a job is: its specification, its states and the moves
// between them, its ids, labels, machine types and scale tiers. It knows no
// wire, no SQL and no clock.
//
//	QUEUED → PREPARING → RUNNING → SUCCEEDED | FAILED
//	any state that is not final → CANCELLING → CANCELLED
//
// CANCELLING is never stored as a state: a cancel is a wish (Job.Cancel), and
// Job.Shown answers CANCELLING while the wish stands. A state only goes
// forward: while a retry prepares, the job stays RUNNING and the attempt has
// its own state.
package job

import (
	"encoding/json"
	"time"
)

// Project is the owner of jobs and buckets.
type Project string

// ID is a job's name within its project. It is chosen by the user and never
// used again.
type ID string

// Key names a job on a server.
type Key struct {
	Project Project
	ID      ID
}

func (k Key) String() string { return string(k.Project) + "/" + string(k.ID) }

// Role is a replica's role as cluster specifications and log task names say it.
type Role string

// The roles. The primary is Master here always; whether TF_CONFIG calls it
// chief is cluster's business.
const (
	Master          Role = "master"
	Worker          Role = "worker"
	ParameterServer Role = "ps"
	Evaluator       Role = "evaluator"
)

// Roles lists the roles in the order of a job's groups.
var Roles = []Role{Master, Worker, ParameterServer, Evaluator}

// Replica names one replica of a job.
type Replica struct {
	Role  Role
	Index int
}

// Spec is a checked training job: what a wire's parser makes of the user's
// document, and all that the rest of the program knows. No field names a wire.
type Spec struct {
	Key            Key
	Labels         map[string]string
	Packages       []Package // in the order they are installed
	Module         string    // dotted name, run with python -m
	Args           []string  // the user's; the job-dir is not among them
	JobDir         string    // gs://…, or empty
	NoJobDirArg    bool      // the job-dir is in the environment only
	Env            []Variable
	Region         string
	RuntimeVersion string // as asked; empty means the server's choice
	PythonVersion  string // as asked or, with nothing asked, as chosen at create: "3.7"; empty means any
	Tier           Tier
	Groups         []Group // the master first; at least one
	MaxRunning     time.Duration
	MaxWait        time.Duration // zero means no limit
	Priority       int           // 0 to 1000, higher first
	// Primary is the name that TF_CONFIG gives the primary: "master" or "chief".
	Primary string
	// Opaque is the "job" object of TF_CONFIG and CLUSTER_SPEC, as the wire
	// that the job came through wrote it.
	Opaque json.RawMessage
	// Lock is the environment that the replicas get; nil to choose one.
	Lock   *Lock  `json:",omitempty"`
	Origin Origin `json:",omitzero"`
	// Warnings are what the user should know at submit: each becomes a
	// service log line.
	Warnings []string
}

// Package is a distribution archive in object storage, as it was when the job
// was accepted.
type Package struct {
	URI        string // gs://bucket/object
	Generation int64  // 0 when not known
	Size       int64
	MD5        []byte // nil when not known
}

// Group is a set of replicas that are alike.
type Group struct {
	Role        Role
	Count       int
	Machine     string // machine type as asked
	Need        Need   // what the machine type stands for
	Accelerator Accelerator
	Image       string // custom container; empty for none
}

// Accelerator is a count of one type; the zero value is none.
type Accelerator struct {
	Type  string // enum name, NVIDIA_TESLA_T4
	Count int
}

// Need is a wish for capacity; zero fields ask for nothing.
type Need struct {
	CPUs   float64
	Memory int64 // bytes
	GPUs   int
}

// Job is a job as the store holds it.
type Job struct {
	Spec
	Seq       int64           // unique in the store, never reused; names the job's folder
	Document  json.RawMessage // as the user sent it
	Wire      string          // which wire's parser understands Document: "ml/v1"
	State     State           // never Cancelling
	Cancel    *Cancel         // a wish, until the state is final
	Created   time.Time
	Started   time.Time // processing began
	Ended     time.Time
	Error     string // details of a failure or a cancellation
	Version   int64  // grows with every change that the user can see; the etag
	RequestID string // of the create that made it; may be empty
	Attempt   int    // number of the current attempt; 0 before the first
	Usage     Usage
}

// Usage is what a job consumed so far.
type Usage struct {
	CPUSeconds float64
	PeakMemory int64 // bytes
}

// Shown is the state as users see it.
func (j Job) Shown() State {
	if j.Cancel != nil && !j.State.Final() {
		return Cancelling
	}
	return j.State
}

// Cancel is the wish that a job end.
type Cancel struct {
	Time   time.Time
	Reason string // becomes the job's Error
}

// Attempt is one try at running all of a job's replicas. Its number and name
// are stored before anything is started.
type Attempt struct {
	Job      Key
	Number   int // from 1
	State    AttemptState
	Created  time.Time
	Running  time.Time // every replica's program had started
	Ended    time.Time
	Handle   string // the executor's, as data; empty until started
	Owner    string // the server that acts on it
	Lease    time.Time
	Cause    string // why it ended, in a few words
	Replicas []ReplicaRun
}

// ReplicaRun is one replica of an attempt and its current run; a restart makes
// a new run with the next number.
type ReplicaRun struct {
	Replica
	Run     int    // from 0
	Address string // host:port that the cluster specifications name
	State   ReplicaState
	Started time.Time
	Ended   time.Time
	Exit    *Exit
}

// Exit is how a replica's run ended, as its agent recorded it.
type Exit struct {
	Code       int      `json:"code"`             // 0 to 255; 128+n for signal n as a shell counts
	Signal     string   `json:"signal,omitempty"` // "SIGKILL" when the program was killed by one
	Step       string   `json:"step"`             // which step ended it: "variables", "fetch", "environment", "install", "run"
	OutOfMem   bool     `json:"outOfMemory,omitempty"`
	PeakMemory int64    `json:"peakMemory,omitempty"` // bytes; 0 when not known
	MemLimit   int64    `json:"memoryLimit,omitempty"`
	CPUSeconds float64  `json:"cpuSeconds,omitempty"`
	Message    string   `json:"message,omitempty"`   // what the agent says about a step before "run" that failed, or of the packages of a program that failed
	Traceback  string   `json:"traceback,omitempty"` // the program's last Python traceback
	Uncaught   bool     `json:"uncaught,omitempty"`  // the traceback's exception is what ended the program
	Tail       []string `json:"tail,omitempty"`      // last lines of output
	// AfterTraceback is how many lines came after the traceback.
	AfterTraceback int       `json:"afterTraceback,omitempty"`
	Retry          bool      `json:"retry,omitempty"`     // the agent knows that trying again may help (an index that did not answer)
	Requested      bool      `json:"requested,omitempty"` // it ended because it was asked to
	Time           time.Time `json:"time"`
}

// Event is an entry of a job's timeline. Those with Service set are also lines
// of the job's log, with task name "service".
type Event struct {
	Seq      int64 // unique in the store, grows
	Time     time.Time
	Name     string // unique within the job: writing the same name twice keeps the first
	Step     string // "queue", "fetch", "environment", "run", "restart", "note" …
	Text     string
	Service  bool
	Severity string        // "INFO" unless said otherwise
	Took     time.Duration // for a step that has a length
	Attempt  int
	Task     string // replica it is about: "master-replica-0"
}

// MasterGroup is the master's group; the zero Group where there is none.
func (s Spec) MasterGroup() Group {
	if len(s.Groups) == 0 {
		return Group{}
	}
	return s.Groups[0]
}
