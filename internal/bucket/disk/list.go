package disk

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

const maxPage = 1000

// A page token is a name, and whether the page begins with it or with the
// prefix that it is.
const (
	fromHere   = 'h'
	fromPrefix = 'p'
)

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
		if glob, err = compileGlob(q.MatchGlob); err != nil {
			return page, err
		}
	}
	given := "" // an object that the page before has, but whose prefix it has not
	from := max(q.Prefix, q.StartOffset)
	if q.Token != "" {
		after, err := base64.RawURLEncoding.DecodeString(q.Token)
		if err != nil || len(after) < 2 || after[0] != fromHere && after[0] != fromPrefix {
			return page, fault.Errorf(fault.Invalid, "page token %q is not one that this server gave", q.Token)
		}
		from = max(from, string(after[1:]))
		if after[0] == fromPrefix {
			given = string(after[1:])
		}
	}
	end, bounded := successor(q.Prefix)
	if q.EndOffset != "" && (!bounded || q.EndOffset < end) {
		end, bounded = q.EndOffset, true
	}
	next := func(name string) {
		kind := byte(fromHere)
		if len(page.Objects) > 0 && page.Objects[len(page.Objects)-1].Name == name || name == given {
			kind = fromPrefix
		}
		page.Next = base64.RawURLEncoding.EncodeToString(append([]byte{kind}, name...))
	}
	full := func() bool { return len(page.Objects)+len(page.Prefixes) == limit }
	lastPrefix := ""
	for from != "" || !bounded || from < end {
		rows, err := s.rows(ctx, bucketName, from, end, bounded, limit+1)
		if err != nil {
			return page, err
		}
		from, err = func() (string, error) {
			defer rows.Close()
			n, last := 0, ""
			for rows.Next() {
				var name []byte
				var facts string
				if err := rows.Scan(&name, &facts); err != nil {
					return "", translate(err)
				}
				n++
				last = string(name)
				if q.Delimiter != "" {
					if i := strings.Index(last[len(q.Prefix):], q.Delimiter); i >= 0 {
						prefix := last[:len(q.Prefix)+i+len(q.Delimiter)]
						if last == prefix && q.IncludeTrailingDelimiter && last != given {
							if full() {
								next(last)
								return "", nil
							}
							if err := addObject(&page, facts); err != nil {
								return "", err
							}
						}
						if prefix != lastPrefix && (glob == nil || glob.MatchString(prefix)) {
							if full() {
								next(last)
								return "", nil
							}
							page.Prefixes = append(page.Prefixes, prefix)
							lastPrefix = prefix
						}
						over, ok := successor(prefix)
						if !ok {
							return "", nil
						}
						return over, nil
					}
				}
				if glob != nil && !glob.MatchString(last) {
					continue
				}
				if full() {
					next(last)
					return "", nil
				}
				if err := addObject(&page, facts); err != nil {
					return "", err
				}
			}
			if err := rows.Err(); err != nil {
				return "", translate(err)
			}
			if n < limit+1 {
				return "", nil
			}
			return last + "\x00", nil
		}()
		if err != nil || from == "" {
			return page, err
		}
	}
	return page, nil
}

func addObject(page *bucket.Page, facts string) error {
	var o bucket.Object
	if err := json.Unmarshal([]byte(facts), &o); err != nil {
		return err
	}
	page.Objects = append(page.Objects, o)
	return nil
}

func (s *Store) rows(ctx context.Context, bucketName, from, end string, bounded bool, limit int) (*sql.Rows, error) {
	query, args := "SELECT name, facts FROM objects WHERE bucket = ? AND name >= ?", []any{bucketName, []byte(from)}
	if bounded {
		query += " AND name < ?"
		args = append(args, []byte(end))
	}
	rows, err := s.read.QueryContext(ctx, query+" ORDER BY name LIMIT ?", append(args, limit)...)
	return rows, translate(err)
}

// successor is the first name after all that begin with prefix; ok is false
// when there is none.
func successor(prefix string) (next string, ok bool) {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1]), true
		}
	}
	return "", false
}

// compileGlob reads the storage API's globs: *, **, ?, [a-z] and {a,b}.
func compileGlob(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	depth := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case c == '{':
			depth++
			b.WriteString("(?:")
		case c == '}' && depth > 0:
			depth--
			b.WriteString(")")
		case c == ',' && depth > 0:
			b.WriteString("|")
		case c == '[' && strings.IndexByte(glob[i:], ']') > 1:
			end := i + strings.IndexByte(glob[i:], ']')
			set := strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(glob[i+1 : end])
			if strings.HasPrefix(set, "!") {
				set = "^" + set[1:]
			}
			b.WriteString("[" + set + "]")
			i = end
		default:
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		}
	}
	b.WriteString(`)\z`)
	re, err := regexp.Compile(b.String())
	if err != nil || depth != 0 {
		return nil, fault.Errorf(fault.Invalid, "glob %q is not understood", glob)
	}
	return re, nil
}
