// Command storagebench measures gs:// of a running server against peers in the
// same run: files copied and flushed, a plain HTTP server that flushes what is
// put, and the emulator that most people know. Peers take turns in every round,
// so that a machine that slows down slows all of them. It prints the rows of a
// table; scripts/bench-storage puts them into docs/benchmarks.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

var (
	yard     = flag.String("yard", "bin/trainyard", "the binary to measure")
	emulator = flag.String("emulator", "", "fake-gcs-server's binary; without it that peer is left out")
	dir      = flag.String("dir", "", "where to make the folder of everything; the system's choice when empty")
	rounds   = flag.Int("rounds", 3, "rounds, of which the median counts")
	only     = flag.String("only", "files,large,small,list", "what to measure")
	plainDir = flag.String("plain-dir", "", "be the plain HTTP server over this folder, at -plain-addr")
	plainAt  = flag.String("plain-addr", "", "")
)

func main() {
	flag.Parse()
	run := bench
	if *plainDir != "" {
		run = func() error { return servePlain(*plainAt, *plainDir) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "storagebench:", err)
		os.Exit(1)
	}
}

func bench() error {
	dir, err := os.MkdirTemp(*dir, "trainyard-storagebench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var p peers
	defer func() {
		for _, s := range []*server{p.yard, p.plain, p.emulator} {
			if s != nil {
				s.stop()
			}
		}
	}()
	if p.yard, err = startYard(dir); err != nil {
		return err
	}
	if p.plain, err = startPlain(dir); err != nil {
		return err
	}
	if *emulator != "" {
		if p.emulator, err = startEmulator(dir); err != nil {
			return err
		}
	}
	for _, w := range []struct {
		name    string
		measure func(peers, string) error
	}{{"files", files}, {"large", large}, {"small", small}, {"list", list}} {
		if slices.Contains(strings.Split(*only, ","), w.name) {
			if err := w.measure(p, dir); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	return nil
}

// times are what one peer took, a round each.
type times []time.Duration

func (t *times) add(d time.Duration, err error) error {
	*t = append(*t, d)
	return err
}

func (t times) median() time.Duration {
	return slices.Sorted(slices.Values(t))[len(t)/2]
}

// over is the median of the rounds' ratios.
func (t times) over(peer times) string {
	var r []float64
	for i := range min(len(t), len(peer)) {
		r = append(r, float64(t[i])/float64(peer[i]))
	}
	if len(r) == 0 {
		return ""
	}
	slices.Sort(r)
	return fmt.Sprintf("%.2f", r[len(r)/2])
}

// rate says how fast n units went, in the median.
func (t times) rate(n int64, unit string) string {
	if len(t) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %s/s", float64(n)/t.median().Seconds(), unit)
}

// row prints a row as the page has it; one without figures is of a peer that
// is not there.
func row(what, measured, peer, ratio, goal string) {
	if measured == "" && ratio == "" {
		return
	}
	fmt.Printf("| %s | %s | %s | %s | %s |\n", what, measured, peer, ratio, goal)
}
