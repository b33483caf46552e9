package cli

import (
	"fmt"
	"time"
)

// What gsutil prints otherwise than gcloud, where programs read it.

// size writes a size for people.
func (a *App) size(n int64) string {
	if !a.gsutil {
		return bytesOf(n)
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	// Two digits behind the point, but no zeros at the end.
	return fmt.Sprintf("%v %s", float64(int64(f*100+0.5))/100, units[u])
}

// gsutilField is a field as stat and ls -L name it; empty for one that they
// do not have.
func gsutilField(name, value string) (string, string) {
	switch name {
	case "Storage Class Update Time":
		return "", ""
	case "Creation Time":
		name = "Creation time"
	case "Update Time":
		name = "Update time"
	case "Noncurrent Time":
		name = "Noncurrent time"
	case "Storage Class":
		name = "Storage class"
	case "Hash (CRC32C)":
		name = "Hash (crc32c)"
	case "Hash (MD5)":
		name = "Hash (md5)"
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		value = at.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	}
	return name, value
}

// copying is the line that announces a copy.
func (w *copier) copying(t transfer) {
	if !w.app.gsutil {
		w.board.say("Copying %s to %s", t.from.url(), t.to.url())
		return
	}
	kind := contentType(t)
	if t.from.remote() {
		kind = t.from.Object.ContentType
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	if !t.to.remote() {
		w.board.say("Copying %s...", t.from.url())
		return
	}
	w.board.say("Copying %s [Content-Type=%s]...", t.from.url(), kind)
}

func (w *copier) skipping(t transfer) {
	if w.app.gsutil {
		w.board.say("Skipping existing item: %s", t.to.url())
		return
	}
	w.board.say("Skipping existing destination item (no-clobber): %s", t.to.url())
}

// summary is the last line, where there was something to wait for.
func (w *copier) summary() {
	moved := w.board.moved.Load()
	switch {
	case w.app.gsutil:
		w.board.say("\nOperation completed over %d objects/%s.", w.board.done.Load(), w.app.size(w.board.have.Load()))
	case moved >= resumeFrom || moved > 0 && w.board.files > 1:
		w.board.say("Average throughput: %s/s", bytesOf(int64(w.board.rate())))
	}
}
