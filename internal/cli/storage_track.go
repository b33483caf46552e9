package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/trainyard/trainyard/internal/config"
)

// resumeFrom is the size from which a transfer that was interrupted goes on
// where it stopped.
const resumeFrom = 8 << 20

// track remembers a large transfer between two runs of a command. It belongs
// to one process at a time: a second one with the same transfer goes without.
type track struct {
	key  string
	path string // of the record; without an ending
	lock *flock.Flock
}

// track finds the record of a transfer; nil where another process has it, or
// where nothing can be remembered.
func (a *App) track(what ...string) *track {
	raw, err := json.Marshal(what)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(raw)
	dir := filepath.Join(config.StateDir(a.Env), "transfers")
	if os.MkdirAll(dir, 0o700) != nil {
		return nil
	}
	t := &track{key: hex.EncodeToString(sum[:12])}
	t.path = filepath.Join(dir, t.key)
	t.lock = flock.New(t.path + ".lock")
	if ok, err := t.lock.TryLock(); err != nil || !ok {
		return nil
	}
	// Whoever had it before may have removed the file that is locked now.
	if mine, err := t.lock.Stat(); err == nil {
		if there, err := os.Stat(t.path + ".lock"); err == nil && os.SameFile(mine, there) {
			return t
		}
	}
	_ = t.lock.Close()
	return nil
}

// uploadRecord is an upload that was begun.
type uploadRecord struct {
	ID     string `json:"id"`
	Size   int64  `json:"size"`
	CRC32C string `json:"crc32c"`
}

func (t *track) load() (r uploadRecord) {
	if t == nil {
		return r
	}
	raw, err := os.ReadFile(t.path + ".json")
	if err != nil || json.Unmarshal(raw, &r) != nil {
		return uploadRecord{}
	}
	return r
}

func (t *track) save(r uploadRecord) {
	if t == nil {
		return
	}
	// Where it cannot be written, the transfer begins anew the next time.
	if raw, err := json.Marshal(r); err == nil {
		_ = os.WriteFile(t.path+".json", raw, 0o600)
	}
}

func (t *track) forget() {
	if t != nil {
		_ = os.Remove(t.path + ".json")
	}
}

// release lets another process have the transfer.
func (t *track) release() {
	if t == nil {
		return
	}
	_ = os.Remove(t.lock.Path())
	_ = t.lock.Close()
}
