//go:build unix

package pyenv

import (
	"io/fs"
	"syscall"
)

func statOf(info fs.FileInfo) file {
	f := file{size: info.Size(), disk: info.Size(), links: 1}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		f.disk, f.links = s.Blocks*512, uint64(s.Nlink)
		f.id = [2]uint64{uint64(s.Dev), s.Ino}
	}
	return f
}
