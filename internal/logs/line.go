package logs

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/pattern"
)

// The formats of TensorFlow's C++ and of gRPC's log lines, as the original's
// launcher knew them.
var (
	tensorflowLine = pattern.New(`^(?:\d{4}-\d{2}-\d{2}\s\d{2}:\d{2}:\d{2}\.\d{6}:\s)*([DIWEF])\s+([^: \]]+):(\d+)\] (.*)`)
	grpcLine       = pattern.New(`^([DIWEF])(\d{2})(\d{2})\s+(\d{2}):(\d{2}):(\d{2})\.(\d{9})\s+(\d+)\s+([^: \]]+):(\d+)\] (.*)`)
	letters        = map[string]Severity{"D": Debug, "I": Info, "W": Warning, "E": Error, "F": Critical}
)

// ParseLine says how severe a line of a program's output is: standard output
// is INFO; standard error is ERROR, unless the line says otherwise in
// TensorFlow's or gRPC's way, whose file and line become fields.
func ParseLine(stdout bool, line string) (Severity, string, json.RawMessage) {
	if stdout {
		return Info, line, nil
	}
	if m := tensorflowLine.FindStringSubmatch(line); m != nil {
		return letters[m[1]], m[4], fields(map[string]any{"levelname": string(letters[m[1]]), "pathname": m[2], "lineno": number(m[3])})
	}
	if m := grpcLine.FindStringSubmatch(line); m != nil {
		return letters[m[1]], m[11], fields(map[string]any{"levelname": string(letters[m[1]]), "pathname": m[9], "lineno": number(m[10]), "thread": number(m[8]),
			"time": fmt.Sprintf("%s-%s %s:%s:%s.%s", m[2], m[3], m[4], m[5], m[6], m[7])})
	}
	return Error, line, nil
}

func number(s string) json.Number {
	return json.Number(strings.TrimLeft(s[:len(s)-1], "0") + s[len(s)-1:])
}

func fields(m map[string]any) json.RawMessage {
	b, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return b
}

// levels are Python's names of severities.
var levels = map[string]Severity{
	"DEBUG": Debug, "INFO": Info, "WARNING": Warning, "WARN": Warning, "ERROR": Error, "CRITICAL": Critical, "FATAL": Critical,
}

// ParseRecord reads a line that Python's logging wrote through our handler:
// one JSON object with message, levelname, created and more. ok is false for
// any other text.
func ParseRecord(line string) (t time.Time, sev Severity, msg string, rest json.RawMessage, ok bool) {
	if !strings.HasPrefix(line, "{") {
		return
	}
	var all map[string]json.RawMessage
	if json.Unmarshal([]byte(line), &all) != nil {
		return
	}
	var created float64
	var level string
	if json.Unmarshal(all["message"], &msg) != nil || json.Unmarshal(all["created"], &created) != nil {
		return
	}
	if json.Unmarshal(all["severity"], &level) != nil {
		_ = json.Unmarshal(all["levelname"], &level)
	}
	sev, known := levels[strings.ToUpper(level)]
	if !known {
		sev = Info // a level of the program's own
	}
	if created > 0 && created < 1<<33 {
		whole, part := math.Modf(created)
		t = time.Unix(int64(whole), int64(part*1e9))
	}
	delete(all, "message")
	delete(all, "severity")
	delete(all, "uncaught") // for the agent, as is "shown"
	delete(all, "shown")
	rest, err := json.Marshal(all)
	return t, sev, msg, rest, err == nil
}
