package pyenv

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/pattern"
)

// Interpreter is a CPython on this machine.
type Interpreter struct {
	Path    string // the resolved binary, never a shim
	Version string // "3.11.7"
	Source  string // "setting", "path", "pyenv", "uv", "system" or "fetched"
}

// Search says where to look. Nothing is read from the process's environment.
type Search struct {
	Pythons []string // interpreters, or folders of them; they come first
	Fetched string   // folder of those that were fetched for jobs; may be empty
	Environ []string // PATH, HOME, PYENV_ROOT, UV_PYTHON_INSTALL_DIR, XDG_DATA_HOME
	Memory  string   // a file that remembers versions by path and time; may be empty
}

// Find lists the interpreters, newest first; of equal versions the more
// deliberate source comes first. An interpreter whose path does not tell its
// version is started once, and remembered.
func Find(ctx context.Context, s Search) []Interpreter {
	m := openMemory(s.Memory)
	seen := map[string]bool{}
	var found []Interpreter
	add := func(source, path string) {
		real, ok := resolve(path)
		if !ok || seen[real] {
			return
		}
		seen[real] = true
		if v := m.version(ctx, real); v != "" {
			found = append(found, Interpreter{real, v, source})
		}
	}
	for _, p := range s.Pythons {
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			for _, d := range []string{p, filepath.Join(p, "bin")} {
				pythonsIn(d, "setting", add)
			}
			continue
		}
		add("setting", p)
	}
	for _, d := range filepath.SplitList(lookup(s.Environ, "PATH")) {
		if filepath.IsAbs(d) {
			pythonsIn(d, "path", add)
		}
	}
	list := places(s.Environ)
	if s.Fetched != "" {
		list = append(list, place{"fetched", filepath.Join(s.Fetched, "cpython-*", "bin")})
	}
	for _, place := range list {
		dirs, _ := filepath.Glob(place.glob)
		for _, d := range dirs {
			pythonsIn(d, place.source, add)
		}
	}
	m.save()
	slices.SortStableFunc(found, func(a, b Interpreter) int { return compareVersions(b.Version, a.Version) })
	return found
}

type place struct{ source, glob string }

func places(environ []string) []place {
	home := lookup(environ, "HOME")
	pyenv := cmp.Or(lookup(environ, "PYENV_ROOT"), filepath.Join(home, ".pyenv"))
	data := cmp.Or(lookup(environ, "XDG_DATA_HOME"), filepath.Join(home, ".local", "share"))
	uv := cmp.Or(lookup(environ, "UV_PYTHON_INSTALL_DIR"), filepath.Join(data, "uv", "python"))
	list := []place{
		{"pyenv", filepath.Join(pyenv, "versions", "*", "bin")},
		{"uv", filepath.Join(uv, "cpython-*", "bin")},
		{"system", "/usr/local/bin"}, {"system", "/usr/bin"}, {"system", "/opt/*/bin"}, {"system", "/opt/python/*/bin"},
	}
	switch runtime.GOOS {
	case "darwin":
		list = append(list, place{"system", "/Library/Frameworks/Python.framework/Versions/*/bin"}, place{"system", "/opt/homebrew/bin"})
	case "windows":
		local := lookup(environ, "LOCALAPPDATA")
		list = []place{{"system", filepath.Join(local, "Programs", "Python", "Python3*")}, {"system", `C:\Python3*`},
			{"uv", filepath.Join(lookup(environ, "APPDATA"), "uv", "python", "cpython-*")}}
	}
	return list
}

// pythonsIn asks for each name by itself: listing /usr/bin takes longer.
func pythonsIn(dir, source string, add func(source, path string)) {
	for _, name := range pythonNames {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			add(source, path)
		}
	}
}

var pythonNames = func() []string {
	if runtime.GOOS == "windows" {
		return []string{"python.exe"}
	}
	names := []string{"python3", "python"}
	for minor := 20; minor >= 6; minor-- {
		names = append(names, "python3."+strconv.Itoa(minor))
	}
	return names
}()

// resolve follows links to the binary. A script, such as pyenv's shims, is none.
func resolve(path string) (string, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	if real, err = filepath.Abs(real); err != nil {
		return "", false
	}
	info, err := os.Stat(real)
	if err != nil || !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode()&0o111 == 0 {
		return "", false
	}
	f, err := os.Open(real)
	if err != nil {
		return "", false
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 2)
	if _, err := f.Read(head); err != nil || string(head) == "#!" {
		return "", false
	}
	return real, true
}

// lookup reads a variable of an environment given as NAME=VALUE; the last wins.
func lookup(environ []string, name string) string {
	for _, kv := range slices.Backward(environ) {
		if k, v, ok := strings.Cut(kv, "="); ok && (k == name || runtime.GOOS == "windows" && strings.EqualFold(k, name)) {
			return v
		}
	}
	return ""
}

// memory remembers versions, so that no interpreter is started twice for it.
type memory struct {
	file    string
	Pythons map[string]remembered
	changed bool
}

type remembered struct {
	Version string // empty: not an interpreter that serves
	Size    int64
	Time    time.Time
}

func openMemory(file string) *memory {
	m := &memory{file: file}
	if b, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(b, m) // a damaged memory is an empty one
	}
	if m.Pythons == nil {
		m.Pythons = map[string]remembered{}
	}
	return m
}

var (
	pyenvFolder = pattern.New(`^3\.\d+\.\d+$`)
	uvFolder    = pattern.New(`^cpython-(3\.\d+\.\d+)-`)
)

func (m *memory) version(ctx context.Context, real string) string {
	folder := filepath.Base(filepath.Dir(filepath.Dir(real)))
	if pyenvFolder.MatchString(folder) && strings.Contains(real, "/versions/") {
		return folder
	}
	if found := uvFolder.FindStringSubmatch(folder); found != nil {
		return found[1]
	}
	info, err := os.Stat(real)
	if err != nil {
		return ""
	}
	if r, ok := m.Pythons[real]; ok && r.Size == info.Size() && r.Time.Equal(info.ModTime()) {
		return r.Version
	}
	v, certain := askVersion(ctx, real)
	if certain {
		m.Pythons[real] = remembered{v, info.Size(), info.ModTime()}
		m.changed = true
	}
	return v
}

// askVersion starts the interpreter. Others than CPython with its global lock
// do not serve: packages' wheels are for that one.
func askVersion(ctx context.Context, real string) (v string, certain bool) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	const ask = `import sys, sysconfig
print(sys.implementation.name, sysconfig.get_config_var("Py_GIL_DISABLED") or 0, "%d.%d.%d" % sys.version_info[:3])`
	cmd := exec.CommandContext(ctx, real, "-E", "-s", "-c", ask)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", false
	}
	var name, free string
	if n, scanErr := fmt.Sscan(string(out), &name, &free, &v); err != nil || scanErr != nil || n != 3 || name != "cpython" || free != "0" {
		return "", true
	}
	return v, true
}

func (m *memory) save() {
	if m.file == "" || !m.changed {
		return
	}
	if b, err := json.Marshal(m); err == nil {
		_ = writeFile(m.file, b) // the next one asks again
	}
}

// compareVersions compares dotted numbers; what is no number counts as 0.
func compareVersions(a, b string) int {
	x, y := numbers(a), numbers(b)
	return slices.Compare(x, y)
}

func numbers(s string) []int {
	var ns []int
	for p := range strings.SplitSeq(s, ".") {
		n, _ := strconv.Atoi(p)
		ns = append(ns, n)
	}
	return ns
}

// minor is the line of a version: "3.11" of "3.11.7".
func minor(v string) string {
	parts := strings.SplitN(v, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
