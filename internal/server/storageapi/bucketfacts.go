package storageapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// bucketFacts are what a client says of a bucket. What is kept is honoured;
// what would only be kept is refused by its name.
type bucketFacts map[string]json.RawMessage

// told are fields that the server tells and a client only sends back.
var told = []string{"kind", "id", "selfLink", "projectNumber", "metageneration", "generation", "timeCreated", "updated", "etag", "locationType", "owner", "satisfiesPZS", "satisfiesPZI"}

// off tells a value that asks for nothing: null, false, zero, or a collection of
// such values.
func off(raw json.RawMessage) bool {
	var v any
	return json.Unmarshal(raw, &v) == nil && nothingIn(v)
}

func nothingIn(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == "" || v == "0"
	case float64:
		return v == 0
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !nothingIn(e) })
	case map[string]any:
		for _, e := range v {
			if !nothingIn(e) {
				return false
			}
		}
		return true
	}
	return false
}

// field decodes one field; absent ones leave v alone.
func (f bucketFacts) field(name string, v any) error {
	raw, ok := f[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.Errorf(fault.Invalid, "field %s of the bucket is %s, which is not understood: %w", name, raw, err)
	}
	return nil
}

// apply puts the facts on a bucket. With replace, what is absent is reset.
func (f bucketFacts) apply(b *bucket.Bucket, replace bool) error {
	if replace {
		b.Labels, b.Versioning, b.Lifecycle = nil, false, nil
	}
	for name, raw := range f {
		switch {
		case name == "iamConfiguration":
			if err := checkAccess(raw); err != nil {
				return err
			}
		case slices.Contains(told, name), off(raw):
			continue
		case slices.Contains([]string{"name", "location", "storageClass", "labels", "versioning", "lifecycle"}, name):
			continue
		case name == "rpo" && string(raw) == `"DEFAULT"`:
			continue
		default:
			return fault.Errorf(fault.Invalid, "field %s of a bucket is not available on this server; leave it out", name)
		}
	}
	for _, set := range []func(*bucket.Bucket) error{f.name, f.class, f.labels, f.versioning, f.lifecycle} {
		if err := set(b); err != nil {
			return err
		}
	}
	return nil
}

