package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

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

// service is what the service said about a job after an event, in the order it
// was written, and the last event's number.
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
