package cli

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/fault"
)

type hashOptions struct {
	*App
	URLs                  []place
	Hex, SkipMD5, SkipCRC bool
}

func newStorageHash(a *App) *cobra.Command {
	o := &hashOptions{App: a}
	cmd := &cobra.Command{
		Example: "  trainyard storage hash model.joblib gs://my-bucket/model.joblib",
		Use:     "hash URL…", Short: "Print the checksums of files and objects", Args: atLeastOne("URLS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.SkipMD5 && o.SkipCRC {
				return usagef("argument --skip-crc32c: At most one of --skip-crc32c | --skip-md5 can be specified.")
			}
			for _, arg := range args {
				l, err := parseLocation(arg)
				if err != nil {
					return err
				}
				o.URLs = append(o.URLs, l)
			}
			return runStorageHash(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Hex, "hex", false, "in hexadecimal, not base64")
	cmd.Flags().BoolVar(&o.SkipMD5, "skip-md5", false, "without the MD5")
	cmd.Flags().BoolVar(&o.SkipCRC, "skip-crc32c", false, "without the CRC32C")
	return cmd
}

func runStorageHash(ctx context.Context, o *hashOptions) error {
	var docs []any
	p := &problems{s: &o.Streams}
	for _, l := range o.URLs {
		items, err := o.find(ctx, l)
		if err == nil {
			for _, it := range items {
				doc, hashErr := o.hash(ctx, it)
				if err = hashErr; err != nil {
					break
				}
				docs = append(docs, doc)
			}
		}
		if err != nil && (len(o.URLs) == 1 || !p.add(err)) {
			return err
		}
	}
	if o.gsutil {
		for _, d := range docs {
			if err := gsutilHash(o.Out, d.(map[string]any)); err != nil {
				return err
			}
		}
		return p.err()
	}
	if len(docs) > 0 {
		if err := o.printDocs("yaml", false, docs...); err != nil {
			return err
		}
	}
	return p.err()
}

func (o *hashOptions) find(ctx context.Context, l place) ([]item, error) {
	var c *client.Client
	if l.remote() { // files need no server
		var err error
		if _, c, err = o.connected(ctx); err != nil {
			return nil, err
		}
	}
	return finder{client: c}.find(ctx, l)
}

func (o *hashOptions) hash(ctx context.Context, it item) (map[string]any, error) {
	var crc, md5 string
	if it.Object != nil {
		crc, md5 = it.Object.Crc32c, it.Object.Md5Hash
	} else {
		sums, err := sumsOfFile(ctx, o.App, it.place, !o.SkipMD5)
		if err != nil {
			return nil, err
		}
		crc, md5 = sums.CRC32C(), sums.MD5()
	}
	doc := map[string]any{"url": it.String(), "digest_format": "base64"}
	if o.Hex {
		doc["digest_format"] = "hex"
	}
	for name, v := range map[string]string{"crc32c_hash": crc, "md5_hash": md5} {
		if v == "" || name == "md5_hash" && o.SkipMD5 || name == "crc32c_hash" && o.SkipCRC {
			continue
		}
		if o.Hex {
			raw, err := base64.StdEncoding.DecodeString(v)
			if err != nil {
				return nil, fault.Errorf(fault.Internal, "the server gave a checksum of %s that is not understood: %w", it, err)
			}
			v = hex.EncodeToString(raw)
		}
		doc[name] = v
	}
	return doc, nil
}

func sumsOfFile(ctx context.Context, a *App, l place, md5 bool) (*client.Sums, error) {
	in := a.In
	if !l.std() {
		f, err := os.Open(l.Name)
		if err != nil {
			return nil, fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", l.Name, err)
		}
		defer f.Close()
		in = f
	}
	sums := client.NewSums(md5)
	_, err := io.CopyBuffer(sums, &cancellable{ctx, in}, make([]byte, 1<<20))
	if err != nil && ctx.Err() == nil {
		err = fault.Errorf(fault.Invalid, "Unable to read file [%s]: %w", l.Name, err)
	}
	return sums, err
}

func gsutilHash(w io.Writer, doc map[string]any) error {
	_, err := fmt.Fprintf(w, "Hashes [%s] for %s:\n", doc["digest_format"], path.Base(fmt.Sprint(doc["url"])))
	for _, name := range []string{"crc32c", "md5"} {
		if v, ok := doc[name+"_hash"]; ok && err == nil {
			_, err = fmt.Fprintf(w, "\tHash (%s):\t\t%s\n", name, v)
		}
	}
	return err
}
