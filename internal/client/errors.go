package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	"google.golang.org/api/googleapi"

	"github.com/trainyard/trainyard/internal/fault"
)

// kinds turns a status into a kind. Where the body names a status of its own
// (FAILED_PRECONDITION is a 400 too) that one wins.
var kinds = map[int]fault.Kind{
	http.StatusBadRequest:          fault.Invalid,
	http.StatusUnauthorized:        fault.Denied,
	http.StatusForbidden:           fault.Denied,
	http.StatusNotFound:            fault.NotFound,
	http.StatusConflict:            fault.Conflict,
	http.StatusPreconditionFailed:  fault.Precondition,
	http.StatusTooManyRequests:     fault.Exhausted,
	http.StatusInsufficientStorage: fault.Full,
	http.StatusBadGateway:          fault.Unavailable,
	http.StatusServiceUnavailable:  fault.Unavailable,
	http.StatusGatewayTimeout:      fault.Unavailable,
}

// translate turns whatever came back from a request into a fault.
func (c *Client) translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		return c.status(e)
	}
	e := &fault.Error{Kind: fault.Unavailable, Err: err}
	switch {
	case refused(err):
		e.Msg = fmt.Sprintf("no server answers at %s", c.base)
		e.Hint = "start one with: trainyard server start"
	case late(err):
		e.Msg = fmt.Sprintf("the server at %s did not answer in time", c.base)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		e.Msg = fmt.Sprintf("the connection to the server at %s was cut", c.base)
	default:
		e.Msg = fmt.Sprintf("the server at %s cannot be reached: %s", c.base, plain(err))
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			e.Hint = "the certificate is made by the server itself; it speaks http:// on the same port, or name its authority, DATA/tls/ca.pem, with SSL_CERT_FILE"
		}
		if dns, ok := errors.AsType[*net.DNSError](err); ok {
			e.Hint = "the name " + dns.Name + " is not known; see: trainyard config show"
		}
	}
	return e
}

// status turns an error answer into a fault.
func (c *Client) status(e *googleapi.Error) error {
	f := &fault.Error{Kind: kinds[e.Code], Msg: e.Message, Err: e}
	var body struct {
		Error struct {
			Status  string `json:"status"`
			Details []struct {
				FieldViolations []fault.Violation `json:"fieldViolations"`
				Hint            string            `json:"hint"`
				Links           []struct {
					Description string `json:"description"`
				} `json:"links"`
			} `json:"details"`
		} `json:"error"`
	}
	ours := json.Unmarshal([]byte(e.Body), &body) == nil && (body.Error.Status != "" || e.Message != "")
	switch {
	case e.Code == http.StatusBadRequest && body.Error.Status == "FAILED_PRECONDITION":
		f.Kind = fault.Precondition
	case e.Code == http.StatusUnauthorized:
		f.Hint = "name the file that holds the server's token with --token-file or TRAINYARD_TOKEN_FILE"
	}
	for _, d := range body.Error.Details {
		f.Violations = append(f.Violations, d.FieldViolations...)
		if d.Hint != "" {
			f.Hint = d.Hint
		}
	}
	if e.Code == http.StatusNotFound {
		if m := missingJob.FindStringSubmatch(f.Msg); m != nil {
			f.Msg, f.Hint = fmt.Sprintf("job %s is not found in project %s", m[2]+m[3], m[1]+m[4]), "see: trainyard jobs list"
		}
	}
	if !ours {
		text := strings.TrimSpace(e.Body)
		if len(text) > 200 || strings.Contains(text, "<") {
			text = http.StatusText(e.Code)
		}
		f.Msg = fmt.Sprintf("the server at %s answered %d: %s", c.base, e.Code, text)
		if e.Code == http.StatusNotFound {
			f.Hint = "is it a Trainyard server, and of this version? see: trainyard server status"
		}
	}
	return f
}

// missingJob is how the wires say that there is no such job: the original's
// sentence, and ours.
var missingJob = regexp.MustCompile(`^(?:.*The specified job was not found: projects/(.+)/jobs/(.+)\.|job (\S+) is not found in project (\S+))$`)

// late says that an answer was not there in time.
func late(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// plain is the innermost reason, without the URL that net/http puts before it.
func plain(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
