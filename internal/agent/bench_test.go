package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// How fast a program can print into the log, against the same program writing
// the same lines to a file.
func BenchmarkPrinting(b *testing.B) {
	const source = "for i in range(300000):\n    print('step', i, 'loss', 0.123)\n"
	python := interpreter(b)
	var file, log time.Duration
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "prog.py")
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			b.Fatal(err)
		}
		out, err := os.Create(path + ".out")
		if err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command(python, path)
		cmd.Stdout = out
		began := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		file += time.Since(began)
		_ = out.Close()

		tr := newTrial(b, python, source)
		if exit := tr.run(); exit.Code != 0 {
			b.Fatalf("%+v", exit)
		}
		st, err := tr.dir.Status()
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range st.Steps {
			if s.Name == "run" {
				log += s.Took
			}
		}
	}
	b.ReportMetric(float64(file)/float64(log), "of-file-speed")
	b.ReportMetric(300000*float64(b.N)/log.Seconds(), "lines/s")
}
