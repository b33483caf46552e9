package diagnose

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/pattern"
)

// cause is an entry of the catalogue. All conditions that are given must hold.
type cause struct {
	Name  string `yaml:"name"`
	Group string `yaml:"group"` // for the guide
	Title string `yaml:"title"` // for the guide

	Step     []string `yaml:"step"`     // of the exit record
	Code     int      `yaml:"code"`     // of the exit record
	Signal   string   `yaml:"signal"`   // of the exit record
	Memory   bool     `yaml:"memory"`   // the exit record proves out of memory
	Lost     bool     `yaml:"lost"`     // there is no exit record
	Overtime bool     `yaml:"overtime"` // it was ended because of its maxRunningTime, and all of it was idle

	Exception string `yaml:"exception"` // how the exception that ended the program begins: "Type: message"
	Frame     string `yaml:"frame"`     // where it was raised: "file in function"
	Through   string `yaml:"through"`   // a file that it came through, such as Python's own of a version
	Source    string `yaml:"source"`    // the source line that raised it; ${name} is what Exception captured
	Module    string `yaml:"module"`    // "own": the captured ${missing} belongs to the job's package; "other": it does not
	Last      string `yaml:"last"`      // one of the last lines, where no exception ended the program
	Message   string `yaml:"message"`   // in what the agent says, as of the packages of a program that failed
	Output    string `yaml:"output"`    // in what an installer, or a fetch of packages, said

	Text string `yaml:"text"` // ${name} is what was captured; <<a part>> without any is left out
	Hint string `yaml:"hint"`

	exception, frame, through, last, message, output *regexp.Regexp
}

//go:embed causes.yaml
var causesYAML []byte

var catalogue = sync.OnceValue(func() []cause {
	list, err := read(causesYAML)
	if err != nil {
		panic(fmt.Sprintf("causes.yaml: %v", err)) // embedded, and read by a test
	}
	return list
})

func read(text []byte) ([]cause, error) {
	var list []cause
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil {
		return nil, err
	}
	for i := range list {
		c := &list[i]
		for _, p := range []struct {
			re   **regexp.Regexp
			text string
			form string
		}{{&c.exception, c.Exception, `(?s)\A(?:%s)`}, {&c.frame, c.Frame, `%s\z`}, {&c.through, c.Through, `%s`}, {&c.last, c.Last, `(?m)%s`}, {&c.message, c.Message, `%s`}, {&c.output, c.Output, `(?m)%s`}} {
			if p.text == "" {
				continue
			}
			re, err := regexp.Compile(fmt.Sprintf(p.form, p.text))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			*p.re = re
		}
	}
	return list, nil
}

// find is the first known cause that the evidence proves, and what was
// captured; nil when there is none.
func find(f Failure, e evidence) (*cause, map[string]string) {
	if len(e.chains) == 0 {
		return findIn(f, e, nil)
	}
	// The members of a group must all have failed for the same reason.
	var found *cause
	var values map[string]string
	for i, chain := range e.chains {
		var c *cause
		for _, r := range culprits(chain) {
			var v map[string]string
			if c, v = findIn(f, e, &r); c != nil {
				values = v
				break
			}
		}
		if c == nil || i > 0 && c != found {
			return nil, nil
		}
		found = c
	}
	return found, values
}

func findIn(f Failure, e evidence, r *raised) (*cause, map[string]string) {
	list := catalogue()
	for i := range list {
		if values, ok := list[i].fits(f, e, r); ok {
			return &list[i], values
		}
	}
	return nil, nil
}

