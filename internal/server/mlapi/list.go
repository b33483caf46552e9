package mlapi

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"

	"github.com/trainyard/trainyard/internal/mlv1"
)

// The sizes of a page.
const (
	defaultPage = 20
	maxPage     = 100
)

// list answers newest first; with nothing to list it answers {}.
func (a *api) list(r request) (any, error) {
	q := r.URL.Query()
	size, err := pageSize(first(q, "pageSize", "page_size"))
	if err != nil {
		return nil, err
	}
	filter := q.Get("filter")
	match, err := mlv1.ParseFilter(filter)
	if err != nil {
		return nil, atField("filter", err)
	}
	before, err := parseToken(first(q, "pageToken", "page_token"), filter)
	if err != nil {
		return nil, err
	}
	page, next, err := a.Jobs.List(r.Context(), r.project, before, size, match)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{}
	if len(page) > 0 {
		docs := make([]any, len(page))
		for i, j := range page {
			docs[i] = a.render(j)
		}
		answer["jobs"] = docs
	}
	if next > 0 {
		answer["nextPageToken"] = token(next, filter)
	}
	return answer, nil
}

func first(q url.Values, names ...string) string {
	for _, n := range names {
		if v := q.Get(n); v != "" {
			return v
		}
	}
	return ""
}

func pageSize(s string) (int, error) {
	if s == "" {
		return defaultPage, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	switch {
	case err != nil:
		return 0, invalid("page_size", "Invalid value at 'page_size' (TYPE_INT32), %q", s)
	case n < 0:
		return 0, invalid("page_size", "The page size must not be negative; received: %d.", n)
	case n == 0:
		return defaultPage, nil
	default:
		return int(min(n, maxPage)), nil
	}
}

// token says where a list goes on, and for which filter.
func token(before int64, filter string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "1.%d.%x", before, sum(filter)))
}

func parseToken(s, filter string) (before int64, err error) {
	if s == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	var of uint32
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "1.%d.%x", &before, &of)
	}
	switch {
	case err != nil || before <= 0:
		return 0, invalid("page_token", "The page token is not one that this server gave.")
	case of != sum(filter):
		return 0, invalid("page_token", "The page token belongs to a list with another filter.")
	}
	return before, nil
}

func sum(filter string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(filter))
	return h.Sum32()
}
