package check

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed known.yaml
var knownYAML []byte

// known is what import names and distributions are called in the world.
var known = sync.OnceValue(func() (k struct {
	Carriers map[string][]string `yaml:"carriers"`
	Brings   map[string][]string `yaml:"brings"`
}) {
	d := yaml.NewDecoder(bytes.NewReader(knownYAML))
	d.KnownFields(true)
	if err := d.Decode(&k); err != nil {
		panic(err)
	}
	return k
})

// judge turns what was read into findings.
type judge struct {
	Options
	code
	answer
	findings []Finding
	there    map[string]bool // distributions that the job will have
	unsure   bool            // and others that nobody can name
	puzzled  bool            // something is imported that is not known here
	said     map[string]bool
}

func (j *judge) find(certain bool, where, hint, format string, args ...any) {
	j.findings = append(j.findings, Finding{certain, where, fmt.Sprintf(format, args...), hint})
}

func (j *judge) all() {
	j.said = map[string]bool{}
	j.resolve()
	j.shadowed()
	reached, sure := j.reach(false), j.reach(true)
	strict, jobDir := "", false
	for _, s := range j.code.files {
		f, runs := j.answer.Files[s.name], reached[s.module]
		jobDir = jobDir || f.JobDir
		if f.Error != nil {
			j.syntax(s, f, sure[s.module])
			continue
		}
		if !runs {
			continue
		}
		for _, i := range f.Imports {
			i.Top = i.Top && sure[s.module]
			j.imports(s, f, i)
		}
		if f.Strict && strict == "" {
			strict = s.name
		}
		j.opens(s, f)
	}
	if j.JobDir && strict != "" && !jobDir && !j.More {
		j.find(false, strict, "add parser.add_argument('--job-dir'), or use parse_known_args; or submit with --no-job-dir-arg and read TRAINYARD_JOB_DIR",
			"the program takes no arguments but its own and does not know --job-dir, which a job with a job-dir gets")
	}
}

// reach are the modules that the entry module imports, directly or through
// others: surely, or perhaps. Without an entry module all may be.
func (j *judge) reach(surely bool) map[string]bool {
	reached := map[string]bool{}
	entry := j.Module
	if _, ok := j.modules[entry+".__main__"]; ok {
		entry += ".__main__"
	}
	if _, ok := j.modules[entry]; !ok {
		for m := range j.modules {
			reached[m] = !surely
		}
		return reached
	}
	todo := []string{entry}
	add := func(m string) {
		for ; m != ""; m = parent(m) {
			if _, ok := j.modules[m]; ok && !reached[m] {
				todo = append(todo, m)
				reached[m] = true
			}
		}
	}
	add(entry)
	for len(todo) > 0 {
		m := todo[0]
		todo = todo[1:]
		for _, i := range j.answer.Files[j.modules[m]].Imports {
			if target, ok := j.absolute(m, i); ok && (!surely || i.Top && !i.Guarded) {
				add(target)
				for _, n := range i.Names {
					add(join(target, n))
				}
			}
		}
	}
	return reached
}

// absolute is the module that an import names.
func (j *judge) absolute(from string, i imported) (string, bool) {
	if i.Level == 0 {
		return i.Module, true
	}
	base := from
	up := i.Level
	if strings.HasSuffix(j.modules[from], "/__init__.py") {
		up--
	}
	for range up {
		if base == "" {
			return "", false
		}
		base = parent(base)
	}
	return join(base, i.Module), base != ""
}

func parent(m string) string {
	if i := strings.LastIndexByte(m, '.'); i >= 0 {
		return m[:i]
	}
	return ""
}

func join(a, b string) string { return strings.Trim(a+"."+b, ".") }

// imports judges one import of a file that will run.
func (j *judge) imports(s source, f file, i imported) {
	if i.Guarded {
		return
	}
	target, ok := j.absolute(s.module, i)
	where := fmt.Sprintf("%s:%d", s.name, i.Line)
	if !ok {
		j.find(i.Top && !f.Dynamic, where, "relative imports end at the top of the package", "%s leads out of the package", strings.Repeat(".", i.Level)+i.Module)
		return
	}
	top, _, _ := strings.Cut(target, ".")
	if j.has(top) {
		j.inside(where, f, i, target)
		return
	}
	if slices.Contains(j.Standard, top) || j.provided(target) || f.SysPath || f.Dynamic {
		return
	}
	// import model, for a file that lies beside this one: Python 2 found it.
	if beside := join(parent(s.module), top); i.Level == 0 && j.has(beside) && parent(s.module) != "" {
		j.once(i.Top && !j.More && !j.unsure, where, beside, fmt.Sprintf("write: from %s import %s", parent(s.module), top),
			"there is no module %s; the package has %s, which is imported by its full name", top, beside)
		return
	}
	if j.More || j.RuntimeUnknown || j.code.opaque {
		return
	}
	j.puzzled = true
	if j.unsure {
		return
	}
	// Of a namespace that many share, what is imported from it says more.
	what, need := top, top
	if _, inner, _ := strings.Cut(target, "."); top == "google" && (inner != "" || len(i.Names) > 0) {
		what = target
		if len(i.Names) > 0 && strings.Count(target, ".") < 2 {
			what = join(target, i.Names[0])
		}
		need = strings.ReplaceAll(what, ".", "-")
	}
	if c := j.carriers(what); c[0] != top {
		need = c[0]
	}
	hint := fmt.Sprintf("add '%s' to install_requires in setup.py", need)
	if !j.handmade {
		hint = fmt.Sprintf("name '%s' in a requirements.txt beside what is packed", need)
	}
	j.once(false, where, "requirement "+need, hint, "import %s: it is neither declared as a requirement nor brought by one", what)
}

