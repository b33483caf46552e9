// Package access is what programs of jobs may do. Each comes with its job's
// token and reaches what the job's project may: jobs and logs of the project,
// and its buckets. Whoever comes without one is the server's user, who may do
// everything; whether one must show something else for that is not known here.
//
// Buckets of the server's own project, which those are whose makers named none,
// are everybody's, and so is the default bucket.
package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/keep"
)

// Tokens gives jobs their tokens and knows them again. A token is made of the
// job's name and a key of the server's, so that no restart forgets one.
type Tokens struct{ key []byte }

// OpenTokens reads the key in a folder, or makes it there.
func OpenTokens(dir string) (*Tokens, error) {
	path, key, err := keep.Once(dir, "jobs.key", func() ([]byte, error) {
		key := make([]byte, sha256.Size)
		_, err := rand.Read(key)
		return key, err
	})
	if err != nil {
		return nil, err
	}
	if len(key) != sha256.Size {
		return nil, fault.Errorf(fault.Invalid, "%s is damaged: it is %d bytes long, not %d", path, len(key), sha256.Size).
			WithHint("remove it; another is made at the next start, and jobs that run lose their access")
	}
	return &Tokens{key}, nil
}

// prefix tells tokens of jobs from all others.
const prefix = "job."

var encoding = base64.RawURLEncoding

// Of is a job's token.
func (t *Tokens) Of(key job.Key) string {
	name := string(key.Project) + "/" + string(key.ID)
	return prefix + encoding.EncodeToString([]byte(name)) + "." + encoding.EncodeToString(t.sign(name))
}

func (t *Tokens) sign(name string) []byte {
	m := hmac.New(sha256.New, t.key)
	m.Write([]byte("job\x00" + name))
	return m.Sum(nil)
}

// Job is the job whose token it is.
func (t *Tokens) Job(token string) (job.Key, bool) {
	name, signature, _ := strings.Cut(strings.TrimPrefix(token, prefix), ".")
	text, err1 := encoding.DecodeString(name)
	sum, err2 := encoding.DecodeString(signature)
	project, id, ok := strings.Cut(string(text), "/")
	if err1 != nil || err2 != nil || !ok || !hmac.Equal(sum, t.sign(string(text))) {
		return job.Key{}, false
	}
	return job.Key{Project: job.Project(project), ID: job.ID(id)}, true
}

// Admit is asked of every token that a request shows. One of a job's is good
// until the job has ended; the context says to the rest of this package whose
// it is. Tokens of other kinds are somebody else's to check: ours is false.
func (t *Tokens) Admit(ctx context.Context, token string, find func(context.Context, job.Key) (job.Job, error)) (_ context.Context, ours bool, err error) {
	if !strings.HasPrefix(token, prefix) {
		return ctx, false, nil
	}
	key, ok := t.Job(token)
	if !ok {
		return ctx, true, fault.Errorf(fault.Denied, "the token is not one that this server gave to a job")
	}
	j, err := find(ctx, key)
	switch {
	case fault.Is(err, fault.NotFound):
		return ctx, true, fault.Errorf(fault.Denied, "the token is one of job %s, which does not exist", key)
	case err != nil:
		return ctx, true, err
	case j.State.Final():
		return ctx, true, fault.Errorf(fault.Denied, "the token was one of job %s, which has ended", key)
	}
	return context.WithValue(ctx, caller{}, key), true, nil
}

// caller is the key of the job that asks, in a context.
type caller struct{}

// Project refuses a job that asks for what another project has.
func Project(ctx context.Context, p job.Project) error {
	if key, ok := ctx.Value(caller{}).(job.Key); ok && key.Project != p {
		return fault.Errorf(fault.Denied, "job %s reaches what is in project %s, not in %s", key.ID, key.Project, p)
	}
	return nil
}
