package route_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"log/slog"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/buckettest"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/bucket/route"
	"github.com/trainyard/trainyard/internal/fault"
)

func newDisk(t *testing.T) *disk.Store {
	t.Helper()
	s, err := disk.Open(t.Context(), t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// stores are a router, its disk, and the driver of the rule.
func stores(t *testing.T, rule string) (*route.Store, *disk.Store, *disk.Store) {
	t.Helper()
	rules, err := route.Parse([]string{rule})
	if err != nil {
		t.Fatal(err)
	}
	here, there := newDisk(t), newDisk(t)
	return &route.Store{Disk: here, Ways: []route.Way{{Rule: rules[0], Store: there}}}, here, there
}

func TestRoutedBucketsPassTheSuite(t *testing.T) {
	buckettest.Run(t, buckettest.All, func(t *testing.T) bucket.Store {
		s, _, _ := stores(t, "b*=s3://mine-*")
		return s
	})
}

func make2(t *testing.T, s bucket.Store) {
	t.Helper()
	for _, name := range []string{"here", "there-x"} {
		if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: name, Project: "p"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEachBucketIsWhereItsNameSays(t *testing.T) {
	ctx := t.Context()
	s, here, there := stores(t, "there-*=s3://mine-*")
	make2(t, s)
	if _, err := here.Bucket(ctx, "there-x"); !fault.Is(err, fault.NotFound) {
		t.Errorf("on the disk: %v", err)
	}
	if _, err := there.Bucket(ctx, "there-x"); err != nil {
		t.Errorf("at its driver: %v", err)
	}
	// What a driver has beside what is routed to it does not show.
	if _, err := there.CreateBucket(ctx, bucket.Bucket{Name: "here", Project: "p"}); err != nil {
		t.Fatal(err)
	}
	list, err := s.Buckets(ctx, "p", "")
	if err != nil || len(list) != 2 || list[0].Name != "here" || list[1].Name != "there-x" {
		t.Errorf("Buckets = %+v, %v", list, err)
	}
}

func TestCopiesGoBetweenDrivers(t *testing.T) {
	ctx := t.Context()
	s, _, _ := stores(t, "there-*=s3://mine-*")
	make2(t, s)
	o := bucket.PutOptions{Object: bucket.Object{Bucket: "here", Name: "x", Size: 5, ContentType: "a/b", Metadata: map[string]string{"k": "v"}, StorageClass: "NEARLINE"}}
	src, err := s.Put(ctx, o, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	to := bucket.PutOptions{Object: bucket.Object{Bucket: "there-x", Name: "y"}}
	got, err := s.Copy(ctx, bucket.Source{Bucket: "here", Name: "x"}, to, false)
	sum := md5.Sum([]byte("hello"))
	if err != nil || got.Bucket != "there-x" || got.Name != "y" || got.ContentType != "a/b" || got.Metadata["k"] != "v" || got.CRC32C != src.CRC32C || !bytes.Equal(got.MD5, sum[:]) || got.StorageClass != "STANDARD" {
		t.Errorf("Copy = %+v, %v", got, err)
	}
	to.Name, to.ContentType = "z", "c/d"
	if got, err = s.Copy(ctx, bucket.Source{Bucket: "here", Name: "x", Generation: src.Generation}, to, true); err != nil || got.ContentType != "c/d" || got.Metadata != nil {
		t.Errorf("Copy with facts of its own = %+v, %v", got, err)
	}
	zero := int64(0)
	to.Conditions.GenerationMatch = &zero
	if _, err := s.Copy(ctx, bucket.Source{Bucket: "here", Name: "x"}, to, true); !fault.Is(err, fault.Precondition) {
		t.Errorf("a copy onto what exists: %v", err)
	}
	if _, err := s.Compose(ctx, bucket.PutOptions{Object: bucket.Object{Bucket: "there-x", Name: "w"}}, []bucket.Source{{Bucket: "here", Name: "x"}}, false); !fault.Is(err, fault.Invalid) {
		t.Errorf("a compose across drivers: %v", err)
	}
}

func TestUploadsFindTheirDriverAgain(t *testing.T) {
	ctx := t.Context()
	s, _, _ := stores(t, "there-*=s3://mine-*")
	make2(t, s)
	for _, name := range []string{"here", "there-x"} {
		o := bucket.PutOptions{Object: bucket.Object{Bucket: name, Name: "x", Size: -1}}
		id, err := s.StartUpload(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		if st, err := s.Upload(ctx, id, 0, 1, strings.NewReader("x")); err != nil || st.Object == nil || st.Object.Bucket != name {
			t.Errorf("Upload into %s = %+v, %v", name, st, err)
		}
		if id, err = s.StartParts(ctx, o); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutPart(ctx, id, 1, bucket.PutOptions{Object: bucket.Object{Size: -1}}, strings.NewReader("y")); err != nil {
			t.Error(err)
		}
		if u, parts, err := s.Parts(ctx, id); err != nil || u.ID != id || len(parts) != 1 {
			t.Errorf("Parts = %+v, %v, %v", u, parts, err)
		}
		if list, err := s.PartUploads(ctx, name); err != nil || len(list) != 1 || list[0].ID != id {
			t.Errorf("PartUploads = %+v, %v; want %s", list, err, id)
		}
		if err := s.AbortParts(ctx, id); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.UploadStatus(ctx, "there-x.none"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an id that was never given: %v", err)
	}
}

func TestAConfiguredBucketIsNotDeleted(t *testing.T) {
	s, _, there := stores(t, "models=s3://mine")
	if _, err := there.CreateBucket(t.Context(), bucket.Bucket{Name: "models"}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteBucket(t.Context(), "models", bucket.Conditions{}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "configuration") {
		t.Errorf("DeleteBucket: %v", err)
	}
	if _, _, err := s.Open(context.Background(), "models", "x", 0, 0, -1, bucket.Conditions{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("Open: %v", err)
	}
}
