package job

import (
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/trainyard/trainyard/internal/fault"
)

// MaxLabels is how many labels a job may have.
const MaxLabels = 64

const labelChars = "Only hyphens (-), underscores (_), lowercase characters, and numbers are allowed."

// CheckLabelKey says what is wrong with a label's key, in the original's words.
func CheckLabelKey(key string) error {
	if isLabel(key) && isLabelStart(key) {
		return nil
	}
	return fault.Errorf(fault.Invalid, "Bad value [%s]: %s Keys must start with a lowercase character. International characters are allowed. Key length must not exceed 63 characters.", key, labelChars)
}

// CheckLabelValue says what is wrong with a label's value; an empty one is fine.
func CheckLabelValue(value string) error {
	if isLabel(value) {
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

// isLabel reports whether s has only characters of labels, at most 63. (An
// expression that counts such classes takes milliseconds to compile, which
// every start of the program would pay.)
func isLabel(s string) bool {
	for _, r := range s {
		if r != '_' && r != '-' && !unicode.In(r, unicode.Ll, unicode.Lo, unicode.N) {
			return false
		}
	}
	return utf8.RuneCountInString(s) <= 63
}

// isLabelStart reports whether s begins as a key has to.
func isLabelStart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.In(r, unicode.Ll, unicode.Lo)
}
