package diagnose

import (
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/job"

	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/pattern"
)

// evidence is what an exit record proves: not any line of a log, but what the
// program ended with.
type evidence struct {
	exit   job.Exit
	lost   bool       // there is no record
	chains [][]raised // of the traceback that ended the program; several for an exception group
	last   []string   // the last lines, where no traceback ended it
	output string     // what an installer wrote
}

func evidenceOf(r job.ReplicaRun) evidence {
	if r.Exit == nil {
		return evidence{lost: true}
	}
	e := evidence{exit: *r.Exit, lost: r.State == job.ReplicaLost}
	if e.exit.Step != "run" {
		e.output = strings.Join(short(append([]string{e.exit.Message}, e.exit.Tail...)), "\n")
		return e
	}
	if endedBy(e.exit) {
		e.chains = parseTracebacks(e.exit.Traceback)
	}
	if len(e.chains) == 0 || len(e.chains[0]) == 0 {
		e.chains, e.last = nil, short(ending(e.exit))
	}
	return e
}

// around is how many lines other threads and exit handlers may print behind
// the exception that nobody caught.
const around = 100

// endedBy reports whether the traceback of the record is why the program ended,
// and none that it handled and logged.
func endedBy(e job.Exit) bool {
	switch {
	case e.Traceback == "":
		return false
	case e.Uncaught:
		return e.AfterTraceback <= around
	default:
		// What was only printed counts if nothing came after it.
		return len(e.Tail) >= e.AfterTraceback && follows(last(e.Tail, e.AfterTraceback))
	}
}

// ending is what the program wrote last, without what says nothing: much where
// compiled code crashed, which writes whole stacks, else three lines.
func ending(e job.Exit) []string {
	lines := telling(e.Tail)
	if e.Traceback != "" {
		lines = telling(last(e.Tail, e.AfterTraceback)) // what was handled is no cause
	}
	if e.Signal == "" {
		lines = last(lines, 3)
	}
	return lines
}

// readable is how much of a traceback the original showed.
const readable = 2048

// shown is the part of the record that a person should read.
func (e evidence) shown() string {
	tail := e.exit.Tail
	if e.exit.Step != "run" || e.exit.Traceback == "" {
		text := strings.TrimRight(e.exit.Message, "\n")
		if e.exit.Step == "run" && len(tail) > 0 {
			text = "" // the program says why it ended, the agent only what it knows of its packages
		}
		if len(tail) == 0 || text != "" && strings.Contains(text, strings.TrimSpace(tail[len(tail)-1])) {
			return text
		}
		if text == "" {
			text = "Its last lines:"
		}
		return text + "\n" + strings.Join(last(tail, 10), "\n")
	}
	text := logs.CutTraceback(strings.TrimRight(e.exit.Traceback, "\n"), readable)
	if len(e.chains) == 0 { // it was not the end
		text += "\nIts last lines:\n" + strings.Join(last(tail, min(10, e.exit.AfterTraceback)), "\n")
	}
	return text
}

// silent are lines that programs end with and that do not say why.
var silent = pattern.New(`^(?:\s*$|"""$|Exception ignored in|wandb: |CUDA kernel errors might|For debugging consider passing CUDA_LAUNCH_BLOCKING|Compile with .TORCH_USE_CUDA_DSA|Device-side assert(?:ion)? |Search for .cudaError|Hint: If you want to see a list of allocated tensors` +
	`|(?i:usage): |  available commands: |For detailed information on this command, run:|  \S+ .*--help$|[╭╰]─|Try '.*--help' for help` +
	`|.*resource_tracker.*(?:UserWarning|leaked)|Original stack trace for|Function call stack:|Extension modules: |Set the environment variable HYDRA_FULL_ERROR=1|During handling of the above|The above exception was the direct)`)

func telling(lines []string) []string {
	var list []string
	for _, l := range lines {
		if !silent.MatchString(l) {
			list = append(list, l)
		}
	}
	return list
}

// follows reports whether only more of a message, and what says nothing, comes
// in the lines behind a traceback.
func follows(lines []string) bool {
	return !slices.ContainsFunc(telling(lines), func(l string) bool { return l[0] != ' ' && l[0] != '\t' })
}

// short cuts lines that are too long to say anything at their end: a hundred
// patterns go over them.
func short(lines []string) []string {
	const most = 800
	lines = slices.Clone(lines)
	for i, l := range lines {
		lines[i] = strings.ToValidUTF8(l[:min(len(l), most)], "")
	}
	return lines
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-max(0, n)):] }
