package gcs

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"google.golang.org/api/storage/v1"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func crcText(crc uint32) string { return encode(binary.BigEndian.AppendUint32(nil, crc)) }

// resource is an object's facts as they are sent.
func (p place) resource(o bucket.Object) *storage.Object {
	return &storage.Object{
		ContentType: o.ContentType, ContentEncoding: o.ContentEncoding, ContentDisposition: o.ContentDisposition, ContentLanguage: o.ContentLanguage,
		CacheControl: o.CacheControl, StorageClass: o.StorageClass, Metadata: o.Metadata,
	}
}

// render is an object that the service told of.
func (p place) render(r *storage.Object) (bucket.Object, error) {
	o := bucket.Object{
		Bucket: p.bucket, Name: strings.TrimPrefix(r.Name, p.prefix), Generation: r.Generation, Metageneration: r.Metageneration, Size: int64(r.Size),
		ContentType: r.ContentType, ContentEncoding: r.ContentEncoding, ContentDisposition: r.ContentDisposition, ContentLanguage: r.ContentLanguage,
		CacheControl: r.CacheControl, StorageClass: r.StorageClass, Metadata: r.Metadata, Components: int(r.ComponentCount),
	}
	bad := func(field, v string) (bucket.Object, error) {
		return o, fault.Errorf(fault.Unavailable, "the service at %s told of an object with %s %q", p.url, field, v)
	}
	var err error
	if r.Md5Hash != "" {
		if o.MD5, err = base64.StdEncoding.DecodeString(r.Md5Hash); err != nil {
			return bad("md5Hash", r.Md5Hash)
		}
	}
	o.Unsummed = r.Crc32c == ""
	if !o.Unsummed {
		b, err := base64.StdEncoding.DecodeString(r.Crc32c)
		if err != nil || len(b) != 4 {
			return bad("crc32c", r.Crc32c)
		}
		o.CRC32C = binary.BigEndian.Uint32(b)
	}
	return o, p.times(stamp{r.TimeCreated, &o.Created}, stamp{r.Updated, &o.Updated}, stamp{r.TimeDeleted, &o.Deleted})
}

type stamp struct {
	text string
	to   *time.Time
}

// times reads the times that the service told; one that is not told is zero.
func (p place) times(stamps ...stamp) (err error) {
	for _, s := range stamps {
		if s.text == "" {
			continue
		}
		if *s.to, err = time.Parse(time.RFC3339, s.text); err != nil {
			return fault.Errorf(fault.Unavailable, "the service at %s told the time %q", p.url, s.text)
		}
	}
	return nil
}

const day = "2006-01-02"

// rules are lifecycle rules that the service told of. foreign says that there
// are others, which the contract cannot say.
func rules(l *storage.BucketLifecycle) (list []bucket.Rule, foreign bool) {
	if l == nil {
		return nil, false
	}
	for _, r := range l.Rule {
		c := r.Condition
		if r.Action == nil || r.Action.Type != "Delete" || c == nil || c.CustomTimeBefore != "" || c.DaysSinceCustomTime != 0 || c.DaysSinceNoncurrentTime != 0 ||
			c.MatchesPattern != "" || len(c.MatchesStorageClass) > 0 || c.NoncurrentTimeBefore != "" || c.SizeAboveBytes != 0 || c.SizeBelowBytes != 0 {
			foreign = true
			continue
		}
		rule := bucket.Rule{Age: c.Age, IsLive: c.IsLive, Prefixes: c.MatchesPrefix, Suffixes: c.MatchesSuffix}
		if c.NumNewerVersions != 0 {
			rule.NumNewerVersions = &c.NumNewerVersions
		}
		if c.CreatedBefore != "" {
			t, err := time.Parse(day, c.CreatedBefore)
			if err != nil {
				foreign = true
				continue
			}
			rule.CreatedBefore = t
		}
		list = append(list, rule)
	}
	return list, foreign
}

func sendRules(list []bucket.Rule) *storage.BucketLifecycle {
	l := &storage.BucketLifecycle{ForceSendFields: []string{"Rule"}, Rule: []*storage.BucketLifecycleRule{}}
	for _, r := range list {
		c := &storage.BucketLifecycleRuleCondition{Age: r.Age, IsLive: r.IsLive, MatchesPrefix: r.Prefixes, MatchesSuffix: r.Suffixes}
		if r.NumNewerVersions != nil {
			c.NumNewerVersions, c.ForceSendFields = *r.NumNewerVersions, []string{"NumNewerVersions"}
		}
		if !r.CreatedBefore.IsZero() {
			c.CreatedBefore = r.CreatedBefore.Format(day)
		}
		l.Rule = append(l.Rule, &storage.BucketLifecycleRule{Action: &storage.BucketLifecycleRuleAction{Type: "Delete"}, Condition: c})
	}
	return l
}
