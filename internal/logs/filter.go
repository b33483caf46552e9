package logs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Record is an entry with the job it belongs to.
type Record struct {
	Entry
	Key job.Key
}

// Filter is a parsed filter in the part of Cloud Logging's language that log
// readers send: comparisons of fields with a value or a group of them, and texts
// alone, joined by AND, OR, NOT and parentheses.
// As there, OR binds tighter than AND, and two terms side by side mean AND.
//
// A parser of our own: the general libraries for Google's list filters speak
// the AIP-160 dialect, which has another precedence and no quoted path parts.
type Filter struct {
	match func(*Record) bool
	// Bounds that everything that matches keeps, for reading only what is
	// needed. Jobs is nil where any job may match.
	Jobs     []job.ID
	From, To time.Time // From inclusive, To exclusive; zero where there is none
}

// Match reports whether a record passes. The zero Filter passes everything.
func (f Filter) Match(r *Record) bool { return f.match == nil || f.match(r) }

// ParseFilter reads a filter. What it does not know is a fault.Invalid that
// names the place.
func ParseFilter(text string) (Filter, error) {
	p := &filterParser{text: text}
	p.leaf = p.comparison
	p.next()
	if p.kind == tokenEnd {
		return Filter{}, p.err
	}
	n := p.and(0)
	if p.err == nil && p.kind != tokenEnd {
		p.fail("expected AND or OR")
	}
	if p.err != nil {
		return Filter{}, p.err
	}
	f := Filter{match: n.match}
	n.bound(&f)
	return f, nil
}

// node is a term of the tree. bound narrows a filter by what the term demands.
type node struct {
	match func(*Record) bool
	bound func(*Filter)
}

func (p *filterParser) and(depth int) node {
	terms := []node{p.or(depth)}
	for p.err == nil {
		switch {
		case p.kind == tokenWord && p.value == "AND":
			p.next()
		case p.kind == tokenEnd || p.kind == tokenClose:
			return all(terms)
		}
		terms = append(terms, p.or(depth))
	}
	return all(terms)
}

func all(terms []node) node {
	return node{
		match: func(r *Record) bool {
			for _, t := range terms {
				if !t.match(r) {
					return false
				}
			}
			return true
		},
		bound: func(f *Filter) {
			for _, t := range terms {
				t.bound(f)
			}
		},
	}
}

func free(*Filter) {}

func (p *filterParser) or(depth int) node {
	terms := []node{p.not(depth)}
	for p.err == nil && p.kind == tokenWord && p.value == "OR" {
		p.next()
		terms = append(terms, p.not(depth))
	}
	if len(terms) == 1 {
		return terms[0]
	}
	return node{
		match: func(r *Record) bool {
			for _, t := range terms {
				if t.match(r) {
					return true
				}
			}
			return false
		},
		bound: func(f *Filter) {
			// An OR is bounded where every side is.
			var any Filter
			for i, t := range terms {
				var side Filter
				t.bound(&side)
				if i == 0 {
					any = side
					continue
				}
				if any.Jobs != nil && side.Jobs != nil {
					any.Jobs = append(slices.Clone(any.Jobs), side.Jobs...)
				} else {
					any.Jobs = nil
				}
				if side.From.Before(any.From) { // none is the earliest
					any.From = side.From
				}
				if side.To.IsZero() || !any.To.IsZero() && side.To.After(any.To) {
					any.To = side.To
				}
			}
			f.narrow(any)
		},
	}
}

// narrow keeps of f's bounds what another filter's allow too.
func (f *Filter) narrow(by Filter) {
	if by.Jobs != nil {
		f.jobs(by.Jobs)
	}
	if by.From.After(f.From) {
		f.From = by.From
	}
	if !by.To.IsZero() && (f.To.IsZero() || by.To.Before(f.To)) {
		f.To = by.To
	}
}

func (p *filterParser) not(depth int) node {
	if depth > 100 {
		p.fail("nested too deeply")
	}
	if p.kind == tokenWord && p.value == "NOT" || p.kind == tokenMinus {
		p.next()
		n := p.not(depth + 1)
		return node{func(r *Record) bool { return !n.match(r) }, free}
	}
	if p.kind == tokenOpen {
		p.next()
		n := p.and(depth + 1)
		if p.err == nil && p.kind != tokenClose {
			p.fail("expected )")
		}
		p.next()
		return n
	}
	return p.leaf(depth)
}

