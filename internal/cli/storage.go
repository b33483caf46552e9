package cli

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

func newStorage(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "storage", Short: "Work with gs:// buckets and objects", RunE: group, Args: cobra.ArbitraryArgs,
		Long: "Work with gs:// buckets and objects.\n\nIn a gs:// URL that is read, * stands for anything but a slash, ** for anything,\n? for one character and [a-z] for one of a set.",
	}
	cmd.AddCommand(
		newStorageCp(a, false), newStorageCp(a, true), newStorageRsync(a), newStorageLs(a), newStorageCat(a), newStorageRm(a),
		newStorageDu(a), newStorageHash(a), newStorageSignURL(a), newObjects(a), newBuckets(a),
	)
	return cmd
}

// place is a place that a command line names: an object or a prefix in a
// bucket, a file, or - for standard input and output.
type place struct {
	Bucket     string // empty for a local path
	Name       string // object name or prefix, or the local path
	Generation int64  // of an object; 0 for the live one
}

func (l place) remote() bool { return l.Bucket != "" }

// std is standard input or output.
func (l place) std() bool { return !l.remote() && l.Name == "-" }

func (l place) String() string {
	switch {
	case !l.remote():
		return l.Name
	case l.Generation != 0:
		return fmt.Sprintf("gs://%s/%s#%d", l.Bucket, l.Name, l.Generation)
	}
	return "gs://" + l.Bucket + "/" + l.Name
}

func (l place) generation() string { return strconv.FormatInt(l.Generation, 10) }

// url is a place as it is shown to people: files as file:// URLs.
func (l place) url() string {
	if l.remote() || l.std() {
		return l.String()
	}
	return "file://" + filepath.ToSlash(l.Name)
}

var versioned = pattern.New(`(?s)\A(.+)#([0-9]{1,18})\z`)

// parseLocation reads a command-line word. Only gs://bucket/… is remote.
func parseLocation(s string) (place, error) {
	rest, ok := strings.CutPrefix(s, "gs://")
	if !ok {
		switch {
		case strings.HasPrefix(s, "gs:"):
			return place{}, usagef("%q is not a gs:// URL", s).withHint("did you mean gs://%s?", strings.TrimLeft(s[3:], "/"))
		case strings.HasPrefix(s, "s3://"), strings.HasPrefix(s, "az://"):
			return place{}, usagef("%q: only gs:// URLs and local paths are served", s)
		case s == "":
			return place{}, usagef("an empty path names nothing")
		}
		return place{Name: strings.TrimPrefix(s, "file://")}, nil
	}
	bucket, name, _ := strings.Cut(rest, "/")
	if bucket == "" {
		return place{}, usagef("%q names no bucket", s).withHint("a URL is gs://BUCKET/OBJECT")
	}
	l := place{Bucket: bucket, Name: name}
	if m := versioned.FindStringSubmatch(name); m != nil {
		l.Name = m[1]
		l.Generation, _ = strconv.ParseInt(m[2], 10, 64) // at most 18 digits
	}
	return l, nil
}

// remoteLocation is parseLocation for commands that work on gs:// only.
func remoteLocation(s string) (place, error) {
	l, err := parseLocation(s)
	if err == nil && !l.remote() {
		return l, usagef("%q is not a gs:// URL", s).withHint("a URL is gs://BUCKET/OBJECT")
	}
	return l, err
}

func remoteLocations(args []string) ([]place, error) {
	var all []place
	for _, arg := range args {
		l, err := remoteLocation(arg)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// wild reports whether a name has a wildcard, and where the part before it ends.
func wild(name string) (fixed string, ok bool) {
	i := strings.IndexAny(name, "*?[")
	if i < 0 {
		return name, false
	}
	return name[:i], true
}

// glob turns a wildcard into a pattern over whole names.
func glob(name string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case strings.HasPrefix(name[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case c == '[':
			end := strings.IndexByte(name[i:], ']')
			if end < 2 {
				return nil, usagef("wildcard %q has a [ without its ]", name)
			}
			set := name[i+1 : i+end]
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(strings.Replace(set, "!", "^", 1)) + "]")
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(name[i : i+1]))
		}
	}
	b.WriteString(`)\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, usagef("wildcard %q is not understood", name)
	}
	return re, nil
}

// missingBucket says how to make the bucket that a listing did not find.
func missingBucket(err error, bucket string) error {
	if fault.Is(err, fault.NotFound) {
		return fault.Errorf(fault.NotFound, "gs://%s bucket does not exist", bucket).WithHint("trainyard storage ls lists those that are there; make it with: trainyard storage buckets create gs://%s", bucket)
	}
	return err
}

func atLeastOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("argument %s: Must be specified.", name).withHint("see: %s --help", cmd.CommandPath())
		}
		return nil
	}
}

// recursiveFlag is -r, and -R, which is the same.
func recursiveFlag(cmd *cobra.Command, to *bool, help string) {
	cmd.Flags().BoolVarP(to, "recursive", "r", false, help)
	cmd.Flags().BoolVarP(to, "R", "R", false, "the same as -r")
	_ = cmd.Flags().MarkHidden("R")
}

// ignored takes flags of the original that change nothing here.
func ignored(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().String(name, "", "accepted and ignored")
		cmd.Flags().Lookup(name).NoOptDefVal = "true"
		_ = cmd.Flags().MarkHidden(name)
	}
}
