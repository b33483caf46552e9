package mlapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

type answer struct {
	code   int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) err(t *testing.T) (message, status string, details []any) {
	t.Helper()
	e, ok := a.body["error"].(map[string]any)
	if !ok {
		t.Fatalf("answer %d is no error: %s", a.code, a.raw)
	}
	if int(e["code"].(float64)) != a.code {
		t.Errorf("status %d with code %v in the body", a.code, e["code"])
	}
	details, _ = e["details"].([]any)
	return e["message"].(string), e["status"].(string), details
}

func send(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{code: res.StatusCode, header: res.Header, raw: string(raw)}
	if method != http.MethodHead {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			t.Fatalf("%s %s answers %d with no JSON: %s", method, url, res.StatusCode, raw)
		}
		if ct := res.Header.Get("Content-Type"); ct != "application/json; charset=UTF-8" {
			t.Errorf("%s %s: Content-Type is %q", method, url, ct)
		}
	}
	return a
}

func TestWhatTheServiceDecidesAndDoubtsIsSaid(t *testing.T) {
	m, base := start(t)
	got := send(t, "POST", base+"/v1/projects/demo/jobs", document("j1", `, "jobDir": "gs://absent/j1"`))
	if in, _ := got.body["trainingInput"].(map[string]any); got.code != 200 || in["pythonVersion"] != "3.13" {
		t.Errorf("create answers %d %v, want the Python that was chosen", got.code, got.body)
	}
	if w := got.header["X-Trainyard-Warning"]; len(w) != 1 || !strings.Contains(w[0], "no bucket gs://absent,") {
		t.Errorf("warnings are %q, want one that the bucket of the job directory is absent", w)
	}
	said := map[string]string{}
	for _, e := range m.events[job.Key{Project: "demo", ID: "j1"}] {
		said[e.Severity] = e.Text
	}
	if said["INFO"] != "The job gets Python 3.13.0." || !strings.Contains(said["WARNING"], "gs://absent") {
		t.Errorf("the log says %q", said)
	}
	if got := send(t, "POST", base+"/v1/projects/demo/jobs", document("j2", `, "jobDir": "gs://bucket/j2"`)); got.header["X-Trainyard-Warning"] != nil {
		t.Errorf("a job directory that is there: %q", got.header["X-Trainyard-Warning"])
	}
}

