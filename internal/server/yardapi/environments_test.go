package yardapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/server/yardapi"
)

var _ yardapi.Environments = (*shelf)(nil)

// shelf is a cache with one runtime version, whose build fails where it is told.
type shelf struct {
	fail   error
	limits yardapi.Limits
	added  string
}

func (s *shelf) Runtimes(context.Context) ([]yardapi.Runtime, error) {
	return []yardapi.Runtime{{Version: "2.11", Download: 1 << 30}}, nil
}

func (s *shelf) Runtime(_ context.Context, v string) (yardapi.Runtime, error) {
	if v != "2.11" {
		return yardapi.Runtime{}, fault.Errorf(fault.Invalid, "no %s", v).WithHint("try 2.11")
	}
	return yardapi.Runtime{Version: v, Packages: []string{"six==1.16.0"}}, nil
}

func (s *shelf) PrepareRuntime(_ context.Context, version, python string, log func(string)) (bool, error) {
	log("building " + version + " for " + python)
	return false, s.fail
}

func (s *shelf) AddRuntime(_ context.Context, file []byte, replace bool) (yardapi.Runtime, error) {
	if s.added != "" && !replace {
		return yardapi.Runtime{}, fault.Errorf(fault.Conflict, "there already")
	}
	s.added = string(file)
	return yardapi.Runtime{Version: "house"}, nil
}

func (s *shelf) Environments(context.Context) ([]yardapi.Environment, error) { return nil, nil }

func (s *shelf) Environment(_ context.Context, key string) (yardapi.Environment, error) {
	return yardapi.Environment{Key: key}, nil
}

func (s *shelf) Prune(_ context.Context, l yardapi.Limits) (yardapi.Pruned, error) {
	s.limits = l
	return yardapi.Pruned{Freed: 5}, nil
}

func TestRuntimesAndEnvironmentsOnTheWire(t *testing.T) {
	s, y := &shelf{}, newYard()
	made := error(fault.Errorf(fault.NotFound, "none yet"))
	srv := httptest.NewServer(yardapi.New(yardapi.Options{Jobs: y, Environments: s, Log: slog.New(slog.DiscardHandler),
		Made: func(job.Job) ([]byte, error) { return []byte(`{"python":"3.11.7"}`), made }}))
	defer srv.Close()
	do := func(method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	s.fail = fault.Errorf(fault.Full, "the disk is full").WithHint("make room")
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/v1/runtimes", "", 200, `"downloadBytes": "1073741824"`},
		{"GET", "/v1/runtimes/2.11", "", 200, `"six==1.16.0"`},
		{"GET", "/v1/runtimes/2.12", "", 400, `"hint":"try 2.11"`},
		{"POST", "/v1/runtimes/2.12:prepare", "", 400, `"message":"no 2.12"`},
		{"POST", "/v1/runtimes/2.11:prepare?python=3.7", "", 200, `{"line":"building 2.11 for 3.7"}` + "\n" + `{"error":"the disk is full","hint":"make room","kind":7}` + "\n"},
		{"POST", "/v1/runtimes/2.11:paint", "", 404, "nothing is served"},
		{"DELETE", "/v1/runtimes/2.11", "", 404, "DELETE is not served"},
		{"POST", "/v1/runtimes", "version: house", 200, `"version": "house"`},
		{"POST", "/v1/runtimes", "version: house", 409, "there already"},
		{"POST", "/v1/runtimes?replace=true", "version: hut", 200, `"house"`},
		{"POST", "/v1/runtimes", strings.Repeat("x", 5<<20), 400, "too large"},
		{"GET", "/v1/environments", "", 200, `"environments": []`},
		{"GET", "/v1/environments/top/ab", "", 200, `"key": "top/ab"`},
		{"POST", "/v1/environments:prune", `{"sizeBytes": "7"}`, 200, `"freedBytes": "5"`},
		{"POST", "/v1/environments:prune", `{"size": 7}`, 400, "unknown field"},
		{"POST", "/v1/environments:prune", `{"sizeBytes": "-7"}`, 400, "below zero"},
		{"GET", "/v1/projects/p/jobs/j1:environment", "", 404, "none yet"},
		{"GET", "/v1/projects/p/jobs/j2:environment", "", 404, "no job"},
	} {
		code, body := do(tt.method, tt.path, tt.body)
		if code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s; want %d with %s", tt.method, tt.path, code, body, tt.code, tt.want)
		}
	}
	if s.limits.Size != 7 || s.added != "version: hut" {
		t.Errorf("limits %+v, added %q", s.limits, s.added)
	}
	s.fail, made = nil, nil
	if _, body := do("POST", "/v1/runtimes/2.11:prepare", ""); !strings.HasSuffix(body, `{"done":true}`+"\n") {
		t.Errorf("prepare ends with %q", body)
	}
	_, body := do("GET", "/v1/projects/p/jobs/j1:environment", "")
	var m struct{ Python string }
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Python != "3.11.7" {
		t.Errorf(":environment = %q, %v", body, err)
	}
}
