package logs

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// jobLog is all that there is of a job's log.
type jobLog struct {
	key     job.Key
	service []Entry // in the order of time
	files   []*os.File
}

func (r *Reader) open(ctx context.Context, j job.Job) (_ *jobLog, err error) {
	l := &jobLog{key: j.Key}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.service, _, err = r.service(ctx, j.Key, 0); err != nil {
		return nil, err
	}
	slices.SortStableFunc(l.service, compareEntries)
	names, err := r.spools(j)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		file, err := os.Open(filepath.Join(r.folder(j), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open a log: %w", err)
		}
		l.files = append(l.files, file)
	}
	return l, nil
}

func (l *jobLog) close() {
	for _, f := range l.files {
		f.Close()
	}
}

// window is a time between two others, so that from it to the later one no
// spool has much more than size bytes; from itself where all have less.
func (l *jobLog) window(from, to time.Time, size int64) (time.Time, error) {
	for _, file := range l.files {
		info, err := file.Stat()
		if err != nil {
			return from, fmt.Errorf("read a log: %w", err)
		}
		end := info.Size()
		if !to.IsZero() {
			if end, err = seekTime(file, to); err != nil {
				return from, fmt.Errorf("read a log: %w", err)
			}
		}
		if end <= size {
			continue
		}
		_, e, err := frameAfter(file, end-size)
		if err == io.EOF {
			continue
		}
		if err != nil {
			return from, fmt.Errorf("read a log: %w", err)
		}
		if e.Time.After(from) {
			from = e.Time
		}
	}
	return from, nil
}

// merge gives the entries of several ordered sources in one order.
type merge struct {
	key  job.Key
	to   time.Time // exclusive; zero for no end
	live []*source
	err  error
}

type source struct {
	head Entry
	read func() (Entry, error)
}

// merge begins to read what lies between two times.
func (l *jobLog) merge(from, to time.Time) (*merge, error) {
	m := &merge{key: l.key, to: to}
	i, _ := slices.BinarySearchFunc(l.service, from, func(e Entry, t time.Time) int { return e.Time.Compare(t) })
	m.add(func() (Entry, error) {
		if i == len(l.service) {
			return Entry{}, io.EOF
		}
		i++
		return l.service[i-1], nil
	})
	for _, file := range l.files {
		var offset int64
		if !from.IsZero() {
			var err error
			if offset, err = seekTime(file, from); err != nil {
				return nil, fmt.Errorf("read a log: %w", err)
			}
		}
		frames := newFrames(file, offset)
		m.add(func() (Entry, error) {
			for {
				if e, err := frames.next(); err != nil || !e.Time.Before(from) {
					return e, err
				}
			}
		})
	}
	return m, nil
}

func (m *merge) add(read func() (Entry, error)) {
	if s := (&source{read: read}); m.advance(s) {
		heap.Push(m, s)
	}
}

// advance reads the source's next entry; false at its end.
func (m *merge) advance(s *source) bool {
	e, err := s.read()
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = fmt.Errorf("read a log: %w", err)
	}
	if err != nil || !m.to.IsZero() && !e.Time.Before(m.to) {
		return false
	}
	s.head = e
	return true
}

// next is the next entry; false at the end.
func (m *merge) next() (Record, bool, error) {
	if m.err != nil || len(m.live) == 0 {
		return Record{}, false, m.err
	}
	s := m.live[0]
	r := Record{s.head, m.key}
	if m.advance(s) {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return r, true, nil
}

// The heap's methods.

func (m *merge) Len() int           { return len(m.live) }
func (m *merge) Less(i, j int) bool { return compareEntries(m.live[i].head, m.live[j].head) < 0 }
func (m *merge) Swap(i, j int)      { m.live[i], m.live[j] = m.live[j], m.live[i] }
func (m *merge) Push(x any)         { m.live = append(m.live, x.(*source)) }
func (m *merge) Pop() any {
	last := m.live[len(m.live)-1]
	m.live = m.live[:len(m.live)-1]
	return last
}
