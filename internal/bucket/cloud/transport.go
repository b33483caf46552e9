package cloud

import (
	"cmp"
	"net/http"
	"time"
)

// patience is how long a service may take to begin its answer: one that accepts
// a request and never says anything must not hold a job up for ever.
const patience = 2 * time.Minute

// Transport is for the client of a service. A limit of 0 is as much as is good.
func Transport(limit time.Duration) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = cmp.Or(limit, patience)
	return t
}
