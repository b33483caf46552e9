package mlv1

import (
	"reflect"
	"strings"
	"testing"

	ml "google.golang.org/api/ml/v1"
)

// TestTheSchemaIsGoogles holds the table against Google's generated types, both
// ways; only what gcloud alone knows and our extensions are excepted.
func TestTheSchemaIsGoogles(t *testing.T) {
	seen := map[*message]bool{}
	extra := map[string]bool{"strategy": true, "resilientToWorkerRestart": true, "env": true, "noJobDirArg": true}
	var check func(m *message, of reflect.Type)
	check = func(m *message, of reflect.Type) {
		if seen[m] {
			return
		}
		seen[m] = true
		fields := map[string]reflect.StructField{}
		for i := range of.NumField() {
			f := of.Field(i)
			name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			fields[name] = f
			ours, ok := m.fields[name]
			if !ok {
				t.Errorf("%s has no %s", m.name, name)
				continue
			}
			if m.fields[snake(name)].name != ours.name {
				t.Errorf("%s.%s is not found as %s", m.name, name, snake(name))
			}
			typ := f.Type
			if repeated := typ.Kind() == reflect.Slice; repeated != ours.repeated && ours.kind != output {
				t.Errorf("%s.%s is repeated: %t", m.name, name, repeated)
			}
			for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
				typ = typ.Elem()
			}
			ok = true
			switch ours.kind {
			case text, duration, enum:
				ok = typ.Kind() == reflect.String
			case boolean:
				ok = typ.Kind() == reflect.Bool
			case int32Kind:
				ok = typ.Kind() == reflect.Int64 && !strings.Contains(opts, "string")
			case int64Kind:
				ok = typ.Kind() == reflect.Int64 && strings.Contains(opts, "string")
			case double:
				ok = typ.Kind() == reflect.Float64
			case labels:
				ok = typ.Kind() == reflect.Map
			case object:
				if ok = typ.Kind() == reflect.Struct; ok {
					check(ours.message, typ)
				}
			}
			if !ok {
				t.Errorf("%s.%s is %s in Google's types", m.name, name, f.Type)
			}
		}
		for _, f := range m.fields {
			if _, ok := fields[f.name]; !ok && !extra[f.name] {
				t.Errorf("Google's %s has no %s", m.name, f.name)
			}
		}
	}
	check(jobMessage, reflect.TypeFor[ml.GoogleCloudMlV1__Job]())
}
