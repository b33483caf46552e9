package fake

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// forever is longer than any test.
const forever = time.Duration(math.MaxInt64)

// plan is what a program's arguments say, with the times since its start.
type plan struct {
	marks    []mark
	traps    []trap
	children int
	length   time.Duration // forever for no end
	end      job.Exit
	lost     bool // at its end it is lost and leaves no record
}

type mark struct {
	at   time.Duration
	file string
}

// trap is what the program does at SIGTERM from a time on.
type trap struct {
	from   time.Duration
	ignore bool
	code   int
}

var signals = map[string]int{"SIGHUP": 1, "SIGINT": 2, "SIGABRT": 6, "SIGKILL": 9, "SIGSEGV": 11, "SIGTERM": 15}

// parse reads arguments. Those that follow the last verb that ends a program,
// and a --job-dir, are not read.
func parse(args []string) (plan, error) {
	p := plan{end: job.Exit{Step: "run"}}
	bad := func(verb string) (plan, error) {
		return p, fault.Errorf(fault.Invalid, "the fake program does not understand %q in %q", verb, args)
	}
	for i := 0; i < len(args); i++ {
		verb, arg := args[i], ""
		switch verb {
		case "child":
			p.children++
			continue
		case "lose":
			p.lost = true
			return p, nil
		}
		if i++; i >= len(args) {
			return bad(verb)
		}
		arg = args[i]
		switch verb {
		case "--job-dir":
		case "mark":
			p.marks = append(p.marks, mark{p.length, arg})
		case "run":
			d, err := time.ParseDuration(arg)
			if arg == "forever" {
				p.length = forever
				return p, nil
			}
			if err != nil || d < 0 || d > forever-p.length {
				return bad(verb)
			}
			p.length += d
		case "trap":
			code, err := strconv.Atoi(arg)
			if err != nil {
				return bad(verb)
			}
			p.traps = append(p.traps, trap{from: p.length, code: code})
		case "ignore":
			p.traps = append(p.traps, trap{from: p.length, ignore: true})
		case "exit":
			code, err := strconv.Atoi(arg)
			if err != nil || code < 0 || code > 255 {
				return bad(verb)
			}
			p.end.Code = code
			return p, nil
		case "die":
			n, ok := signals[arg]
			if !ok {
				return bad(verb)
			}
			p.end.Code, p.end.Signal = 128+n, arg
			return p, nil
		default:
			return bad(verb)
		}
	}
	return p, nil
}

// run is one run; guarded by its machine's mu.
type run struct {
	number        int
	grace         time.Duration
	plan          plan
	begun         time.Time
	stopped, lost time.Time // zero for never
	reaped        bool
	marked        int // how many of the plan's marks are made
}

// end is when and how the run ends if nothing more happens; ok is false when
// it does not.
func (n *run) end() (at time.Time, exit job.Exit, ok bool) {
	natural := n.plan.length != forever
	at, exit = n.begun.Add(n.plan.length), n.plan.end
	if n.stopped.IsZero() || natural && !n.stopped.Before(at) {
		return at, exit, natural
	}
	since, t := n.stopped.Sub(n.begun), trap{code: -1}
	for _, x := range n.plan.traps {
		if x.from <= since {
			t = x
		}
	}
	kill := n.stopped.Add(n.grace)
	switch {
	case t.ignore && natural && at.Before(kill):
	case t.ignore:
		at, exit = kill, job.Exit{Code: 137, Signal: "SIGKILL", Step: "run"}
	case t.code >= 0:
		at, exit = n.stopped, job.Exit{Code: t.code, Step: "run"}
	default:
		at, exit = n.stopped, job.Exit{Code: 143, Signal: "SIGTERM", Step: "run"}
	}
	if n.plan.children > 0 { // they ignore SIGTERM
		at = kill
	}
	exit.Requested = true
	return at, exit, true
}

// status is how the run stands at a time.
func (n *run) status(now time.Time) executor.ReplicaStatus {
	rs := executor.ReplicaStatus{Run: n.number, State: job.ReplicaRunning, Started: n.begun}
	at, exit, ends := n.end()
	gone := !n.lost.IsZero() && !n.lost.After(now) && (!ends || n.lost.Before(at))
	switch {
	case gone || ends && n.plan.lost && n.stopped.IsZero() && !at.After(now):
		rs.State = job.ReplicaLost
	case ends && !at.After(now):
		exit.Time = at
		rs.State, rs.Exit = job.ReplicaExited, &exit
	}
	return rs
}

// next is how long until the run ends by itself or makes a mark; 0 for never.
func (n *run) next(now time.Time) time.Duration {
	var next time.Duration
	if at, _, ends := n.end(); ends && at.After(now) {
		next = at.Sub(now)
	}
	if n.marked < len(n.plan.marks) {
		if d := n.begun.Add(n.plan.marks[n.marked].at).Sub(now); d > 0 && (next == 0 || d < next) {
			next = d
		}
	}
	return next
}

// mark makes the marks that are due.
func (n *run) mark(now time.Time) error {
	at, _, ends := n.end()
	if !n.lost.IsZero() && (!ends || n.lost.Before(at)) {
		at, ends = n.lost, true
	}
	for ; n.marked < len(n.plan.marks); n.marked++ {
		m := n.plan.marks[n.marked]
		due := n.begun.Add(m.at)
		if due.After(now) || ends && due.After(at) {
			return nil
		}
		f, err := os.OpenFile(m.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("leave a mark: %w", err)
		}
		_, err = fmt.Fprintln(f, n.number)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("leave a mark: %w", err)
		}
	}
	return nil
}
