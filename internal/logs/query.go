package logs

import (
	"context"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Query asks for entries in the order of time and InsertID.
type Query struct {
	Projects   []job.Project
	Filter     Filter
	Descending bool
	PageSize   int    // 0 for 1000
	PageToken  string // from the page before, of the same query
}

// query is a query at work. Jobs are read one after the other, so that the
// number of open files is that of one job.
type query struct {
	Query
	after Record // of the token; its time is zero where there is none
	want  int    // one more than the page, to know whether there is another
	best  []Record
}

// Query is a page of entries; next is the token of the page after, empty at
// the end.
func (r *Reader) Query(ctx context.Context, q Query) (page []Record, next string, err error) {
	if q.PageSize <= 0 {
		q.PageSize = 1000
	}
	after, err := parseToken(q.PageToken)
	if err != nil {
		return nil, "", err
	}
	if !after.Time.IsZero() {
		if q.Descending {
			q.Filter.narrow(Filter{To: after.Time.Add(1)})
		} else {
			q.Filter.narrow(Filter{From: after.Time})
		}
	}
	w := &query{Query: q, after: after, want: q.PageSize + 1}
	if err := r.jobs(ctx, w, func(j job.Job) error { return r.scan(ctx, w, j) }); err != nil {
		return nil, "", err
	}
	page = w.best
	if len(page) > q.PageSize {
		page = page[:q.PageSize]
		next = token(page[len(page)-1])
	}
	return page, next, nil
}

// jobs gives fn the jobs that a query may find something in.
func (r *Reader) jobs(ctx context.Context, q *query, fn func(job.Job) error) error {
	seen := map[job.Key]bool{}
	once := func(j job.Job) error {
		f := q.bounds()
		switch {
		case seen[j.Key]:
		case !f.To.IsZero() && !j.Created.Before(f.To):
		case !j.Ended.IsZero() && j.Ended.Add(time.Hour).Before(f.From):
		default:
			seen[j.Key] = true
			return fn(j)
		}
		return nil
	}
	for _, p := range q.Projects {
		if q.Filter.Jobs == nil {
			if err := r.src.EachJob(ctx, p, once); err != nil {
				return err
			}
			continue
		}
		for _, id := range q.Filter.Jobs {
			j, err := r.src.Job(ctx, job.Key{Project: p, ID: id})
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err == nil {
				err = once(j)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// bounds are the filter's, and those that the page has by now.
func (q *query) bounds() Filter {
	f := q.Filter
	if len(q.best) == q.want {
		worst := q.best[q.want-1].Time
		if q.Descending {
			f.narrow(Filter{From: worst})
		} else {
			f.narrow(Filter{To: worst.Add(1)})
		}
	}
	return f
}

// passes reports whether a record belongs to the answer, this page or a later.
func (q *query) passes(r *Record) bool {
	if !q.after.Time.IsZero() {
		if c := compareRecords(*r, q.after); c == 0 || (c > 0) == q.Descending {
			return false
		}
	}
	return q.Filter.Match(r)
}

// take adds records and keeps the best.
func (q *query) take(records []Record) {
	q.best = append(q.best, records...)
	slices.SortFunc(q.best, func(a, b Record) int {
		if q.Descending {
			return compareRecords(b, a)
		}
		return compareRecords(a, b)
	})
	q.best = q.best[:min(len(q.best), q.want)]
}

// scan reads one job.
func (r *Reader) scan(ctx context.Context, q *query, j job.Job) error {
	l, err := r.open(ctx, j)
	if err != nil {
		return err
	}
	defer l.close()
	f := q.bounds()
	if !j.State.Final() {
		f.narrow(Filter{To: time.Now().Add(-settle)})
	}
	if !q.Descending {
		found, err := q.read(ctx, l, f.From, f.To)
		q.take(found)
		return err
	}
	// Backwards in windows of time, each with so many bytes of every spool, and
	// larger ones where little is found.
	for size := int64(1 << 20); ; size *= 4 {
		from, err := l.window(f.From, f.To, size)
		if err != nil {
			return err
		}
		if !f.To.IsZero() && !from.Before(f.To) && from.After(f.From) {
			continue // one moment fills the window
		}
		found, err := q.read(ctx, l, from, f.To)
		if err != nil {
			return err
		}
		q.take(found)
		if len(q.best) == q.want && !q.best[q.want-1].Time.Before(from) || !from.After(f.From) {
			return nil
		}
		f.To = from
	}
}

// read is what passes between two times: all of it, or as much as the page can
// hold, the earliest.
func (q *query) read(ctx context.Context, l *jobLog, from, to time.Time) ([]Record, error) {
	m, err := l.merge(from, to)
	if err != nil {
		return nil, err
	}
	var found []Record
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		rec, ok, err := m.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return found, nil
		}
		if !q.passes(&rec) {
			continue
		}
		if found = append(found, rec); len(found) < q.want {
			continue
		}
		if !q.Descending {
			return found, nil
		}
		if len(found) > 2*q.want+1000 {
			found = slices.Clone(found[len(found)-q.want:])
		}
	}
}
