package storageapi

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

const timeFormat = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }

// object is the wire's form of an object; int64 are strings.
type object struct {
	Kind               string            `json:"kind"`
	ID                 string            `json:"id"`
	SelfLink           string            `json:"selfLink"`
	MediaLink          string            `json:"mediaLink"`
	Name               string            `json:"name"`
	Bucket             string            `json:"bucket"`
	Generation         string            `json:"generation"`
	Metageneration     string            `json:"metageneration"`
	ContentType        string            `json:"contentType,omitempty"`
	ContentEncoding    string            `json:"contentEncoding,omitempty"`
	ContentDisposition string            `json:"contentDisposition,omitempty"`
	ContentLanguage    string            `json:"contentLanguage,omitempty"`
	CacheControl       string            `json:"cacheControl,omitempty"`
	StorageClass       string            `json:"storageClass"`
	Size               string            `json:"size"`
	MD5Hash            string            `json:"md5Hash,omitempty"`
	CRC32C             string            `json:"crc32c,omitempty"`
	ETag               string            `json:"etag"`
	TimeCreated        string            `json:"timeCreated"`
	Updated            string            `json:"updated"`
	TimeFinalized      string            `json:"timeFinalized"`
	StorageClassSince  string            `json:"timeStorageClassUpdated"`
	TimeDeleted        string            `json:"timeDeleted,omitempty"`
	ComponentCount     int               `json:"componentCount,omitempty"`
	Metadata           map[string]string `json:"metadata,omitempty"`
}

// base is where a client finds this server: where it sent its request, or the
// front that it sent it to.
func base(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	if h := r.Header.Get("X-Forwarded-Host"); h != "" {
		host = h
	}
	return scheme + "://" + host
}

func crcText(crc uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
}

func etag(o bucket.Object) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(o.Generation)), uint32(o.Metageneration)))
}

func renderObject(r *http.Request, o bucket.Object) object {
	path := "/b/" + url.PathEscape(o.Bucket) + "/o/" + url.PathEscape(o.Name)
	generation := strconv.FormatInt(o.Generation, 10)
	v := object{
		Kind: "storage#object", ID: o.Bucket + "/" + o.Name + "/" + generation,
		SelfLink:  base(r) + "/storage/v1" + path,
		MediaLink: base(r) + "/download/storage/v1" + path + "?generation=" + generation + "&alt=media",
		Name:      o.Name, Bucket: o.Bucket, Generation: generation, Metageneration: strconv.FormatInt(o.Metageneration, 10),
		ContentType: o.ContentType, ContentEncoding: o.ContentEncoding, ContentDisposition: o.ContentDisposition, ContentLanguage: o.ContentLanguage, CacheControl: o.CacheControl,
		StorageClass: o.StorageClass, Size: strconv.FormatInt(o.Size, 10), ETag: etag(o),
		TimeCreated: stamp(o.Created), Updated: stamp(o.Updated), TimeFinalized: stamp(o.Created), StorageClassSince: stamp(o.Created),
		ComponentCount: o.Components, Metadata: o.Metadata,
	}
	if !o.Unsummed {
		v.CRC32C = crcText(o.CRC32C)
	}
	if o.MD5 != nil {
		v.MD5Hash = base64.StdEncoding.EncodeToString(o.MD5)
	}
	if !o.Deleted.IsZero() {
		v.TimeDeleted = stamp(o.Deleted)
	}
	return v
}

type enabled struct {
	Enabled bool `json:"enabled"`
}

// bucketResource is the wire's form of a bucket.
type bucketResource struct {
	Kind             string             `json:"kind"`
	ID               string             `json:"id"`
	SelfLink         string             `json:"selfLink"`
	Name             string             `json:"name"`
	ProjectNumber    string             `json:"projectNumber"`
	Location         string             `json:"location"`
	LocationType     string             `json:"locationType"`
	StorageClass     string             `json:"storageClass"`
	ETag             string             `json:"etag"`
	Metageneration   string             `json:"metageneration"`
	TimeCreated      string             `json:"timeCreated"`
	Updated          string             `json:"updated"`
	Labels           map[string]string  `json:"labels,omitempty"`
	Versioning       *enabled           `json:"versioning,omitempty"`
	Lifecycle        *lifecycleResource `json:"lifecycle,omitempty"`
	IAMConfiguration any                `json:"iamConfiguration"`
}

func bucketTag(b bucket.Bucket) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.FormatInt(b.Metageneration, 10)))
}

func renderBucket(r *http.Request, b bucket.Bucket) bucketResource {
	metageneration := strconv.FormatInt(b.Metageneration, 10)
	uniform := map[string]any{"enabled": true, "lockedTime": stamp(b.Created)} // gsutil knows it by its older name
	v := bucketResource{
		Kind: "storage#bucket", ID: b.Name, SelfLink: base(r) + "/storage/v1/b/" + url.PathEscape(b.Name), Name: b.Name, ProjectNumber: "0",
		Location: strings.ToUpper(b.Location), LocationType: "region", StorageClass: b.StorageClass, ETag: bucketTag(b),
		Metageneration: metageneration, TimeCreated: stamp(b.Created), Updated: stamp(b.Updated), Labels: b.Labels, Lifecycle: renderLifecycle(b.Lifecycle),
		IAMConfiguration: map[string]any{"uniformBucketLevelAccess": uniform, "bucketPolicyOnly": uniform, "publicAccessPrevention": "inherited"},
	}
	if b.Versioning {
		v.Versioning = &enabled{true}
	}
	return v
}

