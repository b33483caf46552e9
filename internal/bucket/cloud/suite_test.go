package cloud_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/buckettest"
	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/bucket/cloud/azure"
	"github.com/trainyard/trainyard/internal/bucket/cloud/s3"
	"github.com/trainyard/trainyard/internal/bucket/disk"
)

// newSpool is a spool on this machine.
func newSpool(t *testing.T) bucket.Store {
	t.Helper()
	s, err := disk.Open(t.Context(), t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newS3(t *testing.T) string { return serveS3(t, s3mem.New()) }

func serveS3(t *testing.T, backend gofakes3.Backend) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	srv := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(srv.Close)
	return srv.URL
}

func openS3(t *testing.T, endpoint string) bucket.Store {
	return cloud.New(cloud.Options{Spool: newSpool(t), Dir: t.TempDir(), Place: func(_ context.Context, name string) (cloud.Service, string, error) {
		svc, err := s3.New(s3.Options{Container: name, Endpoint: endpoint, Region: "us-east-1"})
		return svc, "", err
	}})
}

// plain is what a cloud without versions and rules of its own can.
var plain = buckettest.Capabilities{Sums: true, Underscores: true, Refuses: func(name string) bool {
	return strings.ContainsAny(name, "\x00") || strings.TrimSpace(name) == "" || slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return part == "." || part == ".." })
}}

// azurite is Microsoft's own server for tests, from npm. Started once for all.
var azurite = sync.OnceValues(func() (endpoint string, err error) {
	program := os.Getenv("TRAINYARD_TEST_AZURITE")
	if program == "" {
		if program, err = exec.LookPath("azurite-blob"); err != nil {
			return "", err
		}
	}
	dir, err := os.MkdirTemp("", "azurite-")
	if err != nil {
		return "", err
	}
	ends = append(ends, func() { os.RemoveAll(dir) })
	cmd := exec.Command(program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--location", dir, "--skipApiVersionCheck", "--disableTelemetry")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ends = append(ends, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, at, ok := strings.Cut(lines.Text(), "successfully listens on "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return strings.TrimSpace(at) + "/devstoreaccount1", nil
		}
		said.WriteString(lines.Text() + "\n")
	}
	return "", fmt.Errorf("azurite did not start: %s", said.String())
})

var ends []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range slices.Backward(ends) {
		end()
	}
	os.Exit(code)
}

// The key that Azurite knows is published with it; it opens nothing else.
const azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

func newAzure(t *testing.T, container string) cloud.Service {
	t.Helper()
	endpoint, err := azurite()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("SKIPPED: Azure is not tested: no azurite-blob on PATH, and TRAINYARD_TEST_AZURITE does not name one; npm install -g azurite gives it")
	}
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"AZURE_STORAGE_ACCOUNT": "devstoreaccount1", "AZURE_STORAGE_KEY": azuriteKey}
	svc, err := azure.New(azure.Options{For: "box", Container: container, Endpoint: endpoint, Env: func(name string) string { return env[name] }})
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

