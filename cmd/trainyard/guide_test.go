package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestTheGuidesCommandsRun types the commands of the guide's first page, in
// English and in Portuguese, one after another as they stand. Left out are
// those that download gigabytes, need gcloud, or run until they are interrupted.
func TestTheGuidesCommandsRun(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"guide/README.md", "pt-BR/README.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("../../docs", page))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../../examples")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("yours"), 0o600); err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(dir, "data")
			t.Cleanup(func() {
				for _, pid := range processesOf(data) {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			})
			typed := func(line string) string {
				cmd := exec.Command("bash", "-c", line)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+dir, "TRAINYARD_DATA_DIR="+data, "TRAINYARD_LISTEN="+freeAddr())
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("$ %s\n%s\n%v", line, out, err)
				}
				return string(out)
			}
			left := regexp.MustCompile(`gcloud|trainyard serve |runtimes prepare|--runtime-version`)
			generation, object := "", regexp.MustCompile(`#(\d+)\n`)
			ran := 0
			for _, line := range regexp.MustCompile(`(?m)^ {4}(?:trainyard [a-z]|echo ).*$`).FindAllString(string(text), -1) {
				if left.MatchString(line) {
					continue
				}
				ran++
				out := typed(strings.NewReplacer("#GENERATION", "#"+generation, "#GERAÇÃO", "#"+generation).Replace(line))
				if m := object.FindStringSubmatch(out); m != nil && strings.Contains(line, " ls -a ") {
					generation = m[1]
				}
				if strings.Contains(line, "--stream-logs") && !strings.Contains(out, "state: SUCCEEDED") {
					t.Errorf("$ %s\n%s", line, out)
				}
			}
			if ran < 20 {
				t.Errorf("%d commands", ran)
			}
			typed("trainyard server stop")
		})
	}
}
