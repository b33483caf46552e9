package logs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Source is what the reader asks of the store: jobs, and the lines that the
// service itself said about them.
type Source interface {
	Job(ctx context.Context, key job.Key) (job.Job, error)
	Events(ctx context.Context, key job.Key, after int64, max int) ([]job.Event, error)
	Watch(key job.Key) (changed <-chan struct{}, stop func())
	// EachJob gives a project's jobs to fn, newest first, until it fails.
	EachJob(ctx context.Context, p job.Project, fn func(job.Job) error) error
}

// Reader answers queries over the spools below a folder and the service's
// lines.
type Reader struct {
	dir string // D/jobs; a job's spools are in SEQ/logs
	src Source
}

// NewReader makes a reader of the folder that holds the jobs' folders.
func NewReader(dir string, src Source) *Reader { return &Reader{dir, src} }

// settle is how long a line may be on its way into a spool. A query about a
// job that has not ended stops that long ago, so that no line turns up later
// before one that was given out.
const settle = 150 * time.Millisecond

// Query asks for entries in the order of time and InsertID.
type Query struct {
	Projects   []job.Project
	Filter     Filter
	Descending bool
	PageSize   int
	PageToken  string // from the page before, of the same query
}

// Query is a page of entries; next is the token of the page after, empty at
// the end.
func (r *Reader) Query(ctx context.Context, q Query) (page []Record, next string, err error) {
	after, err := parseToken(q.PageToken)
	if err != nil {
		return nil, "", err
	}
	f := q.Filter
	if !after.Time.IsZero() {
		switch {
		case !q.Descending && after.Time.After(f.From):
			f.From = after.Time
		case q.Descending && (f.To.IsZero() || after.Time.Before(f.To)):
			f.To = after.Time.Add(1)
		}
	}
	var m merge
	defer m.close()
	err = r.jobs(ctx, q, func(j job.Job) error { return r.open(ctx, j, f, &m) })
	if err != nil {
		return nil, "", err
	}
	// Newest first, the last PageSize+1 of what passes are what is wanted.
	for {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		rec, ok, err := m.next()
		if err != nil {
			return nil, "", err
		}
		if !ok {
			break
		}
		c := compareRecords(rec, after)
		if !after.Time.IsZero() && (!q.Descending && c <= 0 || q.Descending && c >= 0) || !q.Filter.Match(&rec) {
			continue
		}
		page = append(page, rec)
		if !q.Descending && len(page) > q.PageSize {
			break
		}
		if q.Descending && len(page) > 2*q.PageSize+1024 {
			page = slices.Clone(page[len(page)-q.PageSize-1:])
		}
	}
	if q.Descending {
		slices.Reverse(page)
	}
	if len(page) > q.PageSize {
		page = page[:q.PageSize]
		next = token(page[len(page)-1])
	}
	return page, next, nil
}

// jobs gives fn the jobs that a query may find something in.
func (r *Reader) jobs(ctx context.Context, q Query, fn func(job.Job) error) error {
	for _, p := range q.Projects {
		if q.Filter.Jobs == nil {
			err := r.src.EachJob(ctx, p, func(j job.Job) error {
				if !q.Filter.To.IsZero() && !j.Created.Before(q.Filter.To) || !j.Ended.IsZero() && j.Ended.Add(time.Hour).Before(q.Filter.From) {
					return nil
				}
				return fn(j)
			})
			if err != nil {
				return err
			}
			continue
		}
		seen := map[job.ID]bool{}
		for _, id := range q.Filter.Jobs {
			if seen[id] {
				continue
			}
			seen[id] = true
			j, err := r.src.Job(ctx, job.Key{Project: p, ID: id})
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if err := fn(j); err != nil {
				return err
			}
		}
	}
	return nil
}

// open adds a job's sources to a merge, from f's lower bound on.
func (r *Reader) open(ctx context.Context, j job.Job, f Filter, m *merge) error {
	to := f.To
	if !j.State.Final() {
		if limit := time.Now().Add(-settle); to.IsZero() || limit.Before(to) {
			to = limit
		}
	}
	service, _, err := r.service(ctx, j.Key, 0)
	if err != nil {
		return err
	}
	i := 0
	m.add(j.Key, to, func() (Entry, error) {
		for i < len(service) && service[i].Time.Before(f.From) {
			i++
		}
		if i == len(service) {
			return Entry{}, io.EOF
		}
		i++
		return service[i-1], nil
	}, nil)
	names, err := r.spools(j)
	if err != nil {
		return err
	}
	for _, name := range names {
		file, err := os.Open(filepath.Join(r.folder(j), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open a log: %w", err)
		}
		offset := int64(0)
		if !f.From.IsZero() {
			if offset, err = seekTime(file, f.From); err != nil {
				file.Close()
				return fmt.Errorf("read a log: %w", err)
			}
		}
		frames := newFrames(file, offset)
		m.add(j.Key, to, func() (Entry, error) {
			for {
				if e, err := frames.next(); err != nil || !e.Time.Before(f.From) {
					return e, err
				}
			}
		}, file)
	}
	return nil
}

func (r *Reader) folder(j job.Job) string {
	return filepath.Join(r.dir, strconv.FormatInt(j.Seq, 10), "logs")
}

// spools lists a job's spools in the order of their names.
func (r *Reader) spools(j job.Job) ([]string, error) {
	entries, err := os.ReadDir(r.folder(j))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".log") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// service is what the service said about a job after an event, in the order of
// time, and the last event's number.
func (r *Reader) service(ctx context.Context, key job.Key, after int64) (entries []Entry, last int64, err error) {
	const max = 1000
	for last = after; ; {
		events, err := r.src.Events(ctx, key, last, max)
		if err != nil {
			return nil, after, err
		}
		for _, e := range events {
			last = e.Seq
			if e.Service {
				entries = append(entries, serviceEntry(e))
			}
		}
		if len(events) < max {
			slices.SortStableFunc(entries, compareEntries)
			return entries, last, nil
		}
	}
}

func serviceEntry(e job.Event) Entry {
	sev := Severity(e.Severity)
	if sev == "" {
		sev = Info
	}
	return Entry{Task: "service", Time: e.Time, Severity: sev, Message: e.Text, InsertID: fmt.Sprintf("s%016x", e.Seq)}
}

func compareEntries(a, b Entry) int {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c
	}
	return strings.Compare(a.InsertID, b.InsertID)
}

// compareRecords orders entries of several jobs too, by number where time and
// InsertID do not tell.
func compareRecords(a, b Record) int {
	if c := compareEntries(a.Entry, b.Entry); c != 0 {
		return c
	}
	return strings.Compare(a.Key.String(), b.Key.String())
}

type tokenBody struct {
	Time    int64  `json:"t"`
	ID      string `json:"i"`
	Project string `json:"p"`
	Job     string `json:"j"`
}

func token(r Record) string {
	b, _ := json.Marshal(tokenBody{r.Time.UnixNano(), r.InsertID, string(r.Key.Project), string(r.Key.ID)})
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseToken(s string) (Record, error) {
	if s == "" {
		return Record{}, nil
	}
	var t tokenBody
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil || t.Time <= 0 {
		return Record{}, fault.Errorf(fault.Invalid, "page token %q is not one that this server gave", s)
	}
	return Record{Entry: Entry{Time: time.Unix(0, t.Time).UTC(), InsertID: t.ID}, Key: job.Key{Project: job.Project(t.Project), ID: job.ID(t.Job)}}, nil
}
