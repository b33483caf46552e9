package cli

import (
	"strings"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/pattern"
)

// location is a place in object storage; name is empty for the bucket itself.
type location struct{ bucket, name string }

var (
	bucketChars = pattern.New(`^[a-z0-9._-]+$`)
	bucketEnds  = pattern.New(`^[a-z0-9](?:.*[a-z0-9])?$`)
	dottedQuad  = pattern.New(`^\d+\.\d+\.\d+\.\d+$`)
)

// checkBucket says what is wrong with a bucket's name, by the original's rules
// and in their order.
func checkBucket(name string) error {
	reason := ""
	switch {
	case !goodLength(name):
		reason = "a bucket name must contain 3 to 63 characters; one with dots up to 222, each part between dots at most 63"
	case !bucketChars.MatchString(name):
		reason = "a bucket name may contain only lowercase letters, numbers, dashes, underscores and dots"
	case !bucketEnds.MatchString(name):
		reason = "a bucket name must start and end with a number or letter"
	case dottedQuad.MatchString(name):
		reason = "a bucket name cannot be an IP address in dotted-decimal notation"
	default:
		return nil
	}
	return wrong("Invalid bucket name [%s]: %s\n\nSee https://cloud.google.com/storage/docs/naming#requirements for details.", name, reason)
}

func goodLength(name string) bool {
	if len(name) < 3 || len(name) > 222 {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if len(part) > 63 {
			return false
		}
	}
	return true
}

// checkObject says what is wrong with an object's name.
func checkObject(name string) error {
	reason := ""
	switch {
	case name == "" || len(name) > 1024 || !utf8.ValidString(name):
		reason = "an object name must be 1 to 1024 bytes of UTF-8"
	case strings.ContainsAny(name, "\r\n"):
		reason = "an object name cannot contain line breaks"
	default:
		return nil
	}
	return wrong("Invalid object name [%.80s]: %s\n\nSee https://cloud.google.com/storage/docs/naming#objectnames for details.", name, reason)
}

var remotePattern = pattern.New(`^gs://([^/]+)/(.+)$`)

// remote reads gs://BUCKET/OBJECT. What is not one by every rule is a local
// path to the original, and so to us.
func remote(s string) (location, bool) {
	m := remotePattern.FindStringSubmatch(s)
	if m == nil || checkBucket(m[1]) != nil || checkObject(m[2]) != nil {
		return location{}, false
	}
	return location{m[1], m[2]}, true
}

// stagingBucket reads --staging-bucket: gs://BUCKET, slashes at the end
// dropped.
func stagingBucket(s string) (string, error) {
	name, ok := strings.CutPrefix(s, "gs://")
	if !ok {
		return "", meant(s, wrong("Must be a valid Google Cloud Storage bucket of the form [gs://somebucket]"))
	}
	name = strings.TrimRight(name, "/")
	if err := checkBucket(name); err != nil {
		return "", err
	}
	return "gs://" + name, nil
}

// jobDir reads --job-dir: gs://BUCKET or gs://BUCKET/anything. A slash is put
// after a bucket alone, as the original does.
func jobDir(s string) (string, error) {
	rest, ok := strings.CutPrefix(s, "gs://")
	bucket, object, slash := strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return "", meant(s, wrong("Must be of form gs://bucket/object"))
	}
	if !slash {
		return s + "/", nil
	}
	if object == "" {
		return s, nil
	}
	if err := checkBucket(bucket); err != nil {
		return "", err
	}
	if err := checkObject(object); err != nil {
		return "", err
	}
	return s, nil
}

// meant adds what a slip of the pen was likely meant to be.
func meant(s string, err error) error {
	switch {
	case strings.HasPrefix(s, "gs:/"), strings.HasPrefix(s, "gs:"):
		if strings.Trim(s[len("gs:"):], "/") == "" {
			return err
		}
		fixed := "gs://" + strings.TrimLeft(strings.TrimPrefix(s, "gs:"), "/")
		return &hinted{err, "did you mean " + fixed + "?", fixed}
	case strings.HasPrefix(s, "/"), strings.HasPrefix(s, "."), strings.Contains(s, "://"):
		return err
	default:
		return &hinted{err, "did you mean gs://" + s + "?", "gs://" + s}
	}
}

// hinted is an error of a flag's value with advice.
type hinted struct {
	error
	hint  string
	fixed string // the value that was probably meant
}

func (h *hinted) Unwrap() error { return h.error }