func TestAJobsWholeLife(t *testing.T) {
	m, base := start(t)
	jobs := base + "/v1/projects/demo/jobs"
	if got := send(t, "GET", jobs, ""); got.code != 200 || got.raw != "{}\n" {
		t.Errorf("an empty list is %d %q, want 200 {}", got.code, got.raw)
	}
	got := send(t, "POST", jobs+"?alt=json", document("j1", `, "enableWebAccess": false, "args": ["--x", "1"], "runtimeVersion": "2.11"`))
	want := map[string]any{
		"jobId": "j1", "state": "QUEUED", "etag": "AAAAAAAAAAE=", "createTime": "2026-11-24T10:20:30.123456Z",
		"trainingInput": map[string]any{"packageUris": []any{"gs://bucket/p.tar.gz"}, "pythonModule": "trainer.task", "region": "us-central1", "args": []any{"--x", "1"}, "runtimeVersion": "2.11", "pythonVersion": "3.7"},
	}
	if diff := cmp.Diff(want, got.body); got.code != 200 || diff != "" {
		t.Fatalf("create answers %d (-want +got):\n%s", got.code, diff)
	}
	if w := got.header["X-Trainyard-Warning"]; len(w) != 1 || !strings.Contains(w[0], "2.11") {
		t.Errorf("warnings are %q", w)
	}
	var lines []string
	for _, e := range m.events[job.Key{Project: "demo", ID: "j1"}] {
		lines = append(lines, fmt.Sprint(e.Severity, " ", e.Service, " ", e.Text))
	}
	if diff := cmp.Diff([]string{
		"INFO true Validating job requirements...",
		"INFO true Job creation request has been successfully validated.",
		"INFO true Job j1 is queued.",
		"WARNING true Runtime version 2.11 runs without its pinned packages.",
	}, lines); diff != "" {
		t.Errorf("service lines (-want +got):\n%s", diff)
	}
	if p := m.jobs[0].Packages[0]; p.Generation != 7 || p.Size != 42 || p.URI != "gs://bucket/p.tar.gz" {
		t.Errorf("the package is %+v, want what storage says of it", p)
	}

	got = send(t, "PATCH", jobs+"/j1?updateMask=labels", `{"labels": {"team": "a"}}`)
	if got.code != 200 || !cmp.Equal(got.body["labels"], map[string]any{"team": "a"}) || got.body["etag"] != "AAAAAAAAAAI=" {
		t.Errorf("patch answers %d %s", got.code, got.raw)
	}
	got = send(t, "PATCH", jobs+"/j1?updateMask=labels,etag", `{"labels": {"b": ""}, "etag": "AAAAAAAAAAE="}`)
	if msg, status, _ := got.err(t); got.code != 409 || status != "ABORTED" {
		t.Errorf("a patch with an old etag answers %d %s %s", got.code, status, msg)
	}
	got = send(t, "PATCH", jobs+"/j1?updateMask=labels%2Cetag", `{"labels": {"b": ""}, "etag": "AAAAAAAAAAI="}`)
	if got.code != 200 || !cmp.Equal(got.body["labels"], map[string]any{"b": ""}) {
		t.Errorf("a patch with the etag answers %d %s, want the map replaced", got.code, got.raw)
	}
	if got = send(t, "PATCH", jobs+"/j1?updateMask=etag", `{"etag": "AAAAAAAAAAI="}`); got.code != 409 {
		t.Errorf("an old etag alone answers %d", got.code)
	}

	if got = send(t, "POST", jobs+"/j1:cancel", ``); got.code != 200 || got.raw != "{}\n" {
		t.Errorf("cancel answers %d %s", got.code, got.raw)
	}
	if got = send(t, "GET", jobs+"/j1", ""); got.body["state"] != "CANCELLING" {
		t.Errorf("after cancel the state is %v", got.body["state"])
	}
	m.change(t, "j1", func(j *job.Job) {
		j.State, j.Error = job.Cancelled, j.Cancel.Reason
		j.Started, j.Ended = epoch.Add(time.Second), epoch.Add(time.Minute)
		j.Usage.CPUSeconds = 360
	})
	got = send(t, "GET", jobs+"/j1", "")
	if got.body["endTime"] != "2026-11-24T10:21:30.123456Z" || got.body["errorMessage"] == "" || !cmp.Equal(got.body["trainingOutput"], map[string]any{"consumedMLUnits": 0.1}) {
		t.Errorf("the ended job is %s", got.raw)
	}
	if got = send(t, "POST", jobs+"/j1:cancel", `{}`); got.code != 200 || got.raw != "{}\n" {
		t.Errorf("cancel of an ended job answers %d %s", got.code, got.raw)
	}
}

func TestARepeatedCreateIsOneJobOnlyWithItsRequestID(t *testing.T) {
	m, base := start(t)
	jobs := base + "/v1/projects/demo/jobs"
	for range 2 {
		if got := send(t, "POST", jobs, document("j1", ""), "X-Trainyard-Request-Id", "r1"); got.code != 200 {
			t.Fatalf("create answers %d %s", got.code, got.raw)
		}
	}
	if len(m.jobs) != 1 {
		t.Errorf("there are %d jobs", len(m.jobs))
	}
	for _, id := range []string{"", "r2"} {
		got := send(t, "POST", jobs, document("j1", ""), "X-Trainyard-Request-Id", id)
		msg, status, details := got.err(t)
		if got.code != 409 || status != "ALREADY_EXISTS" || msg != "Field: job.job_id Error: A job with this id already exists." || len(details) == 0 {
			t.Errorf("a second create answers %s", got.raw)
		}
	}
}

