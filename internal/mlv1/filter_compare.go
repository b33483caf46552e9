package mlv1

import (
	"regexp"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

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
