package pyenv

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// reach installs a package that requires one of the index, and fetches one of
// its files as uv itself is fetched: uv and we have to find the same way in.
func reach(t *testing.T, environ ...string) (log string, err error) {
	t.Helper()
	o := withUV(t, Options{Pythons: []string{pythonOf(t, "3.11")}})
	home := t.TempDir()
	o.Environ = append([]string{"PATH=/usr/bin:/bin", "HOME=" + home, "PIP_CONFIG_FILE=/dev/null", "UV_HTTP_RETRIES=0"}, environ...)
	o.Index = IndexFrom(o.Environ, home)
	c := testCache(t, t.TempDir(), o)
	var file bytes.Buffer
	if err := c.fetch(t.Context(), "lib", lib, &file); err != nil {
		return err.Error(), fmt.Errorf("we: %w", err)
	}
	var lines strings.Builder
	env, err := c.Prepare(t.Context(), Request{Python: "3.11", Packages: []File{wheel(t, "app", "1.0", []string{"lib"}, nil)}}, func(s string) { lines.WriteString(s + "\n") })
	if err != nil {
		return lines.String() + err.Error(), fmt.Errorf("uv: %w", err)
	}
	defer env.Release()
	if got := python(t, env, "import lib; print(lib.v)"); got != "1" {
		t.Errorf("lib %q", got)
	}
	return lines.String() + fmt.Sprint(env.Made, env.Notes), nil
}

const lib = "lib-1.0-py3-none-any.whl"

