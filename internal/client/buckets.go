package client

import (
	"context"
	"net/http"
	"net/url"

	"google.golang.org/api/storage/v1"

	"github.com/trainyard/trainyard/internal/fault"
)

// CreateBucket makes a bucket; one that exists is a fault.Conflict.
func (c *Client) CreateBucket(ctx context.Context, project, name string, facts Changes) (*Bucket, error) {
	body := Changes{"name": name}
	for k, v := range facts {
		body[k] = v
	}
	return objectCall[*Bucket](ctx, c, request{method: http.MethodPost, path: "/storage/v1/b", query: url.Values{"project": {project}}, body: body})
}

// Bucket is one bucket.
func (c *Client) Bucket(ctx context.Context, name string) (*Bucket, error) {
	return objectCall[*Bucket](ctx, c, request{method: http.MethodGet, path: bucketPath(name)})
}

// BucketExists reports whether there is a bucket of this name.
func (c *Client) BucketExists(ctx context.Context, name string) (bool, error) {
	_, err := c.Bucket(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// UpdateBucket changes facts of a bucket; a value nil removes one.
func (c *Client) UpdateBucket(ctx context.Context, name string, changes Changes) (*Bucket, error) {
	return objectCall[*Bucket](ctx, c, request{method: http.MethodPatch, path: bucketPath(name), body: changes})
}

// DeleteBucket removes an empty bucket.
func (c *Client) DeleteBucket(ctx context.Context, name string) error {
	_, _, err := c.call(ctx, request{method: http.MethodDelete, path: bucketPath(name)})
	return err
}

// EachBucket gives the project's buckets to fn, by name.
func (c *Client) EachBucket(ctx context.Context, project, prefix string, fn func(*Bucket) error) error {
	query := url.Values{"project": {project}, "prefix": {prefix}}
	for {
		page, err := objectCall[storage.Buckets](ctx, c, request{method: http.MethodGet, path: "/storage/v1/b", query: query})
		if err != nil {
			return err
		}
		for _, b := range page.Items {
			if err := fn(b); err != nil {
				return err
			}
		}
		if page.NextPageToken == "" {
			return nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}
