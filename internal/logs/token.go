package logs

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// tokenBody is a page token: the last record that was given.
type tokenBody struct {
	Time    int64  `json:"t"`
	ID      string `json:"i"`
	Project string `json:"p"`
	Job     string `json:"j"`
}

func token(r Record) string {
	b, _ := json.Marshal(tokenBody{r.Time.UnixNano(), r.InsertID, string(r.Key.Project), string(r.Key.ID)})
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseToken(s string) (Record, error) {
	if s == "" {
		return Record{}, nil
	}
	var t tokenBody
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err != nil || t.Time <= 0 {
		return Record{}, fault.Errorf(fault.Invalid, "page token %q is not one that this server gave", s)
	}
	return Record{Entry: Entry{Time: time.Unix(0, t.Time).UTC(), InsertID: t.ID}, Key: job.Key{Project: job.Project(t.Project), ID: job.ID(t.Job)}}, nil
}
