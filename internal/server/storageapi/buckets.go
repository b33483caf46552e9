package storageapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// decode reads a JSON body of a request; an empty one is an empty object.
func decode(r io.Reader, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, 4<<20))
	if err != nil {
		return fault.Errorf(fault.Invalid, "the body broke off: %w", err)
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fault.Errorf(fault.Invalid, "the body is not the JSON that is expected: %w", err)
	}
	return nil
}

func (a *api) project(c *call) string {
	if p := c.q.Get("project"); p != "" {
		return p
	}
	return a.Project
}

func (a *api) buckets(w http.ResponseWriter, c *call) error {
	return method(c, map[string]func() error{
		http.MethodGet:  func() error { return a.listBuckets(w, c) },
		http.MethodPost: func() error { return a.insertBucket(w, c) },
	})
}

func (a *api) listBuckets(w http.ResponseWriter, c *call) error {
	all, err := a.Store.Buckets(c.Context(), a.project(c), c.q.Get("prefix"))
	if err != nil {
		return err
	}
	limit := 1000
	if n, err := number(c.q, "maxResults"); err != nil {
		return err
	} else if n != nil && *n > 0 {
		limit = int(min(*n, 1000))
	}
	if token := c.q.Get("pageToken"); token != "" {
		i := slices.IndexFunc(all, func(b bucket.Bucket) bool { return b.Name > token })
		if i < 0 {
			i = len(all)
		}
		all = all[i:]
	}
	answer := struct {
		Kind  string           `json:"kind"`
		Items []bucketResource `json:"items,omitempty"`
		Next  string           `json:"nextPageToken,omitempty"`
	}{Kind: "storage#buckets"}
	for i, b := range all {
		if i == limit {
			answer.Next = all[i-1].Name
			break
		}
		answer.Items = append(answer.Items, renderBucket(c.Request, b))
	}
	return a.write(w, c, answer)
}

func (a *api) insertBucket(w http.ResponseWriter, c *call) error {
	var f bucketFacts
	if err := decode(c.Body, &f); err != nil {
		return err
	}
	b := bucket.Bucket{Project: a.project(c)}
	if err := f.apply(&b, false); err != nil {
		return err
	}
	if a.Taken != nil && a.Taken(b.Name) {
		return fault.Errorf(fault.Invalid, "Invalid bucket name: '%s': this server answers other requests at /%s", b.Name, b.Name).WithHint("choose another name")
	}
	b, err := a.Store.CreateBucket(c.Context(), b)
	if err != nil {
		return err
	}
	return a.write(w, c, renderBucket(c.Request, b))
}

func (a *api) oneBucket(w http.ResponseWriter, c *call) error {
	change := func(replace bool) func() error {
		return func() error {
			var f bucketFacts
			if err := decode(c.Body, &f); err != nil {
				return err
			}
			cond, err := bucketConditions(c.q)
			if err != nil {
				return err
			}
			b, err := a.Store.UpdateBucket(c.Context(), c.bucket, func(b *bucket.Bucket) error {
				if err := cond.Check(true, 0, b.Metageneration); err != nil {
					return err
				}
				return f.apply(b, replace)
			})
			if err != nil {
				return err
			}
			return a.write(w, c, renderBucket(c.Request, b))
		}
	}
	return method(c, map[string]func() error{
		http.MethodGet: func() error {
			cond, err := bucketConditions(c.q)
			if err != nil {
				return err
			}
			b, err := a.Store.Bucket(c.Context(), c.bucket)
			if err == nil {
				err = cond.Check(true, 0, b.Metageneration)
			}
			if err == nil {
				err = c.fresh(b.Updated, bucketTag(b))
			}
			if err != nil {
				return err
			}
			return a.write(w, c, renderBucket(c.Request, b))
		},
		http.MethodPatch: change(false),
		http.MethodPut:   change(true),
		http.MethodDelete: func() error {
			cond, err := bucketConditions(c.q)
			if err != nil {
				return err
			}
			return a.removeBucket(w, c, cond)
		},
	})
}