func TestErrorsAreTheOriginals(t *testing.T) {
	m, base := start(t)
	if got := send(t, "POST", base+"/v1/projects/demo/jobs", document("there", "")); got.code != 200 {
		t.Fatal(got.raw)
	}
	m.change(t, "there", func(j *job.Job) { j.State = job.Succeeded })
	const p = "/v1/projects/demo"
	for _, tt := range []struct {
		method, path, body string
		code               int
		status, message    string // message is a part
		field              string // of the first violation
	}{
		{"POST", p + "/jobs", document("a", `, "region2": 1`), 400, "INVALID_ARGUMENT", `Invalid JSON payload received. Unknown name "region2" at 'job.training_input': Cannot find field.`, "job.training_input"},
		{"POST", p + "/jobs", strings.Replace(document("a", ""), "us-central1", "x", 1), 400, "INVALID_ARGUMENT", "Field: region Error: The provided GCE region 'x' is not available. Options are [europe-west1, us-central1].", "region"},
		{"POST", p + "/jobs", document("a", `, "runtimeVersion": "1.9"`), 400, "INVALID_ARGUMENT", "Field: runtime_version Error: The specified runtime version '1.9' with the Python version '' is not supported or is deprecated.  Please specify a different runtime version.", "runtime_version"},
		{"POST", p + "/jobs", strings.Replace(document("a", ""), "p.tar.gz", "missing.tar.gz", 1), 400, "FAILED_PRECONDITION", "Field: package_uris Error: The provided GCS paths cannot be read by service account trainyard@service.invalid: gs://bucket/missing.tar.gz (no such object).", "package_uris"},
		{"POST", p + "/jobs", strings.Replace(document("a", ""), "p.tar.gz", "broken.tar.gz", 1), 503, "UNAVAILABLE", "does not answer", ""},
		{"POST", p + "/jobs", document("there", ""), 409, "ALREADY_EXISTS", "Field: job.job_id Error: A job with this id already exists.", "job.job_id"},
		{"POST", p + "/jobs", document("my-job", ""), 400, "INVALID_ARGUMENT", "Field: job.job_id Error: job id \"my-job\" is not valid", "job.job_id"},
		{"POST", p + "/jobs", `{"parameter_server_type": "x"}`, 400, "INVALID_ARGUMENT", `Invalid JSON payload received. Unknown name "parameter_server_type" at 'job': Cannot find field.`, "job"},
		{"POST", p + "/jobs", document("a", `, "scaleTier": "BASIC_GPU"`), 400, "INVALID_ARGUMENT", "This server has no NVIDIA_TESLA_K80 accelerators; 1 requested.", "scale_tier"},
		{"POST", p + "/jobs", `{"jobId": oops}`, 400, "INVALID_ARGUMENT", "Invalid JSON payload received. Unexpected token.\n{\"jobId\": oops}\n          ^", ""},
		{"POST", p + "/jobs", `{"jobId": "x`, 400, "INVALID_ARGUMENT", "Invalid JSON payload received. Unexpected end of string.", ""},
		{"POST", p + "/jobs", strings.Repeat("x", 4<<20+1), 413, "INVALID_ARGUMENT", "exceeds the limit", ""},
		{"GET", p + "/jobs/nope", "", 404, "NOT_FOUND", "Field: name Error: The specified job was not found: projects/demo/jobs/nope.", "name"},
		{"POST", p + "/jobs/nope:cancel", "{}", 404, "NOT_FOUND", "was not found", "name"},
		{"PATCH", p + "/jobs/nope?updateMask=labels", "{}", 404, "NOT_FOUND", "was not found", "name"},
		{"PATCH", p + "/jobs/there", "{}", 400, "INVALID_ARGUMENT", "update mask is required", "update_mask"},
		{"PATCH", p + "/jobs/there?updateMask=labels,state", "{}", 400, "INVALID_ARGUMENT", "'state' cannot be updated", "update_mask"},
		{"PATCH", p + "/jobs/there?updateMask=labels", `{"labels": {"Foo": ""}}`, 400, "INVALID_ARGUMENT", "Bad value [Foo]", "labels"},
		{"PATCH", p + "/jobs/there?updateMask=labels", `{"lables": {}}`, 400, "INVALID_ARGUMENT", `Unknown name "lables" at 'job'`, "job"},
		{"PATCH", p + "/jobs/there?updateMask=etag", `{"etag": "?"}`, 400, "INVALID_ARGUMENT", "is not one that this server gave", "job.etag"},
		{"DELETE", p + "/jobs/there", "", 405, "UNIMPLEMENTED", "DELETE is not served at /v1/projects/demo/jobs/there; GET, PATCH is.", ""},
		{"GET", p + "/jobs/there:cancel", "", 405, "UNIMPLEMENTED", "POST is.", ""},
		{"GET", p + "/jobs/there:frob", "", 404, "NOT_FOUND", "is not served here", ""},
		{"GET", p + "/models", "", 404, "NOT_FOUND", "is not served here", ""},
		{"POST", p + "/models/m/versions/v:predict", "{}", 404, "NOT_FOUND", "is not served here", ""},
		{"POST", p + ":predict", "{}", 404, "NOT_FOUND", "is not served here", ""},
		{"GET", p + "/locations/us-central1/studies", "", 404, "NOT_FOUND", "is not served here", ""},
		{"GET", p + "/operations/x", "", 404, "NOT_FOUND", "operation 'x' was not found", "name"},
		{"GET", p + "/locations/mars", "", 404, "NOT_FOUND", "location 'mars' was not found", "name"},
		{"GET", "/v1/projects/12345/jobs", "", 400, "INVALID_ARGUMENT", "project number", "parent"},
		{"GET", "/v1/nothing", "", 404, "NOT_FOUND", "is not served here", ""},
		{"GET", p + "/jobs?pageSize=x", "", 400, "INVALID_ARGUMENT", "Invalid value at 'page_size' (TYPE_INT32), \"x\"", "page_size"},
		{"GET", p + "/jobs?pageSize=-1", "", 400, "INVALID_ARGUMENT", "negative", "page_size"},
		{"GET", p + "/jobs?pageToken=x", "", 400, "INVALID_ARGUMENT", "page token", "page_token"},
		{"GET", p + "/jobs?filter=foo%3Dbar", "", 400, "INVALID_ARGUMENT", "the field foo is not known", "filter"},
		{"GET", p + "/jobs?alt=proto", "", 400, "INVALID_ARGUMENT", "alt=json", "alt"},
		{"GET", "/$discovery/rest?version=v2", "", 404, "NOT_FOUND", "v2", ""},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			got := send(t, tt.method, base+tt.path, tt.body)
			msg, status, details := got.err(t)
			if got.code != tt.code || status != tt.status || !strings.Contains(msg, tt.message) {
				t.Errorf("got %d %s %q\nwant %d %s %q", got.code, status, msg, tt.code, tt.status, tt.message)
			}
			field := ""
			if len(details) > 0 {
				d := details[0].(map[string]any)
				if d["@type"] == "type.googleapis.com/google.rpc.BadRequest" {
					v := d["fieldViolations"].([]any)[0].(map[string]any)
					field = v["field"].(string)
					if !strings.Contains(msg, v["description"].(string)) {
						t.Errorf("the description %q is not in the message %q", v["description"], msg)
					}
				}
			}
			if field != tt.field {
				t.Errorf("the violation is at %q, want %q", field, tt.field)
			}
		})
	}
	if len(m.jobs) != 1 {
		t.Errorf("refused creates left %d jobs", len(m.jobs)-1)
	}
}

