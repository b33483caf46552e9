package process

import (
	"fmt"
	"os"
	"strings"

	"github.com/trainyard/trainyard/internal/agent"
)

// fingerprint changes when a file changes that a status is read from. It opens
// none of them.
func (e *Executor) fingerprint(h handle) (string, error) {
	list, err := e.runs(h)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range list {
		b.WriteString(agent.RunName(r.Replica, r.number) + ":")
		for _, name := range []string{"status.json", "exit.json"} {
			if info, err := os.Stat(string(r.dir) + "/" + name); err == nil {
				fmt.Fprintf(&b, "%d/%d,", info.ModTime().UnixNano(), info.Size())
			}
		}
	}
	return b.String(), nil
}
