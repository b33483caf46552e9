package job

import "time"

// Change is what the control loop writes about a job in one transaction. Zero
// fields change nothing. Writing the same change twice does no harm.
type Change struct {
	Key     Key
	State   State // a move that CanMove does not allow is a fault.Conflict and nothing is written
	Started time.Time
	Ended   time.Time
	Error   string
	Attempt *Attempt // whole, with its replicas: inserted or replaced by Number
	Usage   *Usage
	Events  []Event // Seq and, when zero, Time are set by the store; a Name that exists is skipped
	Cleaned bool    // the executor holds nothing of this job any more
}

// Deleted is a job that is no more, and whose folder and packages are still to
// be removed.
type Deleted struct {
	Key      Key
	Seq      int64
	Packages []Package
}

// Work is a job that the control loop still has something to do for: it is not
// final, or its executor's leavings have not been removed.
type Work struct {
	Job
	Current *Attempt // nil before the first
}