// executable writes a script into a folder of its own, and returns the folder.
func executable(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPasswordsComeFromNetrcAndKeyring(t *testing.T) {
	x := newIndex(t, wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": "v = 1"}))
	x.user = "somebody:sesame-77"
	address := x.URL + "/simple"
	named := strings.Replace(address, "http://", "http://somebody@", 1)
	netrc := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(netrc, []byte("machine 127.0.0.1 login somebody password sesame-77\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := filepath.Join(t.TempDir(), "asked")
	keyring := executable(t, "keyring", "echo \"$@\" >> "+asked+"\n[ \"$1\" = get ] || exit 2\nfor last; do :; done\n[ \"$last\" = somebody ] && echo sesame-77\n")
	path := "PATH=" + keyring + ":/usr/bin:/bin"
	conf := filepath.Join(t.TempDir(), "pip.conf")
	if err := os.WriteFile(conf, []byte("[global]\nindex-url = "+named+"\nkeyring-provider = subprocess\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		environ []string
		refused bool
	}{
		{"none", []string{"PIP_INDEX_URL=" + address}, true},
		{"netrc", []string{"PIP_INDEX_URL=" + address, "NETRC=" + netrc}, false},
		{"keyring by pip's variable", []string{"PIP_INDEX_URL=" + named, "PIP_KEYRING_PROVIDER=subprocess", path}, false},
		{"keyring by pip.conf", []string{"PIP_CONFIG_FILE=" + conf, path}, false},
		{"keyring by uv's variable", []string{"UV_DEFAULT_INDEX=" + named, "UV_KEYRING_PROVIDER=subprocess", path}, false},
		{"a keyring that nothing names", []string{"PIP_INDEX_URL=" + named, path}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, err := reach(t, tt.environ...)
			if refused := err != nil && strings.Contains(err.Error(), "refuses access"); refused != tt.refused || err != nil && !tt.refused {
				t.Errorf("%v; refused %t, want %t\n%s", err, refused, tt.refused, log)
			}
			if strings.Contains(log, "sesame-77") {
				t.Errorf("the log holds the password:\n%s", log)
			}
		})
	}
	if b, err := os.ReadFile(asked); err != nil || strings.Contains(string(b), "sesame-77") {
		t.Errorf("keyring was started with %q, %v", b, err)
	}
}

func TestAProxyLeadsToTheIndex(t *testing.T) {
	x := newIndex(t, wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": "v = 1"}))
	to, err := url.Parse(x.URL)
	if err != nil {
		t.Fatal(err)
	}
	var passed atomic.Int32
	forward := httputil.NewSingleHostReverseProxy(to)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") == "" {
			http.Error(w, "who are you?", http.StatusProxyAuthRequired)
			return
		}
		passed.Add(1)
		forward.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	address := strings.Replace(proxy.URL, "http://", "http://me:mellon-42@", 1)
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "ALL_PROXY", "PIP_PROXY"} {
		before := passed.Load()
		log, err := reach(t, "PIP_INDEX_URL=http://index.invalid/simple", name+"="+address)
		if err != nil || passed.Load()-before < 3 {
			t.Errorf("%s: %v, %d requests by the proxy\n%s", name, err, passed.Load()-before, log)
		}
		if strings.Contains(log, "mellon-42") {
			t.Errorf("%s: the log holds the password:\n%s", name, log)
		}
	}
	log, err := reach(t, "PIP_INDEX_URL=http://index.invalid/simple", "http_proxy="+strings.Replace(address, proxy.Listener.Addr().String(), "127.0.0.1:1", 1))
	if err == nil || !strings.Contains(err.Error(), "the package index is not reachable") || strings.Contains(log, "mellon-42") {
		t.Errorf("without a proxy there: %v\n%s", err, log)
	}
}

func TestAClientCertificateOpensTheIndex(t *testing.T) {
	x := newIndex(t, wheel(t, "lib", "1.0", nil, map[string]string{"lib.py": "v = 1"}))
	dir := t.TempDir()
	ca := authority(t, filepath.Join(dir, "ca.pem"))
	mine, theirs := ca.issue(t, filepath.Join(dir, "client.pem")), ca.issue(t, filepath.Join(dir, "server.pem"))
	pair, err := tls.LoadX509KeyPair(theirs, theirs)
	if err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	known.AddCert(ca.cert)
	s := httptest.NewUnstartedServer(x)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known}
	s.StartTLS()
	defer s.Close()
	if log, err := reach(t, "PIP_INDEX_URL="+s.URL+"/simple", "PIP_CERT="+ca.file, "PIP_CLIENT_CERT="+mine); err != nil {
		t.Errorf("with a certificate: %v\n%s", err, log)
	}
	if _, err := reach(t, "PIP_INDEX_URL="+s.URL+"/simple", "PIP_CERT="+ca.file); err == nil || !strings.Contains(err.Error(), "the package index is not reachable") {
		t.Errorf("without a certificate: %v", err)
	}
	if _, err := reach(t, "PIP_INDEX_URL="+s.URL+"/simple", "PIP_CERT="+ca.file, "PIP_CLIENT_CERT="+ca.file); err == nil || !strings.Contains(err.Error(), "client certificate "+ca.file) {
		t.Errorf("with a certificate that has no key: %v", err)
	}
}

// signer is an authority of the test's own, its certificate in a file.
type signer struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func authority(t *testing.T, file string) *signer {
	t.Helper()
	s := &signer{file: file}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the test's authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	s.cert, s.key = s.sign(t, form, file)
	return s
}

// issue writes a certificate for both ends and its key into a file.
func (s *signer) issue(t *testing.T, file string) string {
	t.Helper()
	s.sign(t, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: file}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, file)
	return file
}

func (s *signer) sign(t *testing.T, form *x509.Certificate, file string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	form.NotBefore, form.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, by := s.cert, s.key
	if parent == nil {
		parent, by = form, key
	}
	der, err := x509.CreateCertificate(rand.Reader, form, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if !form.IsCA {
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// TestAKeyringThatStaysIsNotWaitedFor: asking for a password may start what keeps
// passwords, and that keeps the output.
func TestAKeyringThatStaysIsNotWaitedFor(t *testing.T) {
	child := filepath.Join(t.TempDir(), "child")
	keyring := executable(t, "keyring", "sleep 600 &\necho $! > "+child+"\necho sesame-77\n")
	t.Cleanup(func() {
		b, err := os.ReadFile(child)
		if err != nil {
			t.Error(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	})
	c := testCache(t, t.TempDir(), Options{Environ: []string{"PATH=" + keyring + ":/usr/bin:/bin", "PIP_KEYRING_PROVIDER=subprocess"}})
	u := &url.URL{Scheme: "https", User: url.User("somebody"), Host: "pypi.example"}
	got := make(chan string, 1)
	go func() {
		_, password, _ := c.credentials(t.Context(), u)
		got <- password
	}()
	select {
	case password := <-got:
		if password != "sesame-77" {
			t.Errorf("the password is %q", password)
		}
	case <-time.After(20 * time.Second):
		t.Error("what the keyring started is waited for")
	}
}
