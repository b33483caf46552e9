package agent

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // storage's own checksum
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// fetcher gets package archives from storage into a folder that all runs of a
// job share: a program may delete its staged packages, and a restart must not
// miss them.
type fetcher struct {
	base   string // of the storage API, without a trailing slash
	dir    string
	client *http.Client
	tries  int
	pause  func(ctx context.Context, n int) error // before try n
}

// fetch returns the archive and whether it was there already.
func (f *fetcher) fetch(ctx context.Context, p job.Package) (File, bool, error) {
	bucket, object, err := splitURI(p.URI)
	if err != nil {
		return File{}, false, err
	}
	name := baseName(object)
	dir := filepath.Join(f.dir, folderOf(p))
	file := File{Name: name, Path: filepath.Join(dir, name)}
	if sum, err := digest(file.Path, p); err == nil {
		file.SHA256 = sum
		return file, true, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return File{}, false, disk(dir, err)
	}
	// Of all replicas one downloads, and the others find it there.
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return File{}, false, disk(dir, err)
	}
	defer lock.Close()
	if sum, err := digest(file.Path, p); err == nil {
		file.SHA256 = sum
		return file, true, nil
	}
	u := f.base + "/storage/v1/b/" + url.PathEscape(bucket) + "/o/" + url.PathEscape(object) + "?alt=media"
	if p.Generation != 0 {
		u += "&generation=" + strconv.FormatInt(p.Generation, 10)
	}
	tmp, err := os.CreateTemp(dir, ".fetch-*")
	if err != nil {
		return File{}, false, disk(dir, err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	for n := 1; ; n++ {
		err := f.get(ctx, u, tmp, p)
		if err == nil {
			break
		}
		if n >= f.tries || !fault.Is(err, fault.Unavailable) {
			return File{}, false, err
		}
		if err := f.pause(ctx, n); err != nil {
			return File{}, false, err
		}
	}
	if err := tmp.Sync(); err != nil {
		return File{}, false, disk(tmp.Name(), err)
	}
	if file.SHA256, err = digest(tmp.Name(), p); err != nil {
		return File{}, false, err
	}
	if err := os.Rename(tmp.Name(), file.Path); err != nil {
		return File{}, false, disk(file.Path, err)
	}
	return file, false, SyncDir(dir)
}

// get appends what is missing in tmp.
func (f *fetcher) get(ctx context.Context, u string, tmp *os.File, p job.Package) error {
	at, err := tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return disk(tmp.Name(), err)
	}
	if at > 0 && at == p.Size {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	if at > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", at))
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Msg: "download of " + p.URI + " was cut: " + err.Error(), Err: err}
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && at > 0:
	case resp.StatusCode == http.StatusOK:
		if err := restart(tmp); err != nil {
			return err
		}
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && at > 0:
		if err := restart(tmp); err != nil {
			return err
		}
		return fault.Errorf(fault.Unavailable, "download of %s starts again", p.URI)
	default:
		return refused(resp, p.URI)
	}
	if _, err := io.Copy(tmp, resp.Body); err != nil {
		if w := disk(tmp.Name(), err); fault.Is(w, fault.Full) {
			return w
		}
		return &fault.Error{Kind: fault.Unavailable, Msg: "download of " + p.URI + " was cut: " + err.Error(), Err: err}
	}
	return nil
}

func restart(tmp *os.File) error {
	if err := tmp.Truncate(0); err != nil {
		return disk(tmp.Name(), err)
	}
	_, err := tmp.Seek(0, io.SeekStart)
	return err
}

// refused gives an HTTP status its kind.
func refused(resp *http.Response, uri string) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	kind, hint := fault.Internal, ""
	switch {
	case resp.StatusCode == http.StatusNotFound:
		kind, hint = fault.NotFound, "it was deleted or replaced after the job was submitted; submit the job again"
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 500:
		kind = fault.Unavailable
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		kind = fault.Denied
	}
	e := fault.Errorf(kind, "cannot download %s: the storage answers %s: %s", uri, resp.Status, strings.TrimSpace(string(text)))
	if kind == fault.NotFound {
		e.Msg = "the package " + uri + " does not exist any more"
	}
	e.Hint = hint
	return e
}

// digest reads a file, checks it against what the package was at submit, and
// returns its SHA-256.
func digest(path string, p job.Package) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sha, sum := sha256.New(), md5.New() //nolint:gosec // as above
	n, err := io.Copy(io.MultiWriter([]io.Writer{hash.Hash(sha), hash.Hash(sum)}...), f)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if p.Size > 0 && n != p.Size || p.MD5 != nil && !bytes.Equal(sum.Sum(nil), p.MD5) {
		return "", fault.Errorf(fault.Precondition, "the package %s is not what it was when the job was submitted: %d bytes, md5 %x; expected %d bytes, md5 %x", p.URI, n, sum.Sum(nil), p.Size, p.MD5).
			WithHint("submit the job again")
	}
	return hex.EncodeToString(sha.Sum(nil)), nil
}

// Fetched is the path at which the runs of a job have a package, whose folder of
// them is given.
func Fetched(dir string, p job.Package) string {
	_, object, _ := splitURI(p.URI)
	return filepath.Join(dir, folderOf(p), baseName(object))
}

// folderOf is where a package lies: by content, or, where that is not known,
// by name and generation.
func folderOf(p job.Package) string {
	if p.MD5 != nil {
		return fmt.Sprintf("%x", p.MD5)
	}
	sum := sha256.Sum256([]byte(p.URI + "#" + strconv.FormatInt(p.Generation, 10)))
	return "u" + hex.EncodeToString(sum[:16])
}

func splitURI(uri string) (bucket, object string, err error) {
	rest, ok := strings.CutPrefix(uri, "gs://")
	bucket, object, cut := strings.Cut(rest, "/")
	if !ok || !cut || bucket == "" || object == "" {
		return "", "", fault.Errorf(fault.Invalid, "package %q is not gs://BUCKET/OBJECT", uri)
	}
	return bucket, object, nil
}

// baseName is the last part of an object's name as a name for a file.
func baseName(object string) string {
	name := path.Base(object)
	if name == "." || name == ".." || name == "/" || strings.ContainsRune(name, 0) {
		return "package"
	}
	return name
}

// backoff waits before the n-th further try; requests to a server that is away
// are held by the relay, so what is repeated here are cuts and 5xx.
func backoff(ctx context.Context, n int) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(min(100*time.Millisecond<<n, 10*time.Second)):
		return nil
	}
}
