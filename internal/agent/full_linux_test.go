package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trainyard/trainyard/internal/fault"
)

// smallDisk puts the runs of a trial on a disk of their own.
func smallDisk(t *testing.T, tr *trial, options string) (jobs string) {
	t.Helper()
	jobs = filepath.Join(tr.task.DataDir, "jobs")
	if err := unix.Mount("tmpfs", jobs, "tmpfs", 0, options); err != nil {
		t.Skipf("SKIPPED: a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(jobs, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.MkdirAll(string(tr.dir), 0o700); err != nil {
		t.Fatal(err)
	}
	return jobs
}

func TestAFullDiskNeitherStopsTheProgramNorLosesItsEnd(t *testing.T) {
	tr := newTrial(t, interpreter(t), `
import sys
for i in range(100000):
    print("line %d %s" % (i, "x" * 100))
open(sys.argv[1], "w").close()
`)
	ran := filepath.Join(t.TempDir(), "ran")
	tr.task.Replica.Args = []string{ran}
	jobs := smallDisk(t, tr, "size=2m")
	filler := filepath.Join(jobs, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	tr.start()
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(5 * time.Millisecond) {
		if _, err := os.Stat(ran); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the program does not end on a full disk")
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if exit := tr.end(); exit.Code != 0 {
		t.Errorf("the record is %+v", exit)
	}
	got := tr.printed()
	if !strings.Contains(got, "lines of the log are missing here: the disk was full") || !strings.Contains(got, "line 0 ") {
		t.Errorf("the log says nothing of missing lines; it ends with\n%s", got[max(0, len(got)-500):])
	}
}

// TestAProgramThatFilledTheDiskIsNotKept: a server that has no room can neither
// write down that the job failed nor, therefore, ever remove what fills it.
func TestAProgramThatFilledTheDiskIsNotKept(t *testing.T) {
	for name, source := range map[string]string{
		"bytes": "with open('big', 'wb') as f:\n    while True: f.write(b'z' * 100000)\n",
		"files": "i = 0\nwhile True:\n    open(str(i), 'w').close(); i += 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, interpreter(t), source)
			smallDisk(t, tr, "size=4m,nr_inodes=300")
			if exit := tr.run(); exit.Code != 1 || !strings.Contains(exit.Traceback, "No space left") {
				t.Errorf("the record is %+v", exit)
			}
			if _, err := os.Stat(tr.dir.file(UserDir)); !os.IsNotExist(err) {
				t.Errorf("its working directory: %v", err)
			}
			if got := tr.printed(); !strings.Contains(got, "not kept for inspection") {
				t.Errorf("the log does not say so:\n%s", got)
			}
		})
	}
}

func TestWhatFailedOnARoomyDiskIsKept(t *testing.T) {
	tr := newTrial(t, interpreter(t), "open('x', 'w').close()\nraise SystemExit(1)\n")
	tr.run()
	if _, err := os.Stat(tr.dir.file(UserDir + "/x")); err != nil {
		t.Error(err)
	}
}

func TestARunOnAReadOnlyDiskCanBeLookedAt(t *testing.T) {
	d := Folder(t.TempDir())
	lock, err := takeLock(d.file(lockFile))
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	if err := unix.Mount(string(d), string(d), "", unix.MS_BIND, ""); err != nil {
		t.Skipf("SKIPPED: nothing can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(string(d), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mount("", string(d), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, alive, err := d.Alive(); alive || err != nil {
		t.Errorf("alive is %v, %v", alive, err)
	}
	if err := d.Stop(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Stop says %v, want that it is to be tried again", err)
	}
}