func TestAnInternalErrorShowsAnIDOnly(t *testing.T) {
	m, base := start(t)
	for kind, want := range map[fault.Kind]int{
		fault.Internal: 500, fault.Full: 507, fault.Unavailable: 503, fault.Denied: 403, fault.Exhausted: 429,
	} {
		m.fail = &fault.Error{Kind: kind, Msg: "job secret", Err: errors.New("disk sda1")}
		got := send(t, "GET", base+"/v1/projects/demo/jobs/x", "")
		msg, _, _ := got.err(t)
		if got.code != want {
			t.Errorf("%s is %d, want %d", kind, got.code, want)
		}
		if kind == fault.Internal && (!strings.HasPrefix(msg, "internal error (request ") || strings.Contains(got.raw, "secret") || strings.Contains(got.raw, "sda1")) {
			t.Errorf("an internal error shows %s", got.raw)
		}
	}
	m.fail = errors.New("plain")
	if got := send(t, "GET", base+"/v1/projects/demo/jobs/x", ""); got.code != 500 {
		t.Errorf("an error without a kind is %d", got.code)
	}
}

func TestListPagesNewestFirst(t *testing.T) {
	_, base := start(t)
	jobs := base + "/v1/projects/demo/jobs"
	for i := range 25 {
		id := fmt.Sprintf("j%02d", i)
		if i%5 == 0 {
			id = "waits"[:4] + fmt.Sprint(i)
		}
		if got := send(t, "POST", jobs, document(id, "")); got.code != 200 {
			t.Fatal(got.raw)
		}
	}
	send(t, "POST", base+"/v1/projects/other/jobs", document("theirs", ""))
	walk := func(query url.Values) (ids []string, pages int) {
		for {
			got := send(t, "GET", jobs+"?"+query.Encode(), "")
			if got.code != 200 {
				t.Fatalf("list answers %d %s", got.code, got.raw)
			}
			pages++
			list, _ := got.body["jobs"].([]any)
			for _, j := range list {
				ids = append(ids, j.(map[string]any)["jobId"].(string))
			}
			next, more := got.body["nextPageToken"].(string)
			if !more {
				return ids, pages
			}
			query.Set("pageToken", next)
		}
	}
	all, pages := walk(url.Values{})
	if len(all) != 25 || pages != 2 || all[0] != "j24" || all[24] != "wait0" {
		t.Errorf("the default lists %d jobs on %d pages: %v", len(all), pages, all)
	}
	if ids, pages := walk(url.Values{"pageSize": {"7"}}); !cmp.Equal(ids, all) || pages != 4 {
		t.Errorf("pages of 7: %d pages, %v", pages, ids)
	}
	if ids, pages := walk(url.Values{"pageSize": {"1000"}}); !cmp.Equal(ids, all) || pages != 1 {
		t.Errorf("pages of 1000: %d pages, %v", pages, ids)
	}
	if ids, _ := walk(url.Values{"filter": {"jobId:wait* AND state:QUEUED"}, "pageSize": {"2"}}); !cmp.Equal(ids, []string{"wait20", "wait15", "wait10", "wait5", "wait0"}) {
		t.Errorf("filtered: %v", ids)
	}
	if got := send(t, "GET", jobs+"?filter=state%3AFAILED", ""); got.raw != "{}\n" {
		t.Errorf("nothing matches: %s", got.raw)
	}
	got := send(t, "GET", jobs+"?pageSize=2", "")
	token := got.body["nextPageToken"].(string)
	if got := send(t, "GET", jobs+"?filter=state%3AQUEUED&pageToken="+token, ""); got.code != 400 {
		t.Errorf("a token with another filter answers %d", got.code)
	}
}

