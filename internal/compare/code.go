package compare

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/trainyard/trainyard/internal/pack"
)

const (
	// MaxText is how large a file may be whose lines are compared.
	MaxText = 1 << 20
	// maxKept is what is kept in memory of one job's code; maxRead bounds what is
	// unpacked, since a small archive can hold a large one.
	maxKept = 64 << 20
	maxRead = 2 << 30
)

// File is a file of a job's code.
type File struct {
	Name string
	Size int64
	sum  [sha256.Size]byte
	text []byte // nil where the lines are not compared
}

// FileChange is a file that two jobs have otherwise.
type FileChange struct {
	Name    string `json:"name"`
	Status  string `json:"status"` // "added", "removed" or "changed"
	Added   int    `json:"added"`  // lines
	Removed int    `json:"removed"`
	Binary  bool   `json:"binary,omitempty"` // or larger than MaxText
	Diff    string `json:"diff,omitempty"`   // unified
}

// Read reads the files of a job's archives, given by name and path. Names are
// those in the program's eyes: without the folder of name and version that a
// source archive has around them.
func Read(archives []Archive) ([]File, error) {
	list := []File{}
	kept, read := int64(maxKept), int64(maxRead)
	for _, a := range archives {
		var own []File
		err := pack.Each(a.Path, func(f pack.File, r io.Reader) error {
			if derived(f.Path) {
				return nil
			}
			sum := sha256.New()
			var head bytes.Buffer
			n, err := io.Copy(io.MultiWriter(sum, &capped{&head, MaxText + 1}), io.LimitReader(r, read+1))
			if read -= n; err == nil && read < 0 {
				err = errors.New("it unpacks to more than 2 GiB")
			}
			if err != nil {
				return err
			}
			one := File{Name: f.Path, Size: n}
			sum.Sum(one.sum[:0])
			if b := head.Bytes(); n <= MaxText && n <= kept && utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 {
				kept -= n
				one.text = append([]byte{}, b...)
			}
			own = append(own, one)
			return nil
		})
		if err != nil {
			return nil, err
		}
		root := rootOf(own)
		for i := range own {
			own[i].Name = strings.TrimPrefix(own[i].Name, root)
			if len(archives) > 1 {
				own[i].Name = distribution(a.Name) + ": " + own[i].Name
			}
		}
		list = append(list, own...)
	}
	return list, nil
}

// Archive is a package on this machine.
type Archive struct{ Name, Path string }

// derived tells files that building writes and nobody edits.
func derived(name string) bool {
	dir := path.Dir(name)
	return strings.HasSuffix(dir, ".egg-info") || path.Base(name) == "PKG-INFO" || strings.HasSuffix(dir, ".dist-info") && path.Base(name) == "RECORD"
}

// rootOf is the folder that all files are in, where there is one with a version
// in its name.
func rootOf(list []File) string {
	if len(list) == 0 {
		return ""
	}
	root, _, below := strings.Cut(list[0].Name, "/")
	if !below || !strings.ContainsAny(root, "0123456789") || !strings.Contains(root, "-") || strings.HasSuffix(root, ".dist-info") {
		return ""
	}
	root += "/"
	for _, f := range list {
		if !strings.HasPrefix(f.Name, root) {
			return ""
		}
	}
	return root
}

// distribution is the project's name in an archive's.
func distribution(archive string) string {
	for i := 1; i+1 < len(archive); i++ {
		if archive[i] == '-' && archive[i+1] >= '0' && archive[i+1] <= '9' {
			return archive[:i]
		}
	}
	return archive
}

// files compares code by name.
func files(a, b []File) []FileChange {
	was, is := index(a), index(b)
	list := []FileChange{}
	for name, x := range was {
		if y, there := is[name]; !there {
			list = append(list, change(name, "removed", &x, nil))
		} else if x.sum != y.sum {
			list = append(list, change(name, "changed", &x, &y))
		}
	}
	for name, y := range is {
		if _, there := was[name]; !there {
			list = append(list, change(name, "added", nil, &y))
		}
	}
	slices.SortFunc(list, func(x, y FileChange) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

// index is files by name; of two with one name the later is installed over the
// earlier.
func index(list []File) map[string]File {
	m := make(map[string]File, len(list))
	for _, f := range list {
		m[f.Name] = f
	}
	return m
}

func change(name, status string, a, b *File) FileChange {
	c := FileChange{Name: name, Status: status}
	var was, is []byte
	from, to := "/dev/null", "/dev/null"
	if a != nil {
		was, from = a.text, "a/"+name
	}
	if b != nil {
		is, to = b.text, "b/"+name
	}
	if c.Binary = a != nil && a.text == nil || b != nil && b.text == nil; c.Binary {
		return c
	}
	unified := diff.Diff(from, was, to, is)
	if _, rest, ok := bytes.Cut(unified, []byte("\n")); ok { // a line that says "diff"
		unified = rest
	}
	for i, line := range bytes.Split(unified, []byte("\n")) {
		switch {
		case i < 2: // the names
		case bytes.HasPrefix(line, []byte("+")):
			c.Added++
		case bytes.HasPrefix(line, []byte("-")):
			c.Removed++
		}
	}
	c.Diff = string(unified)
	return c
}

// capped keeps the first bytes that are written to it and takes all.
type capped struct {
	to   *bytes.Buffer
	room int
}

func (c *capped) Write(p []byte) (int, error) {
	n := min(len(p), c.room-c.to.Len())
	c.to.Write(p[:n])
	return len(p), nil
}
