// Package azure keeps objects in Azure Blob Storage. It knows one container;
// cloud adds the rest of what gs:// has.
//
// Credentials come from AZURE_STORAGE_CONNECTION_STRING, from
// AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, or else from where programs for
// Azure look: the environment, workload and managed identities, az login.
package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/trainyard/trainyard/internal/bucket/cloud"
	"github.com/trainyard/trainyard/internal/fault"
)

// Options say where a container is.
type Options struct {
	For       string // the bucket that people know it as, for messages
	Container string
	Account   string        // empty: AZURE_STORAGE_ACCOUNT
	Endpoint  string        // empty: Azure's for the account
	Patience  time.Duration // how long an answer is waited for; 0 for as long as is good
	// Env reads the environment that the server was started with.
	Env func(name string) string
}

// Service is a container.
type Service struct {
	c    *container.Client
	name string
	what string // which bucket this is and where, for people
	url  string // of the container
}

var _ cloud.Service = (*Service)(nil)

// New makes a service. It asks nobody yet.
func New(o Options) (*Service, error) {
	if n := len(o.Container); n < 3 || n > 63 || strings.Trim(o.Container, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Contains("-"+o.Container+"-", "--") {
		return nil, fault.Errorf(fault.Invalid, "%q cannot be the name of a container in Azure: 3 to 63 lower-case letters, digits and single dashes between them are", o.Container)
	}
	c, err := client(o)
	if err != nil {
		return nil, err
	}
	at, _, _ := strings.Cut(c.URL(), "?") // what follows may be a signature
	return &Service{c: c, name: o.Container, url: at, what: fmt.Sprintf("gs://%s (kept in Azure Blob Storage at %s)", o.For, at)}, nil
}

func client(o Options) (*container.Client, error) {
	t := cloud.Transport(o.Patience)
	t.DisableCompression = true // content comes as it is stored
	opts := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: &http.Client{Transport: t},
		Retry:     policy.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 5 * time.Second},
	}}
	bad := func(err error) (*container.Client, error) {
		return nil, fault.Errorf(fault.Invalid, "gs://%s (to be kept in Azure Blob Storage): %w", o.For, err)
	}
	if s := o.Env("AZURE_STORAGE_CONNECTION_STRING"); s != "" && o.Account == "" && o.Endpoint == "" {
		c, err := container.NewClientFromConnectionString(s, o.Container, opts)
		if err != nil {
			return bad(errors.New("AZURE_STORAGE_CONNECTION_STRING is not a connection string")) // the cause might tell the key
		}
		return c, nil
	}
	account := o.Account
	if account == "" {
		account = o.Env("AZURE_STORAGE_ACCOUNT")
	}
	if account == "" {
		return nil, fault.Errorf(fault.Invalid, "gs://%s is to be kept in Azure Blob Storage, but in no account", o.For).
			WithHint("name it in the place, azblob://%s?account=NAME, or in AZURE_STORAGE_ACCOUNT", o.Container)
	}
	if len(account) < 3 || len(account) > 24 || strings.Trim(account, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return bad(fmt.Errorf("%q cannot be the name of an account: 3 to 24 lower-case letters and digits are", account))
	}
	endpoint := strings.TrimSuffix(o.Endpoint, "/")
	if endpoint == "" {
		endpoint = "https://" + account + ".blob.core.windows.net"
	}
	at := endpoint + "/" + o.Container
	if key := o.Env("AZURE_STORAGE_KEY"); key != "" && account == o.Env("AZURE_STORAGE_ACCOUNT") {
		cred, err := container.NewSharedKeyCredential(account, key)
		if err != nil {
			return bad(errors.New("AZURE_STORAGE_KEY is not the base64 of a key"))
		}
		c, err := container.NewClientWithSharedKeyCredential(at, cred, opts)
		if err != nil {
			return bad(err)
		}
		return c, nil
	}
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return bad(err)
	}
	c, err := container.NewClient(at, cred, opts)
	if err != nil {
		return bad(err)
	}
	return c, nil
}

