package pyenv

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

//go:embed uv.json
var uvJSON []byte

// pinned is the uv that is fetched where none is found.
type pinned struct {
	Version string            `json:"version"`
	Minimum string            `json:"minimum"` // of one that is found
	Files   map[string]uvFile `json:"files"`   // by platform
}

type uvFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

var uvPin = sync.OnceValue(func() pinned {
	var p pinned
	if err := json.Unmarshal(uvJSON, &p); err != nil {
		panic("uv.json: " + err.Error())
	}
	return p
})

// UV returns the path of a uv executable: the one set, one on PATH that is new
// enough, or the pinned one, which is fetched from the index on first use.
func (c *Cache) UV(ctx context.Context) (string, error) {
	path, _, err := c.findUV(ctx, func(string) {})
	return path, err
}

func (c *Cache) findUV(ctx context.Context, log func(string)) (path, version string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := openMemory(filepath.Join(c.dir, "uv.json"))
	if c.o.UV != "" {
		v := m.uvVersion(ctx, c.o.UV)
		if v == "" || compareVersions(v, uvPin().Minimum) < 0 {
			return "", "", fault.Errorf(fault.Precondition, "%s is not a uv of version %s or newer", c.o.UV, uvPin().Minimum).
				WithHint("name another with the setting uv, or leave it empty to have one found or fetched")
		}
		return c.o.UV, v, nil
	}
	for _, d := range filepath.SplitList(lookup(c.o.Environ, "PATH")) {
		real, ok := resolve(filepath.Join(d, exe("uv")))
		if !ok {
			continue
		}
		if v := m.uvVersion(ctx, real); v != "" && compareVersions(v, uvPin().Minimum) >= 0 {
			return real, v, nil
		}
	}
	path = filepath.Join(c.dir, "uv", uvPin().Version, exe("uv"))
	if _, err := os.Stat(path); err == nil {
		return path, uvPin().Version, nil
	}
	return path, uvPin().Version, c.fetchUV(ctx, path, log)
}

func exe(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}

// platform is a key of the pinned files.
func platform() string {
	p := runtime.GOOS + "/" + runtime.GOARCH
	if runtime.GOOS != "linux" {
		return p
	}
	if musl, _ := filepath.Glob("/lib/ld-musl-*.so.1"); len(musl) > 0 {
		return p + "/musl"
	}
	return p + "/gnu"
}

// fetchUV puts the pinned uv at path, whole or not at all. Several at once do
// no harm: each writes the same.
func (c *Cache) fetchUV(ctx context.Context, path string, log func(string)) error {
	want, ok := uvPin().Files[platform()]
	if !ok {
		return fault.Errorf(fault.Precondition, "there is no uv for %s to fetch", platform()).WithHint("install uv, or set the installer to pip")
	}
	log("Fetching uv " + uvPin().Version + " from the package index")
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return diskError("make a folder for uv", err)
	}
	wheel, err := os.CreateTemp(dir, "fetch")
	if err != nil {
		return diskError("fetch uv", err)
	}
	defer func() { _ = wheel.Close(); _ = os.Remove(wheel.Name()) }()
	sum := sha256.New()
	if err := c.fetch(ctx, "uv", want.Name, io.MultiWriter(wheel, sum)); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.SHA256 {
		return fault.Errorf(fault.Precondition, "%s from the package index is not the one we know: its digest is %s, not %s", want.Name, got, want.SHA256).
			WithHint("install uv yourself, or set the installer to pip")
	}
	return unpackUV(wheel, path)
}

func unpackUV(wheel *os.File, path string) (err error) {
	info, err := wheel.Stat()
	if err != nil {
		return diskError("unpack uv", err)
	}
	z, err := zip.NewReader(wheel, info.Size())
	if err != nil {
		return fault.Errorf(fault.Internal, "unpack uv: %w", err)
	}
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".data/scripts/"+exe("uv")) {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return fault.Errorf(fault.Internal, "unpack uv: %w", err)
		}
		defer func() { _ = r.Close() }()
		to, err := os.CreateTemp(filepath.Dir(path), "unpack")
		if err != nil {
			return diskError("unpack uv", err)
		}
		_, err = io.Copy(to, r)
		err = errors.Join(err, to.Chmod(0o755), to.Sync(), to.Close())
		if err == nil {
			err = os.Rename(to.Name(), path)
		}
		if err != nil {
			_ = os.Remove(to.Name())
			return diskError("unpack uv", err)
		}
		return nil
	}
	return fault.Errorf(fault.Internal, "unpack uv: no executable in it")
}

// version of a uv, remembered as interpreters' are.
func (m *memory) uvVersion(ctx context.Context, path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	if r, ok := m.Pythons[path]; ok && r.Size == info.Size() && r.Time.Equal(info.ModTime()) {
		return r.Version
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) < 2 || words[0] != "uv" {
		return ""
	}
	m.Pythons[path] = remembered{words[1], info.Size(), info.ModTime()}
	m.changed = true
	m.save()
	return words[1]
}