// once reports the first place of what may be imported in many.
func (j *judge) once(certain bool, where, what, hint, format string, args ...any) {
	if !j.said[what] {
		j.said[what] = true
		j.find(certain, where, hint, format, args...)
	}
}

// inside judges an import from the packages themselves.
func (j *judge) inside(where string, f file, i imported, target string) {
	certain := i.Top && !j.More && !f.SysPath
	if !j.has(target) {
		if !j.hidden(parent(target)) {
			j.once(certain, where, target, j.left(target), "import %s: the packages of the job have no such module", target)
		}
		return
	}
	init, ok := j.modules[target]
	if !ok || j.hidden(target) {
		return
	}
	of := j.answer.Files[init]
	for _, n := range i.Names {
		if !j.has(join(target, n)) && !slices.Contains(of.Defines, n) && !magic(n) {
			j.once(certain, where, join(target, n), j.left(join(target, n)), "from %s import %s: %s has neither a module nor a name %s", target, n, init, n)
		}
	}
}

// magic names are in every module.
func magic(n string) bool { return strings.HasPrefix(n, "__") && strings.HasSuffix(n, "__") }

// has reports whether the packages have a module, or modules below it.
func (j *judge) has(module string) bool {
	if _, ok := j.modules[module]; ok {
		return true
	}
	for m := range j.modules {
		if strings.HasPrefix(m, module+".") {
			return true
		}
	}
	return false
}

// hidden reports whether a module's names cannot be told.
func (j *judge) hidden(module string) bool {
	for ; module != ""; module = parent(module) {
		if f, ok := j.answer.Files[j.modules[module]]; ok && (f.Dynamic || f.Error != nil) {
			return true
		}
	}
	return false
}

// left is what to do about a module that lies in the user's tree but not in
// the archive.
func (j *judge) left(module string) string {
	rel := strings.ReplaceAll(module, ".", "/")
	for p, why := range j.LeftOut {
		if p == rel+".py" || p == rel+"/" || strings.HasSuffix(p, "/") && strings.HasPrefix(rel, p) {
			return fmt.Sprintf("%s is left out (%s); a line with ! in a .trainyardignore takes it back", p, why)
		}
	}
	rel = filepath.FromSlash(rel)
	for _, dir := range j.Folders {
		folder := filepath.Join(dir, rel)
		switch {
		case isFile(folder+".py") || isFile(filepath.Join(folder, "__init__.py")):
			return fmt.Sprintf("it is in %s, but the archive leaves it out: use packages=find_packages() in setup.py, and see that every folder has an __init__.py", dir)
		case isDir(folder):
			return fmt.Sprintf("touch %s, so that it is found as a package", filepath.Join(folder, "__init__.py"))
		}
	}
	return "trainyard package --list shows what is packed"
}

func isFile(p string) bool { info, err := os.Stat(p); return err == nil && info.Mode().IsRegular() }
func isDir(p string) bool  { info, err := os.Stat(p); return err == nil && info.IsDir() }

// shadowed finds modules of the packages that Python will never find, since
// the standard library has one of that name and comes first.
func (j *judge) shadowed() {
	entry, _, _ := strings.Cut(j.Module, ".")
	tops := map[string]string{}
	for _, s := range j.code.files {
		if top, _, _ := strings.Cut(s.module, "."); tops[top] == "" {
			tops[top] = s.name
		}
	}
	for top, name := range tops {
		if slices.Contains(j.Standard, top) && !strings.HasPrefix(top, "_") {
			j.find(top == entry, name, "rename it", "the standard library has a module %s, which Python finds first", top)
		}
	}
}

func (j *judge) syntax(s source, f file, runs bool) {
	v := j.Reader
	if j.Version != nil {
		v = j.Version
	}
	// Without a version the job's Python may be another than this machine's.
	j.find(runs && slices.Equal(j.Reader, j.Version), fmt.Sprintf("%s:%d", s.name, f.Error.Line), "", "Python %s does not read this: %s", version(v), f.Error.Text)
}

// opens finds data that the program opens by a path that only this machine has.
func (j *judge) opens(s source, f file) {
	for _, o := range f.Opens {
		if len(o.Path) > 255 || filepath.IsAbs(o.Path) || strings.Contains(o.Path, "://") || !strings.ContainsAny(o.Path, "./") || strings.HasSuffix(o.Path, ".py") {
			continue
		}
		for _, dir := range j.Folders {
			if isFile(filepath.Join(dir, o.Path)) {
				j.once(false, fmt.Sprintf("%s:%d", s.name, o.Line), "open "+o.Path, "put it into the package and find it by __file__, or copy it to gs:// and give its address as an argument",
					"%s is opened relative to the working directory, which is an empty one in a job", o.Path)
				break
			}
		}
	}
}
