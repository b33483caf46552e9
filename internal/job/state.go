package job

// State is a job's state, spelled as every wire spells it.
type State string

// The states of a job.
const (
	Queued     State = "QUEUED"
	Preparing  State = "PREPARING"
	Running    State = "RUNNING"
	Succeeded  State = "SUCCEEDED"
	Failed     State = "FAILED"
	Cancelling State = "CANCELLING" // shown, never stored; see Job.Shown
	Cancelled  State = "CANCELLED"
)

// States lists every state.
var States = []State{Queued, Preparing, Running, Succeeded, Failed, Cancelling, Cancelled}

// Final reports whether a job in this state never changes again, labels aside.
func (s State) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// CanMove reports whether the stored state may go from one to the other.
// Staying is no move. A job may skip a state that it passed through too fast
// to be seen.
func CanMove(from, to State) bool {
	order := map[State]int{Queued: 1, Preparing: 2, Running: 3, Succeeded: 4, Failed: 4, Cancelled: 4}
	f, t := order[from], order[to]
	return f != 0 && t != 0 && !from.Final() && t > f
}

// AttemptState is the state of one attempt.
type AttemptState string

// The states of an attempt: it is Created in the store, then Started in the
// executor (its handle is stored), Live when all programs run, Stopping when
// its replicas have been asked to end, Done when none is left.
const (
	AttemptCreated  AttemptState = "created"
	AttemptStarted  AttemptState = "started"
	AttemptLive     AttemptState = "live"
	AttemptStopping AttemptState = "stopping"
	AttemptDone     AttemptState = "done"
)

// ReplicaState is the state of one run of a replica.
type ReplicaState string

// The states of a replica's run.
const (
	ReplicaPending   ReplicaState = "pending"   // not started yet
	ReplicaPreparing ReplicaState = "preparing" // fetching, building the environment
	ReplicaRunning   ReplicaState = "running"   // the program has started
	ReplicaExited    ReplicaState = "exited"    // there is an exit record
	ReplicaLost      ReplicaState = "lost"      // the agent or its machine is gone and left no exit record
)
