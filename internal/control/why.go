package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/diagnose"
	"github.com/trainyard/trainyard/internal/job"
)

// Why answers, at any instant of a job's life, what it is doing and why it
// goes no further: one sentence, and the facts that it was made of.
type Why struct {
	State    job.State `json:"state"`
	Sentence string    `json:"sentence"`
	Hint     string    `json:"hint,omitempty"`
	Since    time.Time `json:"since"` // of the state or of the step

	// Of a job that waits.
	Position  int       `json:"position,omitempty"` // 1 starts next
	Ahead     []string  `json:"ahead,omitempty"`    // the first of those before it
	Holders   []Held    `json:"holders,omitempty"`  // what runs meanwhile
	Needs     *Amount   `json:"needs,omitempty"`
	Lacks     *Amount   `json:"lacks,omitempty"`
	Free      *Amount   `json:"free,omitempty"`
	Total     *Amount   `json:"total,omitempty"`
	Estimate  time.Time `json:"estimatedStart,omitzero"`
	Estimated string    `json:"estimatedFrom,omitempty"` // from what, or why there is no estimate

	// Of one that has begun.
	Attempt  int       `json:"attempt,omitempty"`
	Restarts int       `json:"restarts,omitempty"` // of replicas, in this attempt
	Behind   []string  `json:"behind,omitempty"`   // replicas whose program has not started
	NextTry  time.Time `json:"nextTry,omitzero"`
	Trouble  string    `json:"trouble,omitempty"` // what the next step met that was not done

	// Of one that failed.
	Failure *Failed `json:"failure,omitempty"`
}

// Held is a job that holds a part of the capacity.
type Held struct {
	Job   string    `json:"job"` // empty for another project's
	Holds Amount    `json:"holds"`
	Since time.Time `json:"since"`
}

// Amount is a part of the capacity.
type Amount struct {
	CPUs   float64 `json:"vCPUs"`
	Memory int64   `json:"memoryBytes,string"`
	GPUs   int     `json:"gpus,omitempty"`
}

// Failed is what is known of a failure.
type Failed struct {
	Replica   string `json:"replica"` // that failed first
	Sentence  string `json:"sentence"`
	Cause     string `json:"cause,omitempty"` // name in the catalogue
	Text      string `json:"text,omitempty"`
	Hint      string `json:"hint,omitempty"`
	Exception string `json:"exception,omitempty"`
	Where     string `json:"where,omitempty"` // in the user's own code
	Others    string `json:"others,omitempty"`
}

// Facts are what Explain makes its answer of.
type Facts struct {
	Job      job.Job
	Attempts []job.Attempt // in order; the last is the current one
	Standing *Standing     // of a job that waits
	Estimate time.Time     // of its start; zero for none
	Doubt    job.Key       // whose length nobody knows, where there is no estimate
	Trouble  string        // what its next step met that was not done
	Step     string        // the latest step that a replica of it is in: "environment"
	Again    []job.Event   // the restarts of replicas in the current attempt, in order
}

// Explain makes the answer. It is pure.
func Explain(now time.Time, f Facts) Why {
	j := f.Job
	w := Why{State: j.Shown(), Attempt: j.Attempt, Since: j.Created}
	var a *job.Attempt
	if n := len(f.Attempts); n > 0 {
		a = &f.Attempts[n-1]
		w.Since = a.Created
		for _, r := range a.Replicas {
			w.Restarts += r.Run
			if r.Started.IsZero() && r.State != job.ReplicaExited && r.State != job.ReplicaLost {
				w.Behind = append(w.Behind, task(r.Replica))
			}
		}
	}
	switch {
	case j.State.Final():
		w.ended(j, a)
	case j.Cancel != nil:
		w.Since = j.Cancel.Time
		w.Sentence = fmt.Sprintf("It is being cancelled: its replicas were asked to end %s ago, and are killed when their grace is over.", about(now.Sub(j.Cancel.Time)))
	case f.Standing != nil:
		w.waits(now, f, a)
	case a == nil:
		w.Sentence = "It is queued, and about to start."
	case a.State == job.AttemptStopping:
		w.stops(j, a)
	default:
		w.goesOn(now, f, a)
	}
	if f.Trouble != "" && !j.State.Final() {
		w.Trouble = f.Trouble
		w.Sentence += " Its next step could not be done, and is tried again: " + sentence(f.Trouble, "")
	}
	return w
}

