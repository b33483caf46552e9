//go:build !unix

package logs

import "syscall"

const errQuota = syscall.ENOSPC
