package diagnose

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/pattern"
)

// Place is a line of a program.
type Place struct {
	File string // as the package has it: "trainer/model.py"
	Line int
	Func string // empty for a module's own lines
}

// String is "trainer/model.py:37 in build", or empty.
func (p Place) String() string {
	switch {
	case p.File == "":
		return ""
	case p.Func == "":
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d in %s", p.File, p.Line, p.Func)
	}
}

var (
	sitePackages    = pattern.New(`^.*/(?:site|dist)-packages/`)
	compiled        = pattern.New(`\.(?:pyx|pxi|pxd)$`)
	standardLibrary = pattern.New(`(?:^|/)lib(?:64)?/python\d[\d.]*/`)
	// givenPackages is where the environment has what the job brought.
	givenPackages = pattern.New(`/environments/top/[^/]+/lib/python[\d.]+/site-packages/`)
)

// ownFile is a file's name in the job's packages. Certain are those of the
// package that the job runs; the others are what is neither Python's own nor
// installed as a dependency.
func ownFile(spec job.Spec, file string) (name string, certain, ok bool) {
	if file == "" || strings.HasPrefix(file, "<") {
		return "", false, false
	}
	own := topOf(spec.Module)
	rest := sitePackages.ReplaceAllString(file, "")
	installed := rest != file
	if rest == own+".py" || strings.HasPrefix(rest, own+"/") {
		return rest, true, true
	}
	if !installed {
		if standardLibrary.MatchString(file) {
			return "", false, false
		}
		if i := strings.LastIndex(file, "/"+own+"/"); i >= 0 && own != "" {
			return file[i+1:], true, true
		}
		if strings.HasSuffix(file, "/"+own+".py") {
			return own + ".py", true, true
		}
	}
	if compiled.MatchString(file) {
		return "", false, false // where it was compiled
	}
	return rest, false, !installed || givenPackages.MatchString(file)
}

// placeOf is the innermost line of the user's own code that an exception came
// through, and the one of the chain that did; or nowhere, and the last.
func placeOf(spec job.Spec, chain []raised) (Place, raised) {
	n := len(chain)
	// What a worker process raised is raised again by the process that waits
	// for it, which quotes it: the worker's line is the telling one.
	if n > 1 && chain[n-2].link == direct && chain[n-2].text == chain[n-1].text {
		if p := innermost(spec, chain[n-2].frames); p.File != "" {
			return p, chain[n-2]
		}
	}
	for i := n - 1; i >= 0; i-- {
		if p := innermost(spec, chain[i].frames); p.File != "" {
			return p, chain[i]
		}
		if i > 0 && chain[i-1].link != direct {
			break
		}
	}
	return Place{}, chain[n-1]
}

func innermost(spec job.Spec, frames []frame) Place {
	var maybe Place
	for i := len(frames) - 1; i >= 0; i-- {
		name, certain, ok := ownFile(spec, frames[i].file)
		if !ok {
			continue
		}
		p := Place{File: name, Line: frames[i].line, Func: strings.TrimSuffix(frames[i].name, "<module>")}
		if certain {
			return p
		}
		if maybe.File == "" {
			maybe = p
		}
	}
	return maybe
}

// faultLine is a frame as Python's faulthandler writes it, innermost first.
var faultLine = pattern.New(`^\s*File "(.+?)", line (\d+) in (.+)$`)

// faultPlace is where the user's own code was when compiled code crashed.
func faultPlace(spec job.Spec, tail []string) Place {
	begun := false
	var frames []frame
	for _, line := range tail {
		if strings.HasPrefix(line, "Current thread ") || strings.HasPrefix(line, "Thread ") && strings.HasSuffix(line, "(most recent call first):") {
			begun = strings.HasPrefix(line, "Current thread ")
			continue
		}
		if m := faultLine.FindStringSubmatch(line); m != nil && begun {
			n, _ := strconv.Atoi(m[2])
			frames = append([]frame{{file: m[1], line: n, name: m[3]}}, frames...)
		}
	}
	return innermost(spec, frames)
}
