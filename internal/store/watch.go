package store

import (
	"context"
	"maps"
	"slices"

	"github.com/trainyard/trainyard/internal/job"
)

// Watch's channel is closed at the next change of a job or of its timeline.
// Ask first, then read: what changes in between is not missed. stop lets go of
// it and must be called.
func (s *Store) Watch(key job.Key) (changed <-chan struct{}, stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.jobs[key]
	if w == nil {
		w = &watch{changed: make(chan struct{})}
		s.jobs[key] = w
	}
	w.users++
	return w.changed, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if w.users--; w.users == 0 && s.jobs[key] == w {
			delete(s.jobs, key)
		}
	}
}

// News waits until jobs were created or wished to end, and names them. There
// is one reader: the control loop. What happened before the first call is
// known from Unfinished.
func (s *Store) News(ctx context.Context) ([]job.Key, error) {
	for {
		s.mu.Lock()
		news, changed := s.news, s.every
		s.news = nil
		s.mu.Unlock()
		if len(news) > 0 {
			return slices.Collect(maps.Keys(news)), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Store) changed(key job.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.jobs[key]; w != nil {
		close(w.changed)
		delete(s.jobs, key)
	}
}

func (s *Store) told(keys ...job.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news == nil {
		s.news = map[job.Key]struct{}{}
	}
	for _, k := range keys {
		s.news[k] = struct{}{}
	}
	close(s.every)
	s.every = make(chan struct{})
}
