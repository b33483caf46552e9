package pack

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// modules are the dotted names that archives have.
func modules(archives []Archive) (all []string) {
	for _, a := range archives {
		sdist := !strings.HasSuffix(strings.ToLower(a.Name), ".whl")
		for _, f := range a.Files {
			if m, ok := moduleOf(f.Path, sdist); ok {
				all = append(all, m)
			}
		}
	}
	return all
}

// packageOf is the package that a script is part of, and its name in it; empty
// for a script by itself.
func packageOf(script string) (top, module string) {
	if filepath.Ext(script) != ".py" || !exists(script) {
		return "", ""
	}
	module = strings.TrimSuffix(filepath.Base(script), ".py")
	for dir := filepath.Dir(script); exists(filepath.Join(dir, "__init__.py")); dir = filepath.Dir(dir) {
		top, module = dir, filepath.Base(dir)+"."+module
	}
	if top == "" {
		return "", ""
	}
	return top, module
}

// Entry is the module that is meant where none is named: the script, or the
// package's task or __main__.
func (r Result) Entry(packagePath string) (string, error) {
	all := modules(r.Archives)
	abs, err := filepath.Abs(packagePath)
	if err != nil {
		return "", fault.Errorf(fault.Invalid, "package path %s: %w", packagePath, err)
	}
	if _, module := packageOf(abs); module != "" {
		return module, nil
	}
	name := filepath.Base(abs)
	if ext := filepath.Ext(name); ext == ".py" || ext == ".ipynb" {
		return scriptModule(abs), nil
	}
	switch {
	case slices.Contains(all, name+".task"):
		return name + ".task", nil
	case slices.Contains(all, name+".__main__"):
		return name, nil
	}
	if m := obvious(all); m != "" {
		return m, nil
	}
	var own []string
	for _, m := range all {
		if strings.HasPrefix(m, name+".") && !strings.HasSuffix(m, ".__init__") {
			own = append(own, m)
		}
	}
	e := fault.Errorf(fault.Invalid, "no module to run is named, and the package has neither %s.task nor %s.__main__", name, name)
	if len(own) == 0 {
		return "", e.WithHint("name one with --module-name")
	}
	slices.Sort(own)
	return "", e.WithHint("name one with --module-name: %s", strings.Join(own[:min(len(own), 5)], ", "))
}

// obvious is the one module of a project that is called as what is run is;
// empty where there are several.
func obvious(all []string) string {
	for _, suffix := range []string{".task", ".__main__"} {
		var found []string
		for _, m := range all {
			if strings.HasSuffix(m, suffix) && !strings.HasPrefix(m, "test") {
				found = append(found, strings.TrimSuffix(m, ".__main__"))
			}
		}
		if slices.Contains(found, "trainer.task") {
			return "trainer.task"
		}
		if len(found) > 0 {
			if len(found) == 1 {
				return found[0]
			}
			return ""
		}
	}
	return ""
}

// CheckModule says whether one of the archives has the module that a job will
// run, and what is near where none does.
func CheckModule(archives []string, module string) error {
	r := Result{}
	for _, a := range archives {
		files, err := List(a)
		if err != nil {
			return err
		}
		if len(files) > 0 {
			r.Archives = append(r.Archives, Archive{Name: filepath.Base(a), Files: files})
		}
	}
	return r.CheckModule(module)
}

// CheckModule is that of archives that were made just now.
func (r Result) CheckModule(module string) error {
	all := modules(r.Archives)
	if len(r.Archives) == 0 || slices.Contains(all, module) || slices.Contains(all, module+".__main__") {
		return nil
	}
	e := fault.Errorf(fault.Invalid, "there is no module %s in the packages of the job", module)
	guess := module
	if strings.HasSuffix(guess, ".py") || strings.Contains(guess, "/") {
		guess = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(guess, "./"), ".py"), "/", ".")
		e = fault.Errorf(fault.Invalid, "--module-name %s is a path; a module's dotted name is expected", module)
	}
	if slices.Contains(all, module+".__init__") {
		return e.WithHint("%s is a package without __main__.py; name a module in it, such as %s", module, near(module+".task", all))
	}
	if n := near(guess, all); n != "" {
		return e.WithHint("did you mean %s?", n)
	}
	return e.WithHint("a module is a .py file in a package that is shipped; trainyard package --list shows what is shipped")
}

// moduleOf is the dotted name of a file in an archive. An sdist has its files
// below NAME-VERSION/, perhaps in src/.
func moduleOf(name string, sdist bool) (string, bool) {
	name, ok := strings.CutSuffix(path.Clean(name), ".py")
	if !ok {
		return "", false
	}
	if sdist {
		if _, name, ok = strings.Cut(name, "/"); !ok {
			return "", false
		}
		name = strings.TrimPrefix(name, "src/")
	}
	if name == "setup" || strings.HasSuffix(name, "/setup") && strings.Count(name, "/") == 0 {
		return "", false
	}
	return strings.ReplaceAll(name, "/", "."), true
}

// near is the module whose name is most like what was asked for.
func near(want string, all []string) string {
	best, score := "", len(want)/2+2
	for _, m := range all {
		if strings.HasSuffix(m, ".__init__") {
			continue
		}
		d := fault.Distance(want, m)
		if m == want || strings.HasSuffix(m, "."+want) {
			d = 0
		}
		if d < score || d == score && best != "" && m < best {
			best, score = m, d
		}
	}
	return best
}