// comparison is one of a field, or of a text alone, which is looked for in the
// message.
func (p *filterParser) comparison(depth int) node {
	if p.err != nil {
		return nothing
	}
	if p.kind == tokenQuoted {
		text := p.value
		if p.next(); p.kind != tokenOp && p.kind != tokenDot {
			return says(text)
		}
		p.fail("a field's name is expected before an operator")
		return nothing
	}
	if p.kind != tokenWord || p.value == "AND" || p.value == "OR" {
		p.fail("expected a comparison such as severity>=ERROR")
		return nothing
	}
	start := p.start
	path := []string{p.value}
	for p.next(); p.kind == tokenDot; p.next() {
		if p.next(); p.kind != tokenWord && p.kind != tokenQuoted {
			p.fail("expected a name after the dot")
			return nothing
		}
		path = append(path, p.value)
	}
	name := strings.Join(path, ".")
	switch {
	case p.kind == tokenOp:
	case p.kind == tokenOpen && p.start == start+len(name):
		return p.function(name)
	case slices.Contains(entryFields, path[0]):
		p.fail("expected one of = != > >= < <= : =~ !~ after %s", name)
		return nothing
	default:
		return says(name)
	}
	op := p.value
	leaf := func(int) node { return p.operand(start, path, op) }
	if p.next(); p.kind != tokenOpen {
		return leaf(depth)
	}
	// A group of values is a tree like any other, with values as its leaves.
	outer := p.leaf
	p.leaf = leaf
	n := p.not(depth + 1)
	p.leaf = outer
	return n
}

// operand is the value that a field is compared with.
func (p *filterParser) operand(start int, path []string, op string) node {
	if p.kind != tokenWord && p.kind != tokenQuoted {
		p.fail("expected a value after %s%s", strings.Join(path, "."), op)
		return nothing
	}
	value := p.value
	// An unquoted value may hold dots, as numbers and names do.
	for quoted := p.kind == tokenQuoted; ; {
		if p.next(); quoted || p.kind != tokenDot {
			break
		}
		if p.next(); p.kind != tokenWord {
			p.fail("expected more of the value after the dot")
			return nothing
		}
		value += "." + p.value
	}
	n, err := compare(path, op, value)
	if err != nil {
		p.err = fault.Errorf(fault.Invalid, "filter %s, at %d: %w", p.quote(), start+1, err)
		return nothing
	}
	return n
}

// function is a call of one by name, at its opening parenthesis.
func (p *filterParser) function(name string) node {
	if name != "log_id" {
		p.fail("function %s is not served; log_id is", name)
		return nothing
	}
	if p.next(); p.kind != tokenQuoted {
		p.fail("expected the name of a log in quotation marks")
		return nothing
	}
	id := p.value
	if p.next(); p.kind != tokenClose {
		p.fail("expected )")
		return nothing
	}
	p.next()
	return node{func(r *Record) bool { return r.Task == id }, free}
}

var nothing = node{func(*Record) bool { return false }, free}

func says(text string) node {
	text = strings.ToLower(text)
	return node{func(r *Record) bool { return strings.Contains(strings.ToLower(r.Message), text) }, free}
}

// entryFields are what an entry can have.
var entryFields = []string{"resource", "labels", "timestamp", "severity", "insertId", "logName", "textPayload", "jsonPayload",
	"receiveTimestamp", "trace", "protoPayload", "operation", "sourceLocation", "httpRequest"}

// compare makes the term for one comparison.
func compare(path []string, op, value string) (node, error) {
	switch path[0] {
	case "timestamp", "receiveTimestamp": // which are one here
		return compareTime(op, value)
	case "severity":
		return compareSeverity(op, value)
	}
	if !slices.Contains(entryFields, path[0]) {
		return node{}, fmt.Errorf("field %s is not known; resource, labels, timestamp, severity, insertId, logName, textPayload and jsonPayload are", path[0])
	}
	get := func(r *Record) (string, bool) { return r.field(path) }
	n := node{bound: free}
	switch op {
	case "=":
		n.match = func(r *Record) bool { v, ok := get(r); return ok && v == value }
		if isJob(path) {
			n.bound = func(f *Filter) { f.jobs([]job.ID{job.ID(value)}) }
		}
	case "!=":
		n.match = func(r *Record) bool { v, ok := get(r); return !ok || v != value }
	case ":":
		lower := strings.ToLower(value)
		n.match = func(r *Record) bool {
			v, ok := get(r)
			return ok && (value == "*" || strings.Contains(strings.ToLower(v), lower))
		}
	case "=~", "!~":
		re, err := regexp.Compile(value)
		if err != nil {
			return node{}, fmt.Errorf("%q is no regular expression: %w", value, err)
		}
		n.match = func(r *Record) bool { v, ok := get(r); return (ok && re.MatchString(v)) == (op == "=~") }
	default:
		compare := strings.Compare
		if path[0] == "jsonPayload" {
			compare = order
		}
		n.match = func(r *Record) bool { v, ok := get(r); return ok && ordered(op, compare(v, value)) }
	}
	return n, nil
}

