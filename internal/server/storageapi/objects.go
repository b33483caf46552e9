package storageapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

func (a *api) objects(w http.ResponseWriter, c *call) error {
	return method(c, map[string]func() error{
		http.MethodGet: func() error { return a.list(w, c) },
	})
}

func (a *api) list(w http.ResponseWriter, c *call) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	q := bucket.Query{
		Prefix: c.q.Get("prefix"), Delimiter: c.q.Get("delimiter"), Token: c.q.Get("pageToken"), Max: limit,
		StartOffset: c.q.Get("startOffset"), EndOffset: c.q.Get("endOffset"), MatchGlob: c.q.Get("matchGlob"),
	}
	// There are no folders beside the prefixes, and nothing is deleted softly.
	var folders, softDeleted bool
	for name, to := range map[string]*bool{"includeTrailingDelimiter": &q.IncludeTrailingDelimiter, "versions": &q.Versions, "includeFoldersAsPrefixes": &folders, "softDeleted": &softDeleted} {
		if *to, err = c.flag(name); err != nil {
			return err
		}
	}
	switch {
	case softDeleted:
		return fault.Errorf(fault.Invalid, "parameter softDeleted: soft deletion is not available on this server; buckets can keep versions")
	case c.q.Get("filter") != "":
		return fault.Errorf(fault.Invalid, "parameter filter is not available on this server")
	case q.MatchGlob != "" && q.Delimiter != "" && q.Delimiter != "/":
		return fault.Errorf(fault.Invalid, "parameter matchGlob goes with the delimiter / only, not with %q", q.Delimiter)
	}
	page, err := a.Store.List(c.Context(), c.bucket, q)
	if err != nil {
		return err
	}
	answer := struct {
		Kind     string   `json:"kind"`
		Next     string   `json:"nextPageToken,omitempty"`
		Prefixes []string `json:"prefixes,omitempty"`
		Items    []object `json:"items,omitempty"`
	}{"storage#objects", page.Next, page.Prefixes, nil}
	for _, o := range page.Objects {
		answer.Items = append(answer.Items, renderObject(c.Request, o))
	}
	return a.write(w, c, answer)
}

func (a *api) object(w http.ResponseWriter, c *call) error {
	update := func(replace bool) func() error {
		return func() error { return a.update(w, c, replace) }
	}
	return method(c, map[string]func() error{
		http.MethodGet: func() error {
			soft, err := c.flag("softDeleted")
			if err != nil {
				return err
			}
			if soft {
				return fault.Errorf(fault.Invalid, "parameter softDeleted: soft deletion is not available on this server; buckets can keep versions")
			}
			if c.q.Get("alt") == "media" {
				return a.media(w, c)
			}
			gen, err := generation(c.q, "generation")
			if err != nil {
				return err
			}
			cond, err := c.conditions()
			if err != nil {
				return err
			}
			o, err := a.Store.Stat(c.Context(), c.bucket, c.name, gen, cond)
			if err == nil {
				err = c.freshObject(o)
			}
			if err != nil {
				return err
			}
			w.Header().Set("ETag", etag(o))
			return a.write(w, c, renderObject(c.Request, o))
		},
		http.MethodHead:   func() error { return a.media(w, c) },
		http.MethodPatch:  update(false),
		http.MethodPut:    update(true),
		http.MethodDelete: func() error { return a.remove(w, c) },
	})
}

func (a *api) remove(w http.ResponseWriter, c *call) error {
	gen, err := generation(c.q, "generation")
	if err != nil {
		return err
	}
	cond, err := c.conditions()
	if err != nil {
		return err
	}
	if err := a.Store.Delete(c.Context(), c.bucket, c.name, gen, cond); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) update(w http.ResponseWriter, c *call, replace bool) error {
	var m metadata
	if err := decode(c.Body, &m); err != nil {
		return err
	}
	if err := m.check(); err != nil {
		return err
	}
	cond, err := c.conditions()
	if err != nil {
		return err
	}
	gen, err := generation(c.q, "generation")
	if err != nil {
		return err
	}
	o, err := a.Store.Update(c.Context(), c.bucket, c.name, gen, bucket.Attrs{
		ContentType: m.ContentType, ContentEncoding: m.ContentEncoding, ContentDisposition: m.ContentDisposition,
		ContentLanguage: m.ContentLanguage, CacheControl: m.CacheControl, Metadata: m.Metadata, Replace: replace,
	}, cond)
	if err != nil {
		return err
	}
	return a.write(w, c, renderObject(c.Request, o))
}

