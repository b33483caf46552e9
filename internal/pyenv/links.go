package pyenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/trainyard/trainyard/internal/fault"
)

// Folders gives what lies at an address that installers do not know, such as
// gs://bucket/wheels, as a folder: it brings dir to that, and may find most of
// it there already.
type Folders func(ctx context.Context, address, dir string) error

// wheelhouses are the folders that were asked for, each once in a Cache's life.
type wheelhouses struct {
	mu   sync.Mutex // held while one is brought up to date
	have map[string]string
}

// bucket reports whether an address of packages is one that Folders knows.
func bucket(address string) bool { return strings.HasPrefix(address, "gs://") }

// local is the folder of an address of packages, which may be one already.
func (c *Cache) local(ctx context.Context, address string) (string, error) {
	if !bucket(address) {
		return address, nil
	}
	if c.o.Folders == nil {
		return "", fault.Errorf(fault.Invalid, "packages are to be looked for in %s, and there is nothing to read buckets with here", address).WithHint("name a folder in find-links")
	}
	c.houses.mu.Lock()
	defer c.houses.mu.Unlock()
	if dir, ok := c.houses.have[address]; ok {
		return dir, nil
	}
	sum := sha256.Sum256([]byte(strings.TrimRight(address, "/")))
	dir := filepath.Join(c.dir, "wheelhouse", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", diskError("make the folder of packages", err)
	}
	if err := c.o.Folders(ctx, address, dir); err != nil {
		return "", err
	}
	if c.houses.have == nil {
		c.houses.have = map[string]string{}
	}
	c.houses.have[address] = dir
	return dir, nil
}

// withFolders puts folders in the place of buckets in the installers' settings.
func (c *Cache) withFolders(ctx context.Context, env []string) ([]string, error) {
	own := strings.FieldsFunc(lookup(env, "UV_FIND_LINKS"), func(r rune) bool { return r == ',' || r == ' ' })
	if !slices.ContainsFunc(slices.Concat(own, c.o.Index.FindLinks), bucket) {
		return env, nil
	}
	for name, list := range map[string][]string{"UV_FIND_LINKS": own, "PIP_FIND_LINKS": c.o.Index.FindLinks} {
		var folders []string
		for _, address := range list {
			dir, err := c.local(ctx, address)
			if err != nil {
				return nil, err
			}
			folders = append(folders, dir)
		}
		if len(folders) == 0 {
			continue
		}
		separator := ","
		if name == "PIP_FIND_LINKS" {
			separator = " "
		}
		env = append(slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") }), name+"="+strings.Join(folders, separator))
	}
	return env, nil
}
