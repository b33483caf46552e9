package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
	"github.com/trainyard/trainyard/internal/pack"
	"github.com/trainyard/trainyard/internal/stage"
)

// packages are a job's archives on their way: remote ones first, then local
// ones, then the one built.
type packages struct {
	remote  []string
	local   []string // paths
	given   bool     // some package flag was given
	staging string   // gs://BUCKET; empty to use the job dir's
	jobDir  string
	temp    string            // folder of what was fetched and built
	sources string            // what is packaged: --package-path, or where that was fetched to
	commit  string            // of it, where it was fetched with git
	built   int               // how many of local were packaged here; they come last
	sums    map[string]string // their SHA-256 digests, by path
	skipped []pack.Skipped

	group *stage.Group // of local
}

func (p *packages) close() {
	if p.temp != "" {
		_ = os.RemoveAll(p.temp)
	}
}

// sorted sorts the packages that are given into remote and local ones, and
// checks that the local ones can be read.
func (o *submitOptions) sorted() (*packages, error) {
	p := &packages{given: len(o.packages) > 0 || o.packagePath != ""}
	for _, name := range o.packages {
		if _, ok := remote(name); ok {
			p.remote = append(p.remote, name)
			continue
		}
		if err := readable(name); err != nil {
			return nil, err
		}
		p.local = append(p.local, name)
	}
	return p, nil
}

// gather is the packages of a job, which must have some, and a module to run.
func (o *submitOptions) gather(doc mlv1.Doc) (*packages, error) {
	in := doc.Sub("trainingInput")
	p, err := o.sorted()
	if err != nil {
		return nil, err
	}
	p.jobDir = o.folder // for the code, which is asked whether it takes one
	listed, _ := in["packageUris"].([]any)
	master, _ := in["masterConfig"].(mlv1.Doc)
	switch {
	case !p.given && len(listed) == 0 && master.Text("imageUri") == "":
		return nil, fault.Errorf(fault.Invalid, "Non-custom jobs must have packages.").WithHint("name your package's folder with --package-path, or archives with --packages")
	case !p.given && len(listed) > 0:
		o.Say("Using the packageUris of %s.", o.config)
	}
	if master.Text("imageUri") == "" && in.Text("pythonModule") == "" && o.packagePath == "" {
		return nil, fault.Errorf(fault.Invalid, "no module to run is named").WithHint("name it with --module-name, as in --module-name trainer.task")
	}
	return p, nil
}

// readable checks a local archive as the original reports it.
func readable(path string) error {
	f, err := os.Open(path)
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil && info.IsDir() {
			err = errors.New("is a directory")
		}
		_ = f.Close()
	}
	if err == nil {
		return nil
	}
	e := fault.Errorf(fault.Invalid, "Unable to read file [%s]: %s", path, reason(err))
	if rest, ok := strings.CutPrefix(path, "gs:"); ok {
		if err := checkRemote(rest); err != nil {
			e = e.WithHint("%s", strings.SplitN(err.Error(), "\n", 2)[0])
			if fixed := "gs://" + strings.TrimLeft(rest, "/"); checkRemote(strings.TrimPrefix(fixed, "gs:")) == nil {
				return &fixError{e, func(args []string) []string { return withText(args, path, fixed) }}
			}
			return e
		}
	}
	if filepath.Ext(path) == "" && strings.HasSuffix(reason(err), "is a directory") {
		return e.WithHint("a folder is given with --package-path")
	}
	return e
}

// checkRemote says why what begins like a gs:// address is none.
func checkRemote(rest string) error {
	name, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return errors.New("an object is written gs://BUCKET/OBJECT; did you mean gs://" + strings.TrimLeft(rest, "/") + "?")
	}
	bucket, object, _ := strings.Cut(name, "/")
	if err := checkBucket(bucket); err != nil {
		return err
	}
	return checkObject(object)
}
