package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/trainyard/trainyard/internal/egress"
)

// tellProgram tells where it is and what it was given.
const tellProgram = `import json, os, shutil
print(json.dumps(dict(os.environ, which_gsutil=shutil.which("gsutil"), which_gcloud=shutil.which("gcloud"), tmp=oct(os.stat("/tmp").st_mode))))
`

func (tr *trial) told() map[string]string {
	tr.t.Helper()
	for _, e := range tr.log() {
		if strings.HasPrefix(e.Message, "{") {
			var m map[string]string
			if err := json.Unmarshal([]byte(e.Message), &m); err != nil {
				tr.t.Fatal(err)
			}
			return m
		}
	}
	tr.t.Fatalf("the program told nothing:\n%s", tr.printed())
	return nil
}

func TestTheVariablesOfTheWayOut(t *testing.T) {
	t.Setenv("https_proxy", "http://proxy.invalid:3128")
	t.Setenv("no_proxy", "intra.invalid,.googleapis.com,10.0.0.0/8,storage.googleapis.com")
	tr := newTrial(t, interpreter(t), tellProgram)
	tr.task.StorageProxy, tr.task.Token = true, "job.the-token"
	tr.run()
	got := tr.told()
	if !strings.HasPrefix(got["https_proxy"], "http://127.0.0.1:") || got["HTTPS_PROXY"] != got["https_proxy"] {
		t.Errorf("https_proxy is %q, HTTPS_PROXY %q", got["https_proxy"], got["HTTPS_PROXY"])
	}
	// Hosts that the proxy stands in for must not be reached past it.
	if want := "localhost,127.0.0.1,::1,intra.invalid,10.0.0.0/8"; got["no_proxy"] != want || got["NO_PROXY"] != want {
		t.Errorf("no_proxy is %q, NO_PROXY %q; want %q", got["no_proxy"], got["NO_PROXY"], want)
	}
	if got["GOOGLE_AUTH_TOKEN_FOR_TESTING"] != "job.the-token" {
		t.Errorf("the token is %q", got["GOOGLE_AUTH_TOKEN_FOR_TESTING"])
	}
	for _, k := range []string{"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "HTTPLIB2_CA_CERTS"} {
		if got[k] != tr.dir.file("ca-bundle.pem") {
			t.Errorf("%s is %q", k, got[k])
		}
	}
	b, err := os.ReadFile(got["GOOGLE_APPLICATION_CREDENTIALS"])
	if err != nil {
		t.Fatal(err)
	}
	var account struct {
		Type     string `json:"type"`
		Project  string `json:"project_id"`
		TokenURI string `json:"token_uri"`
		Key      string `json:"private_key"`
	}
	if err := json.Unmarshal(b, &account); err != nil || account.Type != "service_account" || account.Project != "proj" || account.TokenURI != got["TRAINYARD_ENDPOINT"]+tokenPath {
		t.Errorf("the credentials are %+v, %v", account, err)
	}
	servers, err := egress.OpenCredentials(filepath.Join(tr.task.DataDir, keysDir))
	if err != nil {
		t.Fatal(err)
	}
	var other struct {
		Key string `json:"private_key"`
	}
	if err := json.Unmarshal(servers.JSON("proj", ""), &other); err != nil || account.Key == "" || account.Key == other.Key {
		t.Errorf("a job has the key of the server's account (%v)", err)
	}
}

func TestWithoutTheWayOutNothingIsInTheWay(t *testing.T) {
	t.Setenv("https_proxy", "http://proxy.invalid:3128")
	t.Setenv("no_proxy", ".googleapis.com")
	tr := newTrial(t, interpreter(t), tellProgram)
	tr.run()
	got := tr.told()
	for _, k := range []string{"HTTPS_PROXY", "GOOGLE_AUTH_TOKEN_FOR_TESTING", "NO_GCE_CHECK", "GOOGLE_APPLICATION_CREDENTIALS", "BOTO_CONFIG", "HTTPLIB2_CA_CERTS"} {
		if v, ok := got[k]; ok && v != os.Getenv(k) {
			t.Errorf("%s is %q", k, v)
		}
	}
	if got["https_proxy"] != "http://proxy.invalid:3128" || got["no_proxy"] != "localhost,127.0.0.1,::1,.googleapis.com" {
		t.Errorf("https_proxy is %q, no_proxy %q", got["https_proxy"], got["no_proxy"])
	}
}

