package access_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/access"
	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

var mine = job.Key{Project: "mine", ID: "j1"}

func openTokens(t *testing.T, dir string) *access.Tokens {
	t.Helper()
	tokens, err := access.OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// in finds a job in a state.
func in(s job.State) func(context.Context, job.Key) (job.Job, error) {
	return func(_ context.Context, key job.Key) (job.Job, error) {
		return job.Job{Spec: job.Spec{Key: key}, State: s}, nil
	}
}

func TestATokenIsGoodUntilItsJobHasEnded(t *testing.T) {
	dir := t.TempDir()
	token := openTokens(t, dir).Of(mine)
	tokens := openTokens(t, dir) // after a restart
	for _, s := range []job.State{job.Queued, job.Preparing, job.Running} {
		ctx, ours, err := tokens.Admit(t.Context(), token, in(s))
		if err != nil || !ours {
			t.Errorf("in %s: %t, %v", s, ours, err)
		}
		if err := access.Project(ctx, "mine"); err != nil {
			t.Errorf("its own project: %v", err)
		}
		if err := access.Project(ctx, "other"); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "other") {
			t.Errorf("another project: %v, want denied", err)
		}
	}
	for _, s := range []job.State{job.Succeeded, job.Failed, job.Cancelled} {
		if _, ours, err := tokens.Admit(t.Context(), token, in(s)); !ours || !fault.Is(err, fault.Denied) {
			t.Errorf("in %s: %t, %v; want denied", s, ours, err)
		}
	}
	gone := func(context.Context, job.Key) (job.Job, error) {
		return job.Job{}, fault.Errorf(fault.NotFound, "no such job")
	}
	if _, _, err := tokens.Admit(t.Context(), token, gone); !fault.Is(err, fault.Denied) {
		t.Errorf("of a job that is gone: %v", err)
	}
	down := func(context.Context, job.Key) (job.Job, error) { return job.Job{}, errors.New("disk") }
	if _, ours, err := tokens.Admit(t.Context(), token, down); !ours || err == nil || fault.Is(err, fault.Denied) {
		t.Errorf("where the store cannot say: %t, %v", ours, err)
	}
}

func TestOnlyThisServersTokensAreBelieved(t *testing.T) {
	tokens := openTokens(t, t.TempDir())
	good, foreign := tokens.Of(mine), openTokens(t, t.TempDir()).Of(mine)
	other := tokens.Of(job.Key{Project: "other", ID: "j1"})
	mixed := other[:strings.LastIndex(other, ".")] + good[strings.LastIndex(good, "."):]
	for _, token := range []string{foreign, mixed, good + "x", good[:len(good)-1], "job.", "job..", "job.x.y"} {
		if ctx, ours, err := tokens.Admit(t.Context(), token, in(job.Running)); !ours || !fault.Is(err, fault.Denied) || access.Project(ctx, "other") != nil {
			t.Errorf("%q: %t, %v; want denied", token, ours, err)
		}
	}
	for _, token := range []string{"", "secret", "ya29.c.xyz", "eyJhbGciOiJSUzI1NiJ9.e30.sig"} {
		if _, ours, err := tokens.Admit(t.Context(), token, nil); ours || err != nil {
			t.Errorf("%q: %t, %v; want that it is somebody else's", token, ours, err)
		}
	}
}

func TestADamagedKeyIsSaid(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jobs.key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := access.OpenTokens(dir); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
}

func FuzzJob(f *testing.F) {
	tokens, err := access.OpenTokens(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tokens.Of(mine))
	f.Add("job.bWluZS9qMQ.")
	f.Fuzz(func(t *testing.T, token string) {
		if key, ok := tokens.Job(token); ok && key != mine {
			t.Errorf("%q is taken for one of %s", token, key)
		}
	})
}

