package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// behindBy is how much is written before the disk is told to begin with it.
const behindBy = 8 << 20

// writeBehind has the disk begin with what was written to a file, so that the
// flush at the end does not find gigabytes to do, which everybody else's flush
// would wait for, too. It promises nothing: the flush does.
type writeBehind struct {
	f      *os.File
	begun  int64
	behind int64
}

func (w *writeBehind) wrote(n int64) {
	if w.behind += n; w.behind < behindBy {
		return
	}
	_ = unix.SyncFileRange(int(w.f.Fd()), w.begun, w.behind, unix.SYNC_FILE_RANGE_WRITE)
	w.begun, w.behind = w.begun+w.behind, 0
}
