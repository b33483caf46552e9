package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	ml "google.golang.org/api/ml/v1"
)

// TestCrashedServersLeaveNoHalfDeletedJob kills the server at random moments
// while jobs are deleted. What was deleted is gone for good: record, folder and
// staged package, and the id is not free. Every other job is whole.
func TestCrashedServersLeaveNoHalfDeletedJob(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	archive, err := os.ReadFile(y.archive())
	if err != nil {
		t.Fatal(err)
	}
	n := 60
	if testing.Short() {
		n = 16
	}
	object := func(i int) string {
		return fmt.Sprintf("d%d/%x/%s", i, sha256.Sum256([]byte(strconv.Itoa(i))), "app-0.1.tar.gz")
	}
	id := func(i int) string { return fmt.Sprintf("d%d", i) }
	doc := func(i int) ml.GoogleCloudMlV1__Job {
		return ml.GoogleCloudMlV1__Job{JobId: id(i), TrainingInput: &ml.GoogleCloudMlV1__TrainingInput{
			Region: "us-central1", PackageUris: []string{"gs://trainyard-default/" + object(i)}, PythonModule: "no.such.module"}}
	}
	for i := range n {
		y.upload("trainyard-default", object(i), archive)
		y.persist(t.Context(), "POST", "/v1/projects/local/jobs", doc(i), id(i))
		y.persist(t.Context(), "POST", "/v1/projects/local/jobs/"+id(i)+":cancel", struct{}{}, "")
	}
	for i := range n {
		y.ended("local", id(i))
	}
	// Folders that take a while to remove.
	folders := map[int]string{}
	for i := range n {
		folders[i] = filepath.Join(y.dir, "jobs", strconv.Itoa(i+2)) // the first was archive's
		dir := filepath.Join(folders[i], "kept", "a1", "user_dir")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for f := range 200 {
			write(t, filepath.Join(dir, strconv.Itoa(f)), "x")
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	var users sync.WaitGroup
	for u := range 3 {
		users.Go(func() {
			for i := u; i < n; i += 3 {
				if i%4 != 3 && !y.deleteSurely(ctx, id(i)) {
					return
				}
			}
		})
	}
	deleted := make(chan struct{})
	go func() { users.Wait(); close(deleted) }()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng, killed := rand.New(rand.NewPCG(seed, 1)), 0
	for going := true; going; killed++ {
		select {
		case <-deleted:
			going = false
		case <-time.After(time.Duration(rng.IntN(60)) * time.Millisecond):
		}
		y.kill()
		y.start()
	}
	cancel()
	t.Logf("%d kills", killed)

	status := func(method, path string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, y.url()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for i := range n {
		record := status("GET", "/v1/projects/local/jobs/"+id(i))
		if i%4 == 3 {
			entries, err := os.ReadDir(filepath.Join(folders[i], "kept", "a1", "user_dir"))
			if record != 200 || err != nil || len(entries) != 200 || status("GET", "/trainyard-default/"+object(i)) != 200 || len(y.entries("local", id(i))) == 0 {
				t.Errorf("%s, which nobody deleted, is %d and has %d files (%v)", id(i), record, len(entries), err)
			}
			continue
		}
		if record != 404 {
			t.Errorf("%s, which was deleted, is %d", id(i), record)
		}
		// The rest is removed by the server's start, beside its answers.
		for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
			_, err := os.Stat(folders[i])
			if os.IsNotExist(err) && status("GET", "/trainyard-default/"+object(i)) == 404 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("of %s its folder (%v) or its package is left", id(i), err)
			}
		}
		y.upload("trainyard-default", object(i), archive)
		if _, err := y.ml().Projects.Jobs.Create("projects/local", new(doc(i))).Do(); err == nil {
			t.Errorf("the id %s is free again", id(i))
		}
	}
}

// deleteSurely asks until the job is gone; false when ctx ended first.
func (y *yard) deleteSurely(ctx context.Context, id string) bool {
	for ctx.Err() == nil {
		req, _ := http.NewRequestWithContext(ctx, "DELETE", y.url()+"/v1/projects/local/jobs/"+id, nil)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			answer, readErr := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			switch {
			case readErr != nil || resp.StatusCode >= 500:
			case resp.StatusCode < 300 || resp.StatusCode == 404:
				return true
			default:
				y.t.Errorf("delete %s: %s %s", id, resp.Status, answer)
				return false
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	return false
}
