package logs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

type given struct{ what, cursor string }

func follow(t *testing.T, r *Reader, from, task string) []given {
	t.Helper()
	var got []given
	err := r.Follow(t.Context(), k1, from, task, func(rec Record, cursor string) error {
		got = append(got, given{rec.Task + ": " + rec.Message, cursor})
		return nil
	})
	if err != nil {
		t.Fatalf("Follow from %q: %v", from, err)
	}
	return got
}

func whats(list []given) []string {
	var all []string
	for _, g := range list {
		all = append(all, g.what)
	}
	return all
}

// Several spools and the service write while several followers read; every
// follower gets every line once, each source's in its order, and a follower
// that resumes from any cursor gets exactly what came after it.
func TestAFollowerGetsEveryLineOnceAndResumesFromAnyCursor(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	j := m.set(k1, job.Queued)
	r := NewReader(dir, m)
	const spools, lines = 3, 150
	results := make([][]given, 3)
	var followers, writers sync.WaitGroup
	for i := range results {
		followers.Go(func() { results[i] = follow(t, r, "", "") })
	}
	for i := range spools {
		writers.Go(func() {
			s := spool(t, dir, j, fmt.Sprintf("worker-replica-%d", i), i) // a spool appears while others grow
			for l := range lines {
				put(t, s, time.Now(), fmt.Sprint(l))
				if l%(i+3) == 0 {
					s.Flush()
					<-time.After(time.Millisecond)
				}
			}
			s.Flush()
		})
	}
	writers.Go(func() {
		for l := range lines {
			at := time.Now()
			if l%3 == 0 {
				at = at.Add(-time.Minute) // written now, about something earlier
			}
			m.say(k1, at, fmt.Sprint(l))
			m.say(k1, at, "hidden")
			<-time.After(time.Millisecond / 2)
		}
	})
	writers.Wait()
	m.set(k1, job.Succeeded)
	followers.Wait()
	for n, got := range results {
		next := map[string]int{}
		for _, g := range got {
			task, l, _ := strings.Cut(g.what, ": ")
			if l != fmt.Sprint(next[task]) {
				t.Fatalf("follower %d got line %s of %s, want %d", n, l, task, next[task])
			}
			next[task]++
		}
		if len(got) != (spools+1)*lines || len(next) != spools+1 {
			t.Errorf("follower %d got %d lines of %d tasks", n, len(got), len(next))
		}
	}
	if m.watched != 0 {
		t.Errorf("%d watches were not let go of", m.watched)
	}
	all := results[0]
	slices.SortFunc(all, func(a, b given) int { return strings.Compare(a.what, b.what) })
	for i, g := range results[1] {
		if i%7 != 0 && i != len(results[1])-1 {
			continue
		}
		got := append(slices.Clone(results[1][:i+1]), follow(t, r, g.cursor, "")...)
		slices.SortFunc(got, func(a, b given) int { return strings.Compare(a.what, b.what) })
		if !slices.Equal(whats(got), whats(all)) {
			t.Fatalf("resumed after %d lines, from %s: %d lines in all, want %d", i+1, g.cursor, len(got), len(all))
		}
	}
}

func TestAFollowerOfOneTaskGetsItsLines(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	j := m.set(k1, job.Succeeded)
	for i := range 2 {
		s := spool(t, dir, j, fmt.Sprintf("worker-replica-%d", i), i)
		put(t, s, t0, "a")
		put(t, s, t0, "b")
		s.Flush()
	}
	m.say(k1, t0, "said")
	r := NewReader(dir, m)
	if got := whats(follow(t, r, "", "worker-replica-1")); fmt.Sprint(got) != "[worker-replica-1: a worker-replica-1: b]" {
		t.Errorf("one task: %q", got)
	}
	if got := whats(follow(t, r, "", "service")); fmt.Sprint(got) != "[service: said]" {
		t.Errorf("the service: %q", got)
	}
	if got := follow(t, r, "", "none"); len(got) != 0 {
		t.Errorf("a task that is not there: %q", got)
	}
	// A torn tail is no line, and a damaged place hides none.
	if got := follow(t, r, "0;a1-worker-0.0=3;gone=99999", "worker-replica-0"); len(got) != 1 {
		t.Errorf("from the middle of a line: %q", got)
	}
}

