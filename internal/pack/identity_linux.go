package pack

import (
	"os"
	"syscall"
	"time"
)

// identity is a file's inode and the time when it or its inode was changed.
func identity(info os.FileInfo) (inode uint64, changed time.Time, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, time.Time{}, false
	}
	return st.Ino, time.Unix(int64(st.Ctim.Sec), int64(st.Ctim.Nsec)), true
}
