package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/stage"
)

// runLikeCloud submits the program as a job of the server on this machine and
// is its terminal: see docs/adr/0010.
func runLikeCloud(ctx context.Context, o *localOptions) error {
	s, err := o.Config()
	if err != nil {
		return err
	}
	if _, err := job.ParseProject(s.Project); err != nil {
		return err
	}
	if o.dir != "" {
		o.jobDir.check = anyJobDir
		if err := o.jobDir.Set(o.dir); err != nil {
			told := usagef("argument --job-dir: %w", err)
			if h, ok := errors.AsType[*hinted](err); ok {
				return told.withHint("%s", h.hint)
			}
			return told
		}
	}
	o.job, o.stageAs = "local", "local"
	doc, err := o.document(s)
	if err != nil {
		return err
	}
	in := doc.Sub("trainingInput")
	if o.cluster {
		o.describeCluster(in)
	}
	p, err := o.gather(doc)
	if err != nil {
		return err
	}
	defer p.close()
	if err := o.build(ctx, p, in); err != nil {
		return interrupted(ctx, err, "Interrupted while packaging.")
	}
	if p.group, err = stage.Read(p.local, p.sums); err != nil {
		return err
	}
	if err := o.checkCode(ctx, s, p, in); err != nil {
		return interrupted(ctx, err, "Interrupted while looking into the code.")
	}
	c, err := o.here(ctx, s)
	if err != nil {
		return interrupted(ctx, err, "Interrupted before the program was started.")
	}
	o.job = localID(in.Text("pythonModule"), time.Now())
	doc["jobId"] = o.job
	silent := s
	silent.Quiet = true // which bucket the packages pass through is not news here
	if err := o.place(ctx, c, silent, doc, p); err != nil {
		return interrupted(ctx, err, "Interrupted before the program was started.")
	}
	if err := o.upload(ctx, c, s, doc, p); err != nil {
		return interrupted(ctx, o.oneOnly(err), "Interrupted before the program was started.")
	}
	p.close()
	return o.attach(ctx, c, s, doc)
}

// describeCluster asks for the replicas; what they run on is the machine.
func (o *localOptions) describeCluster(in mlv1.Doc) {
	const machine = "n1-standard-4"
	in["scaleTier"], in["masterType"] = string(job.Custom), machine
	for _, r := range []struct {
		field string
		n     int
	}{{"worker", o.workers.or(2)}, {"parameterServer", o.servers.or(2)}, {"evaluator", o.evaluators.or(0)}} {
		if r.n > 0 {
			in[r.field+"Type"], in[r.field+"Count"] = machine, fmt.Sprint(r.n)
		}
	}
}

// oneOnly adds the way out where the server runs no clusters.
func (o *localOptions) oneOnly(err error) error {
	if o.cluster && fault.Is(err, fault.Invalid) && fault.HintOf(err) == "" {
		return fault.Errorf(fault.Invalid, "%w", err).WithHint("--in-place runs a cluster of processes with your own Python")
	}
	return err
}

// here is a client of a server on this machine: the configured one where it is
// here, else the user's own, which is started when it is not there.
func (o *localOptions) here(ctx context.Context, s config.Settings) (*client.Client, error) {
	if s.Endpoint == "" {
		return o.Client(ctx)
	}
	c, err := o.Client(ctx)
	if err != nil {
		return nil, err
	}
	if info, err := c.Server(ctx); err == nil && isHere(info) {
		return c, nil
	}
	if o.EnsureServer == nil {
		return nil, fault.Errorf(fault.Invalid, "the server at %s is not on this machine, and there is none of your own", s.Endpoint)
	}
	o.Say("The server at %s (%s) is not on this machine; using your own.", s.Endpoint, s.SourceOf("endpoint"))
	endpoint, err := o.EnsureServer(ctx, s)
	if err != nil {
		return nil, err
	}
	return client.New(client.Options{Endpoint: endpoint, Token: s.Token.Reveal(), UserAgent: o.UserAgent()})
}

// isHere asks the server's data directory, if it is on this machine, whether it
// knows that server.
func isHere(info client.ServerInfo) bool {
	var r record
	b, err := os.ReadFile(filepath.Join(info.DataDir, "server.json"))
	return err == nil && json.Unmarshal(b, &r) == nil && r.PID == info.PID && filepath.IsAbs(info.DataDir)
}

// localID names the job of a local run.
func localID(module string, now time.Time) string {
	name := strings.Map(func(r rune) rune {
		if r < 128 && (r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, module)
	return fmt.Sprintf("local_%.60s_%s_%s", name, now.Format("20060102_150405"), strings.ToLower(rand.Text()[:6]))
}

// attach creates the job and shows what its program prints, each stream where
// it belongs, until it has ended. An interrupt ends the job.
func (o *localOptions) attach(ctx context.Context, c *client.Client, s config.Settings, doc mlv1.Doc) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return fault.Errorf(fault.Internal, "encode the job: %w", err)
	}
	all := context.WithoutCancel(ctx) // the program is ended by a wish, and then by itself
	_, warnings, err := c.Create(all, s.Project, body, rand.Text())
	if err != nil {
		return o.oneOnly(err)
	}
	for _, w := range warnings {
		o.Warn("%s", w)
	}
	defer context.AfterFunc(ctx, func() {
		o.Say("\nInterrupted; ending the program. Ctrl-C again leaves it to end by itself.")
		if err := c.Cancel(all, s.Project, o.job); err != nil {
			o.problem("the program cannot be ended: "+err.Error(), "trainyard jobs cancel "+o.job)
		}
	})()
	var last client.Job
	var exit *client.Exit
	err = c.Follow(all, s.Project, o.job, client.FollowOptions{}, func(e client.Event) error {
		switch {
		case e.Log != nil:
			return o.print(*e.Log, s.Quiet)
		case e.State != nil && strings.HasPrefix(e.State.Waiting, "waiting") && !s.Quiet:
			o.Say("The program is %s.", e.State.Waiting)
		case e.Exit != nil:
			exit = e.Exit
		case e.End != nil:
			last = *e.End
		}
		return nil
	})
	switch {
	case err != nil:
		_ = c.Cancel(all, s.Project, o.job) // nobody would see it
		return err
	case ctx.Err() != nil:
		return exitError(exitInterrupted)
	}
	if last.JobState() == job.Failed && exit != nil && exit.Step == "run" && exit.Code != 0 {
		o.problem(explained(last.ErrorMessage), "")
		return exitError(exit.Code)
	}
	return o.outcome(last)
}

// explained is of a job's error what the terminal does not show already: how
// the program ended, and the cause where it is known.
func explained(message string) string {
	parts := strings.Split(message, "\n\n")
	said, _, _ := strings.Cut(parts[0], "\n")
	for _, p := range parts[1:] {
		if strings.HasPrefix(p, "At: ") || strings.HasPrefix(p, "Cause: ") {
			said += "\n" + p
		}
	}
	return said
}

// print shows an entry of the log as the terminal would have it: what the
// program printed on its stream, what is said about it on standard error.
func (o *localOptions) print(e logs.Entry, quiet bool) error {
	w := o.Err
	switch {
	case e.Stream == "stdout":
		w = o.Out
	case e.Stream == "" && (e.Task == "service" || quiet) && e.Severity != logs.Warning && e.Severity != logs.Error && e.Severity != logs.Critical:
		return nil // that a job is queued and so on is not news here
	}
	_, err := fmt.Fprintln(w, strings.TrimRight(e.Message, "\n"))
	return err
}
