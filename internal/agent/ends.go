package agent

import (
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// ends are what processes of the program died of: the tracebacks of exceptions
// that nobody caught, by process.
type ends map[int]string

// manyEnds is of how many processes it is kept.
const manyEnds = 64

func (e *ends) add(pid int, trace string) {
	if *e == nil {
		*e = ends{}
	}
	if len(*e) < manyEnds {
		(*e)[pid] = trace
	}
}

// childFailed is the exception of a process that ran another Python which
// failed; namedChild is how torchrun says which, and the last that it names is
// the one that it saw fail first.
var (
	childFailed = pattern.New(`(?m)^(?:subprocess\.CalledProcessError: Command .*python.* returned non-zero exit status|torch\.distributed\.elastic\.multiprocessing\.errors\.ChildFailedError:)`)
	namedChild  = pattern.New(`exitcode +: (-?\d+) \(pid: (\d+)\)`)
)

// between is how many lines other processes may write until that is noticed.
const between = 100

// caused puts before the traceback of a process that ended because another
// Python failed what that one died of. latest is what came last, or nothing.
func (e ends) caused(trace, latest string) string {
	if !childFailed.MatchString(trace) {
		return trace
	}
	if named := namedChild.FindAllStringSubmatch(trace, -1); named != nil {
		first := named[len(named)-1]
		pid, _ := strconv.Atoi(first[2])
		switch end, ok := e[pid]; {
		case ok:
			latest = end
		case strings.HasPrefix(first[1], "-"):
			latest = "" // it was killed, and said nothing
		}
	}
	if latest == "" {
		return trace
	}
	return latest + "\n\nThe above exception was the direct cause of the following exception:\n\n" + trace
}
