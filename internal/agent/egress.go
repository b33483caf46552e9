package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/egress"
)

// wayOut is what programs need whose libraries have Google's hosts compiled in:
// a proxy that stands in for them, whom to trust for that, and credentials for
// libraries that insist on some.
type wayOut struct {
	proxy       *egress.Proxy
	token       string   // the job's
	bundle      string   // file
	credentials string   // file
	boto        string   // file
	trusted     []string // the machine's own bundles
	done        chan struct{}
}

// keysDir is where the machine's authority is, below the data directory.
const keysDir = "tls"

// openWayOut makes the files in the run's folder and opens the proxy.
func (a *agent) openWayOut(ctx context.Context) (*wayOut, error) {
	keys := filepath.Join(a.task.DataDir, keysDir)
	authority, err := egress.OpenAuthority(keys)
	if err != nil {
		return nil, err
	}
	// Not the server's own account: what that one signs is the server's user's.
	credentials, err := egress.OpenCredentials(filepath.Join(keys, "jobs"))
	if err != nil {
		return nil, err
	}
	own := vars(a.Environ)
	extra := ""
	for _, k := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
		if extra == "" {
			extra = own[k]
		}
	}
	bundle, err := egress.Bundle(authority, extra)
	if err != nil {
		return nil, err
	}
	p, err := egress.Open(ctx, egress.Options{
		Authority: authority, Storage: a.relay.srv.Handler, Held: a.held, Log: a.Log,
		Own:      func(t string) bool { return t == a.task.Token || credentials.Signed(t) },
		Upstream: egress.Machine(func(name string) string { return own[name] }),
	})
	if err != nil {
		return nil, err
	}
	w := &wayOut{
		proxy: p, token: a.task.Token, bundle: a.dir.file("ca-bundle.pem"), credentials: a.dir.file("credentials.json"), boto: a.dir.file("boto"),
		trusted: egress.MachineBundles(), done: make(chan struct{}),
	}
	go func() { defer close(w.done); p.Serve() }()
	for _, f := range []struct {
		path string
		b    []byte
		mode os.FileMode
	}{
		{w.bundle, bundle, 0o644}, // as the machine's, in whose place it is
		{w.credentials, credentials.JSON(string(a.task.Job.Project), a.relay.URL()+tokenPath), 0o600},
		{w.boto, boto(p.URL(), w.bundle, a.dir.file("home")), 0o600},
	} {
		if err := os.WriteFile(f.path, f.b, f.mode); err != nil {
			w.close()
			return nil, disk(f.path, err)
		}
	}
	return w, nil
}

func (w *wayOut) close() {
	w.proxy.Close()
	<-w.done
}

// held asks the server whether it holds a bucket.
func (a *agent) held(ctx context.Context, bucket string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.relay.URL()+"/storage/v1/b/"+url.PathEscape(bucket), nil)
	if err != nil {
		return false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusForbidden:
		return true, nil
	case http.StatusNotFound, http.StatusBadRequest:
		return false, nil
	}
	return false, fmt.Errorf("the server answers %s", resp.Status)
}

// environ are the variables that lead programs through it.
func (w *wayOut) environ() map[string]string {
	m := map[string]string{
		"https_proxy": w.proxy.URL(), "HTTPS_PROXY": w.proxy.URL(),
		"GOOGLE_AUTH_TOKEN_FOR_TESTING":  w.token,
		"NO_GCE_CHECK":                   "true",
		"GOOGLE_APPLICATION_CREDENTIALS": w.credentials,
		"BOTO_CONFIG":                    w.boto,
	}
	// httplib2 is what Google's older libraries are made with.
	for _, k := range []string{"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "HTTPLIB2_CA_CERTS"} {
		m[k] = w.bundle
	}
	return m
}

// noProxy leaves out of a list what would lead programs past the proxy to the
// hosts that it stands in for.
func (w *wayOut) noProxy(list string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(list, ","), func(entry string) bool {
		return egress.Bypassed(entry)
	}), ",")
}

// boto is gsutil's configuration; it reads no variables.
func boto(proxy, bundle, home string) []byte {
	host, port, _ := strings.Cut(strings.TrimPrefix(proxy, "http://"), ":")
	return fmt.Appendf(nil, `[Boto]
proxy = %s
proxy_port = %s
ca_certificates_file = %s
https_validate_certificates = True

[GSUtil]
state_dir = %s
software_update_check_period = 0
`, host, port, bundle, filepath.Join(home, ".gsutil"))
}

func vars(environ []string) map[string]string {
	m := map[string]string{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}
