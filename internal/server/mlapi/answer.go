package mlapi

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/trainyard/trainyard/internal/mlv1"
)

// answer writes a value with the query's wishes: fields and prettyPrint.
func (a *api) answer(w http.ResponseWriter, r *http.Request, v any) {
	q := r.URL.Query()
	if m := q.Get("fields"); m != "" {
		v = masked(v, m)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if p := q.Get("prettyPrint"); p != "false" && p != "0" {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		a.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "private")
	_, _ = w.Write(b.Bytes())
}

// masked keeps the fields of a partial response. A mask that is not understood
// keeps everything, as a client can live with more than it asked for.
func masked(v any, mask string) any {
	m, err := parseMask(mask)
	if err != nil {
		return v
	}
	return m.apply(v)
}

// apply keeps what the mask names; a nil mask keeps everything.
func (m fieldMask) apply(v any) any {
	if m == nil {
		return v
	}
	switch v := v.(type) {
	case mlv1.Doc:
		return m.object(v)
	case map[string]any:
		return m.object(v)
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = m.apply(e)
		}
		return l
	default:
		return v
	}
}

func (m fieldMask) object(v map[string]any) map[string]any {
	o := map[string]any{}
	for name, e := range v {
		sub, ok := m[name]
		if !ok {
			sub, ok = m["*"]
		}
		if ok {
			o[name] = sub.apply(e)
		}
	}
	return o
}
