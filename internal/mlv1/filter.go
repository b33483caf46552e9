package mlv1

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// ParseFilter reads the filter of jobs.list, in the language of AIP-160:
//
//	jobId:census*
//	state:FAILED AND NOT labels.team=vision
//	createTime>"2020-01-02T03:04:05Z" (state=RUNNING OR state=QUEUED)
//
// OR binds tighter than AND, and terms side by side are joined by AND. ":"
// finds a part of a text, "=" wants the whole of it; "*" stands for anything in
// both. labels:KEY asks whether there is a label. An empty filter matches
// everything.
func ParseFilter(s string) (func(job.Job) bool, error) {
	p := &filterParser{text: s}
	p.next()
	if p.atEnd() && p.err == nil {
		return func(job.Job) bool { return true }, nil
	}
	f := p.and(0)
	if p.err == nil && !p.atEnd() {
		p.fail("unexpected %q", p.tok)
	}
	if p.err != nil {
		return nil, p.err
	}
	return f, nil
}

type match = func(job.Job) bool

const (
	maxFilter      = 10_000 // bytes
	maxFilterDepth = 50
)

// filterParser is a parser by recursive descent with one token of look-ahead.
type filterParser struct {
	text   string
	pos    int
	tok    string // "" at the end
	quoted bool   // tok is a string, never an operator or a keyword
	err    error  // the first; parsing runs out quickly after it
}

func (p *filterParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fault.Errorf(fault.Invalid, "Invalid filter at character %d: %s", p.pos, fmt.Sprintf(format, args...)).
			WithHint("a filter is made of FIELD OPERATOR VALUE, as in: jobId:census* AND state:FAILED")
	}
	p.tok, p.quoted, p.pos = "", false, len(p.text)
}

// next reads the next token into tok.
func (p *filterParser) next() {
	if len(p.text) > maxFilter {
		p.fail("it is longer than %d characters", maxFilter)
		return
	}
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	p.tok, p.quoted = "", false
	if p.pos == len(p.text) {
		return
	}
	rest := p.text[p.pos:]
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">", ":", "(", ")"} {
		if strings.HasPrefix(rest, op) {
			p.tok = op
			p.pos += len(op)
			return
		}
	}
	if rest[0] == '"' || rest[0] == '\'' {
		p.str(rest)
		return
	}
	n := strings.IndexAny(rest, " \t\r\n()=<>!:\"'")
	switch {
	case n == 0:
		p.fail("unexpected %q", rest[:1])
		return
	case n < 0:
		n = len(rest)
	}
	// A time without quotes has colons.
	if m := bareTime.FindString(rest); m != "" {
		n = len(m)
	}
	p.tok = rest[:n]
	p.pos += n
}

var bareTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})?`)

func (p *filterParser) str(rest string) {
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		case c == rest[0]:
			p.tok, p.quoted = b.String(), true
			p.pos += i + 1
			return
		default:
			b.WriteByte(c)
		}
	}
	p.fail("the string has no end")
}

func (p *filterParser) is(word string) bool { return !p.quoted && p.tok == word }

func (p *filterParser) atEnd() bool { return p.tok == "" && !p.quoted }

func (p *filterParser) done() bool { return p.atEnd() || p.is(")") }

func (p *filterParser) and(depth int) match {
	if depth > maxFilterDepth {
		p.fail("too many parentheses")
	}
	f := p.or(depth)
	for p.err == nil && !p.done() {
		if p.is("AND") {
			p.next()
		}
		left, right := f, p.or(depth)
		f = func(j job.Job) bool { return left(j) && right(j) }
	}
	return f
}

func (p *filterParser) or(depth int) match {
	f := p.not(depth)
	for p.err == nil && p.is("OR") {
		p.next()
		left, right := f, p.not(depth)
		f = func(j job.Job) bool { return left(j) || right(j) }
	}
	return f
}

func (p *filterParser) not(depth int) match {
	negate := false
	for p.is("NOT") || p.is("-") {
		negate = !negate
		p.next()
	}
	if !p.quoted && !p.is("-") && strings.HasPrefix(p.tok, "-") {
		negate = !negate
		p.tok = p.tok[1:]
	}
	f := p.term(depth)
	if negate {
		return func(j job.Job) bool { return !f(j) }
	}
	return f
}

func (p *filterParser) term(depth int) match {
	if p.is("(") {
		p.next()
		f := p.and(depth + 1)
		if !p.is(")") {
			p.fail("a parenthesis is not closed")
		}
		p.next()
		return f
	}
	name := p.tok
	if p.done() || p.quoted || p.is("AND") || p.is("OR") || strings.ContainsAny(name, "=<>!:*") {
		p.fail("expected the name of a field")
		return never
	}
	p.next()
	// labels."KEY" with letters that are not bare
	if name == "labels." && p.quoted {
		name += p.tok
		p.next()
	}
	op := p.tok
	if p.quoted || !strings.Contains(" = != < <= > >= : ", " "+op+" ") || op == "" {
		p.fail("expected an operator after %s", name)
		return never
	}
	p.next()
	if p.done() || !p.quoted && strings.Contains(" = != < <= > >= : ( AND OR NOT ", " "+p.tok+" ") {
		p.fail("expected a value after %s%s", name, op)
		return never
	}
	f := p.compare(name, op, p.tok)
	p.next()
	return f
}

func never(job.Job) bool { return false }

// compare makes the test of one field.
func (p *filterParser) compare(name, op, want string) match {
	if name == "labels" && (op == ":" || op == "=") {
		return func(j job.Job) bool { _, has := j.Labels[want]; return has || want == "*" && len(j.Labels) > 0 }
	}
	if key, ok := strings.CutPrefix(name, "labels."); ok {
		return p.textual(name, op, want, func(j job.Job) (string, bool) { v, has := j.Labels[key]; return v, has })
	}
	if get, ok := filterTimes[name]; ok {
		return p.time(name, op, want, get)
	}
	get, ok := filterTexts[name]
	if !ok {
		p.fail("the field %s is not known; there are jobId, state, errorMessage, createTime, startTime, endTime, labels.KEY and trainingInput.FIELD", name)
		return never
	}
	if name == "state" && !strings.Contains(want, "*") {
		want = strings.ToUpper(want)
		if op == ":" {
			op = "="
		}
	}
	return p.textual(name, op, want, func(j job.Job) (string, bool) { v := get(j); return v, v != "" })
}

// textual compares a text; one that is not there only differs.
func (p *filterParser) textual(name, op, want string, get func(job.Job) (string, bool)) match {
	var test func(string) bool
	switch op {
	case "=", "!=":
		test = wildcard(want, true)
	case ":":
		test = wildcard(want, strings.Contains(want, "*"))
	default:
		p.fail("%s cannot be compared with %s", name, op)
		return never
	}
	if op == "!=" {
		return func(j job.Job) bool { v, has := get(j); return !has || !test(v) }
	}
	return func(j job.Job) bool { v, has := get(j); return has && test(v) }
}

// wildcard matches a pattern with "*", the whole text or a part of it, without
// regard to case.
func wildcard(pattern string, whole bool) func(string) bool {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	expr := strings.Join(parts, ".*")
	if whole {
		expr = "^(?:" + expr + ")$"
	}
	re, err := regexp.Compile("(?is)" + expr)
	if err != nil { // a pattern that is too long for regexp, or not UTF-8
		return func(s string) bool { return s == pattern }
	}
	return re.MatchString
}

func (p *filterParser) time(name, op, want string, get func(job.Job) time.Time) match {
	if op == ":" && want == "*" {
		return func(j job.Job) bool { return !get(j).IsZero() }
	}
	at, err := time.Parse(time.RFC3339Nano, want)
	if err != nil {
		if at, err = time.Parse("2006-01-02", want); err != nil {
			p.fail("%s is compared with a time such as 2020-01-02T03:04:05Z, not with %q", name, want)
			return never
		}
	}
	tests := map[string]func(c int) bool{
		"=": func(c int) bool { return c == 0 }, ":": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 },
		"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
		">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
	}
	test := tests[op]
	return func(j job.Job) bool {
		t := get(j)
		return !t.IsZero() && test(t.Truncate(time.Microsecond).Compare(at)) // as shown
	}
}

var filterTimes = map[string]func(job.Job) time.Time{
	"createTime": created, "create_time": created,
	"startTime": started, "start_time": started,
	"endTime": ended, "end_time": ended,
}

func created(j job.Job) time.Time { return j.Created }
func started(j job.Job) time.Time { return j.Started }
func ended(j job.Job) time.Time   { return j.Ended }

var filterTexts = func() map[string]func(job.Job) string {
	m := map[string]func(job.Job) string{}
	for name, get := range map[string]func(job.Job) string{
		"jobId":                        func(j job.Job) string { return string(j.Key.ID) },
		"state":                        func(j job.Job) string { return string(j.Shown()) },
		"errorMessage":                 func(j job.Job) string { return j.Error },
		"trainingInput.region":         func(j job.Job) string { return j.Region },
		"trainingInput.scaleTier":      func(j job.Job) string { return string(j.Tier) },
		"trainingInput.pythonModule":   func(j job.Job) string { return j.Module },
		"trainingInput.jobDir":         func(j job.Job) string { return j.JobDir },
		"trainingInput.runtimeVersion": func(j job.Job) string { return j.RuntimeVersion },
		"trainingInput.pythonVersion":  func(j job.Job) string { return j.PythonVersion },
	} {
		m[name], m[snake(name)] = get, get
	}
	return m
}()
