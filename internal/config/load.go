package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// Input is what Load looks at.
type Input struct {
	Environ []string          // as os.Environ gives it
	File    string            // --config-file; empty for the usual place
	Flags   map[string]string // the flags that were given, by key; names that are no keys are ignored
}

// Load gathers the settings. An unreadable or mistaken source is an error that
// names it and the key.
func Load(in Input) (Settings, error) {
	env := Env(in.Environ)
	s := Settings{sources: map[string]Source{}}
	var explicit bool
	s.File, explicit = file(in.File, env)
	fromFile, err := readFile(s.File, explicit)
	if err != nil {
		return s, err
	}
	for _, k := range keys {
		text, src := k.def, Source{}
		if k.name == "data-dir" {
			text = defaultDataDir(env)
		}
		if t, ok := fromFile[k.name]; ok {
			text, src = t, Source{File, s.File}
		}
		for _, name := range k.variables() {
			if t, ok := env.Lookup(name); ok && (t != "" || k.name == "project") {
				text, src = t, Source{Environment, name}
				break
			}
		}
		if t, ok := in.Flags[k.name]; ok {
			text, src = t, Source{Flag, k.name}
		}
		if slices.Contains(paths, k.name) {
			text = src.absolute(text, env)
		}
		if err := k.set(&s, text); err != nil {
			return s, mistake(src, k.name, err)
		}
		s.sources[k.name] = src
	}
	return s, s.readToken()
}

// Mistake is a setting that is wrong, and where it came from.
type Mistake struct {
	Source Source
	Key    string
	Err    error
}

func (m *Mistake) Error() string { return m.Source.String() + ": " + m.Key + ": " + m.Err.Error() }
func (m *Mistake) Unwrap() error { return m.Err }

func mistake(s Source, key string, err error) error {
	return &fault.Error{Kind: fault.Invalid, Msg: (&Mistake{s, key, err}).Error(), Hint: fault.HintOf(err), Err: &Mistake{s, key, err}}
}

// paths are the settings that name a file or a folder: a server in the
// background, and commands in other folders, must find the same one.
var paths = []string{"data-dir", "token-file", "machines", "prices"}

// absolute is a path as its source means it: seen from the folder of the file
// that it stands in, else from the working directory. A ~ is the user's home.
func (s Source) absolute(path string, env Env) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && env.Get("HOME") != "" {
		return filepath.Join(env.Get("HOME"), rest)
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	if s.Level == File {
		path = filepath.Join(filepath.Dir(s.Name), path)
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Path is the whole path that a setting names; ok is false for one that names
// none.
func (s Settings) Path(key string) (path string, ok bool) {
	k, known := find(key)
	if !known || !slices.Contains(paths, key) {
		return "", false
	}
	return k.get(&s), true
}

// readToken fills Token from TokenFile where no token was given by itself.
func (s *Settings) readToken() error {
	if s.TokenFile == "" || !s.Token.IsZero() {
		return nil
	}
	b, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return mistake(s.SourceOf("token-file"), "token-file", err)
	}
	t := strings.TrimSpace(string(b))
	if t == "" {
		return mistake(s.SourceOf("token-file"), "token-file", fmt.Errorf("%s is empty", s.TokenFile))
	}
	s.Token = NewSecret(t)
	s.sources["token"] = Source{s.SourceOf("token-file").Level, s.TokenFile}
	return nil
}

// Env is an environment as a list of NAME=VALUE.
type Env []string

// Lookup is the last value of a name, as a process sees it.
func (e Env) Lookup(name string) (string, bool) {
	for i := len(e) - 1; i >= 0; i-- {
		n, v, ok := strings.Cut(e[i], "=")
		if ok && (n == name || runtime.GOOS == "windows" && strings.EqualFold(n, name)) {
			return v, true
		}
	}
	return "", false
}

// Get is the value of a name, or empty.
func (e Env) Get(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// file is the configuration file's path and whether somebody named it, in
// which case it has to exist.
func file(flag string, env Env) (string, bool) {
	if flag != "" {
		return flag, true
	}
	if f := env.Get("TRAINYARD_CONFIG_FILE"); f != "" {
		return f, true
	}
	return filepath.Join(base(env, "XDG_CONFIG_HOME", "APPDATA", ".config"), "trainyard", "config.yaml"), false
}

func defaultDataDir(env Env) string {
	return filepath.Join(base(env, "XDG_DATA_HOME", "LOCALAPPDATA", ".local/share"), "trainyard")
}

// StateDir is where the command line remembers what it has begun.
func StateDir(env Env) string {
	return filepath.Join(base(env, "XDG_STATE_HOME", "LOCALAPPDATA", ".local/state"), "trainyard")
}

// base is a folder as the XDG directory specification has it: a relative value
// does not count.
func base(env Env, xdg, windows, under string) string {
	if d := env.Get(xdg); filepath.IsAbs(d) {
		return d
	}
	if d := env.Get(windows); runtime.GOOS == "windows" && d != "" {
		return d
	}
	home := env.Get("HOME")
	if home == "" {
		home = env.Get("USERPROFILE")
	}
	if home == "" {
		home = os.TempDir()
	}
	return filepath.Join(home, filepath.FromSlash(under))
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
