package pyenv

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/trainyard/trainyard/internal/runtimes"
)

// keyOf is the name of what the parts determine.
func keyOf(parts any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic(err) // only strings and lists of them are ever given
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]) // a path in a script's first line must stay short
}

// short tells interpreters apart in a folder's name.
func short(parts ...string) string { return keyOf(parts)[:12] }

// runtimeKey names a runtime version's layer: two versions with the same
// packages are one.
func (t *tools) runtimeKey(r *runtimes.Runtime, x Index) string {
	return keyOf(struct {
		Form            int
		Python, Version string
		Packages        string
		Index           []string
		Installer       string
	}{1, t.python.Path, t.python.Version, r.Digest(), x.material(), t.kind + " " + t.version})
}

// baseKey names the dependencies' layer. Its parts are all that decides what is
// in it; runtime is the key of the layer below, if any.
func (t *tools) baseKey(runtime string, p plan, x Index) string {
	return keyOf(struct {
		Form            int
		Python, Version string
		Runtime         string
		Requires, Given []string
		Index           []string
		Installer       string
		Exact           bool `json:",omitempty"`
	}{2, t.python.Path, t.python.Version, runtime, p.requires, p.names, x.material(), t.kind + " " + t.version, p.exact})
}

// topKey names the upper layer.
func topKey(base string, top []dist) string {
	list := []string{"1", base}
	for _, d := range top {
		list = append(list, d.digest, d.File)
	}
	return keyOf(list)
}
