package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Rerun is what a repetition has otherwise than the job that it repeats.
type Rerun struct {
	JobID          string            `json:"jobId,omitempty"` // empty for the next free one
	Args           *[]string         `json:"args,omitempty"`
	JobDir         *string           `json:"jobDir,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	NewEnvironment bool              `json:"newEnvironment,omitempty"`
}

// Rerun repeats a job. Asking twice with the same request id is one job. The
// notes are what the server wants the user to know.
func (c *Client) Rerun(ctx context.Context, project, id string, r Rerun, requestID string) (Job, []string, error) {
	raw, _, err := c.call(ctx, request{
		method: http.MethodPost, path: jobPath(project, id) + ":rerun", body: r, header: http.Header{"X-Trainyard-Request-Id": {requestID}},
	})
	if err != nil {
		return Job{}, nil, err
	}
	v, err := decode[struct {
		Job   json.RawMessage `json:"job"`
		Notes []string        `json:"notes"`
	}](c, raw)
	if err != nil {
		return Job{}, nil, err
	}
	j, err := c.job(v.Job)
	return j, v.Notes, err
}

// Delete removes a job that has ended, with its log and what was staged for it
// alone.
func (c *Client) Delete(ctx context.Context, project, id string) error {
	_, _, err := c.call(ctx, request{method: http.MethodDelete, path: jobPath(project, id)})
	return err
}

// Provenance is where a job came from and what it is made of.
type Provenance struct {
	JobID    string `json:"jobId"`
	Repeats  string `json:"repeats,omitempty"`
	Client   string `json:"client,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Branch   string `json:"branch,omitempty"`
	Dirty    bool   `json:"dirty,omitempty"`
	Packages []struct {
		URI        string `json:"uri"`
		Generation int64  `json:"generation,omitempty,string"`
		Size       int64  `json:"sizeBytes,omitempty,string"`
		MD5        []byte `json:"md5,omitempty"`
	} `json:"packages"`
	Environment *struct {
		Python   string   `json:"python"`
		Runtime  string   `json:"runtime,omitempty"`
		Packages []string `json:"packages"`
	} `json:"environment,omitempty"`
	Locked bool `json:"locked,omitempty"`
}

// Provenance asks where a job came from; raw is the answer as it came.
func (c *Client) Provenance(ctx context.Context, project, id string) (p Provenance, raw json.RawMessage, err error) {
	raw, _, err = c.call(ctx, request{method: http.MethodGet, path: jobPath(project, id) + ":provenance"})
	if err != nil {
		return p, nil, err
	}
	p, err = decode[Provenance](c, raw)
	return p, raw, err
}
