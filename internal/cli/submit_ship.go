package cli

import (
	"context"

	"github.com/trainyard/trainyard/internal/client"
	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/mlv1"
)

func (o *submitOptions) build(_ context.Context, _ *packages, _ string) error {
	if o.packagePath != "" {
		return fault.Errorf(fault.Internal, "packaging a folder is not linked in yet")
	}
	return nil
}

func (o *submitOptions) upload(_ context.Context, _ *client.Client, _ config.Settings, doc mlv1.Doc, p *packages) error {
	if len(p.local) > 0 {
		return fault.Errorf(fault.Internal, "uploading is not linked in yet")
	}
	if p.given {
		uris := []any{}
		for _, r := range p.remote {
			uris = append(uris, r)
		}
		doc.Sub("trainingInput")["packageUris"] = uris
	}
	return nil
}

func (o *submitOptions) show(context.Context, *client.Client, mlv1.Doc, *packages) error { return nil }
