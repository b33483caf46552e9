package agent

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// longest is how long an entry may be; what is longer becomes several. A
// record carries more than its message, and is cut by the log.
const (
	longest       = 256 << 10
	longestRecord = 8 << 20
)

// pipes are the three ways in which a program's output reaches the log.
type pipes struct {
	stdout, stderr pipe
	records        pipe // of Python's logging; a named pipe, so that children of the program find it too
	book           *book
	wg             sync.WaitGroup
	first          sync.Once
}

type pipe struct{ r, w *os.File }

func (p pipe) close() {
	if p.r != nil {
		_ = p.r.Close()
	}
	if p.w != nil {
		_ = p.w.Close()
	}
}

func openPumps(fifo string, b *book) (_ *pipes, err error) {
	p := &pipes{book: b}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.stdout.r, p.stdout.w, err = os.Pipe(); err != nil {
		return nil, err
	}
	if p.stderr.r, p.stderr.w, err = os.Pipe(); err != nil {
		return nil, err
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, disk(fifo, err)
	}
	if p.records.r, err = os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
		return nil, err
	}
	// A writer of our own, so that the pipe has no end before we say so.
	if p.records.w, err = os.OpenFile(fifo, os.O_WRONLY|unix.O_NONBLOCK, 0); err != nil {
		return nil, err
	}
	return p, nil
}

// start pumps until drain. The program has its ends by now. First is called
// with the first line; a line is taken as hide leaves it.
func (p *pipes) start(hide func([]byte) []byte, first func()) {
	_ = p.stdout.w.Close()
	_ = p.stderr.w.Close()
	pump := func(r *os.File, most int, take func(line []byte)) {
		p.wg.Go(func() {
			_ = lines(r, most, func(line []byte) {
				take(hide(line))
				p.first.Do(first)
			})
		})
	}
	pump(p.stdout.r, longest, func(l []byte) { p.book.line(l, false) })
	pump(p.stderr.r, longest, func(l []byte) { p.book.line(l, true) })
	pump(p.records.r, longestRecord, p.book.record)
}

// drain reads what is left, and gives up where a process that got away holds
// a pipe open.
func (p *pipes) drain(d time.Duration) {
	_ = p.records.w.Close()
	for _, q := range []pipe{p.stdout, p.stderr, p.records} {
		_ = q.r.SetReadDeadline(time.Now().Add(d))
	}
	p.wg.Wait()
}

func (p *pipes) close() {
	for _, q := range []pipe{p.stdout, p.stderr, p.records} {
		q.close()
	}
}

// lines calls take with every line, without its end. A line that is longer
// than an entry may be comes in parts; a last line without an end is a line.
// Of a line that was drawn over with carriage returns, as progress bars do,
// what a terminal would show at last remains.
func lines(r io.Reader, most int, take func([]byte)) error {
	br := bufio.NewReaderSize(r, most)
	for {
		line, err := br.ReadSlice('\n')
		line = bytes.TrimRight(line, "\r\n")
		if i := bytes.LastIndexByte(line, '\r'); i >= 0 {
			line = line[i+1:]
		}
		if len(line) > 0 {
			take(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