// objectVerb serves copyTo, rewriteTo, moveTo and compose.
func (a *api) objectVerb(w http.ResponseWriter, c *call) error {
	switch c.rest[0] {
	case "iam":
		return a.iam(w, c, "projects/_/buckets/"+c.bucket+"/objects/"+c.name, c.rest[1:])
	case "acl":
		return noACL("object")
	case "restore":
		return fault.Errorf(fault.Invalid, "%s/%s cannot be restored: soft deletion is not available on this server; buckets can keep versions", c.bucket, c.name)
	}
	if c.Method != http.MethodPost {
		return method(c, nil)
	}
	cond, err := c.conditions()
	if err != nil {
		return err
	}
	srcCond, err := conditions(c.q, "ifSource")
	if err != nil {
		return err
	}
	gen, err := generation(c.q, "sourceGeneration")
	if err != nil {
		return err
	}
	if c.rest[0] == "compose" {
		return a.compose(w, c, cond)
	}
	src := bucket.Source{Bucket: c.bucket, Name: c.name, Generation: gen, Conditions: srcCond}
	if c.rest[0] == "moveTo" {
		o, err := a.Store.Move(c.Context(), src, strings.Join(c.rest[2:], "/"), cond)
		if err != nil {
			return err
		}
		return a.write(w, c, renderObject(c.Request, o))
	}
	if c.q.Get("rewriteToken") != "" {
		return fault.Errorf(fault.Invalid, "rewriteToken is not one that this server gave: it copies in one call")
	}
	var m metadata
	if err := decode(c.Body, &m); err != nil {
		return err
	}
	put := bucket.PutOptions{Conditions: cond}
	if err := m.put(&put); err != nil {
		return err
	}
	put.Bucket, put.Name = c.rest[2], strings.Join(c.rest[4:], "/")
	// An empty body, or one that only repeats names, keeps the source's facts.
	override := m.ContentType != nil || m.Metadata != nil || m.ContentEncoding != nil || m.CacheControl != nil || m.ContentDisposition != nil || m.ContentLanguage != nil
	o, err := a.copy(c, src, put, override)
	if err != nil {
		return err
	}
	if c.rest[0] == "copyTo" {
		return a.write(w, c, renderObject(c.Request, o))
	}
	size := strconv.FormatInt(o.Size, 10)
	return a.write(w, c, map[string]any{"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size, "done": true, "resource": renderObject(c.Request, o)})
}

// copy copies with the facts of the source, or with those given. A class alone
// changes nothing else.
func (a *api) copy(c *call, src bucket.Source, put bucket.PutOptions, override bool) (bucket.Object, error) {
	if !override && put.StorageClass != "" {
		from, err := a.Store.Stat(c.Context(), src.Bucket, src.Name, src.Generation, src.Conditions)
		if err != nil {
			return bucket.Object{}, err
		}
		src.Generation, override = from.Generation, true
		from.Bucket, from.Name, from.StorageClass = put.Bucket, put.Name, put.StorageClass
		put.Object = from
	}
	return a.Store.Copy(c.Context(), src, put, override)
}

func (a *api) compose(w http.ResponseWriter, c *call, cond bucket.Conditions) error {
	var body struct {
		Destination   metadata `json:"destination"`
		SourceObjects []struct {
			Name                string     `json:"name"`
			Generation          jsonNumber `json:"generation"`
			ObjectPreconditions *struct {
				IfGenerationMatch *jsonNumber `json:"ifGenerationMatch"`
			} `json:"objectPreconditions"`
		} `json:"sourceObjects"`
		DeleteSourceObjects bool `json:"deleteSourceObjects"`
	}
	if err := decode(c.Body, &body); err != nil {
		return err
	}
	put := bucket.PutOptions{Conditions: cond}
	if err := body.Destination.put(&put); err != nil {
		return err
	}
	put.Bucket, put.Name = c.bucket, c.name
	if err := headers(&put, c.Header); err != nil {
		return err
	}
	put.WantMD5 = nil // a composite has none
	var sources []bucket.Source
	for _, s := range body.SourceObjects {
		src := bucket.Source{Bucket: c.bucket, Name: s.Name, Generation: int64(s.Generation)}
		if p := s.ObjectPreconditions; p != nil && p.IfGenerationMatch != nil {
			n := int64(*p.IfGenerationMatch)
			src.Conditions.GenerationMatch = &n
		}
		sources = append(sources, src)
	}
	// gcloud describes the destination with the facts of the first source, its
	// checksum among them.
	if put.WantCRC32C != nil && len(sources) > 0 {
		first, err := a.Store.Stat(c.Context(), c.bucket, sources[0].Name, sources[0].Generation, bucket.Conditions{})
		if err != nil {
			return err
		}
		if first.CRC32C == *put.WantCRC32C {
			put.WantCRC32C = nil
		}
	}
	o, err := a.Store.Compose(c.Context(), put, sources, body.DeleteSourceObjects)
	if err != nil {
		return err
	}
	return a.write(w, c, renderObject(c.Request, o))
}

// jsonNumber is an int64 that JSON carries as a string or a number.
type jsonNumber int64

func (n *jsonNumber) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*n = jsonNumber(v)
	return err
}
