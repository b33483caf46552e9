package yardapi

import (
	"net/http"

	"github.com/trainyard/trainyard/internal/job"
)

// why answers what a job is doing, and why it goes no further.
func (o Options) why(w http.ResponseWriter, r *http.Request, j job.Job) {
	answer, err := o.Why(r.Context(), j)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	write(w, answer)
}