func TestRealCommandsComeBeforeStandIns(t *testing.T) {
	tr := newTrial(t, interpreter(t), tellProgram)
	bin := filepath.Join(tr.task.DataDir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	real := filepath.Join(bin, "gsutil")
	if err := os.WriteFile(real, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	tr.task.Environments["bin"] = bin // as a package of the job installs it
	tr.run()
	got := tr.told()
	if got["which_gsutil"] != real {
		t.Errorf("gsutil is %s, want %s", got["which_gsutil"], real)
	}
	want := tr.dir.file("stand-ins/gcloud")
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if _, err := os.Stat(dir + "/gcloud"); err == nil {
			want = dir + "/gcloud"
			break
		}
	}
	if got["which_gcloud"] != want {
		t.Errorf("gcloud is %s, want %s", got["which_gcloud"], want)
	}
}

// refuse has the kernel refuse one of two system calls to this thread and to
// what it starts, where the flags of its first argument are among those given.
func refuse(t *testing.T, call, other uintptr, flags uint32) {
	t.Helper()
	const allow, eperm, enosys = 0x7fff0000, 0x00050000 | uint32(unix.EPERM), 0x00050000 | uint32(unix.ENOSYS)
	stmt := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	jump := func(code uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: code, Jt: yes, Jf: no, K: k}
	}
	program := []unix.SockFilter{
		stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0), // the call's number
		jump(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, unix.SYS_CLONE3, 0, 1),
		stmt(unix.BPF_RET|unix.BPF_K, enosys), // its flags are in memory
		jump(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, uint32(call), 1, 0),
		jump(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, uint32(other), 0, 2),
		stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 16), // its first argument
		jump(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, flags, 1, 0),
		stmt(unix.BPF_RET|unix.BPF_K, allow),
		stmt(unix.BPF_RET|unix.BPF_K, eperm),
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0); err != nil {
		t.Skipf("SKIPPED: this kernel has no seccomp: %v", err)
	}
}

// TestWhereTheKernelRefusesTheJobSaysSoAndRuns has it refuse namespaces, as a
// container does, and mounts within them, as some distributions do.
func TestWhereTheKernelRefusesTheJobSaysSoAndRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		call uintptr
		says string
	}{
		"namespaces": {unix.SYS_CLONE, "WARNING This machine gives programs no view of its files of their own ("},
		"mounts":     {unix.SYS_MOUNT, "WARNING The program sees files of the machine's own ("},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, interpreter(t), tellProgram)
			tr.task.StorageProxy, tr.task.PrivateTmp = true, true
			tr.task.Replica.Args = []string{"--out=/tmp/x"}
			if tt.call == unix.SYS_MOUNT {
				refuse(t, tt.call, tt.call, 0xffffffff)
			} else {
				refuse(t, tt.call, unix.SYS_UNSHARE, unix.CLONE_NEWNS|unix.CLONE_NEWUSER)
			}
			if exit := tr.run(); exit.Code != 0 {
				t.Fatalf("exit %+v\n%s", exit, tr.printed())
			}
			got, printed := tr.told(), tr.printed()
			if !strings.Contains(printed, tt.says) || !strings.Contains(printed, "operation not permitted): /tmp may be everybody's") {
				t.Errorf("the log says\n%s\nwant %s", printed, tt.says)
			}
			if strings.Contains(printed, "replica's own /tmp") {
				t.Errorf("it warns of a /tmp that the program has not:\n%s", printed)
			}
			if got["TMPDIR"] != tr.dir.file("tmp") {
				t.Errorf("TMPDIR is %s", got["TMPDIR"])
			}
		})
	}
}

