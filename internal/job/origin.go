package job

// Origin is where a job came from: enough to find the code again and to tell
// what it repeats. Who submitted it from which machine is not kept.
type Origin struct {
	Client  string `json:"client,omitempty"`  // the program that submitted it: "gcloud/528.0.0"
	Commit  string `json:"commit,omitempty"`  // of the source's repository
	Branch  string `json:"branch,omitempty"`  // empty for a detached head
	Dirty   bool   `json:"dirty,omitempty"`   // the source had changes that the commit has not
	Repeats ID     `json:"repeats,omitempty"` // the job whose packages and document it has
}

// Lock is an environment, exactly: what one was made of, for another to be made
// the same.
type Lock struct {
	Python   string   `json:"python"`            // "3.11.7"
	Runtime  string   `json:"runtime,omitempty"` // runtime version
	Packages []string `json:"packages"`          // "name==version", the given ones with their digests
}
