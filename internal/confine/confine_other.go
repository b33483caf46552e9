//go:build !linux

package confine

import (
	"errors"
	"os/exec"
)

// ErrUnsupported is what Start returns where there are no mount namespaces.
var ErrUnsupported = errors.New("only Linux gives programs a view of files of their own")

func begin(string, View, *exec.Cmd, func(*exec.Cmd) error) (Started, error) {
	return Started{}, ErrUnsupported
}

// Main is never called here.
func Main([]string) int { return 2 }
