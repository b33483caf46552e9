package mlv1

import "strconv"

// Flags are what the command line says about a job. What is nil was not given
// and leaves the configuration file's value alone.
type Flags struct {
	JobID           string            // always replaces the file's
	Labels          map[string]string // replaces the whole map
	Module          *string           // --module-name
	Args            []string          // what follows "--"
	PackageURIs     []string          // remote, local, built, in this order; nil when no package flag was given
	Region          *string
	JobDir          *string
	ScaleTier       *string // enum name: BASIC_GPU
	RuntimeVersion  *string
	PythonVersion   *string
	Network         *string
	ServiceAccount  *string
	EnableWebAccess *bool
	KMSKey          *string // projects/P/locations/L/keyRings/R/cryptoKeys/K
	UseChief        *bool   // --use-chief-in-tf-config
	Master          ReplicaFlags
	Worker          ReplicaFlags
	ParameterServer ReplicaFlags
}

// ReplicaFlags are what the command line says about one role.
type ReplicaFlags struct {
	Type         *string // machine type
	Count        *int64  // not for the master
	Image        *string
	Accelerator  *Accelerator
	TPUTFVersion *string // --tpu-tf-version, the worker's
}

// Accelerator is --…-accelerator type=T,count=N with the enum's name.
type Accelerator struct {
	Type  string
	Count int64
}

// Merge lays the flags over a configuration and leaves both as they were. A
// flag replaces the field; images and accelerators replace within their
// sub-message. Other than with gcloud, the file's packageUris stay when no
// package flag was given.
func Merge(cfg Doc, f Flags) Doc {
	d := cfg.Clone()
	if d == nil {
		d = Doc{}
	}
	if f.JobID != "" {
		d["jobId"] = f.JobID
	}
	if f.Labels != nil {
		l := Doc{}
		for k, v := range f.Labels {
			l[k] = v
		}
		d["labels"] = l
	}
	in := d.Sub("trainingInput")
	set(in, "pythonModule", f.Module)
	setList(in, "args", f.Args)
	setList(in, "packageUris", f.PackageURIs)
	set(in, "region", f.Region)
	set(in, "jobDir", f.JobDir)
	set(in, "scaleTier", f.ScaleTier)
	set(in, "runtimeVersion", f.RuntimeVersion)
	set(in, "pythonVersion", f.PythonVersion)
	set(in, "network", f.Network)
	set(in, "serviceAccount", f.ServiceAccount)
	set(in, "enableWebAccess", f.EnableWebAccess)
	if f.KMSKey != nil {
		in["encryptionConfig"] = Doc{"kmsKeyName": *f.KMSKey}
	}
	set(in, "useChiefInTfConfig", f.UseChief)
	f.Master.over(in, "master")
	f.Worker.over(in, "worker")
	f.ParameterServer.over(in, "parameterServer")
	return d
}

func (r ReplicaFlags) over(in Doc, role string) {
	set(in, role+"Type", r.Type)
	if r.Count != nil {
		in[role+"Count"] = strconv.FormatInt(*r.Count, 10)
	}
	if r.Image == nil && r.Accelerator == nil && r.TPUTFVersion == nil {
		return
	}
	c := in.Sub(role + "Config")
	set(c, "imageUri", r.Image)
	set(c, "tpuTfVersion", r.TPUTFVersion)
	if r.Accelerator != nil {
		a := c.Sub("acceleratorConfig")
		a["type"], a["count"] = r.Accelerator.Type, strconv.FormatInt(r.Accelerator.Count, 10)
	}
}

func set[T string | bool](d Doc, name string, v *T) {
	if v != nil {
		d[name] = *v
	}
}

func setList(d Doc, name string, v []string) {
	if v == nil {
		return
	}
	l := make([]any, len(v))
	for i, s := range v {
		l[i] = s
	}
	d[name] = l
}
