package confine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Name {
		os.Exit(Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// confined runs a shell script with a view, and skips the test where the kernel
// allows none.
func confined(t *testing.T, v View, script string) (out string, failed []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", script)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	started, err := Start(self, v, cmd, (*exec.Cmd).Start)
	if err != nil {
		t.Skipf("SKIPPED: no namespaces here: %v", err)
	}
	failed = started.Failed()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the program ended with %v: %s", err, b.String())
	}
	return b.String(), failed
}

func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "confine-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAProgramHasATmpOfItsOwn(t *testing.T) {
	dir := openDir(t)
	tmp, kept := filepath.Join(dir, "tmp"), filepath.Join(Tmp, filepath.Base(dir), "kept")
	for _, d := range []string{tmp, kept} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(kept)) })
	for name, text := range map[string]string{filepath.Join(filepath.Dir(kept), "hidden"): "h", filepath.Join(kept, "seen"): "what is kept"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.CreateTemp(Tmp, "confine-file-*")
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	t.Cleanup(func() { _ = os.Remove(file.Name()) })
	if err := os.WriteFile(file.Name(), []byte("a file, too: "), 0o600); err != nil {
		t.Fatal(err)
	}
	out, failed := confined(t, View{Tmp: tmp, Keep: []string{kept, "/usr", file.Name()}},
		fmt.Sprintf("cat "+file.Name()+"; echo mine > /tmp/file; cat %s/seen; ls %s; echo new > %s/made; test ! -e /proc/$$/fd/3", kept, filepath.Dir(kept), kept))
	if len(failed) != 0 {
		t.Errorf("not all of the view could be had: %v", failed)
	}
	if want := "a file, too: what is keptkept\n"; out != want {
		t.Errorf("the program saw %q, want %q", out, want)
	}
	if b, err := os.ReadFile(filepath.Join(tmp, "file")); err != nil || string(b) != "mine\n" {
		t.Errorf("what it wrote to /tmp/file is %q, %v", b, err)
	}
	if _, err := os.Stat("/tmp/file"); err == nil {
		t.Error("it wrote to everybody's /tmp/file")
	}
	if b, err := os.ReadFile(filepath.Join(kept, "made")); err != nil || string(b) != "new\n" {
		t.Errorf("what it wrote to the kept folder is %q, %v", b, err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		t.Error("its mounts are seen outside")
	}
}

func TestFilesAreSeenInPlaceOfOthers(t *testing.T) {
	dir := openDir(t)
	for name, text := range map[string]string{"there": "the machine's", "ours": "ours"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	there, absent := filepath.Join(dir, "there"), filepath.Join(dir, "absent")
	ours := filepath.Join(dir, "ours")
	out, failed := confined(t, View{Files: map[string]string{there: ours, absent: ours}}, "cat "+there)
	if out != "ours" {
		t.Errorf("the program read %q", out)
	}
	if len(failed) != 1 || failed[0] != absent+" is not on this machine" {
		t.Errorf("what failed: %q", failed)
	}
	if b, _ := os.ReadFile(there); string(b) != "the machine's" {
		t.Errorf("others read %q", b)
	}
}

// TestOthersThanRootHaveAViewToo runs this test again as nobody, who needs a
// user namespace and must gain no rights by it.
func TestOthersThanRootHaveAViewToo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can become somebody else; the other tests have run without being root")
	}
	const nobody = 65534
	dir := openDir(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "confine.test")
	if err := os.WriteFile(open, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(open, "-test.v", "-test.run", "TestAProgramHas|TestFilesAre|TestAProgramGains")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("as nobody: %v", err)
	}
	if strings.Contains(string(out), "SKIPPED") {
		t.Log("SKIPPED: this kernel gives others than root no user namespaces")
	}
}

func TestAProgramGainsNoRights(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: root has all rights; TestOthersThanRootHaveAViewToo runs this as nobody")
	}
	out, _ := confined(t, View{Tmp: openDir(t)}, "id -u; grep -E 'CapEff|CapPrm|CapAmb' /proc/self/status")
	if want := fmt.Sprint(os.Geteuid()); !strings.HasPrefix(out, want+"\n") {
		t.Errorf("the program is %q, want user %s", out, want)
	}
	for line := range strings.Lines(out) {
		if name, caps, ok := strings.Cut(line, ":"); ok && strings.Trim(strings.TrimSpace(caps), "0") != "" {
			t.Errorf("it has %s %s", name, caps)
		}
	}
}