// TestNothingIsMountedNorLeftWhenTheAgentIsKilled.
func TestNothingIsMountedNorLeftWhenTheAgentIsKilled(t *testing.T) {
	tr := newTrial(t, interpreter(t), `import os, time
open("/tmp/trainyard-test-left", "w").close()
print("pid", os.getpid(), flush=True)
time.sleep(600)
`)
	tr.task.StorageProxy, tr.task.PrivateTmp = true, true
	tr.start()
	tr.awaitLine("pid ")
	if err := tr.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = tr.cmd.Wait()
	if err := tr.dir.Reap(); err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), string(tr.dir)) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
	if _, err := os.Stat(filepath.Join(tr.dir.file("tmp"), "trainyard-test-left")); err != nil && !strings.Contains(tr.printed(), unconfined) {
		t.Errorf("the program's /tmp was another: %v", err)
	}
	if err := os.RemoveAll(string(tr.dir)); err != nil {
		t.Errorf("its folder cannot be removed: %v", err)
	}
}

// TestADataDirectoryThatIsALinkIntoTmpIsSeen.
func TestADataDirectoryThatIsALinkIntoTmpIsSeen(t *testing.T) {
	tr := newTrial(t, interpreter(t), tellProgram)
	link, err := os.MkdirTemp("/var/tmp", "trainyard-link-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(link) })
	link = filepath.Join(link, "data")
	if err := os.Symlink(tr.task.DataDir, link); err != nil {
		t.Fatal(err)
	}
	move := func(path string) string { return strings.Replace(path, tr.task.DataDir, link, 1) }
	tr.task.Environments["path"] = move(tr.task.Environments["path"])
	tr.task.Spool, tr.dir = move(tr.task.Spool), Folder(move(string(tr.dir)))
	tr.task.DataDir = link
	tr.task.StorageProxy, tr.task.PrivateTmp = true, true
	if exit := tr.run(); exit.Code != 0 {
		t.Errorf("exit %+v\n%s", exit, tr.printed())
	}
	if got := tr.told(); (got["TMPDIR"] != "/tmp" || got["tmp"] != "0o41777") && !strings.Contains(tr.printed(), unconfined) {
		t.Errorf("TMPDIR is %s, /tmp has the mode %s", got["TMPDIR"], got["tmp"])
	}
}

func TestADataDirectoryThatIsTmpLeavesItToAll(t *testing.T) {
	tr := newTrial(t, interpreter(t), "")
	book, err := openBook(tr.task)
	if err != nil {
		t.Fatal(err)
	}
	defer book.close()
	tr.task.DataDir, tr.task.PrivateTmp = "/tmp", true
	a := &agent{Options: Options{Binary: "/usr/bin/trainyard"}, dir: tr.dir, task: tr.task, book: book}
	if v := a.view(Env{Python: "/usr/bin/python3"}); !v.Empty() {
		t.Errorf("the view is %+v", v)
	}
}

// TestAJobDirOfThisMachineIsSeenEvenBelowTmp: what a local run writes stays.
func TestAJobDirOfThisMachineIsSeenEvenBelowTmp(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "trainyard-test-out-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tr := newTrial(t, interpreter(t), `import os, sys
open(os.path.join(sys.argv[-1], "model"), "w").write("m")
print("to stdout")
print("to stderr", file=sys.stderr)
`)
	tr.task.PrivateTmp = true
	tr.task.Replica.Args = []string{"--job-dir", dir}
	if exit := tr.run(); exit.Code != 0 {
		t.Fatalf("exit %+v\n%s", exit, tr.printed())
	}
	if b, err := os.ReadFile(filepath.Join(dir, "model")); err != nil || string(b) != "m" {
		t.Errorf("the model is %q, %v", b, err)
	}
	if strings.Contains(tr.printed(), "replica's own /tmp") {
		t.Errorf("it warns all the same:\n%s", tr.printed())
	}
	streams := map[string]string{}
	for _, e := range tr.log() {
		streams[e.Message] = e.Stream
	}
	if streams["to stdout"] != "stdout" || streams["to stderr"] != "stderr" || streams["Task completed successfully."] != "" {
		t.Errorf("the streams are %v", streams)
	}
}
