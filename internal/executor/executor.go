// Package executor is the contract for running an attempt of a job: all its
// replicas together, as one gang. A machine has one process per replica,
// Kubernetes one object per gang; both are behind this contract, and the suite
// in executortest is its specification.
//
// Handles are data: a handle is stored, and after a restart of the server it
// finds the running attempt again. Everything may be called twice.
package executor

import (
	"context"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// Attempt is what Start needs. It is complete: an executor asks nobody else.
type Attempt struct {
	Name     string // unique on the server, a valid file and DNS name: "j12-a1"
	Job      job.Key
	Seq      int64 // the job's
	Number   int
	Replicas []Replica
}

// Replica is one replica to run.
type Replica struct {
	job.Replica
	Run      int // restart number; each run starts at most once
	Packages []job.Package
	Module   string
	Args     []string          // complete: hyperparameters and --job-dir included
	Env      map[string]string // what the job adds: TF_CONFIG, CLUSTER_SPEC, CLOUD_ML_JOB_ID, …
	Vars     []job.Variable    // the user's, secrets sealed
	Runtime  string
	Python   string
	Lock     *job.Lock `json:",omitempty"` // the environment, exactly; nil to choose one
	Address  string    // host:port that the cluster specifications name
	Need     job.Need
	Image    string
	Grace    time.Duration // between SIGTERM and SIGKILL
}

// Task is the replica's name in logs: "master-replica-0".
func Task(r job.Replica) string { return string(r.Role) + "-replica-" + itoa(r.Index) }

// Status is what is known of an attempt now.
type Status struct {
	Replicas []ReplicaStatus // one per replica that was started, its latest run
}

// ReplicaStatus is what is known of a replica's latest run.
type ReplicaStatus struct {
	job.Replica
	Run     int
	State   job.ReplicaState
	Started time.Time // when the program started; zero before
	Steps   []Step    // grows; never changes what it has
	Exit    *job.Exit // set when State is exited
}

// Step is one step of a replica's life with its length, for the timeline:
// "fetch", "environment", "install", "first line".
type Step struct {
	Name  string        `json:"name"`
	Start time.Time     `json:"start"`
	Took  time.Duration `json:"took"`
	Note  string        `json:"note,omitempty"` // "cached", "built: 12 packages"
}

// Capacity is what the machine or cluster has in all. Zero fields are not
// limits.
type Capacity struct {
	CPUs   float64
	Memory int64
	GPUs   int
}

// Executor runs attempts. All methods may be called from several goroutines.
type Executor interface {
	// Capacity is what there is to share out.
	Capacity(ctx context.Context) (Capacity, error)

	// Reserve gives each replica an address that no other attempt has, before
	// anything starts; the answer is stored and handed to Start in
	// Replica.Address. Calling it again for the same attempt may give others.
	Reserve(ctx context.Context, a Attempt) (map[job.Replica]string, error)

	// Start starts the runs that have not been started yet, all or none, and
	// returns the handle. A run that was started before, however it ended
	// since, is left alone: Start never runs a program twice. To restart one
	// replica, call Start with its Run increased; the attempt is given whole
	// all the same.
	//
	// No program of an attempt starts before every replica is ready: it has its
	// packages and its environment, and is still there. A replica that cannot
	// get ready exits, and the others wait until they are stopped or it is
	// restarted. Once the programs have started, a restarted replica waits for
	// nobody. So a program may remove what the job was staged with, and finds
	// its peers started, or about to be.
	//
	// A replica that asks for GPUs sees its own, and one that asks for none
	// sees none.
	Start(ctx context.Context, a Attempt) (handle string, err error)

	// Wait blocks until the status differs from seen and returns it. A zero
	// seen returns at once. A run that seen names, and of which there is no more
	// a trace, is lost; seen may name runs whose state is not known. Cancelling ctx stops the waiting, never the
	// attempt. An unknown handle is fault.NotFound.
	Wait(ctx context.Context, handle string, seen Status) (Status, error)

	// Stop asks every replica to end: SIGTERM, after its grace period SIGKILL,
	// to the whole process tree. It returns when the asking is durable, not
	// when they have ended; Wait tells that.
	Stop(ctx context.Context, handle string) error

	// Reap makes sure that nothing of a lost run is left running. It returns
	// when that is so.
	Reap(ctx context.Context, handle string) error

	// Remove frees what an ended attempt holds. keep is how long the working
	// folders of replicas that failed are kept for inspection.
	Remove(ctx context.Context, handle string, keep time.Duration) error

	// List names every attempt that was reserved or started and not removed, with
	// its handle, so that those that no job knows can be swept.
	List(ctx context.Context) (map[string]string, error)
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}
