package diagnose

import (
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// raised is one exception of a traceback.
type raised struct {
	text   string // "Type: message", all of its lines
	frames []frame
	link   link // what it has to do with the one behind it
}

// frame is an entry of a traceback, outermost first.
type frame struct {
	file   string
	line   int
	name   string // of the function; empty where a syntax error is
	source string
}

type link int

const (
	atTheEnd  link = iota // nothing is behind it: it ended the program
	direct                // the next was raised from it
	meanwhile             // the next was raised while it was handled
)

const (
	head     = "Traceback (most recent call last)"
	handling = "During handling of the above exception"
	causing  = "The above exception was the direct cause"
)

var (
	frameLine = pattern.New(`^\s*File "(.+?)", line (\d+)(?:, in (.+))?$`)
	// groupMember is the dashed line before a member of an exception group.
	groupMember = pattern.New(`^\s*(?:\+-)?\+-{4,} (?:\d+|\.\.\.) -{4,}$`)
	groupMargin = pattern.New(`^\s*[|+] ?`)
)

// parseTracebacks reads a traceback as the exit record has it: a chain of
// exceptions. Of an exception group it reads the chain of each member.
func parseTracebacks(text string) [][]raised {
	if !strings.Contains(text, "Exception Group "+head) && !strings.Contains(text, "\n  | ") {
		return [][]raised{parseChain(strings.Split(text, "\n"))}
	}
	var members [][]raised
	var open []string
	end := func() {
		// Of a group in a group only the innermost members count.
		if chain := parseChain(open); len(chain) > 0 && !strings.Contains(chain[len(chain)-1].text, "sub-exception") {
			members = append(members, chain)
		}
		open = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if groupMember.MatchString(line) {
			end()
			continue
		}
		if rest := strings.Trim(line, " +-|"); rest != "" {
			for m := groupMargin.FindString(line); m != ""; m = groupMargin.FindString(line) {
				line = line[len(m):]
			}
			open = append(open, line)
		}
	}
	end()
	return members
}

// parseChain reads exceptions that are joined by Python's two sentences.
func parseChain(lines []string) []raised {
	var chain []raised
	var r raised
	inFrames := true
	end := func(l link) {
		r.text = strings.TrimRight(strings.TrimSuffix(strings.TrimRight(r.text, "\n"), `"""`), "\n")
		if r.text != "" {
			r.link = l
			chain = append(chain, r)
		}
		r, inFrames = raised{}, true
	}
	for _, line := range lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, head):
			end(direct) // one that is quoted in the message of another process's
		case strings.HasPrefix(line, handling):
			end(meanwhile)
		case strings.HasPrefix(line, causing):
			end(direct)
		case !inFrames:
			r.text += "\n" + line
		case frameLine.MatchString(line):
			m := frameLine.FindStringSubmatch(line)
			n, _ := strconv.Atoi(m[2])
			r.frames = append(r.frames, frame{file: m[1], line: n, name: m[3]})
		case trimmed == "":
		case line[0] == ' ' || line[0] == '\t':
			if n := len(r.frames); n > 0 && r.frames[n-1].source == "" {
				r.frames[n-1].source = trimmed
			}
		default:
			r.text, inFrames = line, false
		}
	}
	end(atTheEnd)
	if n := len(chain); n > 0 {
		chain[n-1].link = atTheEnd
	}
	return chain
}

// culprits are the exceptions of a chain that may be why the program ended,
// the last first. One that was being handled when the next came is none,
// unless the handler itself raised the next: a program that goes another way
// when an import fails, and dies there, does not die of the import.
func culprits(chain []raised) []raised {
	var list []raised
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].link == meanwhile && !translated(chain[i], chain[i+1]) {
			break
		}
		list = append(list, chain[i])
	}
	return list
}

// translated reports whether the handler of r is what raised next: the function
// with the try, which is the outermost of r's frames, is the innermost of
// next's, and its line is a raise.
func translated(r, next raised) bool {
	if len(r.frames) == 0 || len(next.frames) == 0 {
		return false
	}
	try, raise := r.frames[0], next.frames[len(next.frames)-1]
	return try.file == raise.file && try.name == raise.name && strings.HasPrefix(raise.source, "raise ")
}

// exceptionOf is the exception's line as a person should see it.
func exceptionOf(r raised) string {
	line, _, _ := strings.Cut(r.text, "\n")
	return line
}
