// Package config gathers the settings of the program: a flag wins over the
// environment, the environment over the configuration file, the file over the
// default. It is the only reader of the environment, which it is handed as a
// list, and it remembers where each value came from. It does not know what the
// settings are used for.
package config

import (
	"log/slog"
	"time"
)

// Settings is what the program ended up with. The zero value is not useful;
// Load makes it.
type Settings struct {
	Endpoint      string // empty: the server that this machine's user runs, started when needed
	Project       string
	Region        string // empty: the server's first
	Token         Secret // what the client sends; from token or token-file
	TokenFile     string
	StagingBucket string // gs://…; empty: the server's default bucket
	Quiet         bool
	Format        string

	Listen          string
	DataDir         string
	StorageProxy    bool
	PrivateTmp      bool
	MaxParallelJobs int           // 0: as many as fit the machine
	JobMemory       int64         // bytes; 0: as the machine type says
	Machines        string        // file of machine types and scale tiers; empty: the built-in ones
	CancelGrace     time.Duration // between SIGTERM and SIGKILL
	Prices          string        // file of a price sheet; empty: nothing has a price
	KeepFailed      time.Duration // how long a failed job's working directory stays
	KeepJobs        time.Duration // how long jobs stay after their end; 0: for ever
	Regions         []string
	DefaultBucket   string
	Buckets         []string // NAME=PLACE: buckets that are kept in a cloud
	LogLevel        slog.Level
	Installer       string // "auto", "uv" or "pip"
	// FetchPythons lets a Python that a job asks for be fetched.
	FetchPythons bool
	// DefaultRuntime is the runtime version of jobs that name none.
	DefaultRuntime string
	// EnvironmentsSize is the disk space that environments may take; 0 is no limit.
	EnvironmentsSize int64
	UV               string // path of a uv executable; empty: found or fetched
	Pythons          []string
	LocalPython      string // of local train --in-place

	// Embedded says that a command line started this server in the background.
	Embedded bool

	// File is the configuration file that is read and that Set writes, whether
	// it exists or not.
	File string

	sources map[string]Source
}

// Regions of the original, the default first.
var defaultRegions = []string{
	"us-central1", "us-west1", "us-west2", "us-west3", "us-east1", "us-east4", "northamerica-northeast1",
	"southamerica-east1", "europe-north1", "europe-west1", "europe-west2", "europe-west3", "europe-west4",
	"europe-west6", "asia-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2",
	"asia-northeast3", "asia-southeast1", "australia-southeast1",
}

// Level says how strong a source is; a higher one wins.
type Level int

// The levels, weakest first.
const (
	Default Level = iota
	File
	Environment
	Flag
)

// Source is where a value came from.
type Source struct {
	Level Level
	Name  string // the flag, the variable or the file
}

func (s Source) String() string {
	switch s.Level {
	case Flag:
		return "flag --" + s.Name
	case Environment:
		return "environment " + s.Name
	case File:
		return "file " + s.Name
	default:
		return "default"
	}
}

// SourceOf says where the value of a key came from.
func (s Settings) SourceOf(key string) Source { return s.sources[key] }

// Value is one setting as text, for people.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Help   string `json:"-"`
}

// Values lists every setting, in the order of the help.
func (s Settings) Values() []Value {
	vs := make([]Value, 0, len(keys))
	for _, k := range keys {
		vs = append(vs, Value{k.name, k.get(&s), s.SourceOf(k.name).String(), k.help})
	}
	return vs
}
