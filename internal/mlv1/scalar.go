package mlv1

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/pattern"
)

// yamlBools are YAML 1.1's words.
var yamlBools = map[string]bool{"true": true, "yes": true, "on": true, "y": true, "false": false, "no": false, "off": false, "n": false}

var durationText = pattern.New(`^-?[0-9]{1,12}(\.[0-9]{1,9})?s$`)

// scalar reads written text as the schema's kind.
func scalar(s string, f field) (any, bool) {
	switch f.kind {
	case boolean:
		b, ok := yamlBools[strings.ToLower(s)]
		return b, ok
	case int32Kind:
		n, err := strconv.ParseInt(s, 10, 32)
		return json.Number(strconv.FormatInt(n, 10)), err == nil
	case int64Kind:
		n, err := strconv.ParseInt(s, 10, 64)
		return strconv.FormatInt(n, 10), err == nil
	case double:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, false
		}
		return json.Number(strconv.FormatFloat(n, 'g', -1, 64)), true
	case duration:
		return s, durationText.MatchString(s)
	case enum:
		for _, v := range f.values {
			if s == v {
				return s, true
			}
		}
		return nil, false
	default:
		return s, true
	}
}

// expected is a kind in words.
func (f field) expected() string {
	switch {
	case f.repeated:
		return "a list"
	case f.kind == boolean:
		return "true or false"
	case f.kind == int32Kind, f.kind == int64Kind:
		return "an integer"
	case f.kind == double:
		return "a number"
	case f.kind == duration:
		return "seconds such as 7200s"
	case f.kind == enum:
		return "one of " + strings.Join(f.values, ", ")
	case f.kind == object:
		return "fields"
	default:
		return "a string"
	}
}
