package storageapi_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestABucketCannotTakeAPathOfTheServers(t *testing.T) {
	at := serve(t).URL + "/storage/v1/b"
	if code, _, body := ask(t, "POST", at, `{"name":"upload"}`); code != 400 || !strings.Contains(body, "/upload") {
		t.Errorf("a bucket called upload answers %d %s", code, body)
	}
	if code, _, body := ask(t, "POST", at, `{"name":"uploads"}`); code != 200 {
		t.Errorf("a bucket called uploads answers %d %s", code, body)
	}
}

// TestBucketFacts: what a client says of a bucket is kept and given back, or
// refused by its name; never dropped.
func TestBucketFacts(t *testing.T) {
	s := serve(t)
	at := s.URL + "/storage/v1/b/box"
	for _, tt := range []struct {
		method, body string
		code         int
		want         string
	}{
		{"PATCH", `{"labels":{"team":"a","env":"x"}}`, 200, `"labels":{"env":"x","team":"a"}`},
		{"PATCH", `{"labels":{"env":null}}`, 200, `"labels":{"team":"a"}`},
		{"PATCH", `{"storageClass":"NEARLINE"}`, 200, `"storageClass":"NEARLINE"`},
		{"PATCH", `{"storageClass":"WARM"}`, 400, "WARM"},
		{"PATCH", `{"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{"age":30,"matchesPrefix":["tmp/"],"isLive":true,"numNewerVersions":"2","createdBefore":"2020-01-31"}}]}}`, 200,
			`"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{"age":30,"createdBefore":"2020-01-31","isLive":true,"matchesPrefix":["tmp/"],"numNewerVersions":2}}]}`},
		{"PATCH", `{"labels":null}`, 200, `"lifecycle"`},
		{"PATCH", `{"lifecycle":{"rule":[{"action":{"type":"SetStorageClass","storageClass":"NEARLINE"},"condition":{"age":1}}]}}`, 400, "lifecycle.rule[0].action"},
		{"PATCH", `{"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{"daysSinceNoncurrentTime":1}}]}}`, 400, "lifecycle.rule[0].condition.daysSinceNoncurrentTime"},
		{"PATCH", `{"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{}}]}}`, 400, "at least one condition"},
		{"PATCH", `{"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{"age":-1}}]}}`, 400, "condition.age"},
		{"PATCH", `{"lifecycle":{"rule":[{"action":{"type":"Delete"},"condition":{"createdBefore":"soon"}}]}}`, 400, "condition.createdBefore"},
		{"PATCH", `{"lifecycle":{}}`, 200, `"name":"box"`},
		{"PATCH", `{"website":{"mainPageSuffix":"index.html"}}`, 400, "website"},
		{"PATCH", `{"cors":[{"origin":["*"]}]}`, 400, "cors"},
		{"PATCH", `{"logging":{"logBucket":"b"}}`, 400, "logging"},
		{"PATCH", `{"retentionPolicy":{"retentionPeriod":"3600"}}`, 400, "retentionPolicy"},
		{"PATCH", `{"encryption":{"defaultKmsKeyName":"k"}}`, 400, "encryption"},
		{"PATCH", `{"billing":{"requesterPays":true}}`, 400, "billing"},
		{"PATCH", `{"somethingNew":1}`, 400, "somethingNew"},
		{"PATCH", `{"location":"EU"}`, 400, "location"},
		{"PATCH", `{"iamConfiguration":{"uniformBucketLevelAccess":{"enabled":false}}}`, 400, "uniformBucketLevelAccess"},
		{"PATCH", `{"website":null,"cors":[],"billing":{"requesterPays":false},"softDeletePolicy":{"retentionDurationSeconds":"0"},"rpo":"DEFAULT","location":"us"}`, 200, `"name":"box"`},
		{"PATCH?ifMetagenerationMatch=1", `{"labels":{"a":"b"}}`, 412, "conditionNotMet"},
		{"PATCH?ifGenerationMatch=1", `{"labels":{"a":"b"}}`, 400, "ifGenerationMatch"},
		{"PATCH", `not json`, 400, "JSON"},
		{"PATCH", `{"versioning":{"enabled":true}}`, 200, `"versioning":{"enabled":true}`},
		{"PUT", `{"name":"box"}`, 200, `"name":"box"`},
		{"GET?ifMetagenerationNotMatch=1", ``, 200, `"name":"box"`},
		{"GET?ifMetagenerationMatch=1", ``, 412, "conditionNotMet"},
		{"DELETE?ifMetagenerationMatch=1", ``, 412, "conditionNotMet"},
	} {
		verb, query, _ := strings.Cut(tt.method, "?")
		if code, _, body := ask(t, verb, at+"?"+query, tt.body); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", tt.method, tt.body, code, body, tt.code, tt.want)
		}
	}
	_, _, whole := ask(t, "GET", at, "")
	for _, gone := range []string{"versioning", "lifecycle", "labels"} {
		if strings.Contains(whole, gone) {
			t.Errorf("after a PUT without it, %s is there: %s", gone, whole)
		}
	}
	// What was read can be written back, as clients do.
	if code, _, body := ask(t, "PUT", at, whole); code != 200 {
		t.Errorf("writing back what was read: %d %s", code, body)
	}
	// An object has the class of its bucket.
	_, _, body := ask(t, "POST", s.URL+"/upload/storage/v1/b/box/o?uploadType=media&name=x", "x")
	var o struct{ StorageClass string }
	if err := json.Unmarshal([]byte(body), &o); err != nil || o.StorageClass != "NEARLINE" {
		t.Errorf("an object of a NEARLINE bucket: %s", body)
	}
}
