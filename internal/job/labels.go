package job

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/trainyard/trainyard/internal/fault"
)

// MaxLabels is how many labels a job may have.
const MaxLabels = 64

// Lengths count characters, not bytes.
var (
	labelKey   = regexp.MustCompile(`^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$`)
	labelValue = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$`)
)

const labelChars = "Only hyphens (-), underscores (_), lowercase characters, and numbers are allowed."

// CheckLabelKey says what is wrong with a label's key, in the original's words.
func CheckLabelKey(key string) error {
	if labelKey.MatchString(key) {
		return nil
	}
	return fault.Errorf(fault.Invalid, "Bad value [%s]: %s Keys must start with a lowercase character. International characters are allowed. Key length must not exceed 63 characters.", key, labelChars)
}

// CheckLabelValue says what is wrong with a label's value; an empty one is fine.
func CheckLabelValue(value string) error {
	if labelValue.MatchString(value) {
		return nil
	}
	return fault.Errorf(fault.Invalid, "Bad value [%s]: %s International characters are allowed.", value, labelChars)
}

// CheckLabels finds everything that is wrong with a job's labels.
func CheckLabels(labels map[string]string) []fault.Violation {
	var vs []fault.Violation
	if len(labels) > MaxLabels {
		vs = append(vs, fault.Violation{Field: "labels", Description: fmt.Sprintf("A job can have at most %d labels; this one has %d.", MaxLabels, len(labels))})
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		for _, err := range []error{CheckLabelKey(k), CheckLabelValue(labels[k])} {
			if err != nil {
				vs = append(vs, fault.Violation{Field: "labels", Description: err.Error()})
			}
		}
	}
	return vs
}
