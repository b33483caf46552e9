//go:build race

package store_test

// slow says that the race detector is on: the database runs some ten times
// slower then.
const slow = true
