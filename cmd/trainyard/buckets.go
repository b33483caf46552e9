//go:build unix

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/bucket/cloud/azure"
	"github.com/trainyard/trainyard/internal/bucket/cloud/gcs"
	"github.com/trainyard/trainyard/internal/bucket/cloud/s3"
	"github.com/trainyard/trainyard/internal/bucket/disk"
	"github.com/trainyard/trainyard/internal/bucket/route"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
)

// openBuckets is the store that serves every bucket: those that the settings
// put into a cloud from there, the others from disk. The default bucket is there
// from now on. No cloud is asked yet: one that is away keeps neither the server
// nor the other buckets from working.
func openBuckets(ctx context.Context, dir string, s config.Settings, objects *disk.Store, log *slog.Logger) (store bucket.Store, closeStore func(), err error) {
	rules, err := route.Parse(s.Buckets)
	if err != nil {
		return nil, nil, err
	}
	routed := slices.ContainsFunc(rules, func(r route.Rule) bool { _, ok := r.At(s.DefaultBucket); return ok })
	if !routed {
		_, err = objects.CreateBucket(ctx, bucket.Bucket{Name: s.DefaultBucket, Project: s.Project})
		if err != nil && !fault.Is(err, fault.Conflict) {
			return nil, nil, fmt.Errorf("make the default bucket: %w", err)
		}
	}
	if len(rules) == 0 {
		return objects, func() {}, nil
	}
	spool, err := disk.Open(ctx, filepath.Join(dir, "spool"), log)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			spool.Close()
		}
	}()
	bodies := filepath.Join(dir, "spool", "bodies")
	if err := os.MkdirAll(bodies, 0o700); err != nil {
		return nil, nil, fault.Errorf(fault.Invalid, "cannot make the folder for bodies on their way to a cloud: %w", err)
	}
	routes := &route.Store{Disk: objects}
	var names []string // buckets that are there without anybody making them
	if routed {
		names = append(names, s.DefaultBucket)
	}
	for _, r := range rules {
		if r.Exact() {
			names = append(names, r.Name)
		}
		way, err := driver(r, spool, bodies)
		if err != nil {
			return nil, nil, err
		}
		routes.Ways = append(routes.Ways, route.Way{Rule: r, Store: way})
	}
	for _, name := range names {
		if _, err := cloud.Know(ctx, spool, bucket.Bucket{Name: name, Project: s.Project}); err != nil {
			return nil, nil, err
		}
		if _, err := objects.Bucket(ctx, name); err == nil {
			log.Warn("a bucket on the disk is hidden by one in a cloud", "bucket", name)
		}
	}
	return routes, func() { spool.Close() }, nil
}

// placesOf says where in a cloud buckets are, without how to get there.
func placesOf(texts []string) map[string]string {
	rules, err := route.Parse(texts)
	if err != nil { // the server has not come up then
		return nil
	}
	places := map[string]string{}
	for _, r := range rules {
		places[r.Name] = r.Place.String()
	}
	return places
}

// driver is the one for a rule's place. A mistake in the place of a bucket is
// told now; whether anybody answers there turns out when the bucket is used.
func driver(r route.Rule, spool bucket.Store, bodies string) (bucket.Store, error) {
	at := func(name string) (route.Place, error) {
		p, ok := r.At(name)
		if !ok {
			return p, bucket.NoBucket(name)
		}
		return p, nil
	}
	if r.Place.Scheme == "gs" {
		return gcs.New(gcs.Options{Spool: spool, Dir: bodies, Endpoint: r.Place.Options["endpoint"], Place: func(name string) (string, string, error) {
			p, err := at(name)
			return p.Container, p.Prefix, err
		}}), nil
	}
	place := func(_ context.Context, name string) (cloud.Service, string, error) {
		p, err := at(name)
		if err != nil {
			return nil, "", err
		}
		svc, err := service(name, p)
		return svc, p.Prefix, err
	}
	if r.Exact() {
		if _, err := service(r.Name, r.Place); err != nil {
			return nil, err
		}
	}
	return cloud.New(cloud.Options{Spool: spool, Dir: bodies, Place: place}), nil
}

func service(name string, p route.Place) (cloud.Service, error) {
	if p.Scheme == "azblob" {
		return azure.New(azure.Options{For: name, Container: p.Container, Account: p.Options["account"], Endpoint: p.Options["endpoint"], Env: os.Getenv})
	}
	return s3.New(s3.Options{For: name, Container: p.Container, Endpoint: p.Options["endpoint"], Region: p.Options["region"]})
}