// name checks what cannot change once the bucket is there.
func (f bucketFacts) name(b *bucket.Bucket) error {
	name, location := "", ""
	if err := f.field("name", &name); err != nil {
		return err
	}
	if err := f.field("location", &location); err != nil {
		return err
	}
	made := !b.Created.IsZero()
	switch {
	case made && name != "" && name != b.Name:
		return fault.Errorf(fault.Invalid, "the name of bucket %s cannot be changed to %s", b.Name, name)
	case made && location != "" && !strings.EqualFold(location, b.Location):
		return fault.Errorf(fault.Invalid, "the location of bucket %s is %s and cannot be changed to %s", b.Name, b.Location, location)
	case strings.Trim(strings.ToLower(location), "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return fault.Errorf(fault.Invalid, "location %q is not a region or a multi-region", location)
	case !made:
		b.Name, b.Location = name, location
	}
	return nil
}

var classes = []string{"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY"}

func checkClass(class string) error {
	if class != "" && !slices.Contains(classes, class) {
		return fault.Errorf(fault.Invalid, "storage class %q is not known; %s are", class, strings.Join(classes, ", "))
	}
	return nil
}

func (f bucketFacts) class(b *bucket.Bucket) error {
	class := ""
	if err := f.field("storageClass", &class); err != nil {
		return err
	}
	if class != "" {
		b.StorageClass = class
	}
	return checkClass(class)
}

func (f bucketFacts) labels(b *bucket.Bucket) error {
	var labels map[string]*string
	if err := f.field("labels", &labels); err != nil {
		return err
	}
	if raw, ok := f["labels"]; ok && string(raw) == "null" {
		b.Labels = nil
	}
	for k, v := range labels {
		if v == nil {
			delete(b.Labels, k)
			continue
		}
		if k == "" || len(k) > 63 || len(*v) > 63 || strings.ToLower(k+*v) != k+*v || strings.ContainsAny(k+*v, " \t\r\n") {
			return fault.Errorf(fault.Invalid, "label %q: %q is not allowed; keys and values are lower-case, without spaces, and at most 63 characters", k, *v)
		}
		if b.Labels == nil {
			b.Labels = map[string]string{}
		}
		b.Labels[k] = *v
	}
	if len(b.Labels) > 64 {
		return fault.Errorf(fault.Invalid, "bucket %s would have %d labels; 64 are allowed", b.Name, len(b.Labels))
	}
	return nil
}

func (f bucketFacts) versioning(b *bucket.Bucket) error {
	if _, ok := f["versioning"]; !ok {
		return nil
	}
	var v enabled
	err := f.field("versioning", &v)
	b.Versioning = v.Enabled
	return err
}

// checkAccess takes what is so in any case: one access for the whole bucket.
func checkAccess(raw json.RawMessage) error {
	var v struct {
		Uniform *enabled `json:"uniformBucketLevelAccess"`
		Policy  *enabled `json:"bucketPolicyOnly"`
		Public  string   `json:"publicAccessPrevention"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return fault.Errorf(fault.Invalid, "field iamConfiguration of the bucket is not understood: %w", err)
	}
	switch {
	case v.Uniform != nil && !v.Uniform.Enabled, v.Policy != nil && !v.Policy.Enabled:
		return fault.Errorf(fault.Invalid, "field iamConfiguration.uniformBucketLevelAccess cannot be off: objects have no access lists of their own on this server")
	case v.Public != "" && v.Public != "inherited":
		return fault.Errorf(fault.Invalid, "field iamConfiguration.publicAccessPrevention is not available on this server: who may call is the same for all buckets")
	}
	return nil
}

// lifecycleResource is the wire's form of lifecycle rules.
type lifecycleResource struct {
	Rule []ruleResource `json:"rule"`
}

type ruleResource struct {
	Action    map[string]string          `json:"action"`
	Condition map[string]json.RawMessage `json:"condition"`
}

func (f bucketFacts) lifecycle(b *bucket.Bucket) error {
	if _, ok := f["lifecycle"]; !ok {
		return nil
	}
	var v lifecycleResource
	if err := f.field("lifecycle", &v); err != nil {
		return err
	}
	b.Lifecycle = nil
	if len(v.Rule) > 100 {
		return fault.Errorf(fault.Invalid, "a bucket has at most 100 lifecycle rules; %d were given", len(v.Rule))
	}
	for i, r := range v.Rule {
		at := fmt.Sprintf("lifecycle.rule[%d]", i)
		if r.Action["type"] != "Delete" {
			return fault.Errorf(fault.Invalid, "field %s.action: %q is not available on this server; Delete is", at, r.Action["type"])
		}
		rule, err := parseCondition(at+".condition", r.Condition)
		if err != nil {
			return err
		}
		b.Lifecycle = append(b.Lifecycle, rule)
	}
	return nil
}

func parseCondition(at string, condition map[string]json.RawMessage) (r bucket.Rule, err error) {
	for name, raw := range condition {
		field := at + "." + name
		if string(raw) == "null" {
			continue
		}
		switch name {
		case "age", "numNewerVersions":
			var n jsonNumber
			if err := json.Unmarshal(raw, &n); err != nil || n < 0 || n > 1<<31 {
				return r, fault.Errorf(fault.Invalid, "field %s is %s, not a number of 0 or more", field, raw)
			}
			to := &r.Age
			if name == "numNewerVersions" {
				to = &r.NumNewerVersions
			}
			v := int64(n)
			*to = &v
		case "isLive":
			err = json.Unmarshal(raw, &r.IsLive)
		case "createdBefore":
			s := ""
			if err = json.Unmarshal(raw, &s); err == nil {
				r.CreatedBefore, err = time.Parse(time.DateOnly, s)
			}
		case "matchesPrefix":
			err = json.Unmarshal(raw, &r.Prefixes)
		case "matchesSuffix":
			err = json.Unmarshal(raw, &r.Suffixes)
		default:
			return r, fault.Errorf(fault.Invalid, "field %s is not available on this server; age, createdBefore, isLive, matchesPrefix, matchesSuffix and numNewerVersions are", field)
		}
		if err != nil {
			return r, fault.Errorf(fault.Invalid, "field %s is %s, which is not understood: %w", field, raw, err)
		}
	}
	if r.Age == nil && r.NumNewerVersions == nil && r.IsLive == nil && r.CreatedBefore.IsZero() && len(r.Prefixes)+len(r.Suffixes) == 0 {
		return r, fault.Errorf(fault.Invalid, "field %s is empty; a rule needs at least one condition", at)
	}
	return r, nil
}

func renderLifecycle(rules []bucket.Rule) *lifecycleResource {
	if len(rules) == 0 {
		return nil
	}
	v := &lifecycleResource{}
	for _, r := range rules {
		c := map[string]json.RawMessage{}
		set := func(name string, there bool, v any) {
			if there {
				c[name], _ = json.Marshal(v)
			}
		}
		set("age", r.Age != nil, r.Age)
		set("numNewerVersions", r.NumNewerVersions != nil, r.NumNewerVersions)
		set("isLive", r.IsLive != nil, r.IsLive)
		set("createdBefore", !r.CreatedBefore.IsZero(), r.CreatedBefore.Format(time.DateOnly))
		set("matchesPrefix", len(r.Prefixes) > 0, r.Prefixes)
		set("matchesSuffix", len(r.Suffixes) > 0, r.Suffixes)
		v.Rule = append(v.Rule, ruleResource{map[string]string{"type": "Delete"}, c})
	}
	return v
}
