//go:build unix

package main

import (
	"slices"

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

// resealed is one job's variables for another: a value that is sealed opens for
// its own job only.
func resealed(box *keep.Box, from, to job.Key, vs []job.Variable) ([]job.Variable, error) {
	vs = slices.Clone(vs)
	for i, v := range vs {
		if !v.Secret {
			continue
		}
		value, err := box.Open(v.Sealed, about(from, v))
		if err != nil {
			return nil, err
		}
		vs[i].Sealed = box.Seal(value, about(to, v))
	}
	return vs, nil
}
