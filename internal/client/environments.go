package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"

	"google.golang.org/api/googleapi"

	"github.com/trainyard/trainyard/internal/fault"
)

// Runtimes are the server's runtime versions, each as the server shows it.
func (c *Client) Runtimes(ctx context.Context) ([]json.RawMessage, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/runtimes"})
	if err != nil {
		return nil, err
	}
	v, err := decode[struct{ Runtimes []json.RawMessage }](c, raw)
	return v.Runtimes, err
}

// Runtime is one version with all its packages.
func (c *Client) Runtime(ctx context.Context, version string) (json.RawMessage, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/runtimes/" + url.PathEscape(version)})
	return raw, err
}

// AddRuntime gives the server the file of a version of the site's own.
func (c *Client) AddRuntime(ctx context.Context, file string, replace bool) (json.RawMessage, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Errorf(fault.NotFound, "cannot read the runtime version's file: %w", err)
	}
	q := url.Values{}
	if replace {
		q.Set("replace", "true")
	}
	raw, _, err := c.once(ctx, request{method: http.MethodPost, path: "/v1/runtimes", query: q}, b)
	return raw, err
}

// PrepareRuntime has the server build a version's environment ahead and gives
// fn each line of what it does. It reports whether there was nothing to do.
// Ending ctx ends the build.
func (c *Client) PrepareRuntime(ctx context.Context, version, python string, fn func(line string)) (cached bool, err error) {
	u := c.base + "/v1/runtimes/" + url.PathEscape(version) + ":prepare"
	if python != "" {
		u += "?python=" + url.QueryEscape(python)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, nil)
	if err != nil {
		return false, fault.Errorf(fault.Internal, "make the request: %w", err)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return false, c.translate(ctx, err)
	}
	defer res.Body.Close()
	if err := googleapi.CheckResponse(res); err != nil {
		return false, c.translate(ctx, err)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		p, err := decode[struct {
			Line, Error, Hint string
			Kind              fault.Kind
			Done, Cached      bool
		}](c, lines.Bytes())
		switch {
		case err != nil:
			return false, err
		case p.Error != "":
			return false, &fault.Error{Kind: p.Kind, Msg: p.Error, Hint: p.Hint}
		case p.Done:
			return p.Cached, nil
		}
		fn(p.Line)
	}
	return false, c.translate(ctx, cutOff(lines.Err()))
}

// Environments are the parts of the server's cache of environments.
func (c *Client) Environments(ctx context.Context) ([]json.RawMessage, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/environments"})
	if err != nil {
		return nil, err
	}
	v, err := decode[struct{ Environments []json.RawMessage }](c, raw)
	return v.Environments, err
}

// Environment is one of them, by the beginning of its key.
func (c *Client) Environment(ctx context.Context, key string) (json.RawMessage, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: "/v1/environments/" + url.PathEscape(key)})
	return raw, err
}

// JobEnvironment is what the environment of a job's latest run was made of.
func (c *Client) JobEnvironment(ctx context.Context, project, id string) (json.RawMessage, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: jobPath(project, id) + ":environment"})
	return raw, err
}

// Limits say what may stay in the cache.
type Limits struct {
	Size   int64   `json:"sizeBytes,omitempty,string"`
	Unused float64 `json:"unusedSeconds,omitempty"`
	All    bool    `json:"all,omitempty"`
}

// Pruned says what was removed.
type Pruned struct {
	Removed []json.RawMessage `json:"removed"`
	Freed   int64             `json:"freedBytes,string"`
	Left    int64             `json:"leftBytes,string"`
}

// PruneEnvironments removes what the limits do not allow and nobody uses.
func (c *Client) PruneEnvironments(ctx context.Context, l Limits) (Pruned, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodPost, path: "/v1/environments:prune", body: l})
	if err != nil {
		return Pruned{}, err
	}
	return decode[Pruned](c, raw)
}
