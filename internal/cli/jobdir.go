package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
)

// clouds are the schemes of a job dir in a cloud, as the server's buckets
// setting has them.
var clouds = map[string]string{"s3": "s3", "az": "azblob", "azblob": "azblob"}

// anyJobDir reads --job-dir: gs://, s3:// or az://, or a folder of this machine.
func anyJobDir(s string) (string, error) {
	scheme, rest, remote := strings.Cut(s, "://")
	switch {
	case s == "":
		return "", wrong("Must be gs://BUCKET/PATH, s3://BUCKET/PATH, az://CONTAINER/PATH or a folder")
	case strings.HasPrefix(s, "gs:"):
		return jobDir(s)
	case !remote:
		return s, nil
	case clouds[scheme] == "":
		return "", wrong("%s:// is none of gs://, s3://, az://", scheme)
	case strings.Trim(rest, "/") == "" || strings.HasPrefix(rest, "/"):
		return "", wrong("Must be of form %s://bucket/path", scheme)
	}
	return s, nil
}

// takeJobDir sorts out what kind of job dir the job has. A folder of this
// machine is no field of a job: useJobDir tells the program of it.
func (o *submitOptions) takeJobDir(in mlv1.Doc) error {
	dir := in.Text("jobDir")
	if dir == "" {
		return nil
	}
	if !o.jobDir.given {
		fixed, err := anyJobDir(dir)
		if err != nil {
			return fault.Errorf(fault.Invalid, "trainingInput.jobDir in %s: %w", o.config, err)
		}
		if dir = fixed; !strings.Contains(dir, "://") && !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(o.config), dir)
		}
		in["jobDir"] = dir
	}
	if strings.Contains(dir, "://") {
		return nil
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return fault.Errorf(fault.Invalid, "--job-dir %s: %w", dir, err)
	}
	o.folder = path
	delete(in, "jobDir")
	return nil
}

// useJobDir makes a job dir one that the server knows: one in a cloud has a
// gs:// name there, and a folder is made and handed to the program, if it runs
// on this machine.
func (o *submitOptions) useJobDir(ctx context.Context, c *client.Client, s config.Settings, in mlv1.Doc) error {
	dir := in.Text("jobDir")
	if o.folder == "" && (dir == "" || strings.HasPrefix(dir, "gs://")) {
		return nil
	}
	info, err := c.Server(ctx)
	if err != nil {
		return err
	}
	if o.folder == "" {
		name, ok := kept(info.Buckets, dir)
		if !ok {
			return notKept(dir)
		}
		if in["jobDir"] = name; !s.Quiet {
			o.Say("The job dir %s is %s on this server.", dir, name)
		}
		return nil
	}
	if !isHere(info) {
		return fault.Errorf(fault.Invalid, "--job-dir %s is a folder of this machine, and the server at %s is not on it", o.folder, cmp.Or(info.Endpoint, s.Endpoint)).
			WithHint("use --job-dir gs://BUCKET/PATH, which every server has")
	}
	if !s.Quiet {
		o.Say("The job dir is the folder %s of this machine.", o.folder)
	}
	if info, err := os.Stat(o.folder); err == nil && !info.IsDir() {
		return fault.Errorf(fault.Invalid, "--job-dir %s is a file, not a folder", o.folder)
	}
	if !o.dryRun {
		if err := os.MkdirAll(o.folder, 0o777); err != nil { //nolint:gosec // the user's own umask decides
			return fault.Errorf(fault.Invalid, "--job-dir %s is no folder that can be made: %s", o.folder, reason(err))
		}
	}
	if in["noJobDirArg"] == true {
		list, _ := in["env"].([]any)
		in["env"] = append(list, mlv1.Doc{"name": job.JobDirVariable, "value": o.folder})
		return nil
	}
	args, _ := in["args"].([]any)
	in["args"] = append(args, "--job-dir", o.folder)
	return nil
}

// kept is the gs:// name that a server has for a place in a cloud, by its
// buckets setting: names, or patterns with one *, and where each is.
func kept(buckets map[string]string, url string) (string, bool) {
	scheme, rest, _ := strings.Cut(url, "://")
	url = clouds[scheme] + "://" + rest
	best, found := "", 0
	for name, place := range buckets {
		m := starred(place, "(?:/(.*))?").FindStringSubmatch(url)
		if m == nil || len(place) <= found {
			continue
		}
		bucket := name
		if strings.Contains(name, "*") {
			if bucket = strings.Replace(name, "*", m[1], 1); ruled(buckets, bucket) != name {
				continue // a stronger rule keeps that bucket elsewhere
			}
		}
		best, found = "gs://"+bucket+"/"+m[len(m)-1], len(place)
	}
	return best, found > 0
}

// ruled is the rule that decides where a bucket is: its name, else the longest
// pattern.
func ruled(buckets map[string]string, bucket string) (rule string) {
	if _, exact := buckets[bucket]; exact {
		return bucket
	}
	for name := range buckets {
		if starred(name, "").MatchString(bucket) && (len(name) > len(rule) || len(name) == len(rule) && name < rule) {
			rule = name
		}
	}
	return rule
}

// starred matches what a pattern with a * fits, and more behind it.
func starred(pattern, more string) *regexp.Regexp {
	head, tail, star := strings.Cut(pattern, "*")
	middle := ""
	if star {
		middle = "([^/]+)"
	}
	return regexp.MustCompile("^" + regexp.QuoteMeta(head) + middle + regexp.QuoteMeta(tail) + more + "$")
}

func notKept(dir string) error {
	scheme, rest, _ := strings.Cut(dir, "://")
	bucket, path, _ := strings.Cut(rest, "/")
	return fault.Errorf(fault.Invalid, "--job-dir %s: this server keeps no bucket in %s://%s", dir, scheme, bucket).
		WithHint("add %[1]s=%[2]s://%[1]s to the setting buckets where the server runs, and start it again; the job dir is gs://%[1]s/%[3]s then", bucket, clouds[scheme], path)
}
