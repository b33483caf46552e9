package server

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// bodyPause is how long a request's body may pause. Who sends it may have been
// stopped, or be gone behind a proxy that lives on, and holds its upload.
const bodyPause = 2 * time.Minute

// patient gives up bodies that do not go on.
func patient(o Options, next http.Handler) http.Handler {
	limit := cmp.Or(o.BodyPause, bodyPause)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &arriving{ReadCloser: r.Body, limit: limit, until: http.NewResponseController(w).SetReadDeadline}
		}
		next.ServeHTTP(w, r)
	})
}

// arriving is a body each part of which must come in time. After its end the
// limit is gone: net/http takes it back.
type arriving struct {
	io.ReadCloser
	limit time.Duration
	until func(time.Time) error
	set   time.Time
}

func (a *arriving) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(a.set) > a.limit/8 { // not for every small part
		a.set = now
		_ = a.until(now.Add(a.limit)) // a connection without deadlines is a test's
	}
	n, err := a.ReadCloser.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fault.Errorf(fault.Unavailable, "the request's body did not go on for %s", a.limit)
	}
	return n, err
}
