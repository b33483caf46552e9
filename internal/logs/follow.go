package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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

// item is an entry that was read and is to be given.
type item struct {
	entry  Entry
	at     time.Time // by which it is sorted
	source string    // "" for the service
	next   int64     // the cursor after it, in its source
}

// round gives out what is new. Entries of one round are given in the order of
// time; an entry's cursor counts what was given so far, source by source.
func (f *follower) round(ctx context.Context, j job.Job, service bool) error {
	var items []item // read and not given
	if service {
		var err error
		if items, err = f.events(ctx); err != nil {
			return err
		}
	}
	read := maps.Clone(f.at.offsets)
	more := map[string]time.Time{} // of spools with more to read, up to when they are read
	waits := map[string]bool{}     // spools in items
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		names, err := f.r.spools(j)
		if err != nil {
			return err
		}
		for _, name := range names {
			if waits[name] {
				continue
			}
			part, goesOn, err := f.read(j, name, read[name])
			if err != nil {
				return err
			}
			delete(more, name)
			if len(part) == 0 {
				continue
			}
			end := part[len(part)-1]
			read[name] = end.next
			items = append(items, part...)
			if goesOn {
				more[name] = end.at
			}
		}
		// Within a source, time and InsertID go the way they were written.
		slices.SortStableFunc(items, func(a, b item) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return strings.Compare(a.entry.InsertID, b.entry.InsertID)
		})
		// What comes after all that was read of a spool with more to read waits for
		// that.
		given := len(items)
		for _, end := range more {
			n, _ := slices.BinarySearchFunc(items, end, func(it item, end time.Time) int { return cmp.Or(it.at.Compare(end), -1) })
			given = min(given, n)
		}
		for _, it := range items[:given] {
			if err := f.give(it); err != nil {
				return err
			}
		}
		if len(more) == 0 {
			return nil
		}
		items = slices.Delete(items, 0, given)
		clear(waits)
		for _, it := range items {
			waits[it.source] = true
		}
	}
}

func (f *follower) give(it item) error {
	if it.source == "" {
		f.at.event = it.next
	} else {
		f.at.offsets[it.source] = it.next
	}
	if f.task != "" && it.entry.Task != f.task {
		return nil
	}
	return f.fn(Record{it.entry, f.key}, f.at.String())
}

// events reads what the service has said.
func (f *follower) events(ctx context.Context) ([]item, error) {
	entries, last, err := f.r.service(ctx, f.key, f.at.event)
	if err != nil {
		return nil, err
	}
	var items []item
	// Events are numbered as they are written and timed as they happened. The
	// cursor is a number, so that is their order.
	var at time.Time
	for _, e := range entries {
		seq, err := strconv.ParseInt(e.InsertID[1:], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("the number of event %q: %w", e.InsertID, err)
		}
		if e.Time.After(at) {
			at = e.Time
		}
		items = append(items, item{e, at, "", seq})
	}
	if len(entries) == 0 {
		f.at.event = last
	}
	return items, nil
}

// read reads a part of a spool and says whether there is more.
func (f *follower) read(j job.Job, name string, start int64) (items []item, more bool, err error) {
	file := f.files[name]
	if file == nil {
		file, err = os.Open(filepath.Join(f.r.folder(j), name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("open a log: %w", err)
		}
		f.files[name] = file
	}
	if info, err := file.Stat(); err != nil || info.Size() <= start {
		return nil, false, nil
	}
	for frames := newFrames(file, start); ; {
		e, err := frames.next()
		if err == io.EOF {
			return items, false, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("read a log: %w", err)
		}
		items = append(items, item{e, e.Time, name, frames.offset})
		if frames.offset-start >= maxRound {
			return items, true, nil
		}
	}
}
