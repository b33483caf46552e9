package logs

import (
	"context"
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

// followInterval is how often a follower looks into the spools. A look is a
// stat per spool, and only while somebody follows.
const followInterval = 20 * time.Millisecond

// cursor says how far a follower is: the last event, and an offset per spool.
type cursor struct {
	event   int64
	offsets map[string]int64
}

// String is "EVENT;SPOOL=OFFSET;…".
func (c cursor) String() string {
	b := strconv.AppendInt(nil, c.event, 10)
	for _, name := range slices.Sorted(keysOf(c.offsets)) {
		b = append(b, ';')
		b = append(b, strings.TrimSuffix(name, ".log")...)
		b = append(b, '=')
		b = strconv.AppendInt(b, c.offsets[name], 10)
	}
	return string(b)
}

func keysOf(m map[string]int64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func parseCursor(s string) (cursor, error) {
	c := cursor{offsets: map[string]int64{}}
	if s == "" {
		return c, nil
	}
	parts := strings.Split(s, ";")
	var err error
	if c.event, err = strconv.ParseInt(parts[0], 10, 64); err != nil || c.event < 0 {
		return c, fault.Errorf(fault.Invalid, "cursor %q is not one that this server gave", s)
	}
	for _, p := range parts[1:] {
		name, offset, ok := strings.Cut(p, "=")
		n, err := strconv.ParseInt(offset, 10, 64)
		if !ok || err != nil || n < 0 || strings.ContainsAny(name, "/\\") {
			return c, fault.Errorf(fault.Invalid, "cursor %q is not one that this server gave", s)
		}
		c.offsets[name+".log"] = n
	}
	return c, nil
}

// Follow gives fn every entry of a job once, in the order of arrival, from the
// cursor on ("" for the beginning), each with the cursor to resume after it.
// task, where it is not empty, is the only one whose entries are given. It
// returns nil when the job has ended and everything was given.
func (r *Reader) Follow(ctx context.Context, key job.Key, from, task string, fn func(Record, string) error) error {
	at, err := parseCursor(from)
	if err != nil {
		return err
	}
	f := &follower{r: r, key: key, at: at, task: task, fn: fn, files: map[string]*os.File{}}
	defer f.close()
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		// Asked for before reading: what changes while reading is not missed.
		changed, stop := r.src.Watch(key)
		j, err := r.src.Job(ctx, key)
		if err == nil {
			err = f.round(ctx, j, true)
		}
		if err != nil || j.State.Final() {
			stop()
			return err
		}
	wait:
		for {
			select {
			case <-changed:
				break wait
			case <-tick.C:
				if err := f.round(ctx, j, false); err != nil {
					stop()
					return err
				}
			case <-ctx.Done():
				stop()
				return ctx.Err()
			}
		}
		stop()
	}
}

type follower struct {
	r     *Reader
	key   job.Key
	at    cursor
	task  string
	fn    func(Record, string) error
	files map[string]*os.File
}

func (f *follower) close() {
	for _, file := range f.files {
		file.Close()
	}
}

// maxRound is how many bytes of each spool are read before they are given out.
const maxRound = 1 << 20

// round gives out what is new. Entries of one round are given in the order of
// time; an entry's cursor counts what was given so far, source by source.
func (f *follower) round(ctx context.Context, j job.Job, service bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		type item struct {
			entry  Entry
			at     time.Time // by which it is sorted
			source string    // "" for the service
			next   int64
		}
		var items []item
		more := false
		if service {
			entries, last, err := f.r.service(ctx, f.key, f.at.event)
			if err != nil {
				return err
			}
			// Events are numbered as they are written and timed as they
			// happened. The cursor is a number, so that is their order.
			var at time.Time
			for _, e := range entries {
				seq, err := strconv.ParseInt(e.InsertID[1:], 16, 64)
				if err != nil {
					return fmt.Errorf("the number of event %q: %w", e.InsertID, err)
				}
				if e.Time.After(at) {
					at = e.Time
				}
				items = append(items, item{e, at, "", seq})
			}
			if len(entries) == 0 {
				f.at.event = last
			}
			service = false
		}
		names, err := f.r.spools(j)
		if err != nil {
			return err
		}
		for _, name := range names {
			file := f.files[name]
			if file == nil {
				file, err = os.Open(filepath.Join(f.r.folder(j), name))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return fmt.Errorf("open a log: %w", err)
				}
				f.files[name] = file
			}
			if info, err := file.Stat(); err != nil || info.Size() <= f.at.offsets[name] {
				continue
			}
			start := f.at.offsets[name]
			for frames := newFrames(file, start); ; {
				e, err := frames.next()
				if err == io.EOF {
					break
				}
				if err != nil {
					return fmt.Errorf("read a log: %w", err)
				}
				items = append(items, item{e, e.Time, name, frames.offset})
				if frames.offset-start >= maxRound {
					more = true
					break
				}
			}
		}
		// Within a source, time and InsertID go the way they were written.
		slices.SortStableFunc(items, func(a, b item) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return strings.Compare(a.entry.InsertID, b.entry.InsertID)
		})
		for _, it := range items {
			if it.source == "" {
				f.at.event = it.next
			} else {
				f.at.offsets[it.source] = it.next
			}
			if f.task != "" && it.entry.Task != f.task {
				continue
			}
			if err := f.fn(Record{it.entry, f.key}, f.at.String()); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}
