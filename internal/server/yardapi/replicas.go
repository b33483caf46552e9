package yardapi

import (
	"net/http"

	"github.com/trainyard/trainyard/internal/job"
)

// replicas answers with a job's replicas, and what they use.
func (o Options) replicas(w http.ResponseWriter, r *http.Request, j job.Job) {
	answer, err := o.Replicas(r.Context(), j)
	if err != nil {
		o.fail(w, r, err)
		return
	}
	write(w, answer)
}
