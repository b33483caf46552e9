package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"google.golang.org/api/ml/v1"

	"github.com/trainyard/trainyard/internal/job"
)

// Job is a job as the server told it: typed, and the document as it came, for
// printing without losing what the type does not know.
type Job struct {
	*ml.GoogleCloudMlV1__Job
	Raw json.RawMessage
}

// State is the job's state.
func (j Job) JobState() job.State { return job.State(j.GoogleCloudMlV1__Job.State) }

func (c *Client) job(raw json.RawMessage) (Job, error) {
	typed, err := decode[*ml.GoogleCloudMlV1__Job](c, raw)
	return Job{typed, raw}, err
}

func jobPath(project, id string) string {
	return "/v1/projects/" + url.PathEscape(project) + "/jobs/" + url.PathEscape(id)
}

// Create submits a job document. Asking twice with the same request id is one
// job. The warnings are what the server wants the user to know.
func (c *Client) Create(ctx context.Context, project string, document json.RawMessage, requestID string) (Job, []string, error) {
	return c.CreateFrom(ctx, project, document, requestID, job.Origin{})
}

// CreateFrom is Create of a job whose source is known.
func (c *Client) CreateFrom(ctx context.Context, project string, document json.RawMessage, requestID string, source job.Origin) (Job, []string, error) {
	h := http.Header{"X-Trainyard-Request-Id": {requestID}}
	if q := source.Query(); q != "" {
		h.Set("X-Trainyard-Source", q)
	}
	raw, header, err := c.call(ctx, request{
		method: http.MethodPost, path: "/v1/projects/" + url.PathEscape(project) + "/jobs", body: document, header: h,
	})
	if err != nil {
		return Job{}, nil, err
	}
	j, err := c.job(raw)
	return j, header["X-Trainyard-Warning"], err
}

// Validate asks whether a job document would be accepted, but for its packages,
// which need not have been uploaded. Nothing is stored.
func (c *Client) Validate(ctx context.Context, project string, document json.RawMessage) error {
	_, _, err := c.call(ctx, request{
		method: http.MethodPost, path: "/v1/projects/" + url.PathEscape(project) + "/jobs", query: url.Values{"validateOnly": {"true"}}, body: document,
	})
	return err
}

// Get is one job.
func (c *Client) Get(ctx context.Context, project, id string) (Job, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: jobPath(project, id)})
	if err != nil {
		return Job{}, err
	}
	return c.job(raw)
}

// List gives every job of the project to fn, newest first, a page at a time,
// until fn answers false.
func (c *Client) List(ctx context.Context, project string, fn func(Job) bool) error {
	return c.list(ctx, project, "", fn)
}

// ListActive gives those that hold a part of the machine: they prepare or run.
func (c *Client) ListActive(ctx context.Context, project string, fn func(Job) bool) error {
	return c.list(ctx, project, "state=PREPARING OR state=RUNNING OR state=CANCELLING", fn)
}

func (c *Client) list(ctx context.Context, project, filter string, fn func(Job) bool) error {
	query := url.Values{"pageSize": {"100"}}
	if filter != "" {
		query.Set("filter", filter)
	}
	for {
		raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/projects/" + url.PathEscape(project) + "/jobs", query: query})
		if err != nil {
			return err
		}
		page, err := decode[struct {
			Jobs []json.RawMessage `json:"jobs"`
			Next string            `json:"nextPageToken"`
		}](c, raw)
		if err != nil {
			return err
		}
		for _, raw := range page.Jobs {
			j, err := c.job(raw)
			if err != nil {
				return err
			}
			if !fn(j) {
				return nil
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Set("pageToken", page.Next)
	}
}

// Cancel wishes that a job end. A job that has ended is no error.
func (c *Client) Cancel(ctx context.Context, project, id string) error {
	_, _, err := c.call(ctx, request{method: http.MethodPost, path: jobPath(project, id) + ":cancel", body: struct{}{}})
	return err
}

// PatchLabels replaces a job's labels.
func (c *Client) PatchLabels(ctx context.Context, project, id string, labels map[string]string) (Job, error) {
	if labels == nil {
		labels = map[string]string{}
	}
	raw, _, err := c.call(ctx, request{
		method: http.MethodPatch, path: jobPath(project, id), query: url.Values{"updateMask": {"labels"}},
		body: map[string]any{"labels": labels},
	})
	if err != nil {
		return Job{}, err
	}
	return c.job(raw)
}

// Timeline is what happened to a job, by time, and why it waits if it does.
func (c *Client) Timeline(ctx context.Context, project, id string) (events []job.Event, waiting string, err error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: jobPath(project, id) + ":timeline"})
	if err != nil {
		return nil, "", err
	}
	v, err := decode[struct {
		Events []struct {
			job.Event
			Seconds float64 `json:"seconds"`
		} `json:"events"`
		Waiting string `json:"waiting"`
	}](c, raw)
	for _, e := range v.Events {
		e.Took = time.Duration(e.Seconds * float64(time.Second))
		events = append(events, e.Event)
	}
	slices.SortStableFunc(events, func(a, b job.Event) int { return a.Time.Compare(b.Time) })
	return events, v.Waiting, err
}

// ServerInfo is what a server says of itself.
type ServerInfo struct {
	Version       string            `json:"version"`
	Build         string            `json:"build"`
	PID           int               `json:"pid"`
	DataDir       string            `json:"dataDir"`
	DefaultBucket string            `json:"defaultBucket"`
	Buckets       map[string]string `json:"buckets"` // in a cloud: where each is
	Regions       []string          `json:"regions"`
	Endpoint      string            `json:"endpoint"`
	Started       time.Time         `json:"started"`
	Embedded      bool              `json:"embedded"` // started in the background by a command line
}

// Server asks the server who it is.
func (c *Client) Server(ctx context.Context) (ServerInfo, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/server"})
	if err != nil {
		return ServerInfo{}, err
	}
	return decode[ServerInfo](c, raw)
}
