package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

const prefix = "0001m00000"

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func openSpool(t testing.TB, path string) *Spool {
	t.Helper()
	s, err := OpenSpool(path, "master-replica-0", "", prefix)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Spool, at time.Time, msg string) {
	t.Helper()
	if err := s.Append(at, Info, msg, nil); err != nil {
		t.Fatal(err)
	}
}

// entries are a spool file's, as a reader sees them.
func entries(t testing.TB, path string) []Entry {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []Entry
	for r := newFrames(f, 0); ; {
		e, err := r.next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

// ordered fails where two entries of a spool are not in the order of time and
// InsertID.
func checkOrder(t testing.TB, all []Entry) {
	t.Helper()
	for i := 1; i < len(all); i++ {
		if compareEntries(all[i-1], all[i]) >= 0 {
			t.Fatalf("entry %d, %s %s, is not before the next, %s %s", i-1, all[i-1].Time, all[i-1].InsertID, all[i].Time, all[i].InsertID)
		}
	}
}

func messages(all []Entry) []string {
	var list []string
	for _, e := range all {
		list = append(list, e.Message)
	}
	return list
}

func TestAnEntryIsReadAsItWasAppended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "a.log")
	s, err := OpenSpool(path, "worker-replica-3", "7", prefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t0, Warning, "ü <&>\n\"x\"", json.RawMessage(`{"lineno":12}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.Printed("stdout", t0, Info, "printed", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, path); len(got) != 2 || got[1].Stream != "stdout" || got[0].Stream != "" {
		t.Errorf("read %+v, want the second printed to stdout", got)
	}
	want := Entry{Task: "worker-replica-3", Trial: "7", Time: t0, Severity: Warning, Message: "ü <&>\n\"x\"", Fields: json.RawMessage(`{"lineno":12}`), InsertID: prefix + "000000000001"}
	if got := entries(t, path); fmt.Sprintf("%+v", got[0]) != fmt.Sprintf("%+v", want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

func TestWhatIsAppendedIsMadeFitToRead(t *testing.T) {
	big := strings.Repeat("x", maxMessage-1)
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"a NUL", "a\x00b", []string{"a\uFFFDb"}},
		{"not UTF-8", "a\xffb\xc3", []string{"a\uFFFDb\uFFFD"}},
		{"as long as may be", big + "x", []string{big + "x"}},
		{"one byte longer", big + "xy", []string{big + "x", "y"}},
		{"a rune on the border", big + "üz", []string{big, "üz"}},
		{"a long rune on the border", big[:len(big)-2] + "😀z", []string{big[:len(big)-2], "😀z"}},
		{"NULs that grow", strings.Repeat("\x00", maxMessage), []string{strings.Repeat("\uFFFD", maxMessage/3), strings.Repeat("\uFFFD", maxMessage/3), strings.Repeat("\uFFFD", maxMessage/3), "\uFFFD"}},
		{"what JSON writes long", strings.Repeat("\x01", maxMessage), []string{strings.Repeat("\x01", maxMessage)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.log")
			s := openSpool(t, path)
			put(t, s, t0, tt.in)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			all := entries(t, path)
			checkOrder(t, all)
			got := messages(all)
			if len(got) != len(tt.want) {
				t.Fatalf("%d entries, want %d", len(got), len(tt.want))
			}
			for i := range got {
				if got[i] != tt.want[i] || !utf8.ValidString(got[i]) {
					t.Errorf("entry %d has %d bytes, want %d", i, len(got[i]), len(tt.want[i]))
				}
			}
		})
	}
}

func TestFieldsThatCannotBeWrittenDoNotCostTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	s := openSpool(t, path)
	for _, f := range []string{`{"broken`, `{"a":"` + strings.Repeat("x", 3<<20) + `"}`, "{\"a\":\"\xff\"}", `{"fine":1}`} {
		if err := s.Append(t0, Info, "line", json.RawMessage(f)); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries(t, path) {
		got = append(got, string(e.Fields))
	}
	if want := []string{"", "", "{\"a\":\"\uFFFD\"}", `{"fine":1}`}; fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("fields %.200q, want %q", got, want)
	}
}

func TestTimesNeverGoBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	s := openSpool(t, path)
	for _, d := range []time.Duration{0, 5, 3, -time.Hour, 5, 6} {
		put(t, s, t0.Add(d), "x")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openSpool(t, path)
	put(t, s, t0, "after opening again")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := entries(t, path)
	checkOrder(t, all)
	for i, want := range []time.Duration{0, 5, 5, 5, 5, 6, 6} {
		if got := all[i].Time.Sub(t0); got != want {
			t.Errorf("entry %d is at %d, want %d", i, got, want)
		}
	}
}

// Every length that a crash may leave the file at.
func TestATornTailIsCutAndTheSpoolGoesOn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	s := openSpool(t, path)
	var ends []int
	for i := range 3 {
		put(t, s, t0, fmt.Sprintf("line %d", i))
		s.Flush()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(info.Size()))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := ends[1]; n < len(whole); n++ {
		for _, junk := range []string{"", "\x00\x00\x00", "junk\n", "00000000 {}\n"} {
			torn := filepath.Join(dir, "torn.log")
			if err := os.WriteFile(torn, append(bytes.Clone(whole[:n]), junk...), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := len(entries(t, torn)); got != 2 {
				t.Fatalf("cut at %d of %d, then %q: a reader sees %d entries, want 2", n, len(whole), junk, got)
			}
			s := openSpool(t, torn)
			put(t, s, t0, "more")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			got := entries(t, torn)
			if fmt.Sprint(messages(got)) != "[line 0 line 1 more]" || got[2].InsertID != prefix+"000000000003" {
				t.Fatalf("cut at %d, then %q: %+v", n, junk, got)
			}
			if b, _ := os.ReadFile(torn); bytes.Count(b, []byte("\n")) != 3 {
				t.Fatalf("cut at %d, then %q: the tail is still there: %q", n, junk, b)
			}
		}
	}
}

func TestADamagedLineDoesNotHideTheOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	s := openSpool(t, path)
	for i := range 3 {
		put(t, s, t0, fmt.Sprintf("line %d", i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte("line 1"))] = 'L'
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := messages(entries(t, path)); fmt.Sprint(got) != "[line 0 line 2]" {
		t.Errorf("entries %q", got)
	}
	s = openSpool(t, path)
	put(t, s, t0, "line 3")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := entries(t, path)
	checkOrder(t, all)
	if got := messages(all); fmt.Sprint(got) != "[line 0 line 2 line 3]" {
		t.Errorf("entries %q after opening it again", got)
	}
}

func TestSeveralGoroutinesAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	s := openSpool(t, path)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				put(t, s, time.Now(), fmt.Sprintf("%d %d", g, i))
				if i%50 == 0 {
					s.Flush()
				}
			}
		})
	}
	wg.Wait()
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	all := entries(t, path)
	if checkOrder(t, all); len(all) != 2000 {
		t.Errorf("%d entries, want 2000", len(all))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzAFrameIsReadAsItWasWritten(f *testing.F) {
	f.Add("master-replica-0", "3", int64(5), "ü \x01\x1f\"\\\n\t\u2028<", `{"a": [1, "x"]}`)
	f.Add("", "", int64(-1), "", "{broken\n")
	f.Fuzz(func(t *testing.T, task, trial string, at int64, msg, fields string) {
		in := Entry{Task: clean(task), Trial: clean(trial), Time: time.Unix(0, at).UTC(), Severity: Info, Message: clean(msg), Fields: json.RawMessage(strings.ToValidUTF8(fields, "?")), InsertID: "x"}
		var buf bytes.Buffer
		buf.WriteString("before")
		appendFrame(&buf, &in)
		out, ok := parseFrame(buf.Bytes()[len("before"):])
		if !ok || bytes.Count(buf.Bytes(), []byte("\n")) != 1 {
			t.Fatalf("%+v is written as %q", in, buf.Bytes())
		}
		if out.Task != in.Task || out.Trial != in.Trial || !out.Time.Equal(in.Time) || out.Severity != Info || out.Message != in.Message || out.InsertID != "x" || (len(out.Fields) > 0) != json.Valid(in.Fields) {
			t.Errorf("%+v is read as %+v", in, out)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("junk\n"), "message")
	f.Add([]byte("00000000 {}\n\x00"), "a\x00\xff")
	f.Fuzz(func(t *testing.T, junk []byte, msg string) {
		path := filepath.Join(t.TempDir(), "a.log")
		if err := os.WriteFile(path, junk, 0o600); err != nil {
			t.Fatal(err)
		}
		before := len(entries(t, path))
		s := openSpool(t, path)
		put(t, s, t0, msg+"x")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		all := entries(t, path)
		if len(all) != before+1 || all[before].Message != clean(msg)+"x" {
			t.Errorf("behind %q: %+v", junk, all)
		}
	})
}

// A spool, beside a program that writes the same lines to a file of its own.
func BenchmarkWriting(b *testing.B) {
	line := strings.Repeat("epoch 3 loss 0.123 ", 5)
	b.Run("spool", func(b *testing.B) {
		s := openSpool(b, filepath.Join(b.TempDir(), "a.log"))
		defer s.Close()
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			put(b, s, time.Now(), line)
		}
		s.Flush()
	})
	b.Run("plain file, a write for each line", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "a.txt"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			if _, err := f.WriteString(line + "\n"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