func (w *Why) ended(j job.Job, a *job.Attempt) {
	w.Since, w.Behind = j.Ended, nil
	began := j.Started
	if a != nil && !a.Running.IsZero() {
		began = a.Running
	}
	switch {
	case j.State == job.Succeeded:
		w.Sentence = fmt.Sprintf("It succeeded: the primary replica ended with status 0 after %s.", about(j.Ended.Sub(began)))
		if t := tries("That was", j.Attempt, w.Restarts); t != "" {
			w.Sentence += t + "."
		}
	case j.State == job.Cancelled:
		w.Sentence = itself("It was cancelled: ", j.Error, "nobody said why")
	default:
		if a != nil && !strings.HasPrefix(j.Error, notStarted) && !strings.HasPrefix(j.Error, internalError) {
			w.failure(j, a)
			if t := tries("That was", j.Attempt, w.Restarts); t != "" {
				w.Sentence = strings.TrimSuffix(w.Sentence, ".") + "." + t + "."
			}
		}
		if w.Failure == nil {
			w.Sentence = itself("It failed: ", j.Error, "the reason is not known")
		}
	}
}

// stops tells of a job whose replicas were asked to end.
func (w *Why) stops(j job.Job, a *job.Attempt) {
	failed := blame(a)
	switch {
	case succeeded(a, failed):
		w.Sentence = "Its primary replica ended with status 0, and the others were asked to end."
	case failed == nil && j.MaxRunning > 0 && j.State == job.Running:
		w.Sentence = fmt.Sprintf("It ran for longer than %s (maxRunningTime), and its replicas were asked to end.", about(j.MaxRunning))
	case failed == nil:
		w.Sentence = "Its replicas were asked to end."
	default:
		w.failure(j, a)
		w.Sentence += " The other replicas were asked to end."
		if classify(*failed) != permanent && a.Number <= maxRetries {
			w.Sentence += fmt.Sprintf(" Then the whole job is tried again (retry %d of %d).", a.Number, maxRetries)
		}
	}
}

// failure tells of the replica that failed first.
func (w *Why) failure(j job.Job, a *job.Attempt) {
	r := blame(a)
	if r == nil {
		return
	}
	d := diagnose.Of(diagnose.Failure{Spec: j.Spec, Replica: *r, Attempt: a.Number, Others: others(a)})
	w.Failure = &Failed{Replica: task(r.Replica), Sentence: d.Sentence, Cause: d.Cause, Text: d.Text, Hint: d.Hint, Exception: d.Exception, Where: d.Where.String(), Others: d.Others}
	w.Hint = d.Hint
	switch {
	case d.Text != "":
		w.Sentence = "It failed: " + d.Text
	case d.Exception != "" && d.Where.File != "":
		w.Sentence = fmt.Sprintf("It failed at %s: %s", d.Where, d.Exception)
	case d.Exception != "":
		w.Sentence = "It failed: " + d.Exception
	default:
		w.Sentence = "It failed: " + d.Sentence
	}
	if w.Hint == "" {
		w.Hint = fmt.Sprintf("What it said last: trainyard jobs stream-logs %s --task-name %s", j.Key.ID, w.Failure.Replica)
	}
}

