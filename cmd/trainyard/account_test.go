package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheServersAccountAndItsURLs: on a server that asks for a token, gcloud
// logs in as the server's own account, and a signed URL needs no token.
func TestTheServersAccountAndItsURLs(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "s3cret-token\n")
	y := newYard(t, "--token-file", token)
	file := filepath.Join(t.TempDir(), "a.txt")
	write(t, file, "hello")
	y.mustRun("--token-file", token, "storage", "cp", file, "gs://trainyard-default/a b.txt")
	url := strings.TrimSpace(y.mustRun("--token-file", token, "storage", "sign-url", "gs://trainyard-default/a b.txt", "--format", "value(signed_url)"))
	for u, want := range map[string]int{url: 200, url + "0": 400, strings.Replace(url, "X-Goog-Expires=3600", "X-Goog-Expires=7200", 1): 403, y.url() + "/trainyard-default/a%20b.txt": 401} {
		res, err := http.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want || want == 200 && string(body) != "hello" {
			t.Errorf("GET %s: %s %s", u, res.Status, body)
		}
	}

	// gcloud, with the account's own credentials instead of none, over TLS.
	t.Run("gcloud", func(t *testing.T) {
		y := *y
		y.t = t
		y.gcloudEnv = []string{"CLOUDSDK_AUTH_DISABLE_CREDENTIALS=false", "CLOUDSDK_STORAGE_GS_XML_ENDPOINT_URL=" + y.url(),
			"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=https://" + y.addr + "/storage/v1/", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=" + filepath.Join(y.dir, "tls", "ca.pem"),
			"REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE="} // they would win
		y.mustGcloud("auth", "activate-service-account", "--key-file", filepath.Join(y.dir, "tls", "service-account.json"))
		if out, _ := y.mustGcloud("storage", "cat", "gs://trainyard-default/a b.txt"); out != "hello" {
			t.Errorf("cat: %q", out)
		}
		out, _ := y.mustGcloud("storage", "sign-url", "gs://trainyard-default/a b.txt", "--duration=10m", "--format=value(signed_url)")
		res, err := http.Get(strings.TrimSpace(out))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); string(body) != "hello" {
			t.Errorf("GET %s: %s %s", out, res.Status, body)
		}
	})
}
