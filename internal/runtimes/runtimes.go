// Package runtimes says what a runtime version is and which Python a job gets.
//
// The versions are data (google.json). The package knows neither how an
// interpreter is found nor how packages are installed: it is told what
// Pythons there are, by their versions.
package runtimes

import (
	_ "embed"
	"encoding/json"
	"sync"
)

// Runtime is one runtime version.
type Runtime struct {
	Version     string `json:"version"`
	Python      string `json:"python"` // major.minor
	TensorFlow  string `json:"tensorflow"`
	ScikitLearn string `json:"scikitLearn"`
	XGBoost     string `json:"xgboost"`
	Status      Status `json:"status"`
}

// Status is what a job with the version gets.
type Status string

// Unpinned gives the version's Python, without its packages.
const Unpinned Status = "unpinned"

type catalogue struct {
	// NewestPython caps the Python of jobs that name none: the newest that
	// the current scikit-learn and TensorFlow wheels serve.
	NewestPython string    `json:"newestPython"`
	OldestPython string    `json:"oldestPython"` // the oldest that packages are installed for
	Runtimes     []Runtime `json:"runtimes"`
}

//go:embed google.json
var googleJSON []byte

var google = sync.OnceValue(func() catalogue {
	var c catalogue
	if err := json.Unmarshal(googleJSON, &c); err != nil {
		panic("google.json: " + err.Error())
	}
	return c
})

// All returns the known versions, oldest first.
func All() []Runtime {
	return append([]Runtime(nil), google().Runtimes...)
}
