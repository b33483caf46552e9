package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

// key is one setting: its name on the command line and in the file, its
// variables, and how it is read and shown.
type key struct {
	name string
	env  []string // after TRAINYARD_NAME
	def  string
	help string
	set  func(s *Settings, text string) error
	get  func(s *Settings) string
}

// variables are the names in the environment, the strongest first.
func (k key) variables() []string {
	own := "TRAINYARD_" + strings.ToUpper(strings.ReplaceAll(k.name, "-", "_"))
	return append([]string{own}, k.env...)
}

var keys = []key{
	text("endpoint", "", "address of the server; empty for one of your own, started when needed", endpoint, func(s *Settings) *string { return &s.Endpoint }),
	text("project", "local", "project that jobs and buckets belong to", project, func(s *Settings) *string { return &s.Project }, "CLOUDSDK_CORE_PROJECT"),
	text("region", "", "region that jobs name; empty for the server's first", nil, func(s *Settings) *string { return &s.Region }, "CLOUDSDK_COMPUTE_REGION"),
	text("staging-bucket", "", "bucket that packages are uploaded to; empty for the server's default bucket", nil, func(s *Settings) *string { return &s.StagingBucket }),
	secret("token", "token sent to the server", func(s *Settings) *Secret { return &s.Token }),
	text("token-file", "", "file that holds the token, for the client and for the server", nil, func(s *Settings) *string { return &s.TokenFile }),
	boolean("quiet", "no progress, no questions, no advice", func(s *Settings) *bool { return &s.Quiet }),
	text("format", "", "output format: yaml, json, table(…), value(…), csv(…)", nil, func(s *Settings) *string { return &s.Format }),

	text("listen", "127.0.0.1:8450", "address that the server listens on", hostPort, func(s *Settings) *string { return &s.Listen }),
	text("data-dir", "", "folder that holds everything the server keeps", named, func(s *Settings) *string { return &s.DataDir }),
	on("storage-proxy", "serve gs:// in jobs to programs that have Google's hosts compiled in, such as TensorFlow", func(s *Settings) *bool { return &s.StorageProxy }),
	on("private-tmp", "give each replica a /tmp of its own, where the kernel can", func(s *Settings) *bool { return &s.PrivateTmp }),
	count("max-parallel-jobs", "jobs that may run at once; 0 for as many as fit the machine", func(s *Settings) *int { return &s.MaxParallelJobs }),
	size("job-memory", "0", "memory that one job may use, as in 4GiB; 0 for what its machine type says", func(s *Settings) *int64 { return &s.JobMemory }),
	text("machines", "", "file with machine types and scale tiers of the site's own, put over the built-in ones", nil, func(s *Settings) *string { return &s.Machines }),
	duration("cancel-grace", "30s", "time between asking a cancelled program to end and killing it", func(s *Settings) *time.Duration { return &s.CancelGrace }),
	text("prices", "", "file with a price sheet, for what jobs cost", nil, func(s *Settings) *string { return &s.Prices }),
	duration("keep-failed", "24h", "how long the working directory of a failed job is kept", func(s *Settings) *time.Duration { return &s.KeepFailed }),
	days("keep-jobs", "0", "how long jobs, their logs and staged packages are kept after their end, as in 90d or 36h; 0 for ever", func(s *Settings) *time.Duration { return &s.KeepJobs }),
	list("regions", strings.Join(defaultRegions, ","), "regions that jobs may name, the default first", func(s *Settings) *[]string { return &s.Regions }),
	text("default-bucket", "trainyard-default", "bucket that exists from the first start", nil, func(s *Settings) *string { return &s.DefaultBucket }),
	places("buckets", "where in a cloud buckets are kept, as in models=s3://company-models; the others are on this machine's disk", func(s *Settings) *[]string { return &s.Buckets }),
	level("log-level", "info", "least severe line that the server logs: debug, info, warn, error", func(s *Settings) *slog.Level { return &s.LogLevel }),
	text("installer", "auto", "what installs packages: auto, uv or pip", oneOf("auto", "uv", "pip"), func(s *Settings) *string { return &s.Installer }),
	text("uv", "", "path of the uv executable; empty to find or fetch one", nil, func(s *Settings) *string { return &s.UV }),
	boolean("fetch-pythons", "have uv fetch a Python that a job asks for and that is not on the machine", func(s *Settings) *bool { return &s.FetchPythons }),
	text("default-runtime", "", "runtime version of jobs that name none; empty for the newest Python, without packages", nil, func(s *Settings) *string { return &s.DefaultRuntime }),
	size("environments-size", "50GiB", "disk space that Python environments may take, as in 50GiB; those used longest ago go first; 0 for no limit", func(s *Settings) *int64 { return &s.EnvironmentsSize }),
	text("local-python", "", "Python that 'local train --in-place' runs; empty for python on PATH", nil, func(s *Settings) *string { return &s.LocalPython }, "CLOUDSDK_ML_ENGINE_LOCAL_PYTHON"),
	list("pythons", "", "Python interpreters to use besides those found, by path", func(s *Settings) *[]string { return &s.Pythons }),
}

// Keys lists the names of all settings.
func Keys() []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

// Known reports whether there is a setting of this name.
func Known(name string) bool {
	_, ok := find(name)
	return ok
}

// Help says in a line what a setting is for.
func Help(name string) string {
	k, _ := find(name)
	return k.help
}

