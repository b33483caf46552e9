package pyenv

import "context"

// Compile makes the bytecode of an environment's packages, which programs
// otherwise make as they import them, each for the modules that it needs. That
// takes several times as long as the first import gains by it, so it is for
// environments that are made ahead. What does not compile is left as it is:
// packages carry templates, and code for other Pythons.
func (c *Cache) Compile(ctx context.Context, env Env) error {
	err := c.command(ctx, nil, "environment", nil, env.Python, "-m", "compileall", "-q", "-j", "0", sitePackages(env.Vars["VIRTUAL_ENV"], env.Made.Python))
	if ctx.Err() != nil {
		return err
	}
	return nil
}
