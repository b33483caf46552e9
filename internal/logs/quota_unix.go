//go:build unix

package logs

import "syscall"

// errQuota is what a write gives when its user has no space left.
const errQuota = syscall.EDQUOT