// DefaultOf is a setting's default as text; empty where it has none.
func DefaultOf(name string) string {
	k, _ := find(name)
	return k.def
}

func find(name string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

func text(name, def, help string, check func(string) error, field func(*Settings) *string, env ...string) key {
	return key{name, env, def, help, func(s *Settings, t string) error {
		if check != nil {
			if err := check(t); err != nil {
				return err
			}
		}
		*field(s) = t
		return nil
	}, func(s *Settings) string { return *field(s) }}
}

func secret(name, help string, field func(*Settings) *Secret) key {
	return key{name, nil, "", help, func(s *Settings, t string) error {
		*field(s) = NewSecret(t)
		return nil
	}, func(s *Settings) string { return field(s).String() }}
}

func boolean(name, help string, field func(*Settings) *bool) key {
	return truth(name, "false", help, field)
}

// on is a boolean that is true unless it is said to be false.
func on(name, help string, field func(*Settings) *bool) key { return truth(name, "true", help, field) }

func truth(name, def, help string, field func(*Settings) *bool) key {
	return key{name, nil, def, help, func(s *Settings, t string) error {
		v, err := strconv.ParseBool(strings.ToLower(t))
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", t)
		}
		*field(s) = v
		return nil
	}, func(s *Settings) string { return strconv.FormatBool(*field(s)) }}
}

func count(name, help string, field func(*Settings) *int) key {
	return key{name, nil, "0", help, func(s *Settings, t string) error {
		v, err := strconv.Atoi(t)
		if err != nil || v < 0 {
			return fmt.Errorf("%q is not a whole number of 0 or more", t)
		}
		*field(s) = v
		return nil
	}, func(s *Settings) string { return strconv.Itoa(*field(s)) }}
}

func size(name, def, help string, field func(*Settings) *int64) key {
	return key{name, nil, def, help, func(s *Settings, t string) error {
		v, err := ParseSize(t)
		if err != nil {
			return err
		}
		*field(s) = v
		return nil
	}, func(s *Settings) string { return FormatSize(*field(s)) }}
}

func duration(name, def, help string, field func(*Settings) *time.Duration) key {
	return key{name, nil, def, help, func(s *Settings, t string) error {
		v, err := time.ParseDuration(t)
		if err != nil || v < 0 {
			return fmt.Errorf("%q is not a duration such as 30s, 5m or 24h", t)
		}
		*field(s) = v
		return nil
	}, func(s *Settings) string { return field(s).String() }}
}

func list(name, def, help string, field func(*Settings) *[]string) key {
	return key{name, nil, def, help, func(s *Settings, t string) error {
		var out []string
		for p := range strings.SplitSeq(t, ",") {
			if p = strings.TrimSpace(p); p != "" {
				out = append(out, p)
			}
		}
		*field(s) = out
		return nil
	}, func(s *Settings) string { return strings.Join(*field(s), ",") }}
}

// places is a list of NAME=URL; in the file it may be a mapping. What the URLs
// mean is not known here, but that they hold no secret is.
func places(name, help string, field func(*Settings) *[]string) key {
	k := list(name, "", help, field)
	set := k.set
	k.set = func(s *Settings, t string) error {
		if err := set(s, t); err != nil {
			return err
		}
		for _, p := range *field(s) {
			name, place, ok := strings.Cut(p, "=")
			switch u, err := url.Parse(place); {
			case ok && name != "" && !strings.Contains(place, "://"):
				return fmt.Errorf("the place of %s is none such as s3://company-models, gs://… or azblob://…", name)
			case !ok || name == "":
				return fmt.Errorf("expected NAME=PLACE, as in models=s3://company-models, with commas between; see %q", name)
			case err != nil:
				return fmt.Errorf("the place of %s is not a URL", name)
			case u.User != nil:
				return fmt.Errorf("the place of %s holds credentials; the server takes them from where the cloud's own programs do", name)
			}
		}
		return nil
	}
	return k
}

func level(name, def, help string, field func(*Settings) *slog.Level) key {
	return key{name, nil, def, help, func(s *Settings, t string) error {
		var l slog.Level
		if err := l.UnmarshalText([]byte(t)); err != nil {
			return fmt.Errorf("%q is none of debug, info, warn, error", t)
		}
		*field(s) = l
		return nil
	}, func(s *Settings) string { return strings.ToLower(field(s).String()) }}
}

func oneOf(choices ...string) func(string) error {
	return func(t string) error {
		if !slices.Contains(choices, t) {
			return fmt.Errorf("%q is none of %s", t, strings.Join(choices, ", "))
		}
		return nil
	}
}

func endpoint(t string) error {
	if t == "" {
		return nil
	}
	u, err := url.Parse(t)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		err := fault.Errorf(fault.Invalid, "%q is not an address such as http://127.0.0.1:8450", t)
		if hostPort(t) == nil {
			return err.WithHint("did you mean http://%s?", t)
		}
		return err
	}
	return nil
}

func hostPort(t string) error {
	if _, _, err := net.SplitHostPort(t); err != nil {
		return fmt.Errorf("%q is not an address such as 127.0.0.1:8450", t)
	}
	return nil
}

// named refuses the empty path, which would be wherever one happens to be: as
// an unset variable in a script is.
func named(t string) error {
	if t == "" {
		return errors.New("a folder is expected, and none is named")
	}
	return nil
}

func project(t string) error {
	if t == "" {
		return fault.Errorf(fault.Invalid, "the project is set to the empty string, which is not valid")
	}
	return nil
}
