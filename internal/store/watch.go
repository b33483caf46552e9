package store

import "github.com/trainyard/trainyard/internal/job"

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

// WatchAll's channel is closed when a job is created or wished to end: when
// there is something new for the control loop.
func (s *Store) WatchAll() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.every
}

func (s *Store) changed(key job.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.jobs[key]; w != nil {
		close(w.changed)
		delete(s.jobs, key)
	}
}

func (s *Store) told() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.every)
	s.every = make(chan struct{})
}