func (w *Why) waits(now time.Time, f Facts, a *job.Attempt) {
	s := f.Standing
	w.Position = s.Before + 1
	for _, key := range s.Ahead {
		if key.Project == f.Job.Key.Project {
			w.Ahead = append(w.Ahead, string(key.ID))
		}
	}
	for _, h := range s.Holders {
		if !holdsWhat(h.Holds, s.Lacks) {
			continue
		}
		held := Held{Holds: *amount(h.Holds), Since: h.Since}
		if h.Key.Project == f.Job.Key.Project {
			held.Job = string(h.Key.ID)
		}
		w.Holders = append(w.Holders, held)
	}
	w.Needs, w.Lacks, w.Free, w.Total = amount(s.Needs), amount(s.Lacks), amount(s.Free), amount(s.Total)
	if a != nil { // it ran before, and is tried again
		if due := next(now, a.Ended, a.Number); now.Before(due) {
			w.NextTry, w.Since = due, a.Ended
			w.Sentence = fmt.Sprintf("It is tried again in %s (retry %d of %d): %s", about(due.Sub(now)), a.Number, maxRetries, sentence(a.Cause, "its last attempt failed"))
			return
		}
	}
	if s.Never {
		w.Sentence = fmt.Sprintf("It is %s.", s.Reason())
		w.Hint = "Cancel it, or start the server where that many GPUs are."
		return
	}
	parts := []string{fmt.Sprintf("It is %s", s.Reason())}
	if len(w.Holders) > 0 && !s.Starting {
		parts = append(parts, "held by "+names(w.Holders))
	}
	if s.Before > 0 {
		who := ""
		if len(w.Ahead) > 0 {
			who = fmt.Sprintf(" (%s)", some(w.Ahead, s.Before))
		}
		parts = append(parts, count(s.Before, "job starts", "jobs start")+" before it"+who)
	} else if !s.Starting {
		parts = append(parts, "it is next")
	}
	switch {
	case s.Starting:
	case !f.Estimate.IsZero():
		w.Estimate = f.Estimate
		w.Estimated = "how long the last successful runs of the same modules took, or of their projects"
		parts = append(parts, fmt.Sprintf("it may start in about %s, going by earlier runs", about(f.Estimate.Sub(now))))
	default:
		w.Estimated = "no estimate: no earlier run tells how long those jobs take"
		if f.Doubt.Project == f.Job.Key.Project {
			w.Estimated = fmt.Sprintf("no estimate: no earlier run tells how long %s takes", f.Doubt.ID)
		}
		parts = append(parts, w.Estimated)
	}
	w.Sentence = strings.Join(parts, "; ") + "."
}

// holdsWhat reports whether a job holds some of what another one lacks; where
// it lacks nothing, it waits for its turn, and all hold it up.
func holdsWhat(holds, lacks job.Need) bool {
	return lacks == job.Need{} || holds.CPUs > 0 && lacks.CPUs > 0 || holds.Memory > 0 && lacks.Memory > 0 || holds.GPUs > 0 && lacks.GPUs > 0
}

