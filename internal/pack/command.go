package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// findPython is the interpreter that runs setup.py.
func findPython(o Options) (string, error) {
	if o.Python != "" {
		return o.Python, nil
	}
	for _, name := range []string{"python3", "python"} {
		for _, dir := range filepath.SplitList(variable(o.Environ, "PATH")) {
			p := filepath.Join(dir, name)
			if found, err := exec.LookPath(p); err == nil {
				return found, nil
			}
		}
	}
	return "", fault.Errorf(fault.Invalid, "No Python executable found on path. A Python executable with setuptools installed on the PYTHONPATH is required for building AI Platform training jobs.").
		WithHint("install Python, or build the archive elsewhere and name it with --packages")
}

// maxOutput is how much of a build's output is kept: its beginning and its end.
const maxOutput = 16 << 10

// output runs a command with everything it starts in a group of its own, which
// ends with it.
func (b *building) output(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.tree
	cmd.Env = append(append([]string{}, b.Environ...), "PYTHONDONTWRITEBYTECODE=1", "SOURCE_DATE_EPOCH=315532800", "PYTHONHASHSEED=0")
	var out headTail
	cmd.Stdout, cmd.Stderr = &out, &out
	group(cmd)
	cmd.WaitDelay = 2 * time.Second // a child that holds the pipe does not hold us
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well
	}
	return out.bytes(), err
}

// headTail keeps the beginning and the end of what is written.
type headTail struct {
	head, tail bytes.Buffer
	dropped    int
}

func (h *headTail) Write(p []byte) (int, error) {
	n := len(p)
	if room := maxOutput/2 - h.head.Len(); room > 0 {
		k := min(room, len(p))
		h.head.Write(p[:k])
		p = p[k:]
	}
	h.tail.Write(p)
	if over := h.tail.Len() - maxOutput/2; over > 0 {
		h.tail.Next(over)
		h.dropped += over
	}
	return n, nil
}

func (h *headTail) bytes() []byte {
	if h.dropped == 0 {
		return append(h.head.Bytes(), h.tail.Bytes()...)
	}
	return []byte(fmt.Sprintf("%s\n[… %d bytes left out …]\n%s", h.head.Bytes(), h.dropped, h.tail.Bytes()))
}
