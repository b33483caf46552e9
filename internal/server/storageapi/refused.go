package storageapi

import (
	"slices"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
)

// plain refuses what would change who may read what is stored, and how it is
// stored, if it were heeded.
func (c *call) plain() error {
	for name := range c.Header {
		if strings.HasPrefix(name, "X-Goog-Encryption-") || strings.HasPrefix(name, "X-Goog-Copy-Source-Encryption-") {
			return fault.Errorf(fault.Invalid, "header %s is not available on this server", strings.ToLower(name))
		}
	}
	for name, v := range c.Header {
		// S3's words for the same things: half understood, they would do harm.
		if strings.HasPrefix(name, "X-Amz-") && !slices.Contains(harmlessAmz, name) || name == "X-Amz-Content-Sha256" && strings.HasPrefix(v[0], "STREAMING-") {
			return fault.Errorf(fault.Invalid, "header %s is not available on this server: the XML API is served with x-goog- headers, and bodies as they are", strings.ToLower(name))
		}
	}
	for _, name := range []string{"kmsKeyName", "destinationKmsKeyName"} {
		if c.q.Get(name) != "" {
			return fault.Errorf(fault.Invalid, "parameter %s is not available on this server: what is stored is not encrypted with keys of its own", name)
		}
	}
	// What grants nothing to anybody else is so anyway; gcsfs asks for it.
	for _, acl := range []string{c.q.Get("predefinedAcl"), c.q.Get("destinationPredefinedAcl"), c.q.Get("predefinedDefaultObjectAcl"), c.Header.Get("X-Goog-Acl")} {
		switch strings.ToLower(strings.ReplaceAll(acl, "-", "")) {
		case "", "private", "projectprivate", "bucketownerread", "bucketownerfullcontrol":
		default:
			return fault.Errorf(fault.Invalid, "access %q: Cannot insert legacy ACL for an object when uniform bucket-level access is enabled.", acl)
		}
	}
	return nil
}

// harmlessAmz are headers that S3's clients always send and that change nothing.
var harmlessAmz = []string{"X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-User-Agent", "X-Amz-Security-Token", "X-Amz-Expected-Bucket-Owner"}
