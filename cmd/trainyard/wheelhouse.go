//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

// wheelhouse reads folders of packages in buckets, which a setting find-links
// names, through a server.
type wheelhouse struct{ endpoint, token string }

// bring brings dir to what lies directly in a gs:// folder: wheels and source
// archives. A file is there under its name beside a mark of its generation, and
// is read only when that has changed.
func (w *wheelhouse) bring(ctx context.Context, address, dir string) error {
	c, err := client.New(client.Options{Endpoint: w.endpoint, Token: w.token, UserAgent: "trainyard/" + version})
	if err != nil {
		return err
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(address, "gs://"), "/")
	if prefix = strings.TrimRight(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	there := map[string]bool{}
	err = c.EachObject(ctx, bucket, client.Listing{Prefix: prefix, Delimiter: "/"}, func(o *client.Object) error {
		name := path.Base(o.Name)
		if o.Generation == 0 || !isPackage(name) {
			return nil
		}
		mark := fmt.Sprintf(".%s.%d", name, o.Generation)
		there[name], there[mark] = true, true
		if exists(filepath.Join(dir, mark)) && exists(filepath.Join(dir, name)) {
			return nil
		}
		return bringOne(ctx, c, o, filepath.Join(dir, name), filepath.Join(dir, mark))
	})
	if err != nil {
		e := fault.Errorf(fault.KindOf(err), "the packages in %s (find-links) cannot be read: %w", address, err)
		if fault.Is(err, fault.NotFound) {
			return e.WithHint("trainyard storage ls %s", address)
		}
		return e
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !there[e.Name()] && !strings.HasSuffix(e.Name(), ".part") {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func bringOne(ctx context.Context, c *client.Client, o *client.Object, file, mark string) error {
	part, err := os.CreateTemp(filepath.Dir(file), "*.part") // others may be at it, too
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	err = errors.Join(c.Read(ctx, o, 0, -1, part), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), file)
	}
	if err == nil {
		err = os.WriteFile(mark, nil, 0o644)
	}
	return err
}

func isPackage(name string) bool {
	for _, end := range []string{".whl", ".tar.gz", ".zip"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