func (w *Why) goesOn(now time.Time, f Facts, a *job.Attempt) {
	again := tries("It is on", a.Number, w.Restarts)
	if a.Number > 1 && len(f.Attempts) > 1 {
		again += "; the last one ended because: " + strings.TrimSuffix(f.Attempts[len(f.Attempts)-2].Cause, ".")
	}
	if n := len(f.Again); n > 0 {
		again += ", the last because: " + whyAgain(f.Again[n-1])
	}
	if again != "" {
		again += "."
	}
	for _, r := range a.Replicas {
		if r.State == job.ReplicaPending && r.Run > 0 {
			due := next(now, r.Ended, r.Run)
			w.NextTry = due
			w.Sentence = fmt.Sprintf("Its %s is restarted in %s (restart %d of %d)", task(r.Replica), about(max(0, due.Sub(now))), r.Run, maxRestarts)
			for _, e := range slices.Backward(f.Again) {
				if e.Task == task(r.Replica) {
					w.Sentence += ": " + whyAgain(e)
					break
				}
			}
			w.Sentence += "."
			return
		}
	}
	if len(w.Behind) > 0 {
		doing := "has not begun"
		if f.Step != "" {
			doing = "is at the step " + f.Step
		}
		if len(w.Behind) > 1 {
			doing = strings.NewReplacer("has ", "have ", "is ", "are ").Replace(doing)
		}
		w.Sentence = fmt.Sprintf("It is preparing for %s: %s %s.%s", about(now.Sub(a.Created)), some(w.Behind, len(w.Behind)), doing, again)
		return
	}
	w.Since = a.Running
	if w.Since.IsZero() {
		w.Since = a.Created
	}
	w.Sentence = fmt.Sprintf("It has been running for %s", about(now.Sub(w.Since)))
	if n := len(a.Replicas); n > 1 {
		done := 0
		for _, r := range a.Replicas {
			if r.State == job.ReplicaExited {
				done++
			}
		}
		w.Sentence += fmt.Sprintf(" with %d replicas", n)
		switch {
		case done == 1:
			w.Sentence += ", one of which has ended"
		case done > 1:
			w.Sentence += fmt.Sprintf(", %d of which have ended", done)
		}
	}
	if m := f.Job.MaxRunning; m > 0 {
		w.Sentence += fmt.Sprintf(", and may for %s", about(m))
	}
	w.Sentence += "." + again
}

// whyAgain is why a replica was restarted, without the stop.
func whyAgain(e job.Event) string {
	text, _, _ := strings.Cut(e.Text, restarting)
	return strings.TrimRight(text, ". ")
}

// tries says which attempt it is, and how often replicas were restarted in it;
// nothing where all went at once.
func tries(before string, attempt, restarts int) string {
	switch {
	case restarts > 0:
		return fmt.Sprintf(" %s attempt %d, with %s of replicas", before, attempt, count(restarts, "restart", "restarts"))
	case attempt > 1:
		return fmt.Sprintf(" %s attempt %d", before, attempt)
	default:
		return ""
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// some names the first of a list.
func some(list []string, all int) string {
	const few = 3
	if all > few {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:min(few, len(list))], ", "), all-min(few, len(list)))
	}
	return strings.Join(list, ", ")
}

func names(held []Held) string {
	var list []string
	foreign := 0
	for _, h := range held {
		if h.Job == "" {
			foreign++
			continue
		}
		list = append(list, h.Job)
	}
	all := some(list, len(list))
	switch {
	case foreign > 0 && all != "":
		return fmt.Sprintf("%s and %s of other projects", all, count(foreign, "job", "jobs"))
	case foreign > 0:
		return count(foreign, "job", "jobs") + " of other projects"
	}
	return all
}

func amount(n job.Need) *Amount { return &Amount{CPUs: n.CPUs, Memory: n.Memory, GPUs: n.GPUs} }

// itself is a job's error as its own sentence, which may say already what
// became of it.
func itself(became, text, otherwise string) string {
	said := sentence(text, otherwise)
	if rest, ok := strings.CutPrefix(said, "The job "); ok {
		return "It " + rest
	}
	return became + said
}

// sentence is the first line of a text, with its stop.
func sentence(text, otherwise string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if first == "" {
		first = otherwise
	}
	return strings.TrimSuffix(strings.TrimSpace(first), ".") + "."
}

// History is what is asked of the store about what was.
type History interface {
	Attempts(ctx context.Context, key job.Key) ([]job.Attempt, error)
	// Events lists a job's timeline after an event, in the order it was written.
	Events(ctx context.Context, key job.Key, after int64, most int) ([]job.Event, error)
	// Typical is how long the last successful jobs of a project ran that run a
	// module, or any where none did: the median; ok is false where there was none.
	Typical(ctx context.Context, project job.Project, module string) (d time.Duration, ok bool, err error)
}

