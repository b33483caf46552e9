package mlapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
)

// maxBody is the largest request that is read.
const maxBody = 4 << 20

// body reads a request's body.
func (r request) body() ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(r.response, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(maxBody)
	}
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "the request was cut short: %w", err)
	}
	return raw, nil
}

func (a *api) render(j job.Job) mlv1.Doc {
	d := mlv1.RenderDoc(j)
	if j.Shown() == job.Queued && a.Position != nil {
		if n, known := a.Position(j.Key); known && n > 0 {
			d["jobPosition"] = fmt.Sprint(n)
		}
	}
	return d
}

// create accepts a job. All that can be known to be wrong is said here, before
// anything is stored.
func (a *api) create(r request) (any, error) {
	raw, err := r.body()
	if err != nil {
		return nil, err
	}
	p, err := mlv1.Parse(r.project, raw, a.Rules)
	if err != nil {
		return nil, err
	}
	if r.URL.Query().Get("validateOnly") == "true" {
		// Asked before packages are uploaded: everything is checked but them, and
		// nothing is stored.
		_, err := a.Jobs.Job(r.Context(), p.Spec.Key)
		switch {
		case err == nil:
			return nil, exists(nil)
		case fault.Is(err, fault.NotFound):
			return struct{}{}, nil
		}
		return nil, err
	}
	if p.Spec.Origin, err = job.ParseOrigin(r.Header.Get("X-Trainyard-Source")); err != nil {
		return nil, err
	}
	p.Spec.Origin.Client = job.ClientOf(r.UserAgent())
	if err := a.stat(r, p.Spec.Packages); err != nil {
		return nil, err
	}
	if err := a.jobDir(r, &p); err != nil {
		return nil, err
	}
	if a.Seal == nil && slices.ContainsFunc(p.Spec.Env, func(v job.Variable) bool { return v.Secret }) {
		return nil, invalid("env", "Secret variables are not kept by this server.")
	}
	if a.Seal != nil {
		a.Seal(p.Spec.Key, p.Spec.Env)
	}
	j, _, err := a.Jobs.Create(r.Context(), NewJob{
		Spec: p.Spec, Document: p.Document, Wire: mlv1.Wire,
		RequestID: r.Header.Get("X-Trainyard-Request-Id"),
		Events:    events(p),
	})
	if fault.Is(err, fault.Conflict) {
		return nil, exists(err)
	}
	if err != nil {
		return nil, err
	}
	for _, w := range p.Warnings {
		r.response.Header().Add("X-Trainyard-Warning", strings.Join(strings.Fields(w), " "))
	}
	return a.render(j), nil
}

func exists(err error) error {
	v := []fault.Violation{{Field: "job.job_id", Description: "A job with this id already exists."}}
	return &fault.Error{Kind: fault.Conflict, Msg: fault.Fields(v), Violations: v, Err: err,
		Hint: "job ids cannot be used again; choose another"}
}

// stat fills in what the packages are, and refuses when any cannot be read,
// naming all of those.
func (a *api) stat(r request, packages []job.Package) error {
	var unread []string
	var hint string
	for i, p := range packages {
		got, err := a.Packages.Stat(r.Context(), p.URI)
		switch {
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Denied):
			unread = append(unread, fmt.Sprintf("%s (%s)", p.URI, err))
			if hint == "" {
				hint = fault.HintOf(err)
			}
		case err != nil:
			return err
		default:
			got.URI = p.URI
			packages[i] = got
		}
	}
	if len(unread) == 0 {
		return nil
	}
	v := []fault.Violation{{Field: "package_uris", Description: fmt.Sprintf(
		"The provided GCS paths cannot be read by service account %s: %s.", serviceAccount, strings.Join(unread, ", "))}}
	return &fault.Error{Kind: fault.Precondition, Msg: fault.Fields(v), Violations: v, Hint: hint}
}

// jobDir warns of a job directory in a bucket that is not there: what the
// program writes at its end would be lost. It is no refusal, since the bucket
// may be made meanwhile, or be one of Google's.
func (a *api) jobDir(r request, p *mlv1.Parsed) error {
	name, _, _ := strings.Cut(strings.TrimPrefix(p.Spec.JobDir, "gs://"), "/")
	if name == "" {
		return nil
	}
	there, err := a.Packages.HasBucket(r.Context(), name)
	if err != nil || there {
		return err
	}
	w := fmt.Sprintf("This server has no bucket gs://%s, which the job directory names: what the program writes there fails until it is made with: trainyard storage buckets create gs://%s", name, name)
	p.Warnings = append(p.Warnings, w)
	p.Spec.Warnings = append(p.Spec.Warnings, w)
	return nil
}

