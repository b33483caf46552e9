package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/trainyard/trainyard/internal/price"
)

// Replicas are a job's latest attempt; Facts is the whole answer.
type Replicas struct {
	State    string          `json:"state"`
	Attempt  int             `json:"attempt"`
	Restarts int             `json:"restarts"`
	Replicas []Replica       `json:"replicas"`
	Cost     *price.Cost     `json:"cost"`
	Facts    json.RawMessage `json:"-"`
}

// Price is what the job cost until now; empty where nothing has a price.
func (v Replicas) Price() string {
	if v.Cost == nil {
		return ""
	}
	return v.Cost.String()
}

// Replica is one of them, and what it uses.
type Replica struct {
	Task       string    `json:"task"`
	State      string    `json:"state"`
	Run        int       `json:"run"`
	Machine    string    `json:"machineType"`
	Exit       string    `json:"exit"`
	Started    time.Time `json:"startTime"`
	Ended      time.Time `json:"endTime"`
	CPU        float64   `json:"cpu"`
	CPUSeconds float64   `json:"cpuSeconds"`
	Memory     int64     `json:"memoryBytes,string"`
	Peak       int64     `json:"peakMemoryBytes,string"`
	Disk       int64     `json:"diskBytes,string"`
	GPUs       []struct {
		Name   string `json:"name"`
		Busy   int    `json:"busyPercent"`
		Memory int64  `json:"memoryBytes,string"`
	} `json:"gpus"`
}

// Replicas asks for them.
func (c *Client) Replicas(ctx context.Context, project, id string) (Replicas, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: jobPath(project, id) + ":replicas"})
	if err != nil {
		return Replicas{}, err
	}
	v, err := decode[Replicas](c, raw)
	v.Facts = raw
	return v, err
}

// Load is how full a server's machine is; zero totals are no limits.
type Load struct {
	Total, Free struct {
		CPUs   float64 `json:"vCPUs"`
		Memory int64   `json:"memoryBytes,string"`
		GPUs   int     `json:"gpus"`
	}
	Running int `json:"running"`
	Waiting int `json:"waiting"`
}

// Load asks for it.
func (c *Client) Load(ctx context.Context) (Load, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/usage"})
	if err != nil {
		return Load{}, err
	}
	return decode[Load](c, raw)
}
