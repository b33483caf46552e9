package store

import (
	"context"
	"slices"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// How far back Typical looks, and how many runs it goes by.
const (
	typicalOf   = 5
	typicalLook = 2000
)

// Typical is how long the last successful jobs of a project ran that run a
// module, or where none did, how long any of the project did: the median of
// five, of the project's last 2,000 jobs; ok is false where there was none.
func (s *Store) Typical(ctx context.Context, project job.Project, module string) (d time.Duration, ok bool, err error) {
	d, ok, err = s.median(ctx, project, ` AND json_extract(spec, '$.Module') = ?`, module)
	if ok || err != nil {
		return d, ok, err
	}
	return s.median(ctx, project, "")
}

// median is that of the runs of which the condition is true.
func (s *Store) median(ctx context.Context, project job.Project, condition string, args ...any) (d time.Duration, ok bool, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT ended - started FROM (SELECT seq, state, spec, started, ended FROM jobs WHERE project = ? ORDER BY seq DESC LIMIT ?)
		WHERE state = ? AND started > 0`+condition+` ORDER BY seq DESC LIMIT ?`, append(append([]any{project, typicalLook, job.Succeeded}, args...), typicalOf)...)
	if err != nil {
		return 0, false, s.translate(err)
	}
	defer rows.Close()
	var runs []time.Duration
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return 0, false, s.translate(err)
		}
		runs = append(runs, time.Duration(n))
	}
	if err := rows.Err(); err != nil || len(runs) == 0 {
		return 0, false, s.translate(err)
	}
	slices.Sort(runs)
	return runs[len(runs)/2], true, nil
}
