package pack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// How much is kept: archives are found again in seconds, not in weeks.
const (
	maxKept     = 32
	maxKeptSize = 256 << 20 // of one archive
	settled     = 2 * time.Second
)

// kept is where archives of unchanged trees are found again. An archive's key
// is all that could change it: the name, size, mode, inode and times of each
// file, and what the archive has beside files. Like git's index, it trusts no
// file that was changed just before it was read: a second change within the
// clock's step would not show. What it has is compared by digest when it is used.
type kept struct {
	dir   string // empty for none
	began time.Time
}

// keptArchive is an archive that is kept; the file lies beside its description.
type keptArchive struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Files  []File `json:"files"`
}

// key is the name of an archive of these members; empty where one of them is
// not to be trusted.
func (k kept) key(base string, entries []entry, stat func(entry) (os.FileInfo, error)) string {
	if k.dir == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "3 %q\n", base) // 3 is the form of archives and keys
	for _, e := range entries {
		if e.path == "" {
			fmt.Fprintf(h, "%q %q\n", e.name, e.data)
			continue
		}
		info, err := stat(e)
		if err != nil || info.Size() != e.size || !k.describe(h, e, info) {
			return ""
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// What is known of a member's file: from when it was listed, or as it is now.
func asListed(e entry) (os.FileInfo, error) { return e.info, nil }
func asItIs(e entry) (os.FileInfo, error)   { return os.Stat(e.path) }

// describe adds a file to the key; false where it was changed a moment ago.
func (k kept) describe(h hash.Hash, e entry, info os.FileInfo) bool {
	inode, changed, ok := identity(info)
	if !ok {
		return false
	}
	newest := info.ModTime()
	if changed.After(newest) {
		newest = changed
	}
	fmt.Fprintf(h, "%q %q %d %t %d %d %d\n", e.name, e.path, e.size, e.exec, inode, info.ModTime().UnixNano(), changed.UnixNano())
	return newest.Before(k.began.Add(-settled))
}

// find puts a kept archive at to, if there is one that is whole.
func (k kept) find(key, to string) (Archive, bool) {
	if key == "" {
		return Archive{}, false
	}
	b, err := os.ReadFile(filepath.Join(k.dir, key+".json"))
	if err != nil {
		return Archive{}, false
	}
	var d keptArchive
	if json.Unmarshal(b, &d) != nil {
		return Archive{}, false
	}
	a := Archive{Path: to, Name: filepath.Base(to), Size: d.Size, SHA256: d.SHA256, Files: d.Files}
	if sum, err := linkSummed(filepath.Join(k.dir, key+".tar.gz"), to); err != nil || sum != d.SHA256 {
		_ = os.Remove(to)
		return Archive{}, false
	}
	used := time.Now()
	_ = os.Chtimes(filepath.Join(k.dir, key+".json"), used, used) // the least recently used go first
	return a, true
}

// keep keeps an archive under a key. It is a help and no more: what does not
// work is not done.
func (k kept) keep(key string, a Archive) {
	if key == "" || a.Size > maxKeptSize || os.MkdirAll(k.dir, 0o700) != nil {
		return
	}
	b, err := json.Marshal(keptArchive{a.SHA256, a.Size, a.Files})
	if err != nil {
		return
	}
	temp, err := os.MkdirTemp(k.dir, ".new-")
	if err != nil {
		return
	}
	defer os.RemoveAll(temp)
	archive, about := filepath.Join(temp, "archive"), filepath.Join(temp, "about")
	if sum, err := linkSummed(a.Path, archive); err != nil || sum != a.SHA256 || os.WriteFile(about, b, 0o600) != nil {
		return
	}
	// The description last: it says that the archive is there.
	if os.Rename(archive, filepath.Join(k.dir, key+".tar.gz")) == nil && os.Rename(about, filepath.Join(k.dir, key+".json")) == nil {
		k.prune()
	}
}

// prune removes the archives that were not used for longest.
func (k kept) prune() {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return
	}
	type used struct {
		name string
		at   time.Time
	}
	var all []used
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if info, err := e.Info(); ok && err == nil {
			all = append(all, used{name, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b used) int { return b.at.Compare(a.at) })
	for _, u := range all[min(len(all), maxKept):] {
		_ = os.Remove(filepath.Join(k.dir, u.name+".json"))
		_ = os.Remove(filepath.Join(k.dir, u.name+".tar.gz"))
	}
}

// linkSummed gives a file another name, or copies it where that cannot be, and
// gives its digest. Who changes one changes both: a kept archive that is not
// what it was is found by its digest, and not used.
func linkSummed(from, to string) (sum string, err error) {
	if os.Link(from, to) != nil {
		return copySummed(from, to)
	}
	f, err := os.Open(to)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// copySummed copies a file and gives its digest.
func copySummed(from, to string) (sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return hex.EncodeToString(h.Sum(nil)), err
}
