package pyenv

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"html"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// maxFile is more than any uv was.
const maxFile = 200 << 20

// fetch writes a project's file to w, from the first folder or index that has it.
func (c *Cache) fetch(ctx context.Context, project, name string, w io.Writer) error {
	for _, d := range c.o.Index.FindLinks {
		d, err := c.local(ctx, d)
		if err != nil {
			return err
		}
		if f, err := os.Open(filepath.Join(d, name)); err == nil {
			_, err = io.Copy(w, f)
			return errors.Join(err, f.Close())
		}
	}
	client, err := c.httpClient()
	if err != nil {
		return err
	}
	addresses := c.o.Index.addresses()
	if own := cmp.Or(lookup(c.o.Environ, "UV_DEFAULT_INDEX"), lookup(c.o.Environ, "UV_INDEX_URL")); own != "" {
		if c.o.Index.URL == "" && len(addresses) > 0 {
			addresses = addresses[1:] // the public one, which it stands for
		}
		addresses = append([]string{own}, addresses...)
	}
	var last error
	for _, index := range addresses {
		link, err := c.findFile(ctx, client, strings.TrimRight(index, "/")+"/"+project+"/", name)
		if err == nil {
			return c.get(ctx, client, link, "", func(r *http.Response) error {
				_, err := io.Copy(w, io.LimitReader(r.Body, maxFile))
				return err
			})
		}
		last = err
	}
	return cmp.Or(last, error(fault.Errorf(fault.Precondition, "%s is in none of the folders that packages are taken from, and the index is switched off", name)))
}

// findFile finds a file's address in a project's page (PEP 503 and 691).
func (c *Cache) findFile(ctx context.Context, client *http.Client, page, name string) (link string, err error) {
	err = c.get(ctx, client, page, "application/vnd.pypi.simple.v1+json, text/html;q=0.5", func(r *http.Response) error {
		b, err := io.ReadAll(io.LimitReader(r.Body, maxFile))
		if err != nil {
			return err
		}
		for _, l := range pageLinks(r.Header.Get("Content-Type"), b) {
			to, err := r.Request.URL.Parse(l)
			if err == nil && path.Base(to.Path) == name && (to.Scheme == "https" || to.Scheme == "http") {
				if to.Host == r.Request.URL.Host && to.User == nil {
					to.User = r.Request.URL.User
				}
				to.Fragment, link = "", to.String()
				return nil
			}
		}
		return fault.Errorf(fault.NotFound, "%s is not in the package index %s", name, redactURLs(page))
	})
	return link, err
}

var href = pattern.New(`(?is)<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')`)

// pageLinks are the addresses in a project's page.
func pageLinks(contentType string, b []byte) []string {
	var links []string
	if kind, _, _ := mime.ParseMediaType(contentType); strings.HasSuffix(kind, "json") {
		var page struct{ Files []struct{ URL string } }
		_ = json.Unmarshal(b, &page)
		for _, f := range page.Files {
			links = append(links, f.URL)
		}
		return links
	}
	for _, m := range href.FindAllSubmatch(b, -1) {
		links = append(links, html.UnescapeString(string(m[1])+string(m[2])))
	}
	return links
}

func (c *Cache) get(ctx context.Context, client *http.Client, address, accept string, use func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fault.Errorf(fault.Invalid, "the package index's address cannot be read").WithHint("check the index settings")
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if user, password, ok := c.credentials(ctx, req.URL); ok {
		req.SetBasicAuth(user, password)
	}
	r, err := client.Do(req)
	if err == nil {
		defer func() { _ = r.Body.Close() }()
		switch {
		case r.StatusCode == http.StatusOK:
			err = use(r)
			if err == nil {
				return nil
			}
			if _, ok := errors.AsType[*fault.Error](err); ok {
				return err
			}
		case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
			return fault.Errorf(fault.Denied, "the package index refuses access: %s: %s", redactURLs(address), r.Status).WithHint("check the user name and password in the index settings")
		case r.StatusCode < 500:
			return fault.Errorf(fault.NotFound, "%s: %s", redactURLs(address), r.Status)
		default:
			err = errors.New(r.Status)
		}
	}
	text := c.redact(err.Error()) // an address in it may hold a password
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.Errorf(fault.Precondition, "%s: %s", untrusted, text).WithHint("%s", trustIt)
	}
	return fault.Errorf(fault.Unavailable, "the package index is not reachable: %s", text).WithHint("check the network and the index settings")
}

// httpClient reaches the index as the settings say.
func (c *Cache) httpClient() (*http.Client, error) {
	x, env := c.o.Index, c.o.Environ
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if x.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		b, err := os.ReadFile(x.CA)
		if err != nil || !pool.AppendCertsFromPEM(b) {
			return nil, fault.Errorf(fault.Precondition, "there are no certificates in %s", x.CA).WithHint("check the settings PIP_CERT and SSL_CERT_FILE")
		}
		config.RootCAs = pool
	}
	if x.ClientCert != "" {
		cert, err := tls.LoadX509KeyPair(x.ClientCert, x.ClientCert)
		if err != nil {
			return nil, fault.Errorf(fault.Precondition, "client certificate %s: %w", x.ClientCert, err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	either := func(name string) string { return cmp.Or(lookup(env, name), lookup(env, strings.ToUpper(name))) }
	all := either("all_proxy")
	proxy := (&httpproxy.Config{HTTPProxy: cmp.Or(x.Proxy, either("http_proxy"), all), HTTPSProxy: cmp.Or(x.Proxy, either("https_proxy"), all), NoProxy: either("no_proxy")}).ProxyFunc()
	t := &http.Transport{
		Proxy:               func(r *http.Request) (*url.URL, error) { return proxy(r.URL) },
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: 60 * time.Second,
		TLSClientConfig: config, ForceAttemptHTTP2: true,
	}
	return &http.Client{Transport: &trusting{t, x.Trusted}, Timeout: 10 * time.Minute}, nil
}

// trusting does not check the certificates of hosts that the settings trust.
type trusting struct {
	strict *http.Transport
	hosts  []string
}

func (t *trusting) RoundTrip(r *http.Request) (*http.Response, error) {
	if slices.Contains(t.hosts, r.URL.Hostname()) || slices.Contains(t.hosts, r.URL.Host) {
		lax := t.strict.Clone()
		lax.TLSClientConfig.InsecureSkipVerify = true // what pip's trusted-host asks for
		return lax.RoundTrip(r)
	}
	return t.strict.RoundTrip(r)
}