func TestAJobReachesBucketsOfItsProjectAndThoseOfAll(t *testing.T) {
	store, err := disk.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	b := access.Buckets{Store: store, Common: "common", Shared: "default-box"}
	user := t.Context()
	put := func(name string) bucket.PutOptions {
		return bucket.PutOptions{Object: bucket.Object{Bucket: name, Name: "x", Size: 1}}
	}
	for name, project := range map[string]string{"own-box": "mine", "other-box": "other", "common-box": "common", "default-box": "other"} {
		if _, err := b.CreateBucket(user, bucket.Bucket{Name: name, Project: project}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Put(user, put(name), strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	tokens := openTokens(t, t.TempDir())
	ctx, _, err := tokens.Admit(user, tokens.Of(mine), in(job.Running))
	if err != nil {
		t.Fatal(err)
	}
	none := bucket.Conditions{}
	calls := map[string]func(name string) error{
		"Bucket": func(n string) error { _, err := b.Bucket(ctx, n); return err },
		"UpdateBucket": func(n string) error {
			_, err := b.UpdateBucket(ctx, n, func(*bucket.Bucket) error { return nil })
			return err
		},
		"Put":  func(n string) error { _, err := b.Put(ctx, put(n), strings.NewReader("x")); return err },
		"Stat": func(n string) error { _, err := b.Stat(ctx, n, "x", 0, none); return err },
		"Open": func(n string) error {
			_, r, err := b.Open(ctx, n, "x", 0, 0, -1, none)
			if err == nil {
				_ = r.Close()
			}
			return err
		},
		"List":   func(n string) error { _, err := b.List(ctx, n, bucket.Query{}); return err },
		"Update": func(n string) error { _, err := b.Update(ctx, n, "x", 0, bucket.Attrs{}, none); return err },
		"Copy from": func(n string) error {
			_, err := b.Copy(ctx, bucket.Source{Bucket: n, Name: "x"}, bucket.PutOptions{Object: bucket.Object{Bucket: "own-box", Name: "y"}}, false)
			return err
		},
		"Copy to": func(n string) error {
			_, err := b.Copy(ctx, bucket.Source{Bucket: "own-box", Name: "x"}, bucket.PutOptions{Object: bucket.Object{Bucket: n, Name: "y"}}, false)
			return err
		},
		"Compose": func(n string) error {
			_, err := b.Compose(ctx, bucket.PutOptions{Object: bucket.Object{Bucket: n, Name: "z"}}, []bucket.Source{{Bucket: n, Name: "x"}}, false)
			return err
		},
		"StartUpload": func(n string) error { _, err := b.StartUpload(ctx, put(n)); return err },
		"StartParts":  func(n string) error { _, err := b.StartParts(ctx, put(n)); return err },
		"PartUploads": func(n string) error { _, err := b.PartUploads(ctx, n); return err },
	}
	last := map[string]func(name string) error{
		"Move": func(n string) error {
			_, err := b.Move(ctx, bucket.Source{Bucket: n, Name: "x"}, "w", none)
			return err
		},
		"Delete":       func(n string) error { return b.Delete(ctx, n, "w", 0, none) },
		"DeleteBucket": func(n string) error { return b.DeleteBucket(ctx, n, none) },
	}
	for what, call := range calls {
		for _, name := range []string{"own-box", "common-box", "default-box"} {
			if err := call(name); err != nil {
				t.Errorf("%s %s: %v", what, name, err)
			}
		}
		if err := call("other-box"); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "project other") {
			t.Errorf("%s other-box: %v, want denied", what, err)
		}
	}
	for _, what := range []string{"Move", "Delete", "DeleteBucket"} {
		if err := last[what]("own-box"); err != nil && what != "DeleteBucket" {
			t.Errorf("%s own-box: %v", what, err)
		}
		if err := last[what]("other-box"); !fault.Is(err, fault.Denied) {
			t.Errorf("%s other-box: %v, want denied", what, err)
		}
	}
	if _, err := b.Stat(ctx, "absent-box", "x", 0, none); !fault.Is(err, fault.NotFound) {
		t.Errorf("a bucket that is not there: %v", err)
	}
	if _, err := b.Buckets(ctx, "other", ""); !fault.Is(err, fault.Denied) {
		t.Errorf("listing another project's buckets: %v", err)
	}
	if got, err := b.Buckets(ctx, "mine", ""); err != nil || len(got) != 1 {
		t.Errorf("listing its own: %v, %v", got, err)
	}
	if _, err := b.CreateBucket(ctx, bucket.Bucket{Name: "new-box", Project: "other"}); !fault.Is(err, fault.Denied) {
		t.Errorf("making one for another project: %v", err)
	}
	if _, err := b.CreateBucket(ctx, bucket.Bucket{Name: "new-box", Project: "mine"}); err != nil {
		t.Errorf("making one: %v", err)
	}
	if _, err := b.Stat(user, "other-box", "x", 0, none); err != nil {
		t.Errorf("the server's user: %v", err)
	}
}
