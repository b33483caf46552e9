// Package stage puts a job's archives into object storage, where its replicas
// fetch them from. What is there already with the same content is not sent
// again. It knows neither jobs nor how archives are made.
package stage

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// Store is object storage as far as staging needs it.
type Store interface {
	// Stat is the size and the MD5 digest of an object; fault.NotFound where
	// there is none.
	Stat(ctx context.Context, bucket, object string) (size int64, md5 []byte, err error)
	// Upload writes an object whole or not at all, and says how much was sent
	// so far; fault.NotFound where the bucket is not there.
	Upload(ctx context.Context, bucket, object string, r io.Reader, sent func(int64)) error
}

// Place is where a group of archives goes: objects in a bucket under a prefix.
type Place struct{ Bucket, Prefix string }

// InBucket is a job's place in a staging bucket, gs://BUCKET.
func InBucket(uri, id string) Place {
	return Place{strings.TrimPrefix(uri, "gs://"), id + "/"}
}

// InJobDir is the place of packages in a job dir, gs://BUCKET/PATH.
func InJobDir(uri string) Place {
	bucket, path, _ := strings.Cut(strings.TrimPrefix(uri, "gs://"), "/")
	if path = strings.TrimRight(path, "/"); path != "" {
		path += "/"
	}
	return Place{bucket, path + "packages/"}
}

// Archive is a local archive on its way.
type Archive struct {
	Path    string
	Name    string // last element of the object's name
	Size    int64
	Bucket  string
	Object  string
	Present bool // the same content is there already
}

// URI names the archive's object.
func (a Archive) URI() string { return "gs://" + a.Bucket + "/" + a.Object }

// Group is archives that go together: the digest of all of them, in order, is
// in the name of their place, so that a change of one never overwrites what
// another job still reads.
type Group struct {
	Archives []Archive
	Digest   string // in hex
}

// Read digests local archives. known are the SHA-256 digests of some of them:
// one that goes alone is not read for it again.
func Read(paths []string, known map[string]string) (*Group, error) {
	g := &Group{}
	var twice []string
	seen := map[string]bool{}
	all := sha256.New()
	for _, path := range paths {
		a := Archive{Path: path, Name: filepath.Base(path)}
		if len(paths) == 1 {
			g.Digest = known[path]
		}
		var err error
		if a.Size, err = digest(path, all, g.Digest != ""); err != nil {
			return nil, unreadable(path, err)
		}
		if seen[a.Name] && !slices.Contains(twice, a.Name) {
			twice = append(twice, a.Name)
		}
		seen[a.Name] = true
		g.Archives = append(g.Archives, a)
	}
	if g.Digest == "" {
		g.Digest = hex.EncodeToString(all.Sum(nil))
	}
	if len(twice) > 0 {
		return nil, fault.Errorf(fault.Invalid, "Cannot upload multiple packages with the same filename: [%s]", strings.Join(twice, ", "))
	}
	return g, nil
}

// digest adds a file to a digest that is not known already, and tells its size.
func digest(path string, sum io.Writer, known bool) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if !known {
		return io.Copy(sum, f)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Place says where the archives go and asks which are there already.
func (g *Group) Place(ctx context.Context, s Store, p Place) error {
	for i := range g.Archives {
		a := &g.Archives[i]
		a.Bucket, a.Object = p.Bucket, p.Prefix+g.Digest+"/"+a.Name
		size, sum, err := s.Stat(ctx, a.Bucket, a.Object)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err != nil || size != a.Size {
			continue
		}
		own, err := a.md5()
		if err != nil {
			return err
		}
		a.Present = bytes.Equal(sum, own)
	}
	return nil
}

// md5 is what object storage compares by.
func (a Archive) md5() ([]byte, error) {
	sum := md5.New()
	if _, err := digest(a.Path, sum, false); err != nil {
		return nil, unreadable(a.Path, err)
	}
	return sum.Sum(nil), nil
}

// Complete reports whether nothing is left to send.
func (g *Group) Complete() bool {
	return !slices.ContainsFunc(g.Archives, func(a Archive) bool { return !a.Present })
}

// URIs names the archives' objects, in order.
func (g *Group) URIs() []string {
	var uris []string
	for _, a := range g.Archives {
		uris = append(uris, a.URI())
	}
	return uris
}

// Send uploads what is not there yet. show is told of each archive before it
// is sent and gives what is told of its progress.
func (g *Group) Send(ctx context.Context, s Store, show func(Archive) (sent func(int64))) error {
	for i := range g.Archives {
		a := &g.Archives[i]
		if a.Present {
			continue
		}
		if err := a.send(ctx, s, show(*a)); err != nil {
			return err
		}
		a.Present = true
	}
	return nil
}

func (a Archive) send(ctx context.Context, s Store, sent func(int64)) error {
	f, err := os.Open(a.Path)
	if err != nil {
		return unreadable(a.Path, err)
	}
	defer f.Close()
	err = s.Upload(ctx, a.Bucket, a.Object, f, sent)
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case fault.Is(err, fault.NotFound):
		return NoBucket(a.Bucket)
	default:
		return &fault.Error{Kind: fault.KindOf(err), Msg: "Could not upload file [" + a.Path + "] to [" + a.Bucket + "/" + a.Object + "]: " + err.Error(), Hint: fault.HintOf(err), Err: err}
	}
}

// NoBucket is the original's sentence for a bucket that is not there.
func NoBucket(name string) error {
	return fault.Errorf(fault.NotFound, "Could not upload file: [%s] bucket does not exist.", name).
		WithHint("make it with: trainyard storage buckets create gs://%s", name)
}

// unreadable is the original's sentence; the system's reason without the path,
// which it names already.
func unreadable(path string, err error) error {
	reason := err.Error()
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		reason = p.Err.Error()
	}
	return fault.Errorf(fault.Invalid, "Unable to read file [%s]: %s", path, reason)
}
