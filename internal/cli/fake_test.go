package cli

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fake is a server that behaves as jobs' arguments say: --fail ends FAILED,
// --hang runs until it is cancelled, --lines=N prints N lines; anything else
// succeeds. --print has its program print on both streams, --status=N ends with
// that status. It keeps objects in memory.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	jobs     map[string]map[string]any
	order    []string
	requests []string // "POST /v1/projects/p/jobs"
	bodies   map[string]string
	ids      map[string]string // job by request id
	buckets  map[string]bool
	objects  map[string][]byte // "bucket/name"
	sessions map[string]*session
	dir      string        // its data directory, which says that it is on this machine
	changed  chan struct{} // closed and replaced at each change
}

type session struct {
	key  string
	data []byte
}

func newFake(t testing.TB) *fake {
	f := &fake{
		jobs: map[string]map[string]any{}, bodies: map[string]string{}, ids: map[string]string{}, objects: map[string][]byte{},
		buckets: map[string]bool{"trainyard-default": true, "bucket": true}, sessions: map[string]*session{}, changed: make(chan struct{}),
	}
	f.dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(f.dir, "server.json"), []byte(`{"pid":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve)) // handlers read it
	f.Start()
	t.Cleanup(f.Close)
	return f
}

var jobURL = regexp.MustCompile(`^/v1/projects/([^/]+)/jobs(?:/([^/:]+)(?::(\w+))?)?$`)

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	line := r.Method + " " + r.URL.EscapedPath()
	if r.URL.Query().Get("validateOnly") == "true" {
		line += " (only asked)"
	}
	f.requests = append(f.requests, line)
	f.mu.Unlock()
	path := r.URL.EscapedPath()
	switch m := jobURL.FindStringSubmatch(path); {
	case path == "/v1/server":
		answer(w, map[string]any{"version": "1.0", "pid": 1, "dataDir": f.dir, "defaultBucket": "trainyard-default",
			"buckets": map[string]string{"models": "s3://company-models/kept", "team-*": "s3://teams-*", "team-x": "s3://elsewhere", "blobs": "azblob://container"},
			"regions": []string{"us-central1", "europe-west1"}, "endpoint": f.URL})
	case m != nil && m[2] == "" && r.Method == http.MethodPost:
		f.create(w, r)
	case m != nil && m[2] == "":
		f.list(w, r)
	case m != nil:
		f.job(w, r, m[2], m[3])
	default:
		f.storage(w, r, path)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, code int, status, msg string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": msg, "status": status}})
}

func (f *fake) create(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var j map[string]any
	_ = json.Unmarshal(body, &j)
	id, _ := j["jobId"].(string)
	f.mu.Lock()
	defer f.mu.Unlock()
	if id == "invalid" {
		refuse(w, 400, "INVALID_ARGUMENT", "Field: region Error: The provided GCE region 'x' is not available. Options are [us-central1].")
		return
	}
	if in, _ := j["trainingInput"].(map[string]any); in["region"] == "europe-west" || in["region"] == "mars" {
		msg := fmt.Sprintf("The provided GCE region '%s' is not available. Options are [europe-west1, us-central1].", in["region"])
		w.WriteHeader(400)
		answer(w, map[string]any{"error": map[string]any{"code": 400, "message": "Field: region Error: " + msg, "status": "INVALID_ARGUMENT",
			"details": []any{map[string]any{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": []any{map[string]any{"field": "region", "description": msg}}}}}})
		return
	}
	rid := r.Header.Get("X-Trainyard-Request-Id")
	if _, there := f.jobs[id]; there && f.ids[rid] != id {
		refuse(w, 409, "ALREADY_EXISTS", "Field: job.job_id Error: A job with this id already exists.")
		return
	}
	if r.URL.Query().Get("validateOnly") == "true" {
		answer(w, struct{}{})
		return
	}
	f.ids[rid] = id
	f.bodies[id] = string(body)
	j["state"], j["createTime"], j["etag"] = "QUEUED", fmt.Sprintf("2026-01-02T03:04:%02dZ", len(f.order)), "AAAAAAAAAAE="
	if _, there := f.jobs[id]; !there {
		f.order = append(f.order, id)
	}
	f.jobs[id] = j
	if in, _ := j["trainingInput"].(map[string]any); in["runtimeVersion"] == "1.15" {
		w.Header().Add("X-Trainyard-Warning", "runtime version 1.15 runs with the packages of today")
	}
	answer(w, j)
}

func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	start, _ := strconv.Atoi(r.URL.Query().Get("pageToken"))
	page := map[string]any{}
	jobs := []any{}
	ids := slices.Clone(f.order)
	slices.Reverse(ids)
	for i := start; i < len(ids); i++ {
		if len(jobs) == 2 { // small pages, so that tests see several
			page["nextPageToken"] = strconv.Itoa(i)
			break
		}
		jobs = append(jobs, f.jobs[ids[i]])
	}
	if len(jobs) > 0 {
		page["jobs"] = jobs
	}
	answer(w, page)
}

func (f *fake) job(w http.ResponseWriter, r *http.Request, id, verb string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j, ok := f.jobs[id]
	if !ok {
		refuse(w, 404, "NOT_FOUND", "Field: name Error: The specified job was not found: projects/"+strings.Split(r.URL.Path, "/")[3]+"/jobs/"+id+".")
		return
	}
	switch {
	case verb == "cancel":
		f.end(j, "CANCELLED", "The job was cancelled by the user.")
		answer(w, map[string]any{})
	case verb == "follow":
		f.mu.Unlock()
		f.follow(w, r, id)
		f.mu.Lock()
	case verb == "timeline":
		_, _ = io.WriteString(w, `{"events":[{"Seq":1,"Time":"2026-01-02T03:04:05Z","Name":"q","Step":"queue","Text":"Job j is queued."},{"Seq":2,"Time":"2026-01-02T03:04:05.25Z","Name":"e","Step":"environment","Text":"environment was there","seconds":0.25,"Task":"master-replica-0"}]}`)
	case verb == "why":
		answer(w, map[string]any{"state": j["state"], "sentence": "It is waiting for 2 vCPUs; it is next.", "hint": "Patience.", "position": 1})
	case r.Method == http.MethodPatch:
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		if r.URL.Query().Get("updateMask") != "labels" {
			refuse(w, 400, "INVALID_ARGUMENT", "updateMask")
			return
		}
		j["labels"] = body["labels"]
		answer(w, j)
	default:
		answer(w, j)
	}
}

// end is called with mu held.
func (f *fake) end(j map[string]any, state, msg string) {
	if j["endTime"] != nil {
		return
	}
	j["state"], j["startTime"], j["endTime"] = state, "2026-01-02T03:05:05Z", "2026-01-02T03:06:05Z"
	if msg != "" {
		j["errorMessage"] = msg
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) follow(w http.ResponseWriter, r *http.Request, id string) {
	flush := http.NewResponseController(w).Flush
	send := func(event, id string, v any) {
		b, _ := json.Marshal(v)
		fmt.Fprintf(w, "event: %s\nid: %s\ndata: %s\n\n", event, id, b)
		_ = flush()
	}
	f.mu.Lock()
	j := f.jobs[id]
	in, _ := j["trainingInput"].(map[string]any)
	f.mu.Unlock()
	send("state", "", map[string]any{"jobId": id, "state": "RUNNING", "version": 1})
	hang, state, msg, status := false, "SUCCEEDED", "", 0
	if r.URL.Query().Get("logs") != "false" {
		entry := func(n int, task, severity, text string) {
			if t := r.URL.Query().Get("task"); t == "" || t == task {
				send("log", strconv.Itoa(n), map[string]any{"task": task, "time": "2026-01-02T03:04:05Z", "severity": severity, "message": text, "insertId": fmt.Sprintf("%09d", n)})
			}
		}
		entry(1, "service", "INFO", "Job "+id+" is queued.")
		entry(2, "master-replica-0", "ERROR", "line one\nline two")
	}
	args, _ := in["args"].([]any)
	for _, a := range args {
		if n, ok := strings.CutPrefix(fmt.Sprint(a), "--status="); ok {
			state, msg = "FAILED", "The replica master 0 exited with a non-zero status of "+n+".\nTraceback, which was printed\n\nCause: it is known\n\nTo find out more"
			status, _ = strconv.Atoi(n)
		}
		switch a {
		case "--print":
			for n, l := range []struct{ stream, severity, text string }{{"", "INFO", "Installing."}, {"stdout", "INFO", "printed"}, {"stderr", "ERROR", "complained"}, {"stderr", "INFO", "logged"}, {"", "WARNING", "mind this"}} {
				send("log", strconv.Itoa(10+n), map[string]any{"task": "master-replica-0", "time": "2026-01-02T03:04:05Z", "severity": l.severity, "message": l.text, "stream": l.stream, "insertId": fmt.Sprintf("%09d", 10+n)})
			}
		case "--fail":
			state, msg = "FAILED", "The replica master 0 exited with a non-zero status of 1."
		case "--hang":
			hang = true
		}
	}
	f.mu.Lock()
	changed, ended := f.changed, j["endTime"] != nil
	f.mu.Unlock()
	if hang && !ended {
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
	f.mu.Lock()
	f.end(j, state, msg)
	last, _ := json.Marshal(j)
	f.mu.Unlock()
	if status != 0 {
		send("exit", "", map[string]any{"code": status, "step": "run"})
	}
	send("end", "", json.RawMessage(last))
}

var (
	objectURL = regexp.MustCompile(`^/storage/v1/b/([^/]+)/o/(.+)$`)
	uploadURL = regexp.MustCompile(`^/upload/storage/v1/b/([^/]+)/o$`)
	bucketURL = regexp.MustCompile(`^/storage/v1/b/([^/]+)$`)
)

func (f *fake) storage(w http.ResponseWriter, r *http.Request, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := bucketURL.FindStringSubmatch(path); m != nil {
		if !f.buckets[m[1]] && m[1] != "full-bucket" && m[1] != "closed-bucket" {
			refuse(w, 404, "", "The specified bucket does not exist.")
			return
		}
		answer(w, map[string]any{"name": m[1]})
		return
	}
	if m := objectURL.FindStringSubmatch(path); m != nil {
		name, _ := url.PathUnescape(m[2])
		data, ok := f.objects[m[1]+"/"+name]
		if !ok {
			refuse(w, 404, "", "No such object: "+m[1]+"/"+name)
			return
		}
		answer(w, resource(m[1]+"/"+name, data))
		return
	}
	if m := uploadURL.FindStringSubmatch(path); m != nil {
		f.uploadTo(w, r, m[1])
		return
	}
	if s := f.sessions[path]; s != nil {
		body, _ := io.ReadAll(r.Body)
		s.data = append(s.data, body...)
		if strings.HasSuffix(r.Header.Get("Content-Range"), "/*") {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(s.data)-1))
			w.Header().Set("X-Http-Status-Code-Override", "308")
			w.WriteHeader(200)
			return
		}
		f.objects[s.key] = s.data
		answer(w, resource(s.key, s.data))
		return
	}
	refuse(w, 404, "NOT_FOUND", "nothing is served at "+path)
}

func (f *fake) uploadTo(w http.ResponseWriter, r *http.Request, bucket string) {
	switch {
	case bucket == "full-bucket":
		refuse(w, 507, "", "the disk is full")
		return
	case bucket == "closed-bucket":
		refuse(w, 403, "", "you may not")
		return
	case !f.buckets[bucket]:
		refuse(w, 404, "", "The specified bucket does not exist.")
		return
	}
	var meta struct{ Name string }
	if r.URL.Query().Get("uploadType") == "resumable" {
		_ = json.NewDecoder(r.Body).Decode(&meta)
		at := fmt.Sprintf("/session/%d", len(f.sessions))
		f.sessions[at] = &session{key: bucket + "/" + meta.Name}
		w.Header().Set("Location", f.URL+at)
		return
	}
	if meta.Name = r.URL.Query().Get("name"); meta.Name != "" && r.URL.Query().Get("uploadType") == "media" {
		data, _ := io.ReadAll(r.Body)
		f.objects[bucket+"/"+meta.Name] = data
		answer(w, resource(bucket+"/"+meta.Name, data))
		return
	}
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	parts := multipart.NewReader(r.Body, params["boundary"])
	first, err := parts.NextPart()
	if err != nil {
		refuse(w, 400, "", err.Error())
		return
	}
	_ = json.NewDecoder(first).Decode(&meta)
	second, err := parts.NextPart()
	if err != nil {
		refuse(w, 400, "", err.Error())
		return
	}
	data, _ := io.ReadAll(second)
	f.objects[bucket+"/"+meta.Name] = data
	answer(w, resource(bucket+"/"+meta.Name, data))
}

func resource(key string, data []byte) map[string]any {
	bucket, name, _ := strings.Cut(key, "/")
	sum := md5.Sum(data)
	return map[string]any{"bucket": bucket, "name": name, "size": strconv.Itoa(len(data)), "generation": "1", "md5Hash": base64.StdEncoding.EncodeToString(sum[:])}
}
