//go:build !race

package store_test

const slow = false
