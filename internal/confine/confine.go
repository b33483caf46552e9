// Package confine runs a program with a view of the machine's files that is
// its own: another /tmp, and other files in place of some. It needs mount
// namespaces, so Linux; and where we are not root, user namespaces, where the
// program is started through this binary again, which changes its own view and
// then becomes the program.
package confine

import (
	"os/exec"
	"path/filepath"
	"strings"
)

// Name is the sub-command under which the binary calls Main.
const Name = "confine"

// View is what a program sees differently.
type View struct {
	Tmp   string            `json:"tmp,omitempty"`   // the folder that is /tmp, or TMPDIR where that cannot be; empty leaves it
	Keep  []string          `json:"keep,omitempty"`  // files and folders that are seen even where they are below /tmp
	Files map[string]string `json:"files,omitempty"` // path to the file that is seen there
}

// Empty reports whether the program would see what everybody does.
func (v View) Empty() bool { return v.Tmp == "" && len(v.Files) == 0 }

// Tmp is the folder that View.Tmp takes the place of.
const Tmp = "/tmp"

// below says where a path is below /tmp.
func below(path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(filepath.Clean(path), Tmp+"/")
	return rest, ok
}

// Started is a program that was started with a view.
type Started struct {
	// Failed says in words what of the view could not be had; the program runs
	// all the same. It is called once.
	Failed func() []string
}

// Start starts a command with a view. binary is the one that calls Main for
// the sub-command Name. start starts the command that it is given, in the
// goroutine that calls it. After an error nothing runs, and the command may be
// made anew and started without a view.
func Start(binary string, v View, cmd *exec.Cmd, start func(*exec.Cmd) error) (Started, error) {
	return begin(binary, v, cmd, start)
}
