package logs

import (
	"container/heap"
	"errors"
	"io"
	"os"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// merge gives the entries of several ordered sources in one order.
type merge struct {
	live  []*source
	files []*os.File
	err   error
}

type source struct {
	head Record
	to   time.Time
	read func() (Entry, error)
	key  job.Key
}

// add puts a source in. Its entries at or after to, where that is set, are not
// given; file is closed with the merge.
func (m *merge) add(key job.Key, to time.Time, read func() (Entry, error), file *os.File) {
	if file != nil {
		m.files = append(m.files, file)
	}
	s := &source{to: to, read: read, key: key}
	if m.advance(s) {
		heap.Push(m, s)
	}
}

// advance reads the source's next entry; false at its end.
func (m *merge) advance(s *source) bool {
	e, err := s.read()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			m.err = err
		}
		return false
	}
	if !s.to.IsZero() && !e.Time.Before(s.to) {
		return false
	}
	s.head = Record{e, s.key}
	return true
}

func (m *merge) next() (Record, bool, error) {
	if m.err != nil || len(m.live) == 0 {
		return Record{}, false, m.err
	}
	s := m.live[0]
	r := s.head
	if m.advance(s) {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return r, true, nil
}

func (m *merge) close() {
	for _, f := range m.files {
		f.Close()
	}
}

// The heap's methods.

func (m *merge) Len() int           { return len(m.live) }
func (m *merge) Less(i, j int) bool { return compareRecords(m.live[i].head, m.live[j].head) < 0 }
func (m *merge) Swap(i, j int)      { m.live[i], m.live[j] = m.live[j], m.live[i] }
func (m *merge) Push(x any)         { m.live = append(m.live, x.(*source)) }
func (m *merge) Pop() any {
	last := m.live[len(m.live)-1]
	m.live = m.live[:len(m.live)-1]
	return last
}
