//go:build unix

package main

import (
	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/keep"
)

// sealed closes up the secret variables of a job that is about to be stored.
func sealed(box *keep.Box) func(job.Key, []job.Variable) {
	return func(k job.Key, vs []job.Variable) {
		for i, v := range vs {
			if v.Secret {
				vs[i].Value, vs[i].Sealed = "", box.Seal(v.Value, about(k, v))
			}
		}
	}
}

// unsealed opens them for the job's program.
func unsealed(dir string) func(job.Key, job.Variable) (string, error) {
	return func(k job.Key, v job.Variable) (string, error) {
		box, err := keep.OpenBox(dir)
		if err != nil {
			return "", err
		}
		return box.Open(v.Sealed, about(k, v))
	}
}

// about ties a value to its job and name.
func about(k job.Key, v job.Variable) string { return k.String() + "/" + v.Name }