func TestQueryParameters(t *testing.T) {
	_, base := start(t)
	jobs := base + "/v1/projects/demo/jobs"
	send(t, "POST", jobs, document("waits", `, "args": ["<&>"]`))
	for query, want := range map[string]string{
		"prettyPrint=false&fields=jobId,state":                            `{"jobId":"waits","state":"QUEUED"}`,
		"prettyPrint=false&fields=trainingInput(region,args)&$.xgafv=2":   `{"trainingInput":{"args":["<&>"],"region":"us-central1"}}`,
		"prettyPrint=false&fields=trainingInput/region,jobPosition&key=x": `{"jobPosition":"3","trainingInput":{"region":"us-central1"}}`,
		"fields=jobId": "{\n  \"jobId\": \"waits\"\n}",
	} {
		if got := send(t, "GET", jobs+"/waits?"+query, ""); strings.TrimSuffix(got.raw, "\n") != want {
			t.Errorf("?%s gives %s, want %s", query, got.raw, want)
		}
	}
	if got := send(t, "GET", jobs+"?prettyPrint=false&fields=jobs/jobId,nextPageToken", ""); got.raw != `{"jobs":[{"jobId":"waits"}]}`+"\n" {
		t.Errorf("a mask on a list gives %s", got.raw)
	}
	if got := send(t, "GET", jobs+"/waits?fields=((", ""); got.code != 200 || got.body["state"] != "QUEUED" {
		t.Errorf("a mask that is not understood gives %d %s, want everything", got.code, got.raw)
	}
	if got := send(t, "HEAD", jobs+"/waits", ""); got.code != 200 {
		t.Errorf("HEAD answers %d", got.code)
	}
}

func TestPlacesAndPolicies(t *testing.T) {
	_, base := start(t)
	p := base + "/v1/projects/demo"
	send(t, "POST", p+"/jobs", document("j1", ""))
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", ":getConfig", "", `{"config":{},"serviceAccount":"trainyard@service.invalid"}`},
		{"GET", "/locations/us-central1", "", `{"capabilities":[{"type":"TRAINING"}],"name":"projects/demo/locations/us-central1"}`},
		{"GET", "/operations", "", `{}`},
		{"GET", "/jobs/j1:getIamPolicy?options.requestedPolicyVersion=3", "", `{"etag":"ACAB"}`},
		{"POST", "/jobs/j1:setIamPolicy", `{"policy":{}}`, `{"etag":"ACAB"}`},
		{"POST", "/jobs/j1:testIamPermissions", `{"permissions":["ml.jobs.get"]}`, `{"permissions":["ml.jobs.get"]}`},
		{"POST", "/jobs/nope:testIamPermissions", `{"permissions":["ml.jobs.get"]}`, `{}`},
	} {
		sep := "?"
		if strings.Contains(tt.path, "?") {
			sep = "&"
		}
		if got := send(t, tt.method, p+tt.path+sep+"prettyPrint=false", tt.body); got.code != 200 || got.raw != tt.want+"\n" {
			t.Errorf("%s %s answers %d %s, want %s", tt.method, tt.path, got.code, got.raw, tt.want)
		}
	}
	if got := send(t, "POST", p+"/jobs/j1:setIamPolicy", `{"policy":{"bindings":[{"role":"x"}]}}`); got.code != 400 {
		t.Errorf("a policy that would not be kept answers %d", got.code)
	}
	got := send(t, "GET", p+"/locations", "")
	if l := got.body["locations"].([]any); len(l) != 2 {
		t.Errorf("locations: %s", got.raw)
	}
	got = send(t, "GET", base+"/discovery/v1/apis/ml/v1/rest", "")
	if got.body["rootUrl"] != base+"/" || got.body["baseUrl"] != base+"/" {
		t.Errorf("the discovery document names %v", got.body["rootUrl"])
	}
}
