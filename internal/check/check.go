// Package check looks into the archives of a job before they are sent: what
// their code imports, as the interpreter's own parser reads it, against what
// the archives hold, what they declare and what the runtime brings. It runs
// nothing of the user's code, and knows neither jobs nor storage.
//
// A finding is certain where the program cannot begin as it is; everything
// that might be meant is a warning. Where nothing is known it says nothing: a
// wrong warning is worse than none.
package check

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// Options say what to look at and with what.
type Options struct {
	Archives []string // on this machine
	More     bool     // the job has packages that are not on this machine
	Module   string   // that is run; empty for none
	JobDir   bool     // the program gets --job-dir
	Python   string   // the interpreter that reads the code
	Version  []int    // of the Python that will run it, as in [3, 7]; nil for Python's own
	// Runtime names the distributions that are there before the packages are
	// installed. RuntimeUnknown says that there may be others.
	Runtime        []string
	RuntimeUnknown bool
	Folders        []string          // of the user's, that relative paths may have been meant for
	LeftOut        map[string]string // what the archives leave out, a folder with a slash at its end, and why
}

// Finding is something that will go wrong, or may.
type Finding struct {
	Certain bool   `json:"certain"`
	Where   string `json:"where,omitempty"` // trainer/task.py:3
	Text    string `json:"text"`
	Hint    string `json:"hint,omitempty"`
}

func (f Finding) String() string {
	if f.Where == "" {
		return f.Text
	}
	return f.Where + ": " + f.Text
}

// Reads reports whether code for a version of Python can be looked into: the
// parser of a Python 3 takes Python 2 for mistakes.
func Reads(version []int) bool { return len(version) == 0 || version[0] >= 3 }

// Run looks into the archives. The certain findings come first.
func Run(ctx context.Context, o Options) ([]Finding, error) {
	if !Reads(o.Version) {
		return nil, nil
	}
	code, err := read(o.Archives)
	if err != nil || len(code.files) == 0 {
		return nil, err
	}
	seen, err := scan(ctx, o, code, false)
	if err != nil {
		return nil, err
	}
	j := judge{Options: o, code: code, answer: seen}
	j.all()
	if j.puzzled { // what is installed here, which takes a while to list, may tell
		if seen, err = scan(ctx, o, code, true); err != nil {
			return nil, err
		}
		j = judge{Options: o, code: code, answer: seen}
		j.all()
	}
	slices.SortStableFunc(j.findings, func(a, b Finding) int {
		if a.Certain != b.Certain {
			if a.Certain {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Where, b.Where)
	})
	return j.findings, nil
}

//go:embed scan.py
var scanner string

// answer is what the scanner says.
type answer struct {
	Reader   []int `json:"python"` // the version of the interpreter that read the code
	Standard []string
	Setups   []*[]string
	Files    map[string]file
	Provides map[string][]string // top-level module → distributions of the interpreter
	Needs    map[string][]string // distribution → requirements
}

// file is what one source file does.
type file struct {
	Error *struct {
		Line int
		Text string
	}
	Imports []imported
	Defines []string
	Dynamic bool // its names cannot be told from its text
	Strict  bool // it parses its arguments and takes no others
	JobDir  bool // it names --job-dir
	SysPath bool // it changes where modules are found
	Opens   []opened
}

type imported struct {
	Module  string
	Names   []string
	Level   int
	Line    int
	Guarded bool // it may fail, or may never be reached
	Top     bool // it runs when the module is imported
}

type opened struct {
	Path string
	Line int
}

// scan has the interpreter read the files. It imports nothing of the user's:
// -I keeps the folder that we are in and PYTHONPATH out of it.
func scan(ctx context.Context, o Options, c code, installed bool) (answer, error) {
	ask := struct {
		Files     map[string][]byte `json:"files"`
		Python    []int             `json:"python,omitempty"`
		Setups    [][]byte          `json:"setups,omitempty"`
		Installed bool              `json:"installed"`
	}{map[string][]byte{}, o.Version, c.setups, installed}
	for _, f := range c.files {
		ask.Files[f.name] = f.data
	}
	in, err := json.Marshal(ask)
	if err != nil {
		return answer{}, fault.Errorf(fault.Internal, "ask about the code: %w", err)
	}
	cmd := exec.CommandContext(ctx, o.Python, "-I", "-c", scanner)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return answer{}, context.Cause(ctx)
		}
		return answer{}, fault.Errorf(fault.Invalid, "%s cannot look into the code: %w\n%s", o.Python, err, strings.TrimSpace(said.String()))
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return answer{}, fault.Errorf(fault.Internal, "%s looked into the code and answered %w", o.Python, err)
	}
	return a, nil
}

func version(v []int) string {
	s := make([]string, len(v))
	for i, n := range v {
		s[i] = fmt.Sprint(n)
	}
	return strings.Join(s, ".")
}
