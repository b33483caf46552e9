package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/trainyard/trainyard/internal/fault"
)

// quiet takes what Google's client library wants to log: it reads a level from
// the environment otherwise.
var quiet = slog.New(slog.DiscardHandler)

// backoff is how long to wait before each further try of something that is
// unavailable.
var backoff = []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond}

// request is one call of the JSON APIs.
type request struct {
	method, path string // path from the root, escaped
	query        url.Values
	header       http.Header
	body         any // JSON; json.RawMessage is sent as it is; nil for none
}

// call sends a request and gives the answer's body and header. A server that
// says it is unavailable is asked again a few times: every method that goes
// this way is either harmless to repeat or carries a request id.
func (c *Client) call(ctx context.Context, q request) (json.RawMessage, http.Header, error) {
	var body []byte
	if q.body != nil {
		var err error
		if body, err = json.Marshal(q.body); err != nil {
			return nil, nil, fault.Errorf(fault.Internal, "encode the request: %w", err)
		}
	}
	var raw json.RawMessage
	var header http.Header
	err := again(ctx, func() error {
		var err error
		raw, header, err = c.once(ctx, q, body)
		return err
	})
	return raw, header, err
}

func (c *Client) once(ctx context.Context, q request, body []byte) (json.RawMessage, http.Header, error) {
	u := c.base + q.path
	if len(q.query) > 0 {
		u += "?" + q.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, q.method, u, bytes.NewReader(body))
	if err != nil {
		return nil, nil, fault.Errorf(fault.Internal, "make the request: %w", err)
	}
	for k, v := range q.header {
		r.Header[k] = v
	}
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.do(r)
	if err != nil {
		return nil, nil, c.translate(ctx, err)
	}
	defer res.Body.Close()
	if err := googleapi.CheckResponse(res); err != nil {
		return nil, nil, c.translate(ctx, err)
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil, c.translate(ctx, err)
	}
	return raw, res.Header, nil
}

// again repeats what is unavailable, but not what nobody answers at: there is
// no server then, and the user should hear it at once; nor what was waited for
// as long as is good.
func again(ctx context.Context, try func() error) error {
	for _, wait := range backoff {
		err := try()
		if !fault.Is(err, fault.Unavailable) || refused(err) || late(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
	return try()
}

// decode reads a JSON answer.
func decode[T any](c *Client, raw json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fault.Errorf(fault.Internal, "the server at %s gave an answer that is not understood: %w", c.base, err).
			WithHint("is it a Trainyard server, and of this version? see: trainyard server status")
	}
	return v, nil
}

// do sends a request whose answer does not pause once it has begun: one that does
// is given up. The connection may be well while what is behind it says nothing.
func (c *Client) do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	res, err := c.http.Do(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &answer{ReadCloser: res.Body, client: c, cancel: cancel}
	return res, nil
}

// answer is a body of which each part must come in time.
type answer struct {
	io.ReadCloser
	client *Client
	cancel context.CancelFunc
}

func (a *answer) Read(p []byte) (int, error) {
	late := time.AfterFunc(a.client.quiet, a.cancel)
	n, err := a.ReadCloser.Read(p)
	if !late.Stop() && err != nil && err != io.EOF {
		err = fault.Errorf(fault.Unavailable, "the server at %s did not go on with its answer", a.client.base)
	}
	return n, err
}

func (a *answer) Close() error {
	defer a.cancel()
	return a.ReadCloser.Close()
}
