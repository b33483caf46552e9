package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// reports is the descriptor on which the binary says what it could not do. It
// is closed when it has become the program.
const reports = 3

func begin(binary string, v View, cmd *exec.Cmd, start func(*exec.Cmd) error) (Started, error) {
	if os.Geteuid() == 0 {
		return beginHere(v, cmd, start)
	}
	return beginAgain(binary, v, cmd, start)
}

// beginHere changes the view of one thread, from which the program is then
// started: a program has the view of the thread that it was born of.
func beginHere(v View, cmd *exec.Cmd, start func(*exec.Cmd) error) (Started, error) {
	var failed []string
	err := onSpareThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("a view of files of its own: %w", err)
		}
		hasTmp, errs := v.apply()
		for _, err := range errs {
			failed = append(failed, err.Error())
		}
		if v.Tmp != "" && !hasTmp {
			cmd.Env = append(cmd.Environ(), "TMPDIR="+v.Tmp)
		}
		return start(cmd)
	})
	if err != nil {
		return Started{}, err
	}
	return Started{Failed: func() []string { return failed }}, nil
}

// onSpareThread runs fn on a thread that nothing else has run on or will: it
// ends with its goroutine, and the runtime makes no others of it. It is never
// the process's first thread, whose view /proc shows as the process's.
func onSpareThread(fn func() error) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks it
		if unix.Gettid() != unix.Getpid() {
			ended <- fn()
			return
		}
		ended <- onSpareThread(fn) // while this one is taken
		runtime.UnlockOSThread()
	}()
	return <-ended
}

// beginAgain starts this binary as a user in a namespace of its own, which no
// process of several threads can enter; it changes its view and then becomes the
// program.
func beginAgain(binary string, v View, cmd *exec.Cmd, start func(*exec.Cmd) error) (Started, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return Started{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return Started{}, err
	}
	defer w.Close()
	cmd.Args = append([]string{binary, Name, string(text), cmd.Path}, cmd.Args...)
	cmd.Path = binary
	cmd.ExtraFiles = append([]*os.File{w}, cmd.ExtraFiles...)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	a := cmd.SysProcAttr
	a.Cloneflags |= unix.CLONE_NEWNS | unix.CLONE_NEWUSER
	uid, gid := os.Geteuid(), os.Getegid()
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	// Without it the kernel drops what the new namespace grants at exec.
	a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	if err := start(cmd); err != nil {
		_ = r.Close()
		return Started{}, err
	}
	return Started{Failed: func() []string {
		defer r.Close()
		b, _ := io.ReadAll(io.LimitReader(r, 64<<10))
		return slices.DeleteFunc(strings.Split(string(b), "\n"), func(l string) bool { return l == "" })
	}}, nil
}

// Main changes the view and becomes the program: confine VIEW PATH ARGV...
// It returns only when that failed.
func Main(args []string) int {
	unix.CloseOnExec(reports)
	report := os.NewFile(reports, "reports")
	if len(args) < 3 {
		fmt.Fprintln(os.Stderr, "confine VIEW PATH ARGV...")
		return 2
	}
	var v View
	if err := json.Unmarshal([]byte(args[0]), &v); err != nil {
		fmt.Fprintf(os.Stderr, "confine: %v\n", err)
		return 2
	}
	hasTmp, errs := v.apply()
	for _, err := range errs {
		fmt.Fprintln(report, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if v.Tmp != "" && !hasTmp {
		// Then at least what asks for the place of temporary files has its own.
		if err := os.Setenv("TMPDIR", v.Tmp); err != nil {
			fmt.Fprintf(os.Stderr, "confine: %v\n", err)
			return 126
		}
	}
	if err := dropAmbient(); err != nil {
		fmt.Fprintf(os.Stderr, "confine: %v\n", err)
		return 126
	}
	err := syscall.Exec(args[1], args[2:], os.Environ())
	fmt.Fprintf(os.Stderr, "start %s: %v\n", args[1], err)
	return 127
}

// dropAmbient leaves the program no more rights than it would have had.
func dropAmbient() error {
	return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
}

// apply changes this process's view, and says whether it has a /tmp of its own.
// Each error is something that stays as it was.
func (v View) apply() (hasTmp bool, errs []error) {
	// Nothing that is mounted here may be seen elsewhere.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return false, []error{fmt.Errorf("a view of files of its own: %w", err)}
	}
	for at, file := range v.Files {
		if err := bind(file, at); err != nil {
			errs = append(errs, err)
		}
	}
	if v.Tmp == "" {
		return false, errs
	}
	if err := v.applyTmp(); err != nil {
		return false, append(errs, err)
	}
	return true, errs
}

// applyTmp mounts what is to be kept into the new /tmp first, and that then,
// with all in it, over the old one.
func (v View) applyTmp() error {
	for _, path := range v.Keep {
		rest, ok := below(path)
		if !ok {
			continue
		}
		at := filepath.Join(v.Tmp, rest)
		if err := makePlace(path, at); err != nil {
			return err
		}
		if err := bind(path, at); err != nil {
			return err
		}
	}
	if err := unix.Mount(v.Tmp, Tmp, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount %s over %s: %w", v.Tmp, Tmp, err)
	}
	return nil
}

// makePlace makes what a file or folder can be mounted over. In a place that is
// kept already, it is there.
func makePlace(path, at string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.MkdirAll(at, 0o700)
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(at, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func bind(from, at string) error {
	err := unix.Mount(from, at, "", unix.MS_BIND, "")
	if errors.Is(err, unix.ENOENT) {
		if _, missing := os.Stat(at); missing != nil {
			return fmt.Errorf("%s is not on this machine", at)
		}
	}
	if err != nil {
		return fmt.Errorf("mount %s over %s: %w", from, at, err)
	}
	return nil
}
