package cli

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/trainyard/trainyard/internal/fault"
)

// transfer is one copy to make. exact is a destination that the user named
// whole; others have the source's Rel below it.
type transfer struct {
	from  item
	to    place
	exact bool
}

func errSeveral(to place) error {
	return fault.Errorf(fault.Invalid, "Destination URL must name an existing bucket or directory, or end with a slash, for multiple sources: %s", to)
}

// checkPlan leaves out what cannot be done, and says why: an object's name may
// lead out of a folder, or be a file where another's is a folder.
func checkPlan(root place, list []transfer, p *problems) ([]transfer, error) {
	var good []transfer
	files := map[string]place{}
	for _, t := range list {
		if err := checkTransfer(root, t); err != nil {
			if !p.add(err) {
				return nil, err
			}
			continue
		}
		key := t.to.String()
		if other, twice := files[key]; twice && !t.to.std() && other.String() != t.from.place.String() {
			if t.from.remote() && t.from.Name == other.Name { // versions: the last one wins
				good = append(good, t)
				continue
			}
			if err := fault.Errorf(fault.Invalid, "%s and %s would both be copied to %s", other, t.from.place, t.to); !p.add(err) {
				return nil, err
			}
			continue
		}
		files[key] = t.from.place
		good = append(good, t)
	}
	if root.remote() || root.std() {
		return good, nil
	}
	kept := good[:0]
	for _, t := range good {
		if err := collision(files, t); err != nil {
			if !p.add(err) {
				return nil, err
			}
			continue
		}
		kept = append(kept, t)
	}
	return kept, nil
}

func checkTransfer(root place, t transfer) error {
	switch {
	case t.to.std():
		return nil
	case t.to.remote() && (t.to.Name == "" || t.from.std() && strings.HasSuffix(t.to.Name, "/")):
		return fault.Errorf(fault.Invalid, "%s names no object", root).WithHint("say what the object is to be called: gs://%s/NAME", t.to.Bucket)
	case t.from.place == t.to && !t.from.noncurrent(): // which is restored so
		return fault.Errorf(fault.Invalid, "source and destination are the same: %s", t.to)
	case !t.from.remote() && !t.to.remote():
		return fault.Errorf(fault.Invalid, "neither %s nor %s is a gs:// URL", t.from, t.to).WithHint("cp copies local files")
	case t.to.remote() || t.exact || fits(t.from):
		return nil
	}
	return fault.Errorf(fault.Invalid, "object %s cannot be written below %s: %q is no path inside a folder", t.from, root, t.from.Rel).
		WithHint("copy it alone, to a name of its own")
}

// fits reports whether an object's name can be a path below a folder. A bucket
// takes ../x, /x and a//b.
func fits(it item) bool {
	rel := it.Rel
	if marker(it) {
		rel = strings.TrimSuffix(rel, "/")
	}
	return rel == path.Clean(rel) && rel != "." && filepath.IsLocal(filepath.FromSlash(rel)) && !strings.ContainsRune(rel, 0)
}

// marker is an empty object that some programs put where a folder is to be.
func marker(it item) bool { return it.Object != nil && it.Size == 0 && strings.HasSuffix(it.Name, "/") }

// collision finds an object that is a file where t needs a folder.
func collision(files map[string]place, t transfer) error {
	for dir := path.Dir(t.to.Name); dir != "." && dir != "/" && dir != path.Dir(dir); dir = path.Dir(dir) {
		if other, ok := files[dir]; ok {
			return fault.Errorf(fault.Invalid, "object %s cannot be written to %s: %s is a file, of %s", t.from, t.to, dir, other).
				WithHint("copy it alone, to a name of its own")
		}
	}
	if !marker(t.from) && isDir(t.to.Name) {
		return fault.Errorf(fault.Invalid, "object %s cannot be written to %s, which is a directory", t.from, t.to)
	}
	return nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// problems are what went wrong with one of many. It is told at once; the exit
// status comes at the end.
type problems struct {
	mu  sync.Mutex
	s   *Streams
	b   *board // nil before anything moves
	all bool   // whatever it is, the rest goes on
	any bool
}

// add tells of a failure and reports whether the rest can go on: not when it
// would meet the same.
func (p *problems) add(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Precondition, fault.Conflict:
	default:
		if !p.all {
			return false
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.any = true
	if p.b != nil {
		p.b.problem(err.Error(), fault.HintOf(err))
	} else {
		p.s.problem(err.Error(), fault.HintOf(err))
	}
	return true
}

func (p *problems) err() error {
	if p.any {
		return exitError(exitFailed)
	}
	return nil
}
