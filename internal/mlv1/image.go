package mlv1

import "strings"

// The original kept images with PyTorch for packages to run in. Those for CPUs
// are runtime versions here, of the same name and with the same packages.
const (
	hostedImages = "gcr.io/cloud-ml-public/training/"
	hostedPrefix = "pytorch-cpu."
)

// hosted is the runtime version that the master's image stands for; empty
// where it stands for none, or is not used to run packages in.
func (c *checker) hosted() string {
	cfg := c.in.MasterConfig
	if cfg == nil || len(c.in.PackageUris) == 0 || c.in.PythonModule == "" || c.rules.Runtime == nil {
		return ""
	}
	name, ok := strings.CutPrefix(cfg.ImageUri, hostedImages)
	name, _, _ = strings.Cut(name, ":") // the tag
	if !ok || !strings.HasPrefix(name, hostedPrefix) {
		return ""
	}
	return name
}