// Why answers for a job as the store has it.
func (c *Controller) Why(ctx context.Context, j job.Job, h History) (Why, error) {
	attempts, err := h.Attempts(ctx, j.Key)
	if err != nil {
		return Why{}, err
	}
	f := Facts{Job: j, Attempts: attempts}
	if !j.State.Final() {
		if err := c.place(ctx, &f, h); err != nil {
			return Why{}, err
		}
		if f.Again, err = restarts(ctx, j.Key, attempts, h); err != nil {
			return Why{}, err
		}
	}
	return Explain(c.o.Now(), f), nil
}

// restarts are those of replicas in the current attempt, in order.
func restarts(ctx context.Context, key job.Key, attempts []job.Attempt, h History) (list []job.Event, err error) {
	n := len(attempts)
	if n == 0 || !slices.ContainsFunc(attempts[n-1].Replicas, func(r job.ReplicaRun) bool { return r.Run > 0 }) {
		return nil, nil
	}
	const page = 1000
	for after := int64(0); ; {
		events, err := h.Events(ctx, key, after, page)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if after = e.Seq; e.Step == restartStep && e.Attempt == attempts[n-1].Number {
				list = append(list, e)
			}
		}
		if len(events) < page {
			return list, nil
		}
	}
}

// place asks the loop where the job stands, and the store when it may start.
func (c *Controller) place(ctx context.Context, f *Facts, h History) error {
	said := make(chan [2]string, 1) // its own, should the wait for it end first
	if c.inLoop(ctx, func() {
		var now [2]string
		if it := c.items[f.Job.Key]; it != nil {
			now = [2]string{latestStep(it), it.Trouble}
		}
		said <- now
	}) {
		now := <-said
		f.Step, f.Trouble = now[0], now[1]
	}
	s, ok := c.Standing(ctx, f.Job.Key)
	if !ok {
		return nil
	}
	f.Standing = &s
	if s.Starting {
		return nil
	}
	var v View
	if !c.inLoop(ctx, func() { v = c.copied() }) {
		return nil
	}
	type like struct {
		project job.Project
		module  string
	}
	type answer struct {
		d  time.Duration
		ok bool
	}
	known := map[like]answer{}
	items := map[job.Key]*Item{}
	for _, it := range v.Items {
		items[it.Key] = it
	}
	var failed error
	f.Estimate, ok, f.Doubt = forecast(c.o.Now(), v, f.Job.Key, func(key job.Key) (time.Duration, bool) {
		l := like{key.Project, items[key].Module}
		a, asked := known[l]
		if !asked && failed == nil {
			a.d, a.ok, failed = h.Typical(ctx, l.project, l.module)
			known[l] = a
		}
		return a.d, a.ok
	})
	if !ok {
		f.Estimate = time.Time{}
	}
	return failed
}

// latestStep is the last step that any replica of a job has finished, and what
// comes after it.
func latestStep(it *Item) string {
	after := map[string]string{"": "fetch", "fetch": "environment", "environment": "start"}
	first := ""
	for i, st := range it.Status.Replicas {
		if !st.Started.IsZero() {
			continue
		}
		last := ""
		if n := len(st.Steps); n > 0 {
			last = st.Steps[n-1].Name
		}
		next := after[last]
		if next == "" {
			next = last
		}
		if i == 0 || first == "" || slices.Index([]string{"fetch", "environment", "start"}, next) < slices.Index([]string{"fetch", "environment", "start"}, first) {
			first = next
		}
	}
	return first
}

// copied is a view that may be read outside the loop.
func (c *Controller) copied() View {
	v := c.snapshot(c.capacity)
	v.Items = slices.Clone(v.Items)
	for i, it := range v.Items {
		x := *it
		v.Items[i] = &x
	}
	return v
}

// inLoop has the loop do something, and waits for it.
func (c *Controller) inLoop(ctx context.Context, fn func()) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	done := make(chan struct{})
	if !c.send(ctx, func() { fn(); close(done) }) {
		return false
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