// metadata is what a client may say of an object that it puts.
type metadata struct {
	Name               *string            `json:"name"`
	Bucket             *string            `json:"bucket"`
	ContentType        *string            `json:"contentType"`
	ContentEncoding    *string            `json:"contentEncoding"`
	ContentDisposition *string            `json:"contentDisposition"`
	ContentLanguage    *string            `json:"contentLanguage"`
	CacheControl       *string            `json:"cacheControl"`
	StorageClass       *string            `json:"storageClass"`
	MD5Hash            *string            `json:"md5Hash"`
	CRC32C             *string            `json:"crc32c"`
	Metadata           map[string]*string `json:"metadata"`

	// What this server does not have; asked for, it is refused.
	CustomTime         json.RawMessage `json:"customTime"`
	EventBasedHold     json.RawMessage `json:"eventBasedHold"`
	TemporaryHold      json.RawMessage `json:"temporaryHold"`
	Retention          json.RawMessage `json:"retention"`
	Contexts           json.RawMessage `json:"contexts"`
	KMSKeyName         json.RawMessage `json:"kmsKeyName"`
	CustomerEncryption json.RawMessage `json:"customerEncryption"`
}

// check refuses facts that would not be honoured.
func (m *metadata) check() error {
	for name, raw := range map[string]json.RawMessage{
		"customTime": m.CustomTime, "eventBasedHold": m.EventBasedHold, "temporaryHold": m.TemporaryHold, "retention": m.Retention,
		"contexts": m.Contexts, "kmsKeyName": m.KMSKeyName, "customerEncryption": m.CustomerEncryption,
	} {
		if raw != nil && !off(raw) {
			return fault.Errorf(fault.Invalid, "field %s of an object is not available on this server; leave it out", name)
		}
	}
	return checkClass(text(m.StorageClass))
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// put turns it into the store's form.
func (m *metadata) put(o *bucket.PutOptions) error {
	if err := m.check(); err != nil {
		return err
	}
	o.ContentType, o.ContentEncoding, o.ContentDisposition = text(m.ContentType), text(m.ContentEncoding), text(m.ContentDisposition)
	o.ContentLanguage, o.CacheControl, o.StorageClass = text(m.ContentLanguage), text(m.CacheControl), text(m.StorageClass)
	for k, v := range m.Metadata {
		if v == nil {
			continue
		}
		if o.Metadata == nil {
			o.Metadata = map[string]string{}
		}
		o.Metadata[k] = *v
	}
	if m.MD5Hash != nil {
		if err := wantMD5(o, *m.MD5Hash); err != nil {
			return err
		}
	}
	if m.CRC32C != nil {
		return wantCRC(o, *m.CRC32C)
	}
	return nil
}

func wantMD5(o *bucket.PutOptions, s string) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != 16 {
		return fault.Errorf(fault.Invalid, "MD5 hash %q is not the base64 of 16 bytes", s)
	}
	o.WantMD5 = b
	return nil
}

func wantCRC(o *bucket.PutOptions, s string) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != 4 {
		return fault.Errorf(fault.Invalid, "CRC32C %q is not the base64 of 4 bytes", s)
	}
	crc := binary.BigEndian.Uint32(b)
	o.WantCRC32C = &crc
	return nil
}

// headers takes checksums from a request's headers.
func headers(o *bucket.PutOptions, h http.Header) error {
	if s := h.Get("Content-MD5"); s != "" {
		if err := wantMD5(o, s); err != nil {
			return err
		}
	}
	md5, crc, err := googHash(h)
	if md5 != nil {
		o.WantMD5 = md5
	}
	if crc != nil {
		o.WantCRC32C = crc
	}
	return err
}

// googHash reads x-goog-hash: "crc32c=…,md5=…", in one header or several.
func googHash(h http.Header) (md5 []byte, crc *uint32, err error) {
	var o bucket.PutOptions
	for part := range strings.SplitSeq(strings.Join(h.Values("X-Goog-Hash"), ","), ",") {
		switch name, sum, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "md5":
			err = wantMD5(&o, sum)
		case "crc32c":
			err = wantCRC(&o, sum)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return o.WantMD5, o.WantCRC32C, nil
}

// conditions reads the preconditions of a query; prefix is "" or "ifSource".
func conditions(q url.Values, prefix string) (c bucket.Conditions, err error) {
	if prefix == "" {
		prefix = "if"
	}
	for name, to := range map[string]**int64{
		"GenerationMatch": &c.GenerationMatch, "GenerationNotMatch": &c.GenerationNotMatch,
		"MetagenerationMatch": &c.MetagenerationMatch, "MetagenerationNotMatch": &c.MetagenerationNotMatch,
	} {
		if *to, err = number(q, prefix+name); err != nil {
			return c, err
		}
	}
	return c, nil
}

// conditions are those of a request: the JSON API has them in the query, the
// XML API in headers.
func (c *call) conditions() (bucket.Conditions, error) {
	if !isXML(c.Request) {
		return conditions(c.q, "")
	}
	q := url.Values{}
	for header, name := range map[string]string{"X-Goog-If-Generation-Match": "ifGenerationMatch", "X-Goog-If-Metageneration-Match": "ifMetagenerationMatch"} {
		if v := c.Header.Get(header); v != "" {
			q.Set(name, v)
		}
	}
	return conditions(q, "")
}

func number(q url.Values, name string) (*int64, error) {
	s := q.Get(name)
	if s == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "parameter %s is %q, not a number", name, s)
	}
	return &n, nil
}

func generation(q url.Values, name string) (int64, error) {
	n, err := number(q, name)
	if n == nil {
		return 0, err
	}
	return *n, err
}
