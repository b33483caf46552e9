package pyenv

import (
	"context"
	"path/filepath"

	"github.com/trainyard/trainyard/internal/fault"
)

// fetchedPythons is where Pythons that were fetched for jobs are.
func (c *Cache) fetchedPythons() string { return filepath.Join(c.dir, "pythons") }

// fetchPython has uv fetch a Python. One process does, others wait for it.
func (c *Cache) fetchPython(ctx context.Context, version string, log func(string)) error {
	uv, _, err := c.findUV(ctx, log)
	if err != nil {
		return err
	}
	l, err := waitLock(ctx, filepath.Join(c.dir, "locks", "python-"+version), true)
	if err != nil {
		return err
	}
	defer l.release()
	log("Fetching Python " + version)
	err = c.again(ctx, log, func() error {
		return c.command(ctx, l, "environment", log, uv, "python", "install", "--install-dir", c.fetchedPythons(), "--no-bin", version)
	})
	if e, ok := err.(*InstallError); ok {
		why := e.Err.Error()
		if e.Retry {
			why = "where uv gets Pythons from is not reachable (UV_PYTHON_INSTALL_MIRROR names another place)"
		}
		e.Err = &fault.Error{Kind: fault.KindOf(e.Err), Msg: "Python " + version + " cannot be fetched: " + why, Hint: "install it (pyenv install " + version + "), or ask for another", Err: e.Err}
	}
	return err
}
