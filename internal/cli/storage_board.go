package cli

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// board shows how far many transfers are: one bar with rate and ETA where a
// person is looking; where not, lines, and one more now and then when it takes
// long.
type board struct {
	s      *Streams
	quiet  bool
	start  time.Time
	files  int
	done   atomic.Int64 // files
	total  atomic.Int64 // bytes, as far as known
	have   atomic.Int64
	moved  atomic.Int64 // by this run: what an earlier one had done is no rate of ours
	mu     sync.Mutex
	bars   *mpb.Progress // nil without a terminal
	bar    *mpb.Bar
	closed chan struct{}
}

// reportEvery is how often a long transfer says where it is without a terminal.
const reportEvery = 30 * time.Second

func (s *Streams) board(quiet bool, files int, total int64) *board {
	b := &board{s: s, quiet: quiet, start: time.Now(), files: files, closed: make(chan struct{})}
	b.total.Store(total)
	switch {
	case quiet:
	case s.ErrTTY:
		b.bars = mpb.New(mpb.WithOutput(s.Err), mpb.WithWidth(min(max(s.Width, 20), 100)), mpb.WithAutoRefresh())
		b.bar = b.bars.AddBar(max(total, 1),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return b.counts() })),
			mpb.AppendDecorators(decor.Percentage(), decor.Any(func(decor.Statistics) string { return "  " + b.speed() })))
	default:
		go func() {
			t := time.NewTicker(reportEvery)
			defer t.Stop()
			for {
				select {
				case <-t.C:
					b.say("%s, %s", b.counts(), b.speed())
				case <-b.closed:
					return
				}
			}
		}()
	}
	return b
}

// say prints a line, above the bar where there is one.
func (b *board) say(format string, args ...any) {
	if !b.quiet {
		b.print(fmt.Sprintf(format, args...))
	}
}

// problem tells of a failure, also when it is to be quiet.
func (b *board) problem(msg, hint string) {
	s := *b.s
	w := &collect{}
	s.Err = w
	s.problem(msg, hint)
	b.print(w.text)
}

type collect struct{ text string }

func (c *collect) Write(p []byte) (int, error) {
	if c.text != "" {
		c.text += "\n"
	}
	c.text += string(p[:max(len(p)-1, 0)])
	return len(p), nil
}

func (b *board) print(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bars != nil {
		_, _ = fmt.Fprintln(b.bars, line)
		return
	}
	b.s.Say("%s", line)
}

func (b *board) counts() string {
	return fmt.Sprintf("Completed files %d/%d | %s/%s", b.done.Load(), b.files, bytesOf(b.have.Load()), bytesOf(b.total.Load()))
}

// speed is the rate and how long it will take.
func (b *board) speed() string {
	rate := b.rate()
	if rate <= 0 {
		return "-"
	}
	left := time.Duration(float64(max(b.total.Load()-b.have.Load(), 0)) / rate * float64(time.Second))
	return fmt.Sprintf("%s/s  ETA %s", bytesOf(int64(rate)), left.Round(time.Second))
}

func (b *board) rate() float64 {
	return float64(b.moved.Load()) / max(time.Since(b.start).Seconds(), 1e-3)
}

// meter is one transfer's share of a board.
type meter struct {
	b    *board
	mu   sync.Mutex
	at   int64
	size int64
	skip bool // the next report is where an earlier run stopped
}

func (b *board) meter(size int64) *meter { return &meter{b: b, size: size} }

// set says how far the transfer is.
func (m *meter) set(at int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	by := at - m.at
	m.at = at
	m.b.have.Add(by)
	if m.skip {
		m.skip = false
	} else {
		m.b.moved.Add(by)
	}
	if m.size < 0 {
		m.b.total.Add(by)
	}
	if m.b.bar != nil {
		m.b.bar.SetTotal(max(m.b.total.Load(), 1), false)
		m.b.bar.SetCurrent(min(m.b.have.Load(), max(m.b.total.Load(), 1)-1))
	}
}

// from says where an earlier run stopped.
func (m *meter) from(at int64) {
	m.mu.Lock()
	m.skip = true
	m.mu.Unlock()
	m.set(at)
}

// Write counts what passes.
func (m *meter) Write(p []byte) (int, error) {
	m.set(m.at + int64(len(p)))
	return len(p), nil
}

// end stops the showing.
func (b *board) end(ok bool) {
	close(b.closed)
	if b.bars != nil {
		if ok {
			b.bar.SetTotal(max(b.have.Load(), 1), false)
			b.bar.SetCurrent(max(b.have.Load(), 1))
			b.bar.SetTotal(-1, true)
		} else {
			b.bar.Abort(false)
		}
		b.bars.Wait()
		b.bars = nil
	}
}

// bytesOf writes a size for people: 1.50MiB.
func bytesOf(n int64) string {
	units := []string{"B", "kiB", "MiB", "GiB", "TiB", "PiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	return fmt.Sprintf("%.2f%s", f, units[u])
}
