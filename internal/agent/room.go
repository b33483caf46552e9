//go:build unix

package agent

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// Below these a disk counts as full: the server could soon not write down how a
// job ended, nor remove anything.
const (
	fullBelow  = 64 << 20 // bytes
	fullInodes = 1000
)

// fills says whether a folder takes more of a full disk than is free there.
func fills(dir string) bool {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return false
	}
	free, inodes := int64(disk.Bavail)*int64(disk.Bsize), int64(disk.Ffree)
	counted := disk.Files > 0 // some file systems have as many as they need
	if free >= fullBelow && (!counted || inodes >= fullInodes) {
		return false
	}
	size, files := int64(0), int64(0)
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be looked at counts for nothing
		}
		files++
		if info, err := entry.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				size += int64(st.Blocks) * 512
			}
		}
		return nil
	})
	return free < fullBelow && size > free || counted && inodes < fullInodes && files > inodes
}
