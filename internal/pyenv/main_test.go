package pyenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// cleanup are folders that outlive a single test.
var cleanup []string

// TestMain is also a process that prepares one environment, for the tests of
// several and of killed ones.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PYENV_TEST_PREPARE"); dir != "" {
		os.Exit(prepareProcess(dir))
	}
	code := m.Run()
	for _, dir := range cleanup {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func prepareProcess(dir string) int {
	home, _ := os.UserHomeDir()
	c, err := Open(dir, Options{UV: os.Getenv("PYENV_TEST_UV"), Environ: os.Environ(), Index: IndexFrom(os.Environ(), home)})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	path := os.Getenv("PYENV_TEST_PACKAGE")
	env, err := c.Prepare(context.Background(), Request{Packages: []File{{Name: filepath.Base(path), Path: path}}}, func(s string) { fmt.Println(s) })
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer env.Release()
	fmt.Println("ready:", env.Python)
	return 0
}
