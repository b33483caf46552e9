package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/logs"
)

type lineSpool struct {
	f *os.File
	e logs.Entry
	n int
	p string
}

func openSpool(path, task, trial, prefix string) (spool, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &lineSpool{f: f, e: logs.Entry{Task: task, Trial: trial}, p: prefix}, err
}
func (s *lineSpool) Append(t time.Time, sev logs.Severity, msg string, fields json.RawMessage) error {
	e := s.e
	s.n++
	e.Time, e.Severity, e.Message, e.Fields, e.InsertID = t, sev, msg, fields, fmt.Sprintf("%s%012d", s.p, s.n)
	b, _ := json.Marshal(e)
	_, err := s.f.Write(append(b, '\n'))
	return err
}
func (s *lineSpool) Sync() error  { return s.f.Sync() }
func (s *lineSpool) Close() error { return s.f.Close() }

func parseLine(raw []byte, stderr bool) (logs.Severity, string, json.RawMessage) {
	if stderr {
		return logs.Error, string(raw), nil
	}
	return logs.Info, string(raw), nil
}

func parseRecord(raw []byte) (time.Time, logs.Severity, string, json.RawMessage, error) {
	var r struct {
		Message, Severity string
		Created           float64
	}
	err := json.Unmarshal(raw, &r)
	if err == nil && r.Severity == "" {
		err = errors.New("no record")
	}
	return time.UnixMicro(int64(r.Created * 1e6)).UTC(), logs.Severity(r.Severity), r.Message, nil, err
}

func findTraceback(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "Traceback (most recent call last)") {
			return strings.Join(lines[i:], "\n")
		}
	}
	return ""
}
