package disk_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContentIsFlushedBeforeItsRow watches the system calls of a process that
// puts, uploads, copies, composes and uploads in parts, one after the other. A
// power cut keeps what was flushed, so before the index is written, content
// must be flushed after its last write, and the folder after the file got its
// name; and before a step is acknowledged, the index is flushed.
func TestContentIsFlushedBeforeItsRow(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIPPED: strace is not installed")
	}
	dir := t.TempDir()
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-y", "-s", "64", "-o", trace, "-e", "trace=write,pwrite64,ftruncate,fsync,fdatasync,openat,linkat,mkdirat", os.Args[0])
	cmd.Env = append(os.Environ(), writerOf+"="+dir, writerOf+"_STEPS=60")
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "ptrace") {
			t.Skipf("SKIPPED: strace may not trace here: %s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var o order
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	begun := map[string]string{} // a call that another thread's interrupted
	for sc.Scan() {
		pid, call, _ := strings.Cut(sc.Text(), " ")
		call = strings.TrimLeft(call, " ")
		if head, ok := strings.CutSuffix(call, " <unfinished ...>"); ok {
			begun[pid] = head
			continue
		}
		if _, rest, ok := strings.Cut(call, " resumed>"); ok && strings.HasPrefix(call, "<...") {
			call = begun[pid] + rest
		}
		if complaint := o.see(call); complaint != "" {
			t.Errorf("%s:\n%s", complaint, call)
		}
	}
	// About 45 of the 60 random steps make a file; deletes and moves make none.
	if o.rows < 60 || o.acknowledged < 60 || o.content < 20 {
		t.Errorf("seen: %d commits, %d steps, %d content files; the trace is not understood", o.rows, o.acknowledged, o.content)
	}
}

var (
	onFile   = regexp.MustCompile(`^(\w+)\(\d+<([^>]*)>`)
	newFile  = regexp.MustCompile(`^openat\(.*"([^"]*)", .*O_CREAT.* = \d+`)
	newName  = regexp.MustCompile(`^(?:linkat|mkdirat)\(.*"([^"]*)".*\) = 0`)
	aContent = regexp.MustCompile(`/(content/../[0-9a-f]{32}|uploads/[A-Z2-7]{26})$`)
)

// order knows what a power cut would lose now.
type order struct {
	unflushed map[string]bool // files, and folders with new names
	index     bool            // so is the index

	rows, acknowledged, content int
}

func (o *order) see(call string) (complaint string) {
	if o.unflushed == nil {
		o.unflushed = map[string]bool{}
	}
	named := func(path string) {
		if aContent.MatchString(path) || filepath.Base(filepath.Dir(path)) == "content" {
			o.unflushed[filepath.Dir(path)] = true
		}
	}
	if m := newFile.FindStringSubmatch(call); m != nil {
		if aContent.MatchString(m[1]) {
			o.content++
		}
		named(m[1])
		return ""
	}
	if m := newName.FindStringSubmatch(call); m != nil {
		named(m[1])
		return ""
	}
	m := onFile.FindStringSubmatch(call)
	if m == nil {
		return ""
	}
	switch verb, path := m[1], m[2]; {
	case verb == "fsync" || verb == "fdatasync":
		delete(o.unflushed, path)
		if strings.HasSuffix(path, "/index.db-wal") {
			o.index = false
		}
	case strings.HasSuffix(path, "/index.db-wal"):
		o.rows++
		o.index = true
		for lost := range o.unflushed {
			return "a row is written while " + lost + " is not flushed"
		}
	case aContent.MatchString(path):
		o.unflushed[path] = true
	case strings.Contains(call, `\"Done\":true`):
		o.acknowledged++
		if o.index {
			return "a step is acknowledged while the index is not flushed"
		}
	}
	return ""
}
