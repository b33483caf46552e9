//go:build unix

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gofrs/flock"

	"github.com/trainyard/trainyard/internal/access"
	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/control"
	"github.com/trainyard/trainyard/internal/executor/process"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/keep"
	"github.com/trainyard/trainyard/internal/lifecycle"
	"github.com/trainyard/trainyard/internal/logs"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pyenv"
	"github.com/trainyard/trainyard/internal/retain"
	"github.com/trainyard/trainyard/internal/server"
	"github.com/trainyard/trainyard/internal/server/logapi"
	"github.com/trainyard/trainyard/internal/server/mlapi"
	"github.com/trainyard/trainyard/internal/server/storageapi"
	"github.com/trainyard/trainyard/internal/server/yardapi"
	"github.com/trainyard/trainyard/internal/signurl"
	"github.com/trainyard/trainyard/internal/store"
)

// lockPatience is how long a server waits for the one before it to let go of
// the data directory.
const lockPatience = 2 * time.Second

// stopGrace is how long the parts of the server may take to stop.
const stopGrace = 9 * time.Second

// serve runs a server until ctx ends.
func serve(ctx context.Context, s config.Settings, out io.Writer, ready func(endpoint string)) error {
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: s.LogLevel}))
	// What requests leave behind is collected early: an idle server is small.
	debug.SetGCPercent(50)

	dir, err := filepath.Abs(s.DataDir)
	if err != nil {
		return fault.Errorf(fault.Invalid, "data directory %s: %w", s.DataDir, err)
	}
	s.DataDir = dir
	unlock, err := lockData(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	if os.Geteuid() == 0 {
		log.Warn("running as root: programs of jobs run as root too")
	}

	jobs, err := store.Open(ctx, filepath.Join(dir, "trainyard.db"), log)
	if err != nil {
		return err
	}
	defer jobs.Close()
	objects, err := disk.Open(ctx, filepath.Join(dir, "gs"), log)
	if err != nil {
		return err
	}
	defer objects.Close()
	buckets, closeBuckets, err := openBuckets(ctx, dir, s, objects, log)
	if err != nil {
		return err
	}
	defer closeBuckets()
	installs, wheels := environments(s, os.Environ(), log), &wheelhouse{token: s.Token.Reveal()}
	installs.Folders = wheels.bring
	pythons, err := pyenv.Open(filepath.Join(dir, "environments"), installs)
	if err != nil {
		return err
	}
	if err := pythons.Runtimes().CheckDir(); err != nil {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	tokens, err := access.OpenTokens(filepath.Join(dir, "tls"))
	if err != nil {
		return err
	}
	box, err := keep.MakeBox(dir)
	if err != nil {
		return err
	}
	reach := access.Buckets{Store: buckets, Common: job.Project(s.Project), Shared: s.DefaultBucket}
	processes, err := process.New(process.Options{
		DataDir: dir, Binary: binary, Token: tokens.Of, JobMemory: s.JobMemory,
		StorageProxy: s.StorageProxy, PrivateTmp: s.PrivateTmp,
		Environments: forAgents(s), Log: log,
	})
	if err != nil {
		return err
	}
	options := control.Options{
		Store: jobs, Executor: processes, Log: log,
		Settings: control.Settings{MaxParallel: s.MaxParallelJobs, JobMemory: s.JobMemory, Grace: s.CancelGrace, KeepFailed: s.KeepFailed, Owner: owner()},
	}
	machines, err := readMachines(s)
	if err != nil {
		return err
	}
	prices, err := readPrices(s, machines.Machine)
	if err != nil {
		return err
	}
	options.Price = func(j job.Job, attempts []job.Attempt, now time.Time) (any, bool) {
		return prices.Job(j, attempts, now)
	}
	controller := control.New(options)
	capacity, err := processes.Capacity(ctx)
	if err != nil {
		return err
	}

	token := s.Token.Reveal()
	listener, err := server.Listen(ctx, s.Listen, token)
	if err != nil {
		return err
	}
	defer listener.Close()
	endpoint := server.Endpoint(listener.Addr())
	wheels.endpoint = endpoint
	if listener, err = overTLS(dir, s.Project, listener); err != nil {
		return err
	}
	account, err := openAccount(dir, s.Project, endpoint)
	if err != nil {
		return err
	}
	reader := logs.NewReader(filepath.Join(dir, "jobs"), source{jobs})
	polls := &logs.Polls{Reader: reader}
	rules := mlv1.Rules{
		Regions:  s.Regions,
		Machines: machines,
		Runtime:  func(runtime, python string) (mlv1.Runtime, error) { return checkRuntime(pythons, runtime, python) },
		Accelerators: func(kind string, count int) error {
			if count > capacity.GPUs {
				return fmt.Errorf("the job asks for %d %s; this machine has %d GPUs", count, kind, capacity.GPUs)
			}
			return nil
		},
	}
	kept := &retain.Keeper{Jobs: jobs, Objects: buckets, Bucket: s.DefaultBucket, Dir: filepath.Join(dir, "jobs"), Keep: s.KeepJobs, Log: log}
	accept := mlJobs{jobs, reach, controller.Consumed, kept}
	handler := server.New(server.Options{
		ML: mlapi.New(mlapi.Options{Jobs: accept, Packages: packages{reach}, Rules: rules, Seal: sealed(box), Polled: polls.UpTo, Log: log,
			Position: func(k job.Key) (int64, bool) {
				s, waits := controller.Standing(ctx, k)
				return int64(s.Before) + 1, waits
			}}),
		Logging: logapi.New(queries{polls}, log),
		Storage: storageapi.New(storageapi.Options{Store: reach, Room: objects.Room, URLs: &signurl.Verifier{Public: account.Public(), Known: account.Known}, Project: s.Project, Taken: server.Taken, Log: log}),
		Own: yardapi.New(yardapi.Options{
			Info: yardapi.Info{Version: version, Build: build, PID: os.Getpid(), Endpoint: endpoint, DataDir: dir, DefaultBucket: s.DefaultBucket, Buckets: placesOf(s.Buckets), Regions: s.Regions, Started: time.Now().UTC(), Embedded: s.Embedded},
			Jobs: yardJobs{jobs}, Lines: lines{reader}, Render: mlv1.RenderJSON, Log: log,
			Waiting: func(k job.Key) string {
				if s, waits := controller.Standing(ctx, k); waits {
					return s.Reason()
				}
				return ""
			},
			Replicas:     func(ctx context.Context, j job.Job) (any, error) { return controller.Replicas(ctx, j, jobs) },
			Load:         func(ctx context.Context) (any, error) { return load(ctx, controller) },
			Why:          func(ctx context.Context, j job.Job) (any, error) { return controller.Why(ctx, j, jobs) },
			Environments: &keeper{Cache: pythons},
			Made:         func(j job.Job) ([]byte, error) { return made(dir, j) },
			Repeat:       &again{accept, buckets, s.DefaultBucket, dir, pythons, box},
			Delete:       kept.Delete,
		}),
		Token: token,
		Admit: func(ctx context.Context, token string) (context.Context, bool, error) {
			return tokens.Admit(ctx, token, jobs.Job)
		},
		Account: func(bearer string) bool { return account.Good(bearer, time.Now()) },
		Tokens:  account.Tokens(cmp.Or(token, "none-needed")),
		Proven:  storageapi.Proves,
		Ready:   func(context.Context) error { return objects.Ready() },
		Log:     log,
	})

	return lifecycle.Run(ctx, stopGrace,
		lifecycle.Part{Name: "http", Run: func(ctx context.Context, up func()) error {
			// The relays of running programs find the server by this file; what
			// they ask for is answered from here on.
			if err := writeRecord(dir, endpoint); err != nil {
				return err
			}
			up()
			return server.Serve(ctx, listener, handler, 3*time.Second, log)
		}},
		lifecycle.Part{Name: "control", Run: func(ctx context.Context, up func()) error {
			return controller.Run(ctx, func() {
				log.Info("ready", "endpoint", endpoint, "data", dir, "version", version)
				ready(endpoint)
				up()
			})
		}},
		lifecycle.Part{Name: "environments", Run: func(ctx context.Context, up func()) error {
			up()
			return (&keeper{Cache: pythons}).tend(ctx, s.EnvironmentsSize, log)
		}},
		lifecycle.Part{Name: "meter", Run: func(ctx context.Context, up func()) error {
			up()
			processes.Sample(ctx)
			return nil
		}},
		lifecycle.Part{Name: "retention", Run: func(ctx context.Context, up func()) error {
			up()
			kept.Run(ctx)
			return nil
		}},
		lifecycle.Part{Name: "sweep", Run: func(ctx context.Context, up func()) error {
			up()
			for every := time.NewTicker(10 * time.Minute); ; {
				if err := processes.Sweep(ctx); err != nil && ctx.Err() == nil {
					log.Warn("sweeping kept working directories failed", "err", err)
				}
				select {
				case <-every.C:
				case <-ctx.Done():
					every.Stop()
					return nil
				}
			}
		}},
	)
}

// load is how full the machine is, as the loop sees it.
func load(ctx context.Context, c *control.Controller) (any, error) {
	l, ok := c.Load(ctx)
	if !ok {
		return nil, fault.Errorf(fault.Unavailable, "the server is starting or ending; try again")
	}
	return l, nil
}

// lockData makes this server the only one on a data directory.
func lockData(ctx context.Context, dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Errorf(fault.Invalid, "cannot make the data directory: %w", err).WithHint("choose another with --data-dir or TRAINYARD_DATA_DIR")
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	// A process that a killed server was about to start holds its files open for
	// a moment longer.
	wait, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	ok, err := lock.TryLockContext(wait, 5*time.Millisecond)
	if err != nil && wait.Err() == nil {
		return nil, fault.Errorf(fault.Invalid, "cannot lock the data directory: %w", err)
	}
	if !ok {
		return nil, fault.Errorf(fault.Conflict, "another server uses the data directory %s", dir).WithHint("TRAINYARD_DATA_DIR=%s trainyard server status tells of it; or choose another with --data-dir", dir)
	}
	return func() { _ = lock.Close() }, nil
}

// writeRecord says in the data directory who serves it and where.
func writeRecord(dir, endpoint string) error {
	b, err := json.Marshal(map[string]any{"pid": os.Getpid(), "endpoint": endpoint, "version": version, "build": build})
	if err != nil {
		return err
	}
	return agent.WriteFile(filepath.Join(dir, "server.json"), b, false)
}

func owner() string {
	host, _ := os.Hostname()
	return host + "/" + strconv.Itoa(os.Getpid())
}

// source is the store as the reader of logs asks for it.
type source struct{ *store.Store }

func (s source) EachJob(ctx context.Context, p job.Project, fn func(job.Job) error) error {
	for before := int64(0); ; {
		page, next, err := s.List(ctx, p, store.ListQuery{Before: before, Max: 500})
		if err != nil {
			return err
		}
		for _, j := range page {
			if err := fn(j); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		before = next
	}
}

// packages is the object store as the ml wire asks for it.
type packages struct{ bucket.Store }

func (p packages) Stat(ctx context.Context, uri string) (job.Package, error) {
	b, name, ok := mlv1.SplitURI(uri)
	if !ok {
		return job.Package{}, fault.Errorf(fault.NotFound, "%s is not the URL of an object", uri)
	}
	o, err := p.Store.Stat(ctx, b, name, 0, bucket.Conditions{})
	if err != nil {
		return job.Package{}, err
	}
	return job.Package{URI: uri, Generation: o.Generation, Size: o.Size, MD5: o.MD5}, nil
}

func (p packages) HasBucket(ctx context.Context, name string) (bool, error) {
	_, err := p.Store.Bucket(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}
