package mlv1

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	ml "google.golang.org/api/ml/v1"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/pattern"
)

// What the API sets as limits.
const (
	maxPackages = 100
	minWait     = 30 * time.Minute
	weekOfRun   = 7 * 24 * time.Hour
	maxPriority = 1000
)

var versionPattern = pattern.New(`^([0-9]{1,4})\.([0-9]{1,4})$`)

// checker finds what is wrong with the meaning of a document whose form was
// read. The first hint wins.
type checker struct {
	rules      Rules
	job        *ml.GoogleCloudMlV1__Job
	in         *ml.GoogleCloudMlV1__TrainingInput
	broken     []string // paths whose values could not be read; nothing more is said of them
	violations []fault.Violation
	notes      []string
	warnings   []string
	hint       string

	accelerators int // of all groups so far
}

func (c *checker) wrong(field, format string, args ...any) {
	for _, full := range []string{field, "job." + field, "job.training_input." + field} {
		for _, b := range c.broken {
			if b == full || strings.HasPrefix(b, full+"[") || strings.HasPrefix(full, b+".") {
				return
			}
		}
	}
	c.violations = append(c.violations, fault.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
}

// refused notes an error of a rule.
func (c *checker) refused(field string, err error) {
	c.wrong(field, "%s", err)
	if c.hint == "" {
		c.hint = fault.HintOf(err)
	}
}

// missing refuses what the API has and this server does not. It says so rather
// than running the job without it.
func (c *checker) missing(field, what string) {
	c.wrong(field, "%s not available on this server.", what)
}

// check makes the specification. It is of use only when no violation was found.
func (c *checker) check(project job.Project) job.Spec {
	s := job.Spec{Labels: c.job.Labels, Key: job.Key{Project: project}}
	switch id, err := job.ParseID(c.job.JobId); {
	case c.job.JobId == "":
		c.wrong("job.job_id", "The job id is required.")
	case err != nil:
		c.refused("job.job_id", err)
	default:
		s.Key.ID = id
	}
	c.violations = append(c.violations, job.CheckLabels(c.job.Labels)...)
	if c.job.PredictionInput != nil {
		c.missing("prediction_input", "Batch prediction is")
		if c.in != nil {
			c.wrong("job", "Only one of training_input and prediction_input can be set.")
		}
	}
	if c.in == nil {
		if c.job.PredictionInput == nil {
			c.wrong("training_input", "The training input is required.")
		}
		return s
	}
	c.cluster(&s)
	c.program(&s)
	c.place(&s)
	c.versions(&s)
	c.scheduling(&s)
	c.unbuilt()
	s.Primary = primary(s.RuntimeVersion)
	if c.hosted() != "" && !c.in.UseChiefInTfConfig { // as in every image
		s.Primary = "master"
	}
	s.Warnings = c.warnings
	return s
}

// program checks what is run.
func (c *checker) program(s *job.Spec) {
	in := c.in
	switch n := len(in.PackageUris); {
	case n == 0:
		c.wrong("package_uris", "At least one package is required.")
	case n > maxPackages:
		c.wrong("package_uris", "At most %d packages are allowed; there are %d.", maxPackages, n)
	}
	for _, uri := range in.PackageUris {
		if err := checkObject(uri); err != nil {
			c.wrong("package_uris", "The package URI '%s' is not valid: %s.", uri, err)
		}
		s.Packages = append(s.Packages, job.Package{URI: uri})
	}
	switch m := in.PythonModule; {
	case m == "":
		c.wrong("python_module", "The Python module is required.")
	case !IsModule(m), strings.HasSuffix(m, ".py"):
		c.wrong("python_module", "The Python module '%s' is not a dotted module name such as 'trainer.task'.", m)
	}
	for i, a := range in.Args {
		if strings.ContainsRune(a, 0) {
			c.wrong(fmt.Sprintf("args[%d]", i), "An argument cannot contain a NUL character.")
		}
	}
	if in.JobDir != "" {
		if err := checkPrefix(in.JobDir); err != nil {
			c.wrong("job_dir", "The job directory '%s' is not valid: %s.", in.JobDir, err)
		}
	}
	s.Module, s.Args, s.JobDir = in.PythonModule, in.Args, in.JobDir
}

// IsModule tells a module's dotted name: runpy takes any that the import system finds,
// with dashes too. It is no regular expression, since one with Unicode's classes
// costs every start of the command line.
func IsModule(module string) bool {
	for part := range strings.SplitSeq(module, ".") {
		if part == "" {
			return false
		}
		for i, r := range part {
			if r != '_' && !unicode.IsLetter(r) && (i == 0 || r != '-' && !unicode.IsNumber(r)) {
				return false
			}
		}
	}
	return true
}

// place checks where it runs.
func (c *checker) place(s *job.Spec) {
	s.Region = c.in.Region
	switch {
	case s.Region == "":
		c.wrong("region", "The region is required.%s", options(c.rules.Regions))
	case c.rules.Regions != nil && !slices.Contains(c.rules.Regions, s.Region):
		c.wrong("region", "The provided GCE region '%s' is not available.%s", s.Region, options(c.rules.Regions))
	}
}

func options(regions []string) string {
	if len(regions) == 0 {
		return ""
	}
	return " Options are [" + strings.Join(slices.Sorted(slices.Values(regions)), ", ") + "]."
}

// versions checks the runtime and Python versions as a pair.
func (c *checker) versions(s *job.Spec) {
	s.RuntimeVersion, s.PythonVersion = c.in.RuntimeVersion, c.in.PythonVersion
	if image := c.hosted(); image != "" {
		if s.RuntimeVersion != "" {
			c.wrong("runtime_version", "Only one of runtime_version and master_config.image_uri can be set.")
			return
		}
		s.RuntimeVersion = image
		c.notes = append(c.notes, fmt.Sprintf("The image %s runs as the runtime version %s: its packages, without a container.", c.in.MasterConfig.ImageUri, image))
	}
	_, _, runtimeOK := version(s.RuntimeVersion)
	_, _, pythonOK := version(s.PythonVersion)
	if s.PythonVersion != "" && !pythonOK {
		c.wrong("python_version", "The Python version '%s' is not of the form MAJOR.MINOR, such as '3.11'.", s.PythonVersion)
		return
	}
	refusal := fmt.Sprintf("The specified runtime version '%s' with the Python version '%s' is not supported or is deprecated.  Please specify a different runtime version.", s.RuntimeVersion, s.PythonVersion)
	if c.rules.Runtime == nil && s.RuntimeVersion != "" && !runtimeOK {
		c.wrong("runtime_version", "%s A runtime version is of the form MAJOR.MINOR, such as '2.11'.", refusal)
		return
	}
	if c.rules.Runtime == nil {
		return
	}
	got, err := c.rules.Runtime(s.RuntimeVersion, s.PythonVersion)
	switch e, ok := errors.AsType[*fault.Error](err); {
	case ok && len(e.Violations) > 0: // it says all by itself
		for _, v := range e.Violations {
			c.wrong(v.Field, "%s", v.Description)
		}
		if c.hint == "" {
			c.hint = e.Hint
		}
	case err != nil:
		c.refused("runtime_version", fmt.Errorf("%s %w", refusal, err))
	}
	// A later attempt gets the same, whatever the server's defaults are then.
	s.RuntimeVersion, s.PythonVersion = cmp.Or(s.RuntimeVersion, got.Version), cmp.Or(s.PythonVersion, got.Python)
	c.notes, c.warnings = append(c.notes, got.Notes...), append(c.warnings, got.Warnings...)
}

// version takes MAJOR.MINOR apart.
func version(s string) (major, minor int, ok bool) {
	p := versionPattern.FindStringSubmatch(s)
	if p == nil {
		return 0, 0, false
	}
	major, _ = strconv.Atoi(p[1])
	minor, _ = strconv.Atoi(p[2])
	return major, minor, true
}

func (c *checker) scheduling(s *job.Spec) {
	s.MaxRunning = weekOfRun
	w := c.in.Scheduling
	if w == nil {
		return
	}
	if w.MaxRunningTime != "" {
		if s.MaxRunning = seconds(w.MaxRunningTime); s.MaxRunning <= 0 {
			c.wrong("scheduling.max_running_time", "The maximum running time must be greater than 0s; received: %s.", w.MaxRunningTime)
		}
	}
	if w.MaxWaitTime != "" {
		if s.MaxWait = seconds(w.MaxWaitTime); s.MaxWait < minWait {
			c.wrong("scheduling.max_wait_time", "The maximum wait time must be at least 1800s; received: %s.", w.MaxWaitTime)
		}
	}
	if s.Priority = int(w.Priority); w.Priority < 0 || w.Priority > maxPriority {
		c.wrong("scheduling.priority", "The priority must be between 0 and %d; received: %d.", maxPriority, w.Priority)
	}
}

// unbuilt refuses what is set and cannot be done.
func (c *checker) unbuilt() {
	in := c.in
	if in.Hyperparameters != nil {
		c.missing("hyperparameters", "Hyperparameter tuning is")
	}
	if in.EnableWebAccess {
		c.missing("enable_web_access", "Interactive web access is")
	}
	if in.Network != "" {
		c.missing("network", "A network of one's own is")
	}
	if in.ServiceAccount != "" {
		c.missing("service_account", "A service account of one's own is")
	}
	if in.EncryptionConfig != nil && in.EncryptionConfig.KmsKeyName != "" {
		c.missing("encryption_config.kms_key_name", "Encryption with a key of one's own is")
	}
}