func TestABigBacklogIsGivenInPieces(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	j := m.set(k1, job.Succeeded)
	s := spool(t, dir, j, "worker-replica-0", 0)
	line := strings.Repeat("x", 1000)
	for range 5000 {
		put(t, s, t0, line)
	}
	s.Flush()
	if got := follow(t, NewReader(dir, m), "", ""); len(got) != 5000 {
		t.Errorf("%d lines", len(got))
	}
}

func TestFollowingEndsWhenItsReaderDoes(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	m.set(k1, job.Running)
	m.say(k1, t0, "one")
	r := NewReader(dir, m)
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.Follow(ctx, k1, "", "", func(Record, string) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("when cancelled: %v", err)
	}
	broken := errors.New("broken pipe")
	if err := r.Follow(t.Context(), k1, "", "", func(Record, string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("when the lines go nowhere: %v", err)
	}
	if err := r.Follow(t.Context(), job.Key{Project: "proj", ID: "none"}, "", "", nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
	if m.watched != 0 {
		t.Errorf("%d watches were not let go of", m.watched)
	}
}

func TestOddCursorsAreRefused(t *testing.T) {
	r := NewReader(t.TempDir(), newMemory())
	for _, c := range []string{"x", "-1", "1;", "1;a", "1;a=", "1;a=x", "1;a=-1", "1;../a=1", `1;a\b=1`, "99999999999999999999"} {
		if err := r.Follow(t.Context(), k1, c, "", nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("cursor %q: %v", c, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("12;a1-master-0.0=17;b=0")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			return
		}
		again, err := parseCursor(c.String())
		if err != nil || again.String() != c.String() {
			t.Errorf("%q is %q, and that is %q, %v", text, c, again, err)
		}
		for name := range c.offsets {
			if filepath.Base(name) != name {
				t.Errorf("%q names the file %q", text, name)
			}
		}
	})
}

// How long a line takes from being appended, with an agent's flushing, to a
// follower.
func BenchmarkALineReachesAFollower(b *testing.B) {
	dir, m := b.TempDir(), newMemory()
	j := m.set(k1, job.Running)
	s := spool(b, dir, j, "worker-replica-0", 0)
	came := make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() {
		done <- NewReader(dir, m).Follow(ctx, k1, "", "", func(Record, string) error { came <- time.Now(); return nil })
	}()
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		put(b, s, begin, "line")
		s.Flush()
		took = append(took, (<-came).Sub(begin))
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		b.Error(err)
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
	if p99 > 100*time.Millisecond {
		b.Errorf("one line in a hundred takes more than %s", p99)
	}
}

func BenchmarkFollowingABacklog(b *testing.B) {
	dir, m := b.TempDir(), newMemory()
	j := m.set(k1, job.Succeeded)
	s := spool(b, dir, j, "worker-replica-0", 0)
	line := strings.Repeat("epoch 3 loss 0.123 ", 5)
	const n = 20_000
	for range n {
		put(b, s, t0, line)
	}
	s.Flush()
	b.SetBytes(int64(n * len(line)))
	for b.Loop() {
		if err := NewReader(dir, m).Follow(b.Context(), k1, "", "", func(Record, string) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// TestABacklogIsGivenInTheOrderOfTime: however long the logs are that a job has
// left, its end is not said in the middle of them.
func TestABacklogIsGivenInTheOrderOfTime(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	j := m.set(k1, job.Succeeded)
	line := strings.Repeat("x", 1000)
	second := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Second) }
	for i, step := range []int{1, 2, 7} { // of different length
		s := spool(t, dir, j, fmt.Sprintf("worker-replica-%d", i), i)
		for n := 0; n < 7000; n += step {
			put(t, s, second(n), line)
		}
		s.Flush()
	}
	for n := range 8 {
		m.say(k1, second(n*1000), "said")
	}
	var last time.Time
	count := 0
	err := NewReader(dir, m).Follow(t.Context(), k1, "", "", func(rec Record, _ string) error {
		if count++; rec.Time.Before(last) {
			t.Fatalf("entry %d, of %s at %s, comes after one of %s", count, rec.Task, rec.Time, last)
		}
		last = rec.Time
		return nil
	})
	if err != nil || count != 7000+3500+1000+8 {
		t.Errorf("%d entries, %v", count, err)
	}
}
