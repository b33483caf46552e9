package disk_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/buckettest"
	"github.com/trainyard/trainyard/internal/bucket/disk"
)

// writerOf is set in the process that TestCrashedWritersLoseNothing starts: its
// value is the folder of the store.
const writerOf = "TRAINYARD_DISK_WRITER"

// boxes are the buckets of the writers; the last keeps versions.
var boxes = []string{"box", "box", "box", "kept"}

// said is a line of the writers' process.
type said struct {
	Box    int
	Done   bool
	Step   buckettest.Step
	Failed string
}

// write changes objects from several goroutines, and says each step before and
// after, until it is killed. With a number of steps there is one goroutine and
// an end.
func write(dir string) {
	steps, err := strconv.Atoi(os.Getenv(writerOf + "_STEPS"))
	boxes := boxes
	if err == nil {
		boxes = boxes[:1]
	}
	var mu sync.Mutex
	say := func(s said) {
		line, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.Write(append(line, '\n'))
	}
	s, err := disk.Open(context.Background(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		say(said{Failed: err.Error()})
		os.Exit(1)
	}
	if steps > 0 {
		s.Swept()
		if _, err := s.CreateBucket(context.Background(), bucket.Bucket{Name: boxes[0], Project: "p"}); err != nil {
			say(said{Failed: err.Error()})
			os.Exit(1)
		}
	}
	var wg sync.WaitGroup
	for box, name := range boxes {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(rand.Uint64(), uint64(box)))
			err := buckettest.Write(context.Background(), s, name, box, true, rng,
				func(box int, step buckettest.Step) { say(said{Box: box, Step: step}) },
				func(box int, step buckettest.Step) {
					say(said{Box: box, Step: step, Done: true})
					if steps == 0 {
						return
					}
					if steps--; steps == 0 {
						os.Exit(0)
					}
				})
			say(said{Failed: err.Error()})
		})
	}
	wg.Wait()
	os.Exit(1)
}

// kills is how often a test kills: n in the ordinary suite, more where
// TRAINYARD_CRASH_KILLS says so.
func kills(t *testing.T, n int) int {
	if testing.Short() {
		return 5
	}
	if v := os.Getenv("TRAINYARD_CRASH_KILLS"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			t.Fatalf("TRAINYARD_CRASH_KILLS: %v", err)
		}
	}
	return n
}

// TestCrashedWritersLoseNothing kills a process at random moments of puts,
// overwrites, uploads in chunks and in parts, composes, moves and deletes.
func TestCrashedWritersLoseNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, b := range []bucket.Bucket{{Name: "box", Project: "p"}, {Name: "kept", Project: "p", Versioning: true}} {
		if _, err := s.CreateBucket(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	ledgers := map[string]*buckettest.Ledger{"box": {}, "kept": {}}
	steps := 0
	for round := range kills(t, 120) {
		steps += killed(t, dir, ledgers)
		s, err := disk.Open(t.Context(), dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for box, l := range ledgers {
			if err := l.Check(t.Context(), s, box); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		s.Close()
	}
	t.Logf("%d steps were acknowledged", steps)
	if steps == 0 {
		t.Error("nothing was ever acknowledged")
	}

	// Nothing is left of what was cut off, once what is young has aged.
	old := time.Now().Add(-time.Hour)
	for _, path := range files(t, dir) {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir)
	s.Swept()
	want := 0
	for box := range ledgers {
		for q := (bucket.Query{Versions: true}); ; {
			page, err := s.List(t.Context(), box, q)
			if err != nil {
				t.Fatal(err)
			}
			want += len(page.Objects)
			if q.Token = page.Next; q.Token == "" {
				break
			}
		}
	}
	if got := len(files(t, dir)); got != want {
		t.Errorf("%d content files for %d objects", got, want)
	}
}

// killed lets the writers go on for a moment, and tells the ledgers what they
// said. It returns how many steps were acknowledged.
func killed(t *testing.T, dir string, ledgers map[string]*buckettest.Ledger) (steps int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerOf+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := 1 + rand.N(40)
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		if lines--; lines == 0 {
			time.AfterFunc(rand.N(5*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
		var line said
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil || line.Failed != "" {
			t.Errorf("the writers said %s", sc.Text())
			break
		}
		l := ledgers[boxes[line.Box]]
		if !line.Done {
			l.Begin(line.Box, line.Step)
			continue
		}
		l.Done(line.Box, line.Step)
		steps++
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return steps
}

// files are the content files of a store.
func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "content"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
