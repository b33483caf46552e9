//go:build !linux

package pyenv

// syncAll makes a folder durable.
func syncAll(path string) error { return syncTree(path) }