func isJob(path []string) bool {
	switch strings.Join(path, ".") {
	case "resource.labels.job_id", "labels.job_id", "labels.ml.googleapis.com/job_id":
		return true
	}
	return false
}

// jobs narrows the filter to some jobs.
func (f *Filter) jobs(ids []job.ID) {
	if f.Jobs == nil {
		f.Jobs = ids
		return
	}
	both := []job.ID{}
	for _, a := range f.Jobs {
		for _, b := range ids {
			if a == b {
				both = append(both, a)
			}
		}
	}
	f.Jobs = both
}

func ordered(op string, c int) bool {
	switch op {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "<":
		return c < 0
	default:
		return c <= 0
	}
}

// order compares as numbers where both are, else as text.
func order(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(a, b)
}

// layouts are of RFC 3339, and of what ISO 8601 has beside it: a zone without a
// colon, as Google's Python library writes it, or none, which is UTC; a moment
// to the minute; a day.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly}

func parseTime(value string) (time.Time, error) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, value); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a timestamp such as 2026-01-02T03:04:05Z", value)
}

func compareTime(op, value string) (node, error) {
	t, err := parseTime(value)
	if err != nil {
		return node{}, err
	}
	if strings.ContainsAny(op, ":~") {
		return node{}, fmt.Errorf("a timestamp has no operator %q", op)
	}
	var side Filter
	switch op {
	case "=":
		side.From, side.To = t, t.Add(1)
	case ">", ">=":
		side.From = t
	case "<":
		side.To = t
	case "<=":
		side.To = t.Add(1)
	}
	return node{
		match: func(r *Record) bool { return ordered(op, r.Time.Compare(t)) },
		bound: func(f *Filter) { f.narrow(side) },
	}, nil
}

var severityOrder = map[Severity]int{Default: 0, Debug: 100, Info: 200, "NOTICE": 300, Warning: 400, Error: 500, Critical: 600, "ALERT": 700, "EMERGENCY": 800}

func compareSeverity(op, value string) (node, error) {
	want, ok := severityOrder[Severity(strings.ToUpper(value))]
	if n, err := strconv.Atoi(value); err == nil {
		want, ok = n, true
	}
	if !ok {
		return node{}, fmt.Errorf("%q is no severity; DEFAULT, DEBUG, INFO, NOTICE, WARNING, ERROR, CRITICAL, ALERT and EMERGENCY are", value)
	}
	if strings.HasSuffix(op, "~") {
		return node{}, fmt.Errorf("severity has no operator %q", op)
	}
	if op == ":" {
		op = "="
	}
	return node{func(r *Record) bool { return ordered(op, severityOrder[r.Severity]-want) }, free}, nil
}

// field is what a record has at a path.
func (r *Record) field(path []string) (string, bool) {
	switch path[0] {
	case "insertId":
		return r.InsertID, len(path) == 1
	case "logName":
		return LogName(r.Key.Project, r.Task), len(path) == 1
	case "textPayload":
		return "", false
	case "resource":
		if len(path) == 2 && path[1] == "type" {
			return "ml_job", true
		}
		if len(path) == 3 && path[1] == "labels" {
			switch path[2] {
			case "job_id":
				return string(r.Key.ID), true
			case "project_id":
				return string(r.Key.Project), true
			case "task_name":
				return r.Task, true
			}
		}
	case "labels":
		if len(path) > 1 {
			switch strings.Join(path[1:], ".") { // a name with dots may come unquoted
			case "job_id", "ml.googleapis.com/job_id":
				return string(r.Key.ID), true
			case "task_name", "ml.googleapis.com/task_name":
				return r.Task, true
			case "trial_id", "ml.googleapis.com/trial_id":
				return r.Trial, r.Trial != ""
			case AttemptLabel:
				attempt, _ := r.Try()
				return strconv.Itoa(attempt), attempt > 0
			case RunLabel:
				attempt, run := r.Try()
				return strconv.Itoa(run), attempt > 0
			}
		}
	case "jsonPayload":
		if len(path) == 1 {
			return r.Message + "\n" + string(r.Fields), true // any of it
		}
		if len(path) == 2 && path[1] == "message" {
			return r.Message, true
		}
		return lookup(r.Fields, path[1:])
	}
	return "", false
}

// Labels of ours that tell what a restarted or repeated program wrote from what
// it wrote before.
const (
	AttemptLabel = "trainyard/attempt" // of the job, from 1
	RunLabel     = "trainyard/restart" // of the replica in the attempt; 0 for the first run
)

// LogName is the name of the log that a task's entries are in.
func LogName(p job.Project, task string) string { return "projects/" + string(p) + "/logs/" + task }
