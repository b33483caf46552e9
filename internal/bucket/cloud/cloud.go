// Package cloud keeps buckets in a cloud's object storage that has names,
// content and a little metadata, but not what gs:// has beyond that. The rooms
// below it are one service each; this one adds the rest:
//
//   - The facts of an object (generation, metageneration, checksums, its own
//     metadata) travel in one entry of the service's metadata. An object that
//     another program put there has none: its facts are then derived from what
//     the service says of it.
//   - A body is first spooled on this machine's disk, so that its size and sums
//     are known and checked before the cloud hears of it, and a slow client holds
//     no connection there.
//   - Conditions are checked against the object's tag, and the tag guards the
//     write at the service. Within this server, writers of one name take turns.
//   - Sessions and uploads in parts live on this machine's disk; see Sessions.
//
// What it cannot keep it refuses in words: versions and lifecycle rules are to
// be set at the cloud itself. Deciding why is in ADR 6.
package cloud

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
)

// ErrChanged is what a Service answers when a guard does not hold.
var ErrChanged = errors.New("changed by somebody else")

// ErrTooLarge is what Copy answers when the service cannot copy so much by
// itself; the content then goes through this machine.
var ErrTooLarge = errors.New("too large to be copied in one request")

// Entry is an object as a service keeps it.
type Entry struct {
	Key      string
	Size     int64
	Tag      string // changes with the content, and with the facts where the service does so
	Modified time.Time
	Class    string
	Facts    string // our entry of the metadata; empty for what another program put
	Bare     bool   // from a listing that does not tell facts: Head does

	// What other programs read and write.
	ContentType, ContentEncoding, ContentDisposition, ContentLanguage, CacheControl string
	Metadata                                                                        map[string]string
	MD5                                                                             []byte

	Mark string // of a listing: where Scan finds the entry again
}

// Guard says what must be there for a write to happen; the zero Guard nothing.
type Guard struct {
	Absent bool
	Tag    string
}

// Service is a container of a cloud. Keys are whole; errors are fault errors:
// NotFound for an object and for a container that is not there, Denied,
// Invalid, Unavailable. All methods may be called from several goroutines.
type Service interface {
	String() string // for people: s3://container
	// Check tells whether the container is there and may be used. Make makes it,
	// and Drop removes it when it is empty.
	Check(ctx context.Context) error
	Make(ctx context.Context) error
	Drop(ctx context.Context) error
	// CheckKey refuses, in words, what the service cannot have as a name. Limit
	// is how many bytes of facts it keeps with an object.
	CheckKey(key string) error
	Limit() int

	Head(ctx context.Context, key string) (Entry, error)
	// Get reads from offset; length -1 reads to the end. Past the end it reads
	// nothing.
	Get(ctx context.Context, key string, offset, length int64) (Entry, io.ReadCloser, error)
	// Put writes content with e's facts and headers.
	Put(ctx context.Context, e Entry, c *Content, g Guard) error
	// Copy gives content another key, or the same key other facts. from.Tag
	// guards the source.
	Copy(ctx context.Context, from, to Entry) error
	Delete(ctx context.Context, key string) error
	// Scan lists in the order of the keys' bytes, from a key on. mark is one that
	// an entry at or before it had, or empty.
	Scan(ctx context.Context, prefix, from, mark string) iter.Seq2[Entry, error]
}

// Options are what a Store is made of.
type Options struct {
	// Place is the container and the prefix within it that keep a bucket.
	Place func(ctx context.Context, bucket string) (Service, string, error)
	// Spool keeps the facts of buckets, and sessions, on this machine.
	Spool bucket.Store
	// Dir is where bodies are spooled.
	Dir string
}

// Store keeps buckets in services.
type Store struct {
	Sessions
	where func(ctx context.Context, bucket string) (Service, string, error)
	names locks
	facts cache

	mu         sync.Mutex
	generation int64            // guarded by mu; the last given out
	places     map[string]place // guarded by mu
}

var _ bucket.Store = (*Store)(nil)

// New makes a store.
func New(o Options) *Store {
	s := &Store{where: o.Place, places: map[string]place{}}
	s.Sessions = Sessions{Spool: o.Spool, To: s, Dir: o.Dir}
	return s
}

// place is where a bucket is kept.
type place struct {
	bucket string
	prefix string
	Service
}

func (s *Store) place(ctx context.Context, name string) (place, error) {
	s.mu.Lock()
	p, ok := s.places[name]
	s.mu.Unlock()
	if ok {
		return p, nil
	}
	svc, prefix, err := s.where(ctx, name)
	if err != nil {
		return place{}, err
	}
	p = place{name, prefix, svc}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places[name] = p
	return p, nil
}

// next gives out a generation that is beyond one that was seen.
func (s *Store) next(seen int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation = max(s.generation+1, seen+1, time.Now().UnixMicro())
	return s.generation
}

// locks lets one at a time use a name.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock // guarded by mu
}

type lock struct {
	free    chan struct{} // holds one token
	waiting int           // guarded by locks.mu; users, the holder among them
}

// hold waits for a name, or for the end of ctx.
func (l *locks) hold(ctx context.Context, name string) (release func(), err error) {
	l.mu.Lock()
	k := l.held[name]
	if k == nil {
		k = &lock{free: make(chan struct{}, 1)}
		k.free <- struct{}{}
		if l.held == nil {
			l.held = map[string]*lock{}
		}
		l.held[name] = k
	}
	k.waiting++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.waiting--; k.waiting == 0 {
			delete(l.held, name)
		}
	}
	select {
	case <-k.free:
		return func() { k.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
