package mlv1

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"time"

	ml "google.golang.org/api/ml/v1"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Render is a job as the API shows it, in Google's type.
func Render(j job.Job) *ml.GoogleCloudMlV1__Job {
	typed, err := RenderDoc(j).Typed()
	if err != nil { // RenderDoc has nothing that the type does not take
		return &ml.GoogleCloudMlV1__Job{JobId: string(j.Key.ID), State: string(j.Shown())}
	}
	return typed
}

// RenderJSON is a job as the API shows it, names sorted.
func RenderJSON(j job.Job) ([]byte, error) {
	raw, err := json.Marshal(RenderDoc(j))
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "write job %s: %w", j.Key, err)
	}
	return raw, nil
}

// RenderDoc is a job as the API shows it: the user's document, less what
// proto3 does not write, with what the service knows. consumedMLUnits counts
// the vCPU-hours that the job's processes used.
func RenderDoc(j job.Job) Doc {
	sent, _, err := Decode(j.Document)
	if err != nil {
		sent = Doc{} // stored documents were parsed once
	}
	d := compact(sent)
	d["jobId"], d["state"], d["etag"] = string(j.Key.ID), string(j.Shown()), Etag(j.Version)
	delete(d, "labels")
	if len(j.Labels) > 0 {
		l := make(Doc, len(j.Labels))
		for k, v := range j.Labels {
			l[k] = v
		}
		d["labels"] = l
	}
	for name, t := range map[string]time.Time{"createTime": j.Created, "startTime": j.Started, "endTime": j.Ended} {
		if !t.IsZero() {
			d[name] = Timestamp(t)
		}
	}
	if in, ok := d["trainingInput"].(Doc); ok && j.PythonVersion != "" { // also where the service chose them
		in["pythonVersion"] = j.PythonVersion
		if j.RuntimeVersion != "" {
			in["runtimeVersion"] = j.RuntimeVersion
		}
	}
	if j.Error != "" {
		d["errorMessage"] = j.Error
	}
	if !j.Started.IsZero() {
		out := Doc{}
		if units := math.Round(j.Usage.CPUSeconds/3600*1e4) / 1e4; units > 0 {
			out["consumedMLUnits"] = json.Number(strconv.FormatFloat(units, 'f', -1, 64))
		}
		d["trainingOutput"] = out
	}
	return d
}

// Timestamp writes a time as the API does: UTC, microseconds.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// Etag names a version of a job: eight bytes in base64.
func Etag(version int64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(version)))
}

// ParseEtag is the version that an etag names.
func ParseEtag(s string) (int64, error) {
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(s); err == nil && len(b) == 8 {
			return int64(binary.BigEndian.Uint64(b)), nil
		}
	}
	return 0, fault.Errorf(fault.Invalid, "etag %q is not one that this server gave", s)
}
