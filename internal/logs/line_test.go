package logs

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestALineSaysHowSevereItIs(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		stdout     bool
		sev        Severity
		msg        string
		fields     string
	}{
		{"standard output", "hello", true, Info, "hello", ""},
		{"standard output is not parsed", "E a.cc:1] broken", true, Info, "E a.cc:1] broken", ""},
		{"standard error", "hello", false, Error, "hello", ""},
		{"nothing", "", false, Error, "", ""},
		{"pip's warning", "WARNING: You are using pip version 19", false, Error, "WARNING: You are using pip version 19", ""},
		{"TensorFlow", "2020-03-27 20:13:23.123456: I tensorflow/core/platform/cpu_feature_guard.cc:142] Your CPU supports instructions", false, Info, "Your CPU supports instructions", `{"levelname":"INFO","lineno":142,"pathname":"tensorflow/core/platform/cpu_feature_guard.cc"}`},
		{"TensorFlow without a time", "W tensorflow/a.cc:7] low", false, Warning, "low", `{"levelname":"WARNING","lineno":7,"pathname":"tensorflow/a.cc"}`},
		{"TensorFlow, two times", "2020-03-27 20:13:23.123456: 2020-03-27 20:13:23.123457: F a.cc:1] gone", false, Critical, "gone", `{"levelname":"CRITICAL","lineno":1,"pathname":"a.cc"}`},
		{"TensorFlow, an error", "2020-03-27 20:13:23.123456: E a.cc:0010] x: y] z", false, Error, "x: y] z", `{"levelname":"ERROR","lineno":10,"pathname":"a.cc"}`},
		{"line zero", "D a.cc:0] d", false, Debug, "d", `{"levelname":"DEBUG","lineno":0,"pathname":"a.cc"}`},
		{"no text", "I a.cc:1] ", false, Info, "", `{"levelname":"INFO","lineno":1,"pathname":"a.cc"}`},
		{"gRPC", "E0327 20:13:23.123456789     123 src/core/lib/iomgr/tcp.cc:42] refused", false, Error, "refused", `{"levelname":"ERROR","lineno":42,"pathname":"src/core/lib/iomgr/tcp.cc","thread":123,"time":"03-27 20:13:23.123456789"}`},
		{"gRPC, with microseconds only", "E0327 20:13:23.123456     123 a.cc:42] refused", false, Error, "E0327 20:13:23.123456     123 a.cc:42] refused", ""},
		{"another letter", "X a.cc:1] x", false, Error, "X a.cc:1] x", ""},
		{"no blank after the bracket", "I a.cc:1]x", false, Error, "I a.cc:1]x", ""},
		{"text before it", "so: I a.cc:1] x", false, Error, "so: I a.cc:1] x", ""},
		{"not UTF-8", "I a\xff.cc:1] \xff", false, Info, "\xff", ""},
	} {
		sev, msg, fields := ParseLine(tt.stdout, tt.line)
		if sev != tt.sev || msg != tt.msg || tt.fields != "" && string(fields) != tt.fields || tt.fields == "" && msg == tt.line && fields != nil {
			t.Errorf("%s: ParseLine(%t, %q) = %s, %q, %s; want %s, %q, %s", tt.name, tt.stdout, tt.line, sev, msg, fields, tt.sev, tt.msg, tt.fields)
		}
	}
}

func TestARecordOfPythonsLoggingIsReadBack(t *testing.T) {
	const rest = `,"name":"root","lineno":9,"pathname":"/a.py","thread":1}`
	at := time.Unix(1474392504, 1750000)
	for _, tt := range []struct {
		name, line string
		ok         bool
		sev        Severity
		msg        string
		at         time.Time
	}{
		{"as the handler writes it", `{"message":"hi","levelname":"WARNING","severity":"WARNING","created":1474392504.00175` + rest, true, Warning, "hi", at},
		{"the severity wins", `{"message":"hi","levelname":"INFO","severity":"ERROR","created":1` + rest, true, Error, "hi", time.Unix(1, 0)},
		{"a level name alone", `{"message":"hi","levelname":"FATAL","created":1` + rest, true, Critical, "hi", time.Unix(1, 0)},
		{"in small letters", `{"message":"hi","severity":"debug","created":1` + rest, true, Debug, "hi", time.Unix(1, 0)},
		{"a level of the program's own", `{"message":"hi","severity":"VERBOSE","created":1` + rest, true, Info, "hi", time.Unix(1, 0)},
		{"no level", `{"message":"hi","created":1` + rest, true, Info, "hi", time.Unix(1, 0)},
		{"several lines", `{"message":"a\nb\u0000","created":1` + rest, true, Info, "a\nb\x00", time.Unix(1, 0)},
		{"a time that cannot be", `{"message":"hi","created":-5` + rest, true, Info, "hi", time.Time{}},
		{"a time far away", `{"message":"hi","created":1e300` + rest, true, Info, "hi", time.Time{}},
		{"no message", `{"created":1` + rest, false, "", "", time.Time{}},
		{"a message that is no text", `{"message":{},"created":1` + rest, false, "", "", time.Time{}},
		{"no time", `{"message":"hi"` + rest, false, "", "", time.Time{}},
		{"cut off", `{"message":"hi","created":1`, false, "", "", time.Time{}},
		{"two of them", `{"message":"hi","created":1}{"message":"hi","created":1}`, false, "", "", time.Time{}},
		{"no JSON", `{hi}`, false, "", "", time.Time{}},
		{"no object", `["message"]`, false, "", "", time.Time{}},
		{"nothing", ``, false, "", "", time.Time{}},
	} {
		at, sev, msg, fields, ok := ParseRecord(tt.line)
		if ok != tt.ok || ok && (sev != tt.sev || msg != tt.msg || at.Sub(tt.at).Abs() > time.Microsecond) {
			t.Errorf("%s: ParseRecord = %s, %s, %q, %t; want %s, %s, %q, %t", tt.name, at, sev, msg, ok, tt.at, tt.sev, tt.msg, tt.ok)
		}
		if ok && (!strings.Contains(string(fields), `"pathname":"/a.py"`) || strings.Contains(string(fields), `"message"`) || !json.Valid(fields)) {
			t.Errorf("%s: fields %s", tt.name, fields)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("2020-03-27 20:13:23.123456: I a.cc:142] x")
	f.Add("E0327 20:13:23.123456789     123 a.cc:42] refused")
	f.Add(`{"message":"hi","severity":"INFO","created":1474392504.00175}`)
	f.Fuzz(func(t *testing.T, line string) {
		line, _, _ = strings.Cut(line, "\n")
		sev, msg, fields := ParseLine(false, line)
		if _, ok := severityOrder[sev]; !ok || !strings.HasSuffix(line, msg) || fields != nil && !json.Valid(fields) {
			t.Errorf("ParseLine(%q) = %s, %q, %s", line, sev, msg, fields)
		}
		if _, sev, _, fields, ok := ParseRecord(line); ok {
			if _, known := severityOrder[sev]; !known || !json.Valid(fields) {
				t.Errorf("ParseRecord(%q) = %s, %s", line, sev, fields)
			}
		}
	})
}
