//go:build !linux && !darwin

package pack

import (
	"os"
	"time"
)

// identity is not known here, so that no archive is found again.
func identity(os.FileInfo) (inode uint64, changed time.Time, ok bool) {
	return 0, time.Time{}, false
}
