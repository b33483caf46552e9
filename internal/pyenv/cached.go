package pyenv

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// Cached is a finished layer of the cache.
type Cached struct {
	Kind      string // "packages", "runtime", "base" or "top"
	Key       string
	Path      string
	Python    string // version; empty for a package
	Installer string
	Runtime   string   // the runtime version it was first built for
	Digest    string   // of that
	Requires  []string // what was asked for
	Lock      []string // what that became
	Packages  []string // given ones
	Below     string   // the layer below, "kind/key"
	Bytes     int64    // of its files, as if nothing shared them
	Built     time.Time
	Used      time.Time // when it was last handed out
	InUse     bool
}

// List are the finished layers, the most recently used first.
func (c *Cache) List() ([]Cached, error) {
	var list []Cached
	for _, kind := range kinds {
		entries, err := os.ReadDir(filepath.Join(c.dir, kind))
		if err != nil {
			return nil, diskError("read the environments", err)
		}
		for _, e := range entries {
			if l, ok := c.read(kind, e.Name()); ok {
				list = append(list, l)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Cached) int { return b.Used.Compare(a.Used) })
	return list, nil
}

// Inspect finds the layers whose key, or "kind/key", begins with a text. None
// is fault.NotFound, several are fault.Invalid.
func (c *Cache) Inspect(text string) (Cached, error) {
	all, err := c.List()
	if err != nil {
		return Cached{}, err
	}
	var found []Cached
	for _, l := range all {
		if text != "" && (strings.HasPrefix(l.Key, text) || strings.HasPrefix(l.Kind+"/"+l.Key, text)) {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 0:
		return Cached{}, fault.Errorf(fault.NotFound, "no environment's key begins with %q", text).WithHint("see: trainyard environments list")
	case 1:
		return found[0], nil
	}
	return Cached{}, fault.Errorf(fault.Invalid, "%d environments' keys begin with %q", len(found), text).WithHint("write more of the key")
}

// read says what a layer is; false where it is not finished.
func (c *Cache) read(kind, key string) (Cached, bool) {
	dir := filepath.Join(c.dir, kind, key)
	info, err := os.Stat(filepath.Join(dir, complete))
	if err != nil {
		return Cached{}, false
	}
	b, _, err := readMarker(dir)
	if err != nil {
		return Cached{}, false
	}
	l := Cached{Kind: kind, Key: key, Path: dir, Built: info.ModTime(), Used: info.ModTime(), Bytes: readSize(dir)}
	if kind == "packages" {
		var d dist
		if json.Unmarshal(b, &d) != nil {
			return Cached{}, false
		}
		l.Packages = []string{d.Title()}
	} else {
		var m layerMarker
		if json.Unmarshal(b, &m) != nil {
			return Cached{}, false
		}
		l.Python, l.Installer, l.Runtime, l.Digest, l.Requires, l.Lock, l.Packages, l.Below = m.Version, m.Installer, m.Runtime, m.Digest, m.Requires, m.Lock, m.Packages, m.Base
	}
	lockPath := c.lockPath(kind, key)
	if info, err := os.Stat(lockPath); err == nil {
		l.Used = info.ModTime()
		if free, err := tryLock(lockPath, true); err == nil && free == nil {
			l.InUse = true
		} else if err == nil {
			free.release()
		}
	}
	return l, true
}

func (c *Cache) lockPath(kind, key string) string {
	return filepath.Join(c.dir, "locks", kind+"-"+key)
}

// sizeFile is beside complete: how many bytes the layer's files have. It is
// written when there is time, by Settle.
const sizeFile = "size"

func writeSize(dir string) error {
	return os.WriteFile(filepath.Join(dir, sizeFile), []byte(fmt.Sprint(sizeOf(dir))), 0o644)
}

func readSize(dir string) int64 {
	b, err := os.ReadFile(filepath.Join(dir, sizeFile))
	n, bad := strconv.ParseInt(string(b), 10, 64)
	if err != nil || bad != nil {
		return sizeOf(dir)
	}
	return n
}

func sizeOf(dir string) int64 {
	var n int64
	for _, f := range files(dir) {
		n += f.size
	}
	return n
}
