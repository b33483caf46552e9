package cloud_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/buckettest"
	"github.com/trainyard/trainyard/internal/bucket/cloud"
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

func newS3(t *testing.T) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	srv := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
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

func TestS3PassesTheSuite(t *testing.T) {
	can := plain
	can.Underscores = false // a bucket is a container of that name
	buckettest.Run(t, can, func(t *testing.T) bucket.Store { return openS3(t, newS3(t)) })
}

// Below a prefix, several buckets share a container with what is not theirs.
func TestS3PassesTheSuiteBelowAPrefix(t *testing.T) {
	can := plain
	refuses := can.Refuses
	can.Refuses = func(name string) bool { return refuses("below/box/"+name) || len(name) > 1000 }
	buckettest.Run(t, can, func(t *testing.T) bucket.Store {
		endpoint := newS3(t)
		svc, err := s3.New(s3.Options{Container: "shared", Endpoint: endpoint, Region: "us-east-1"})
		if err != nil {
			t.Fatal(err)
		}
		return cloud.New(cloud.Options{Spool: newSpool(t), Dir: t.TempDir(), Place: func(_ context.Context, name string) (cloud.Service, string, error) {
			return svc, "below/" + name + "/", nil
		}})
	})
}
