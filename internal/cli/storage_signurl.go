package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
	"github.com/trainyard/trainyard/internal/signurl"
)

// accountFile is the server's service account, within its data directory.
var accountFile = filepath.Join("tls", "service-account.json")

type signURLOptions struct {
	duration       lasting
	verb           string
	headers, query map[string]string
	region         string
	keyFile        string
}

func newStorageSignURL(a *App) *cobra.Command {
	o := signURLOptions{duration: lasting(time.Hour)}
	cmd := &cobra.Command{
		Use: "sign-url URL…", Short: "Make URLs that allow whoever has them one request for a while", Args: atLeastOne("URL"),
		Long: `Make URLs that allow whoever has them one request for a while, without a token.

They are signed with the server's own service account, which is in its data
directory on this machine; for a server elsewhere, name a copy of that file with
--private-key-file.`,
		Example: `  trainyard storage sign-url gs://models/m.bin --duration 10m
  trainyard storage sign-url gs://models/new.bin --http-verb PUT --headers content-type=text/plain`,
		RunE: func(cmd *cobra.Command, args []string) error { return runSignURL(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	f.VarP(&o.duration, "duration", "d", "how long the URL is good, as in 30s, 10m, 12h or 7d, which is the most")
	f.StringVarP(&o.verb, "http-verb", "m", "GET", "the method that is allowed")
	f.StringToStringVar(&o.headers, "headers", nil, "headers that the request must have, KEY=VALUE,…")
	f.StringToStringVar(&o.query, "query-params", nil, "further parameters of the URL, KEY=VALUE,…")
	f.StringVarP(&o.region, "region", "r", "auto", "region of the bucket")
	f.StringVar(&o.keyFile, "private-key-file", "", "file of the service account that signs (default: the server's own)")
	return cmd
}

func runSignURL(ctx context.Context, a *App, o signURLOptions, args []string) error {
	o.verb = strings.ToUpper(o.verb)
	switch o.verb {
	case "GET", "HEAD", "PUT", "POST", "DELETE":
	default:
		return usagef("--http-verb %q is not one of GET, HEAD, PUT, POST, DELETE", o.verb)
	}
	var places []place
	for _, arg := range args {
		l, err := remoteLocation(arg)
		if err != nil {
			return err
		}
		places = append(places, l)
	}
	_, c, err := a.connected(ctx)
	if err != nil {
		return err
	}
	key, err := signingKey(ctx, c, o.keyFile)
	if err != nil {
		return err
	}
	var docs []any
	for _, l := range places {
		items, err := o.signed(ctx, c, l)
		if err != nil {
			return err
		}
		for _, it := range items {
			now := time.Now()
			url, err := key.Sign(signurl.Request{
				Endpoint: c.Endpoint(), Method: o.verb, Bucket: it.Bucket, Object: it.Name,
				Header: o.headers, Query: o.query, Region: strings.ToLower(o.region), Duration: time.Duration(o.duration),
			}, now)
			if err != nil {
				return err
			}
			docs = append(docs, map[string]any{
				"expiration": now.Add(time.Duration(o.duration)).UTC().Format(time.DateTime), "http_verb": o.verb,
				"resource": it.String(), "signed_url": url,
			})
		}
	}
	return a.printDocs("yaml", false, docs...)
}

// signed finds what a URL names. What the request would make need not be there.
func (o signURLOptions) signed(ctx context.Context, c *client.Client, l place) ([]place, error) {
	if _, ok := wild(l.Name); ok {
		items, err := finder{client: c}.find(ctx, l)
		var places []place
		for _, it := range items {
			places = append(places, it.place)
		}
		return places, err
	}
	starts := false
	for name := range o.headers {
		starts = starts || strings.EqualFold(name, "x-goog-resumable")
	}
	if o.verb == "PUT" || starts {
		return []place{l}, nil
	}
	if l.Name == "" {
		if _, err := c.Bucket(ctx, l.Bucket); fault.Is(err, fault.NotFound) {
			return nil, fault.Errorf(fault.NotFound, "Bucket %s does not exist. Please create a bucket with that name before creating a signed URL to access it.", l)
		} else if err != nil {
			return nil, err
		}
		return []place{l}, nil
	}
	_, err := c.Stat(ctx, l.Bucket, l.Name, 0)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.Errorf(fault.NotFound, "Object %s does not exist. Please create an object with that name before creating a signed URL to access it.", l)
	}
	return []place{l}, err
}

// signingKey reads the file that was named, or the server's own.
func signingKey(ctx context.Context, c *client.Client, path string) (signurl.Key, error) {
	hint := "name the file of a service account with --private-key-file"
	if path == "" {
		info, err := c.Server(ctx)
		if err != nil {
			return signurl.Key{}, err
		}
		path = filepath.Join(info.DataDir, accountFile)
		hint = "the server's service account is not on this machine: copy " + path + " from there, and name it with --private-key-file"
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return signurl.Key{}, fault.Errorf(fault.NotFound, "there is no %s", path).WithHint("%s", hint)
	}
	if err != nil {
		return signurl.Key{}, fault.Errorf(fault.Invalid, "read the service account: %w", err)
	}
	return signurl.ParseKey(b)
}

// lasting is a flag for a time span: 90, 90s, 10m, 1h30m, 7d.
type lasting time.Duration

var lastingForm = pattern.New(`^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$`)

func (l *lasting) String() string { return time.Duration(*l).String() }
func (l *lasting) Type() string   { return "duration" }

func (l *lasting) Set(s string) error {
	parts := lastingForm.FindStringSubmatch(strings.ToLower(s))
	if parts == nil || s == "" {
		return errors.New("not a time span such as 30s, 10m, 1h30m or 7d")
	}
	var total time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, err := strconv.ParseInt("0"+parts[i+1], 10, 32)
		if err != nil {
			return errors.New("it is too long")
		}
		total += time.Duration(n) * unit
	}
	if total < time.Second || total > signurl.MaxDuration {
		return errors.New("it must be between 1s and 7d")
	}
	*l = lasting(total)
	return nil
}