func (c *cause) fits(f Failure, e evidence, r *raised) (map[string]string, bool) {
	x := e.exit
	if c.Lost != e.lost || c.Overtime != f.Overtime || x.Requested && !c.Overtime || c.Memory && !x.OutOfMem || c.Signal != "" && c.Signal != x.Signal ||
		c.Code != 0 && c.Code != x.Code || len(c.Step) > 0 && !slices.Contains(c.Step, x.Step) {
		return nil, false
	}
	values := map[string]string{
		"module": f.Spec.Module, "own": topOf(f.Spec.Module), "job": string(f.Spec.Key.ID), "machine": f.Spec.MasterGroup().Machine,
		"peak": amount(x.PeakMemory), "limit": amount(x.MemLimit), "signal": x.Signal,
	}
	if c.Overtime {
		idle, ok := idleness(f)
		if !ok {
			return nil, false
		}
		maps.Copy(values, idle)
	}
	for _, m := range []struct {
		re   *regexp.Regexp
		text string
	}{{c.exception, textOf(r)}, {c.frame, frameOf(r)}, {c.through, filesOf(r)}, {c.last, strings.Join(e.last, "\n")}, {c.message, x.Message}, {c.output, e.output}} {
		if m.re != nil && !capture(m.re, m.text, values) {
			return nil, false
		}
	}
	if c.Source != "" && !regexp.MustCompile(variableOf.ReplaceAllStringFunc(c.Source, func(p string) string { return regexp.QuoteMeta(values[p[2:len(p)-1]]) })).MatchString(sourceOf(r)) {
		return nil, false
	}
	if c.Module != "" && (topOf(values["missing"]) == values["own"]) != (c.Module == "own") {
		return nil, false
	}
	values["distribution"] = distribution(values["missing"])
	return values, true
}

// capture keeps what the matches in the text name, of a name the last.
func capture(re *regexp.Regexp, text string, values map[string]string) bool {
	all := re.FindAllStringSubmatch(text, -1)
	for _, m := range all {
		for i, name := range re.SubexpNames() {
			// Alternatives capture the same under what2, what3 and so on.
			if name = strings.TrimRight(name, "0123456789"); name != "" && m[i] != "" {
				values[name] = strings.TrimSpace(m[i])
			}
		}
	}
	return all != nil
}

func textOf(r *raised) string {
	if r == nil {
		return ""
	}
	return r.text
}

func frameOf(r *raised) string {
	if r == nil || len(r.frames) == 0 {
		return ""
	}
	l := r.frames[len(r.frames)-1]
	return l.file + " in " + l.name
}

func filesOf(r *raised) string {
	var files []string
	if r != nil {
		for _, f := range r.frames {
			files = append(files, f.file)
		}
	}
	return strings.Join(files, "\n")
}

func sourceOf(r *raised) string {
	if r == nil || len(r.frames) == 0 {
		return ""
	}
	return r.frames[len(r.frames)-1].source
}

// idleness proves that a job that ran out of time did nothing: each of its
// replicas used less than a hundredth of its time on a processor.
func idleness(f Failure) (map[string]string, bool) {
	runs := f.Others
	if len(runs) == 0 {
		runs = []job.ReplicaRun{f.Replica}
	}
	var longest time.Duration
	var cpu float64
	for _, r := range runs {
		if r.Exit == nil || r.Exit.Step != "run" || r.Exit.CPUSeconds <= 0 || r.Started.IsZero() || r.Exit.CPUSeconds*100 > r.Ended.Sub(r.Started).Seconds() {
			return nil, false
		}
		longest, cpu = max(longest, r.Ended.Sub(r.Started)), cpu+r.Exit.CPUSeconds
	}
	return map[string]string{"time": longest.Round(time.Second).String(), "cpu": fmt.Sprintf("%.1f s", cpu)}, true
}

var variableOf = pattern.New(`\$\{(\w+)\}`)

var optional = pattern.New(`<<(.*?)>>`)

func fill(text string, values map[string]string) string {
	value := func(p string) string { return values[p[2:len(p)-1]] }
	text = optional.ReplaceAllStringFunc(text, func(part string) string {
		for _, p := range variableOf.FindAllString(part, -1) {
			if value(p) != "" {
				return part[2 : len(part)-2]
			}
		}
		return ""
	})
	text = variableOf.ReplaceAllStringFunc(text, value)
	return strings.TrimSpace(strings.NewReplacer("?.", "?", "!.", "!", "..", ".").Replace(text))
}

func amount(n int64) string {
	switch {
	case n <= 0:
		return "an unknown amount"
	case n < 1<<30:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
}
