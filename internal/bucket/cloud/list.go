package cloud

import (
	"context"
	"encoding/base64"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

const maxPage = 1000

// stride is how many names of a prefix that was given out are read past before
// the listing begins anew behind it.
const stride = 1000

// position is where a listing goes on: at a name, or at the prefix that the
// name is listed as, with the mark of the service.
type position struct {
	prefix bool // the object of this name is on the page before, its prefix is not
	mark   string
	name   string
}

func (p position) token() string {
	kind := "h"
	if p.prefix {
		kind = "p"
	}
	return base64.RawURLEncoding.EncodeToString([]byte(kind + p.mark + "\n" + p.name)) // no mark holds an end of line
}

func parseToken(token string) (p position, err error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil && len(b) > 0 && (b[0] == 'h' || b[0] == 'p') {
		if mark, name, ok := strings.Cut(string(b[1:]), "\n"); ok && utf8.ValidString(name) {
			return position{b[0] == 'p', mark, name}, nil
		}
	}
	return p, fault.Errorf(fault.Invalid, "page token %q is not one that this server gave", token)
}

// List implements bucket.Store.
func (s *Store) List(ctx context.Context, bucketName string, q bucket.Query) (page bucket.Page, err error) {
	p, err := s.place(ctx, bucketName)
	if err != nil {
		return page, err
	}
	if _, err := s.Bucket(ctx, bucketName); err != nil {
		return page, err
	}
	limit := q.Max
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	var glob *regexp.Regexp
	if q.MatchGlob != "" {
		if glob, err = bucket.CompileGlob(q.MatchGlob); err != nil {
			return page, err
		}
	}
	at := position{name: max(q.Prefix, q.StartOffset)}
	if q.Token != "" {
		t, err := parseToken(q.Token)
		if err != nil {
			return page, err
		}
		if t.name >= at.name {
			at = t
		}
	}
	end, bounded := bucket.Successor(q.Prefix)
	if q.EndOffset != "" && (!bounded || q.EndOffset < end) {
		end, bounded = q.EndOffset, true
	}
	var found []Entry
	full := func() bool { return len(found)+len(page.Prefixes) == limit }
	last, given := "", at // the prefix given out last; what the page before gave out
	for done := false; !done; {
		done = true
		skipped := 0
		for e, err := range p.Scan(ctx, p.prefix+q.Prefix, p.prefix+at.name, at.mark) {
			if err != nil {
				return page, err
			}
			name := strings.TrimPrefix(e.Key, p.prefix)
			if bounded && name >= end {
				break
			}
			if prefix, ok := bucket.Under(name, q.Prefix, q.Delimiter); ok {
				again := given.prefix && given.name == name
				if name == prefix && q.IncludeTrailingDelimiter && !again {
					if full() {
						page.Next = position{mark: e.Mark, name: name}.token()
						break
					}
					found = append(found, e)
				}
				if prefix == last || glob != nil && !glob.MatchString(prefix) {
					if skipped++; skipped < stride {
						continue
					}
					// A new scan from behind the prefix reads less than going on.
					if over, ok := bucket.Successor(prefix); ok && utf8.ValidString(over) {
						at, done = position{mark: e.Mark, name: over}, false
						break
					}
					continue
				}
				if full() {
					page.Next = position{prefix: name == prefix && q.IncludeTrailingDelimiter, mark: e.Mark, name: name}.token()
					break
				}
				page.Prefixes = append(page.Prefixes, prefix)
				last, skipped = prefix, 0
				continue
			}
			if glob != nil && !glob.MatchString(name) {
				continue
			}
			if full() {
				page.Next = position{mark: e.Mark, name: name}.token()
				break
			}
			found = append(found, e)
		}
	}
	page.Objects, err = s.objects(ctx, p, found)
	return page, err
}

// objects tells the facts of entries. Where the service's listing does not
// have them they are asked for, several at a time; what was deleted since is
// left out.
func (s *Store) objects(ctx context.Context, p place, entries []Entry) ([]bucket.Object, error) {
	heads := make([]Entry, len(entries))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, e := range entries {
		heads[i] = e
		if !e.Bare {
			continue
		}
		if known, ok := s.facts.get(p.bucket, e); ok {
			heads[i] = known
			continue
		}
		g.Go(func() error {
			h, err := p.Head(gctx, e.Key)
			if fault.Is(err, fault.NotFound) {
				heads[i] = Entry{}
				return nil
			}
			heads[i] = h
			s.facts.put(p.bucket, h)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	objects := make([]bucket.Object, 0, len(entries))
	for _, e := range heads {
		if e.Key != "" {
			objects = append(objects, p.object(e))
		}
	}
	return objects, nil
}

// cache remembers facts that a listing had to ask for, as long as the listing
// shows the same tag and time. The zero value is empty.
type cache struct {
	mu      sync.Mutex
	entries map[string]Entry // guarded by mu; by bucket and key
}

const (
	cacheSize = 10_000
	// settled is how old an object must be for its time, which services tell in
	// seconds by a clock of their own, to identify its facts.
	settled = time.Minute
)

func (c *cache) get(bucketName string, e Entry) (Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.entries[bucketName+"/"+e.Key]
	return known, ok && known.Tag == e.Tag && known.Size == e.Size && known.Modified.Unix() == e.Modified.Unix()
}

func (c *cache) put(bucketName string, e Entry) {
	if e.Key == "" || time.Since(e.Modified) < settled {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= cacheSize {
		c.entries = map[string]Entry{}
	}
	c.entries[bucketName+"/"+e.Key] = e
}

func (c *cache) forget(bucketName, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, bucketName+"/"+key)
}