// events are the first lines of the job's log.
func events(p mlv1.Parsed) []job.Event {
	line := func(name, text, severity string) job.Event {
		return job.Event{Name: name, Step: "queue", Text: text, Service: true, Severity: severity}
	}
	es := []job.Event{
		line("validating", "Validating job requirements...", "INFO"),
		line("validated", "Job creation request has been successfully validated.", "INFO"),
		line("queued", "Job "+string(p.Spec.Key.ID)+" is queued.", "INFO"),
	}
	for i, n := range p.Notes {
		es = append(es, line(fmt.Sprintf("note-%d", i+1), n, "INFO"))
	}
	for i, w := range p.Warnings {
		es = append(es, line(fmt.Sprintf("warning-%d", i+1), w, "WARNING"))
	}
	return es
}

// job is the job that the request names.
func (a *api) job(r request) (job.Job, error) {
	j, err := a.Jobs.Job(r.Context(), r.key())
	return j, noJob(r, err)
}

// noJob says in the original's form which job there is not.
func noJob(r request, err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	v := []fault.Violation{{Field: "name", Description: fmt.Sprintf("The specified job was not found: projects/%s/jobs/%s.", r.project, r.name)}}
	return &fault.Error{Kind: fault.NotFound, Msg: fault.Fields(v), Violations: v, Err: err}
}

func (a *api) get(r request) (any, error) {
	j, err := a.job(r)
	if err != nil {
		return nil, err
	}
	if a.polling(r, j) {
		j.Ended = time.Time{}
	}
	return a.render(j), nil
}

// The last lines of a job are this long behind its end, and a poller that has
// gone away must not hide the end for ever.
const (
	lastLines  = time.Second
	pollerGone = 3 * time.Minute
)

// polling reports whether this is gcloud asking, while it streams a job's log,
// whether the job has ended, before it has read the log's end. gcloud reads
// lines only when they are five seconds old, but stops as soon as it is told of
// the end: what a program says last would never be shown.
func (a *api) polling(r request, j job.Job) bool {
	agent := r.Header.Get("User-Agent")
	streams := strings.Contains(agent, ".jobs.stream-logs") || strings.Contains(agent, ".jobs.submit.training")
	return streams && a.Polled != nil && !j.Ended.IsZero() && time.Since(j.Ended) < pollerGone && a.Polled(j.Key).Before(j.Ended.Add(lastLines))
}

// cancel stores the wish that a job end; of one that has ended it asks nothing.
func (a *api) cancel(r request) (any, error) {
	if _, err := r.body(); err != nil {
		return nil, err
	}
	err := a.Jobs.RequestCancel(r.Context(), r.key(), "The job was cancelled by request.")
	return map[string]any{}, noJob(r, err)
}

// patch replaces the labels, the only thing of a job that can change.
func (a *api) patch(r request) (any, error) {
	withLabels, withEtag, err := updateMask(r.URL.Query().Get("updateMask"), r.URL.Query().Get("update_mask"))
	if err != nil {
		return nil, err
	}
	raw, err := r.body()
	if err != nil {
		return nil, err
	}
	d, violations, err := mlv1.Decode(raw)
	if err != nil {
		return nil, err
	}
	if len(violations) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Msg: violations[0].Description, Violations: violations}
	}
	typed, err := d.Typed()
	if err != nil {
		return nil, err
	}
	var ifVersion *int64
	if withEtag {
		v, err := mlv1.ParseEtag(typed.Etag)
		if err != nil {
			return nil, atField("job.etag", err)
		}
		ifVersion = &v
	}
	if !withLabels {
		return a.touch(r, *ifVersion)
	}
	if vs := job.CheckLabels(typed.Labels); len(vs) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Msg: fault.Fields(vs), Violations: vs}
	}
	j, err := a.Jobs.SetLabels(r.Context(), r.key(), typed.Labels, ifVersion)
	if err != nil {
		return nil, aborted(noJob(r, err))
	}
	return a.render(j), nil
}

// touch is a patch of nothing but an etag to compare.
func (a *api) touch(r request, version int64) (any, error) {
	j, err := a.job(r)
	if err == nil && j.Version != version {
		err = aborted(fault.Errorf(fault.Conflict, "job %s has changed since: its etag is another", j.Key.ID))
	}
	if err != nil {
		return nil, err
	}
	return a.render(j), nil
}

func updateMask(camel, snake string) (labels, etag bool, err error) {
	mask := camel
	if mask == "" {
		mask = snake
	}
	if mask == "" {
		return false, false, invalid("update_mask", "The update mask is required; it can name labels and etag.")
	}
	for path := range strings.SplitSeq(mask, ",") {
		switch path = strings.TrimSpace(path); {
		case path == "labels":
			labels = true
		case path == "etag":
			etag = true
		default:
			return false, false, invalid("update_mask", "The path '%s' cannot be updated; only labels (and etag) can.", path)
		}
	}
	return labels, etag, nil
}
