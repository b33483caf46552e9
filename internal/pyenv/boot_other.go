//go:build !linux

package pyenv

// bootID is empty: boots have no names here.
func bootID() string { return "" }