func (s *Service) String() string { return "azblob://" + s.name }

// Limit implements cloud.Service.
func (s *Service) Limit() int { return 8000 }

// CheckKey implements cloud.Service: what Azure changes, or takes for a path.
func (s *Service) CheckKey(key string) error {
	reason := ""
	switch parts := strings.Split(key, "/"); {
	case len(key) > 1024:
		reason = fmt.Sprintf("is %d bytes long with its place; 1024 are allowed", len(key))
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }):
		reason = "holds a control character"
	case strings.Contains(key, `\`):
		reason = "holds a backslash, which would become a slash"
	case strings.TrimSpace(key) == "":
		reason = "is blank"
	case len(parts) > 254:
		reason = "has more than 254 parts"
	default:
		for _, part := range parts {
			if strings.HasSuffix(part, ".") {
				reason = fmt.Sprintf("has the part %q, which ends in a dot", part)
			}
		}
	}
	if reason == "" {
		return nil
	}
	return fault.Errorf(fault.Invalid, "Azure Blob Storage cannot have the name %q: it %s", key, reason)
}

// Check implements cloud.Service.
func (s *Service) Check(ctx context.Context) error {
	_, err := s.c.GetProperties(ctx, nil)
	return s.fault(err)
}

// Make implements cloud.Service.
func (s *Service) Make(ctx context.Context) error {
	_, err := s.c.Create(ctx, nil)
	return s.fault(err)
}

// Drop implements cloud.Service.
func (s *Service) Drop(ctx context.Context) error {
	_, err := s.c.Delete(ctx, nil)
	return s.fault(err)
}

// fault gives an error of Azure its kind.
func (s *Service) fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	r, said := errors.AsType[*azcore.ResponseError](err)
	// The SDK's text is many lines; the code is what there is to know.
	var cause error
	if said {
		cause = &refusal{fmt.Sprintf("%d %s", r.StatusCode, r.ErrorCode), err}
	}
	switch {
	case !said:
	case bloberror.HasCode(err, bloberror.ContainerNotFound):
		return fault.Errorf(fault.NotFound, "%s is not there: %w", s.what, cause).WithHint("make the container there, or with: trainyard storage buckets create")
	case r.StatusCode == http.StatusNotFound:
		return fault.Errorf(fault.NotFound, "%s has no such object: %w", s.what, cause)
	case r.StatusCode == http.StatusPreconditionFailed, bloberror.HasCode(err, bloberror.BlobAlreadyExists):
		return fmt.Errorf("%w: %w", cloud.ErrChanged, cause)
	case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		return fault.Errorf(fault.Denied, "%s refused the server's credentials: %w", s.what, cause).
			WithHint("check AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY, or the identity that the server has at Azure, and what it may do; reading and writing blobs is the role Storage Blob Data Contributor")
	case r.StatusCode == http.StatusTooManyRequests:
		return fault.Errorf(fault.Exhausted, "%s wants fewer requests: %w", s.what, cause)
	case r.StatusCode == http.StatusConflict:
		return fault.Errorf(fault.Conflict, "%s: %w", s.what, cause)
	case r.StatusCode >= 400 && r.StatusCode < 500:
		return fault.Errorf(fault.Invalid, "%s refused the request: %w", s.what, cause)
	}
	if e, ok := errors.AsType[*url.Error](err); ok { // whose text has the address, and in it maybe a signature
		cause = &refusal{e.Err.Error(), err}
	}
	if cause == nil {
		cause = err
	}
	return fault.Errorf(fault.Unavailable, "%s cannot be used now: %w", s.what, cause).
		WithHint("check that %s is reachable from the server, and that the server has credentials for it", s.url)
}

// refusal is an answer of Azure in a few words.
type refusal struct {
	text string
	err  error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.err }
