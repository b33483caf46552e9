package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Why is what a job is doing, and why it goes no further, in a sentence; Facts
// are all that the server says with it.
type Why struct {
	State    string          `json:"state"`
	Sentence string          `json:"sentence"`
	Hint     string          `json:"hint"`
	Facts    json.RawMessage `json:"-"`
}

// Why asks for it.
func (c *Client) Why(ctx context.Context, project, id string) (Why, error) {
	raw, _, err := c.call(ctx, request{method: http.MethodGet, path: jobPath(project, id) + ":why"})
	if err != nil {
		return Why{}, err
	}
	w, err := decode[Why](c, raw)
	w.Facts = raw
	return w, err
}
