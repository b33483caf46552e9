package logs

import (
	"context"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// Polls answers queries and remembers how far each job's log has been read by
// those who poll it: gcloud reads up to five seconds ago, and stops for good
// when it hears that the job has ended.
type Polls struct {
	*Reader

	mu   sync.Mutex
	upTo map[job.Key]time.Time // guarded by mu
}

// maxPolled bounds what is remembered; beyond it everything is forgotten, and
// learned again from the next polls.
const maxPolled = 10_000

// Query is Reader.Query.
func (p *Polls) Query(ctx context.Context, q Query) ([]Record, string, error) {
	page, next, err := p.Reader.Query(ctx, q)
	if err == nil && next == "" && !q.Filter.To.IsZero() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.upTo == nil || len(p.upTo) > maxPolled {
			p.upTo = map[job.Key]time.Time{}
		}
		for _, project := range q.Projects {
			for _, id := range q.Filter.Jobs {
				key := job.Key{Project: project, ID: id}
				if q.Filter.To.After(p.upTo[key]) {
					p.upTo[key] = q.Filter.To
				}
			}
		}
	}
	return page, next, err
}

// UpTo is how far a job's log has been read; zero for not at all.
func (p *Polls) UpTo(key job.Key) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.upTo[key]
}
