//go:build !unix

package pyenv

import "io/fs"

func statOf(info fs.FileInfo) file { return file{size: info.Size(), disk: info.Size(), links: 1} }
