package disk

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"regexp"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

const maxPage = 1000

// A page token is where the page begins: a name and a generation, and whether
// it begins there or with the prefix that the name is.
const (
	fromHere   = 'h'
	fromPrefix = 'p'
)

// position is a place in a listing.
type position struct {
	name       string
	generation int64
}

func (p position) token(kind byte) string {
	b := binary.BigEndian.AppendUint64([]byte{kind}, uint64(p.generation))
	return base64.RawURLEncoding.EncodeToString(append(b, p.name...))
}

func parseToken(token string) (kind byte, p position, err error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 10 || b[0] != fromHere && b[0] != fromPrefix {
		return 0, p, fault.Errorf(fault.Invalid, "page token %q is not one that this server gave", token)
	}
	return b[0], position{string(b[9:]), int64(binary.BigEndian.Uint64(b[1:]))}, nil
}

// List implements bucket.Store. A prefix that is given out is stepped over in
// the index, not read through.
func (s *Store) List(ctx context.Context, bucketName string, q bucket.Query) (page bucket.Page, err error) {
	if _, err := findBucket(ctx, s.read, bucketName); err != nil {
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
	given := "" // objects of this name are on the page before, but their prefix is not
	from := position{name: max(q.Prefix, q.StartOffset)}
	if q.Token != "" {
		kind, at, err := parseToken(q.Token)
		if err != nil {
			return page, err
		}
		if at.name >= from.name {
			from = at
		}
		if kind == fromPrefix {
			given = at.name
		}
	}
	end, bounded := bucket.Successor(q.Prefix)
	if q.EndOffset != "" && (!bounded || q.EndOffset < end) {
		end, bounded = q.EndOffset, true
	}
	full := func() bool { return len(page.Objects)+len(page.Prefixes) == limit }
	lastPrefix, done := "", false
	for !done && (!bounded || from.name < end) {
		rows, err := s.rows(ctx, bucketName, from, end, bounded, q.Versions, limit+1)
		if err != nil {
			return page, err
		}
		done, err = func() (done bool, err error) {
			defer rows.Close()
			n := 0
			for rows.Next() {
				var name []byte
				var at position
				var facts string
				if err := rows.Scan(&name, &at.generation, &facts); err != nil {
					return true, translate(err)
				}
				n++
				at.name = string(name)
				if from = (position{at.name + "\x00", 0}); q.Versions {
					from = position{at.name, at.generation + 1}
				}
				if prefix, ok := bucket.Under(at.name, q.Prefix, q.Delimiter); ok {
					if at.name == prefix && q.IncludeTrailingDelimiter && at.name != given {
						if full() {
							page.Next = at.token(fromHere)
							return true, nil
						}
						if err := addObject(&page, facts); err != nil {
							return true, err
						}
						// Its other generations, and then the prefix.
						if more, err := s.hasMore(ctx, bucketName, from, q.Versions); err != nil {
							return true, err
						} else if more {
							continue
						}
					}
					if prefix != lastPrefix && (glob == nil || glob.MatchString(prefix)) {
						if full() {
							kind := byte(fromHere)
							if at.name == given || len(page.Objects) > 0 && page.Objects[len(page.Objects)-1].Name == at.name {
								kind = fromPrefix
							}
							page.Next = at.token(kind)
							return true, nil
						}
						page.Prefixes = append(page.Prefixes, prefix)
						lastPrefix = prefix
					}
					over, ok := bucket.Successor(prefix)
					from = position{name: over}
					return !ok, nil
				}
				if glob != nil && !glob.MatchString(at.name) {
					continue
				}
				if full() {
					page.Next = at.token(fromHere)
					return true, nil
				}
				if err := addObject(&page, facts); err != nil {
					return true, err
				}
			}
			return n < limit+1, translate(rows.Err())
		}()
		if err != nil {
			return page, err
		}
	}
	return page, nil
}

// hasMore tells whether a name has a generation at a position or after it.
func (s *Store) hasMore(ctx context.Context, bucketName string, from position, versions bool) (more bool, err error) {
	if !versions {
		return false, nil
	}
	err = s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = ?1 AND name = ?2 AND generation >= ?3)
		OR EXISTS (SELECT 1 FROM noncurrent WHERE bucket = ?1 AND name = ?2 AND generation >= ?3)`, bucketName, []byte(from.name), from.generation).Scan(&more)
	return more, translate(err)
}

func addObject(page *bucket.Page, facts string) error {
	var o bucket.Object
	if err := json.Unmarshal([]byte(facts), &o); err != nil {
		return err
	}
	page.Objects = append(page.Objects, o)
	return nil
}

// rows reads the index from a position on. Live objects alone have one row for
// a name, so that the position's generation matters only among versions.
func (s *Store) rows(ctx context.Context, bucketName string, from position, end string, bounded, versions bool, limit int) (*sql.Rows, error) {
	upTo, args := "", []any{bucketName, []byte(from.name), from.generation, limit}
	if bounded {
		upTo = " AND name < ?5"
		args = append(args, []byte(end))
	}
	// The first comparison lets the index find the place.
	where := " WHERE bucket = ?1 AND name >= ?2 AND (name > ?2 OR generation >= ?3)" + upTo
	query := "SELECT name, generation, facts FROM objects" + where
	if versions {
		query += " UNION ALL SELECT name, generation, facts FROM noncurrent" + where
	}
	rows, err := s.read.QueryContext(ctx, query+" ORDER BY name, generation LIMIT ?4", args...)
	return rows, translate(err)
}