// azureCan is what Azure can have as a name, beside.
func azureCan() buckettest.Capabilities {
	can := plain
	refuses := can.Refuses
	can.Refuses = func(name string) bool {
		return refuses(name) || strings.ContainsAny(name, `\`) || strings.HasSuffix(name, ".") || strings.Contains(name, "./")
	}
	return can
}

func TestAzurePassesTheSuite(t *testing.T) {
	can := azureCan()
	can.Underscores = false
	buckettest.Run(t, can, func(t *testing.T) bucket.Store {
		newAzure(t, "probe") // skips
		run := strings.ToLower(rand.Text())[:8]
		return cloud.New(cloud.Options{Spool: newSpool(t), Dir: t.TempDir(), Place: func(_ context.Context, name string) (cloud.Service, string, error) {
			endpoint, err := azurite()
			if err != nil {
				return nil, "", err
			}
			env := map[string]string{"AZURE_STORAGE_ACCOUNT": "devstoreaccount1", "AZURE_STORAGE_KEY": azuriteKey}
			svc, err := azure.New(azure.Options{For: name, Container: "t-" + run + "-" + name, Endpoint: endpoint, Env: func(name string) string { return env[name] }})
			return svc, "", err
		}})
	})
}

func TestS3PassesTheSuite(t *testing.T) {
	can := plain
	can.Underscores = false // a bucket is a container of that name
	buckettest.Run(t, can, func(t *testing.T) bucket.Store { return openS3(t, newS3(t)) })
}

// belowPrefix is a store of several buckets that share a container with what is
// not theirs. At the end what it put there is taken away.
func belowPrefix(t *testing.T, svc cloud.Service) bucket.Store {
	t.Helper()
	below := "below-" + strings.ToLower(rand.Text())[:8] + "/"
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for e, err := range svc.Scan(ctx, below, below, "") {
			if err != nil {
				t.Error(err)
				return
			}
			if err := svc.Delete(ctx, e.Key); err != nil {
				t.Error(err)
			}
		}
	})
	return cloud.New(cloud.Options{Spool: newSpool(t), Dir: t.TempDir(), Place: func(_ context.Context, name string) (cloud.Service, string, error) {
		return svc, below + name + "/", nil
	}})
}

// below is what can be a name there.
func below(can buckettest.Capabilities) buckettest.Capabilities {
	refuses := can.Refuses
	can.Underscores = true
	can.Refuses = func(name string) bool { return refuses("x/"+name) || len(name) > 1000 }
	return can
}

func TestS3PassesTheSuiteBelowAPrefix(t *testing.T) {
	buckettest.Run(t, below(plain), func(t *testing.T) bucket.Store {
		svc, err := s3.New(s3.Options{Container: "shared", Endpoint: newS3(t), Region: "us-east-1"})
		if err != nil {
			t.Fatal(err)
		}
		return belowPrefix(t, svc)
	})
}

func TestAzurePassesTheSuiteBelowAPrefix(t *testing.T) {
	buckettest.Run(t, below(azureCan()), func(t *testing.T) bucket.Store {
		return belowPrefix(t, newAzure(t, "shared-"+strings.ToLower(rand.Text())[:8]))
	})
}

// TestRealPlacesPassTheSuite runs it where these variables name a container,
// with the credentials that a server would use.
func TestRealPlacesPassTheSuite(t *testing.T) {
	name, endpoint := os.Getenv("TRAINYARD_TEST_S3_BUCKET"), os.Getenv("TRAINYARD_TEST_S3_ENDPOINT")
	t.Run("S3", func(t *testing.T) {
		if name == "" {
			t.Skip("SKIPPED: TRAINYARD_TEST_S3_BUCKET names no bucket (and TRAINYARD_TEST_S3_ENDPOINT where it is, unless at Amazon)")
		}
		buckettest.Run(t, below(plain), func(t *testing.T) bucket.Store {
			svc, err := s3.New(s3.Options{For: "box", Container: name, Endpoint: endpoint})
			if err != nil {
				t.Fatal(err)
			}
			return belowPrefix(t, svc)
		})
	})
	t.Run("Azure", func(t *testing.T) {
		name, account := os.Getenv("TRAINYARD_TEST_AZURE_CONTAINER"), os.Getenv("AZURE_STORAGE_ACCOUNT")
		if name == "" {
			t.Skip("SKIPPED: TRAINYARD_TEST_AZURE_CONTAINER names no container (in AZURE_STORAGE_ACCOUNT)")
		}
		buckettest.Run(t, below(azureCan()), func(t *testing.T) bucket.Store {
			svc, err := azure.New(azure.Options{For: "box", Container: name, Account: account, Env: os.Getenv})
			if err != nil {
				t.Fatal(err)
			}
			return belowPrefix(t, svc)
		})
	})
}
