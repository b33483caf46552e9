package logs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// read pages a query to its end.
func read(t testing.TB, r *Reader, q Query) []Record {
	t.Helper()
	var all []Record
	for {
		page, next, err := r.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if next != "" && len(page) != q.PageSize || len(page) > q.PageSize {
			t.Fatalf("a page of %d entries, with the token %q, where %d were asked for", len(page), next, q.PageSize)
		}
		all = append(all, page...)
		if q.PageToken = next; next == "" {
			return all
		}
	}
}

func names(all []Record) []string {
	var list []string
	for _, r := range all {
		list = append(list, string(r.Key.ID)+" "+r.Message)
	}
	return list
}

func filter(t testing.TB, text string) Filter {
	t.Helper()
	f, err := ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Three jobs with service lines and several spools, many entries at one time.
func TestPagesAreCompleteInOrderAndWithoutRepeats(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	var want []Record
	for n, id := range []job.ID{"k1", "k2", "k3"} {
		j := m.set(job.Key{Project: "proj", ID: id}, job.Succeeded)
		for i := range 5 {
			m.say(j.Key, t0.Add(time.Duration(rand.IntN(50))), fmt.Sprintf("service %d", i))
			m.say(j.Key, t0, "hidden")
		}
		for i := range n + 1 {
			s := spool(t, dir, j, "worker", i)
			at := t0
			for l := range 25 {
				at = at.Add(time.Duration(rand.IntN(3)))
				put(t, s, at, fmt.Sprintf("line %d.%d", i, l))
			}
			s.Flush()
		}
		for _, e := range allOf(t, dir, j) {
			want = append(want, Record{e, j.Key})
		}
		for _, e := range m.events[j.Key] {
			if e.Service {
				want = append(want, Record{serviceEntry(e), j.Key})
			}
		}
	}
	m.set(job.Key{Project: "another", ID: "k1"}, job.Succeeded)
	m.set(job.Key{Project: "proj", ID: "no log yet"}, job.Queued)
	slices.SortFunc(want, compareRecords)
	r := NewReader(dir, m)
	mid := t0.Add(25).Format(time.RFC3339Nano)
	for _, f := range []string{``, `resource.labels.job_id="k2"`, `resource.labels.job_id="k1" OR resource.labels.job_id="k3"`, `timestamp>="` + mid + `"`, `timestamp<"` + mid + `"`,
		`"service"`, `"line 2." severity=INFO`, `resource.labels.job_id="none"`, `timestamp="` + mid + `"`} {
		for _, size := range []int{1, 7, 1000} {
			for _, down := range []bool{false, true} {
				flt := filter(t, f)
				matching := slices.DeleteFunc(slices.Clone(want), func(r Record) bool { return !flt.Match(&r) })
				if down {
					slices.Reverse(matching)
				}
				got := read(t, r, Query{Projects: []job.Project{"proj", "proj"}, Filter: flt, Descending: down, PageSize: size})
				if !slices.Equal(names(got), names(matching)) {
					t.Fatalf("%s, descending %t, pages of %d:\n%q\nwant\n%q", f, down, size, names(got), names(matching))
				}
			}
		}
	}
}

func allOf(t *testing.T, dir string, j job.Job) []Entry {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, fmt.Sprint(j.Seq), "logs", "*.log"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all []Entry
	for _, f := range files {
		all = append(all, entries(t, f)...)
	}
	return all
}

// A spool of several megabytes, with lines longer than the step of the search.
func TestTimesAreFoundInALargeSpool(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	j := m.set(k1, job.Succeeded)
	s := spool(t, dir, j, "worker", 0)
	const n = 12_000
	for i := range n {
		msg := fmt.Sprintf("line %d %s", i, strings.Repeat("x", 100))
		if i%2000 == 1999 {
			msg += strings.Repeat("\x01", 200<<10)
		}
		put(t, s, t0.Add(time.Duration(i/3)*time.Millisecond), msg)
	}
	s.Flush()
	f, err := os.Open(filepath.Join(dir, "1", "logs", "a1-worker-0.0.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 100 {
		i := rand.IntN(n/3+20) - 10
		at := t0.Add(time.Duration(i) * time.Millisecond)
		offset, err := seekTime(f, at)
		if err != nil {
			t.Fatal(err)
		}
		first := max(0, i*3)
		for r := newFrames(f, offset); ; {
			e, err := r.next()
			if err != nil && first >= n {
				break
			}
			if err != nil {
				t.Fatalf("nothing at or after %s: %v", at, err)
			}
			if !e.Time.Before(at) {
				if want := fmt.Sprintf("line %d ", first); !strings.HasPrefix(e.Message, want) {
					t.Fatalf("the first entry at or after %s is %.20s, want %s", at, e.Message, want)
				}
				break
			}
		}
	}
	r := NewReader(dir, m)
	begin := time.Now()
	got, _, err := r.Query(t.Context(), Query{Projects: []job.Project{"proj"}, Descending: true, PageSize: 10})
	if err != nil || len(got) != 10 || !strings.HasPrefix(got[0].Message, fmt.Sprintf("line %d ", n-1)) {
		t.Errorf("the last entries: %d, %v", len(got), err)
	}
	t.Logf("the last ten of %d entries took %s", n, time.Since(begin))
	if all := read(t, r, Query{Projects: []job.Project{"proj"}, Descending: true, PageSize: 1000}); len(all) != n {
		t.Errorf("%d entries from the last to the first, want %d", len(all), n)
	}
}

func TestALineThatIsYoungWaitsUntilNoneCanComeBeforeIt(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		j := m.set(k1, job.Running)
		s := spool(t, dir, j, "worker", 0)
		put(t, s, time.Now(), "young")
		s.Flush()
		m.say(k1, time.Now(), "service")
		r := NewReader(dir, m)
		q := Query{Projects: []job.Project{"proj"}, PageSize: 10}
		if got := read(t, r, q); len(got) != 0 {
			t.Errorf("at once: %q", names(got))
		}
		<-time.After(settle + 1)
		if got := read(t, r, q); len(got) != 2 {
			t.Errorf("a moment later: %q", names(got))
		}
		put(t, s, time.Now(), "last")
		s.Flush()
		m.set(k1, job.Succeeded)
		if got := read(t, r, q); len(got) != 3 {
			t.Errorf("when the job has ended: %q", names(got))
		}
	})
}

func TestATokenOfAnotherMakeIsRefused(t *testing.T) {
	r := NewReader(t.TempDir(), newMemory())
	for _, token := range []string{"x", "!", "bnVsbA", "e30", strings.Repeat("A", 10_000)} {
		if _, _, err := r.Query(t.Context(), Query{PageToken: token}); !fault.Is(err, fault.Invalid) {
			t.Errorf("token %.20q: %v", token, err)
		}
	}
}

// More jobs than a process may open files.
func TestAQueryOverManyJobsOpensFewFiles(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	const n = 300
	for i := range n {
		j := m.set(job.Key{Project: "proj", ID: job.ID(fmt.Sprintf("j%03d", i))}, job.Succeeded)
		s := spool(t, dir, j, "worker", 0)
		put(t, s, t0.Add(time.Duration(i)), "x")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	src := &counting{memory: m, before: func() {
		if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
			most = max(most, len(fds))
		}
	}}
	got := read(t, NewReader(dir, src), Query{Projects: []job.Project{"proj"}, PageSize: 50})
	if len(got) != n || got[0].Key.ID != "j000" || got[n-1].Key.ID != "j299" {
		t.Errorf("%d entries", len(got))
	}
	if most > n/2 {
		t.Errorf("%d files were open at a time", most)
	}
}