func (a *api) removeBucket(w http.ResponseWriter, c *call, cond bucket.Conditions) error {
	if err := a.Store.DeleteBucket(c.Context(), c.bucket, cond); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// bucketConditions reads the preconditions that buckets have.
func bucketConditions(q url.Values) (bucket.Conditions, error) {
	for _, name := range []string{"ifGenerationMatch", "ifGenerationNotMatch"} {
		if q.Has(name) {
			return bucket.Conditions{}, fault.Errorf(fault.Invalid, "parameter %s is not for buckets; ifMetagenerationMatch and ifMetagenerationNotMatch are", name)
		}
	}
	return conditions(q, "")
}

// bucketPart serves what hangs below a bucket beside its objects: facts that
// clients ask for and that are the same for every bucket here. What they would
// change is refused in words.
func (a *api) bucketPart(w http.ResponseWriter, c *call, rest []string) error {
	b, err := a.Store.Bucket(c.Context(), c.bucket)
	if err != nil {
		return err
	}
	switch part := rest[0]; part {
	case "iam":
		return a.iam(w, c, "projects/_/buckets/"+c.bucket, rest[1:])
	case "acl", "defaultObjectAcl":
		return noACL("bucket")
	case "storageLayout":
		if c.Method == http.MethodGet && len(rest) == 1 {
			return a.write(w, c, map[string]any{"kind": "storage#storageLayout", "bucket": c.bucket, "location": strings.ToUpper(b.Location), "locationType": "region", "hierarchicalNamespace": map[string]bool{"enabled": false}})
		}
	case "managedFolders", "folders", "anywhereCaches", "notificationConfigs":
		return a.noneOf(w, c, part, rest[1:])
	case "restore", "relocate", "lockRetentionPolicy":
		return fault.Errorf(fault.Invalid, "%s is not available on this server: nothing is deleted softly, moved or retained; buckets can keep versions", part)
	}
	return notServed(c.Request)
}

// noneOf serves a collection that is empty in every bucket.
func (a *api) noneOf(w http.ResponseWriter, c *call, part string, rest []string) error {
	switch {
	case len(rest) == 0 && c.Method == http.MethodGet:
		return a.write(w, c, map[string]any{"kind": "storage#" + part})
	case len(rest) == 0:
		return fault.Errorf(fault.Invalid, "%s are not available on this server; names with slashes need none", part)
	}
	return fault.Errorf(fault.NotFound, "The specified resource does not exist: %s of bucket %s", part, c.bucket)
}

// noACL is what the original says of a bucket with one access for all that is in
// it, as every bucket here is.
func noACL(of string) error {
	return fault.Errorf(fault.Invalid, "Cannot use ACL API to access the %s's policy when uniform bucket-level access is enabled.", of)
}

// iam serves the policy of a bucket or an object: it is empty, and whoever may
// call may do everything.
func (a *api) iam(w http.ResponseWriter, c *call, resource string, rest []string) error {
	switch verb := c.Method + " " + strings.Join(rest, "/"); verb {
	case "GET ":
		return a.write(w, c, map[string]any{"kind": "storage#policy", "resourceId": resource, "version": 1, "etag": "CAE=", "bindings": []any{}})
	case "PUT ":
		var policy struct {
			Bindings []any `json:"bindings"`
		}
		if err := decode(c.Body, &policy); err != nil {
			return err
		}
		if len(policy.Bindings) > 0 {
			return fault.Errorf(fault.Invalid, "access policies are not available on this server: who may call is the same for all buckets")
		}
		return a.write(w, c, map[string]any{"kind": "storage#policy", "resourceId": resource, "version": 1, "etag": "CAE=", "bindings": []any{}})
	case "GET testPermissions":
		return a.write(w, c, map[string]any{"kind": "storage#testIamPermissionsResponse", "permissions": c.q["permissions"]})
	}
	return notServed(c.Request)
}

func limitOf(c *call) (int, error) {
	n, err := number(c.q, "maxResults")
	if err != nil || n == nil {
		return 0, err
	}
	if *n < 0 {
		return 0, fault.Errorf(fault.Invalid, "parameter maxResults is %s", strconv.FormatInt(*n, 10))
	}
	return int(min(*n, 1000)), nil
}
