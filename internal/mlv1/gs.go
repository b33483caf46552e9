package mlv1

import (
	"errors"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

var (
	bucketChars = pattern.New(`^[a-z0-9._-]+$`)
	fourNumbers = pattern.New(`^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$`)
)

// checkObject says what is wrong with the URL of an object.
func checkObject(uri string) error {
	bucket, object, err := split(uri)
	switch {
	case err != nil:
		return err
	case object == "":
		return errors.New("it must be of the form gs://bucket/object")
	}
	if err := checkBucket(bucket); err != nil {
		return err
	}
	return checkName(object)
}

// checkPrefix says what is wrong with the URL of a bucket or of a place in it.
func checkPrefix(uri string) error {
	bucket, object, err := split(uri)
	if err != nil {
		return err
	}
	if err := checkBucket(bucket); err != nil {
		return err
	}
	return checkName(object)
}

func split(uri string) (bucket, object string, err error) {
	rest, ok := strings.CutPrefix(uri, "gs://")
	if !ok {
		return "", "", errors.New("it must start with gs://")
	}
	bucket, object, _ = strings.Cut(rest, "/")
	return bucket, object, nil
}

func checkBucket(name string) error {
	parts := strings.Split(name, ".")
	short := len(name) < 3 || len(name) > 222
	for _, p := range parts {
		short = short || len(p) > 63
	}
	first, last := name, name
	if name != "" {
		first, last = name[:1], name[len(name)-1:]
	}
	switch {
	case short:
		return errors.New("a bucket name must contain 3 to 63 characters, with dots up to 222 and each part at most 63")
	case !bucketChars.MatchString(name):
		return errors.New("a bucket name must contain only lowercase letters, numbers, dashes, underscores and dots")
	case strings.ContainsAny(first+last, "._-"):
		return errors.New("a bucket name must start and end with a number or letter")
	case fourNumbers.MatchString(name):
		return errors.New("a bucket name cannot be an IP address in dotted-decimal form")
	}
	return nil
}

func checkName(object string) error {
	switch {
	case len(object) > 1024:
		return errors.New("an object name must be at most 1024 bytes long")
	case strings.ContainsAny(object, "\r\n"):
		return errors.New("an object name must not contain line breaks")
	}
	return nil
}

// SplitURI takes gs://bucket/object apart; ok is false where it is none.
func SplitURI(uri string) (bucket, object string, ok bool) {
	if checkObject(uri) != nil {
		return "", "", false
	}
	bucket, object, err := split(uri)
	return bucket, object, err == nil
}
