package mlv1

import (
	"slices"
	"strings"

	ml "google.golang.org/api/ml/v1"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// cluster checks the scale tier and what each role runs on.
func (c *checker) cluster(s *job.Spec) {
	s.Tier = job.Tier(c.in.ScaleTier)
	if s.Tier == "" {
		s.Tier = job.Basic
	}
	master := replica{job.Master, "master", c.in.MasterType, 1, c.in.MasterConfig}
	c.config(master)
	others := replicas(c.in)
	for _, r := range others {
		c.config(r)
	}
	if s.Tier != job.Custom {
		c.predefined(s, append([]replica{master}, others...))
		return
	}
	if master.machine == "" {
		c.wrong("master_type", "Master type must be specified for the CUSTOM scale tier.")
	}
	group, first := c.group(master)
	s.Groups = append(s.Groups, group)
	for _, r := range others {
		if r.count < 0 {
			c.wrong(r.field+"_count", "The count must not be negative; received: %d.", r.count)
		}
		if r.count > 0 && r.machine == "" {
			c.wrong(r.field+"_type", "%s type must be specified when %s_count is set.", title(r.field), r.field)
		}
		if r.count > maxReplicas {
			c.wrong(r.field+"_count", "The count must be at most %d; received: %d.", maxReplicas, r.count)
		}
		if r.machine == "" {
			continue
		}
		group, other := c.group(r)
		if r.count > 0 {
			s.Groups = append(s.Groups, group)
		}
		if first != "" && other != "" && first != other {
			c.wrong(r.field+"_type", "The machine type '%s' must be of the same category (Compute Engine or legacy) as the master type '%s'.", r.machine, master.machine)
		}
	}
}

// predefined checks a tier that is not CUSTOM, where nothing can be chosen.
func (c *checker) predefined(s *job.Spec, all []replica) {
	s.Groups = c.machines().Groups(s.Tier)
	for _, r := range all {
		if r.machine != "" {
			c.wrong(r.field+"_type", "%s type can be specified only for the CUSTOM scale tier; the scale tier is %s.", title(r.field), s.Tier)
		}
		if r.role != job.Master && r.count != 0 {
			c.wrong(r.field+"_count", "%s count can be specified only for the CUSTOM scale tier; the scale tier is %s.", title(r.field), s.Tier)
		}
		if a := accelerator(r.config); a.Count > 0 && !strings.HasPrefix(a.Type, "TPU_") {
			c.wrong(r.field+"_config.accelerator_config", "Accelerators can be specified only for the CUSTOM scale tier; the scale tier is %s.", s.Tier)
		}
	}
	if s.Tier == job.BasicTPU {
		c.missing("scale_tier", "The scale tier BASIC_TPU is")
		return
	}
	for _, g := range s.Groups {
		c.has("scale_tier", g)
	}
}

// group makes a role's group of a job of the CUSTOM tier, and names the
// machine type's category, empty when it is not known.
func (c *checker) group(r replica) (job.Group, string) {
	g := job.Group{Role: r.role, Count: int(r.count), Machine: r.machine}
	if r.machine == "" {
		return g, ""
	}
	m, err := c.machines().Machine(r.machine)
	if err != nil {
		c.wrong(r.field+"_type", "The machine type '%s' is not supported.", r.machine)
		if c.hint == "" {
			c.hint = fault.HintOf(err)
		}
		return g, ""
	}
	g.Need, g.Accelerator = m.Need, m.Accelerator
	if strings.HasPrefix(m.Accelerator.Type, "TPU_") {
		c.missing(r.field+"_type", "TPUs are")
		return g, ""
	}
	field := r.field + "_type"
	if a := accelerator(r.config); a.Count > 0 && !strings.HasPrefix(a.Type, "TPU_") {
		field = r.field + "_config.accelerator_config"
		switch {
		case m.Legacy:
			c.wrong(field, "Accelerators can be added only to Compute Engine machine types; '%s' is a legacy machine type.", r.machine)
		case m.Accelerator.Count > 0 && m.Accelerator != a:
			c.wrong(field, "The machine type '%s' comes with %d %s; received: %d %s.", r.machine, m.Accelerator.Count, m.Accelerator.Type, a.Count, a.Type)
		case m.Accelerator.Count == 0:
			if err := m.CheckAccelerator(a); err != nil {
				c.wrong(field, "%s.", sentence(err.Error()))
				return g, category(m)
			}
		}
		g.Accelerator, g.Need.GPUs = a, a.Count
	}
	c.has(field, g)
	return g, category(m)
}

// category is what all machine types of a job share.
func category(m job.Machine) string {
	if m.Legacy {
		return "legacy"
	}
	return "Compute Engine"
}

func (c *checker) machines() *job.Machines {
	if c.rules.Machines != nil {
		return c.rules.Machines
	}
	return job.BuiltIn()
}

// has asks the server for a group's accelerators beside those of the groups
// before it: a job's replicas have theirs at the same time.
func (c *checker) has(field string, g job.Group) {
	n := g.Count * g.Accelerator.Count
	if n <= 0 || c.rules.Accelerators == nil {
		return
	}
	c.accelerators += n
	if err := c.rules.Accelerators(g.Accelerator.Type, c.accelerators); err != nil {
		c.refused(field, err)
	}
}

// config checks a role's sub-message by itself.
func (c *checker) config(r replica) {
	cfg := r.config
	if cfg == nil {
		return
	}
	prefix := r.field + "_config."
	// Other roles may say again what the master's image is, which is theirs anyway.
	if cfg.ImageUri != "" && (c.hosted() == "" || cfg.ImageUri != c.in.MasterConfig.ImageUri) {
		c.missing(prefix+"image_uri", "Custom containers are")
	}
	if len(cfg.ContainerCommand) > 0 {
		c.missing(prefix+"container_command", "Custom containers are")
	}
	if len(cfg.ContainerArgs) > 0 {
		c.missing(prefix+"container_args", "Custom containers are")
	}
	if cfg.TpuTfVersion != "" {
		c.missing(prefix+"tpu_tf_version", "TPUs are")
	}
	if a := cfg.AcceleratorConfig; a != nil {
		typed := a.Type != "" && a.Type != "ACCELERATOR_TYPE_UNSPECIFIED"
		switch {
		case a.Count < 0 || a.Count > 1<<20:
			c.wrong(prefix+"accelerator_config.count", "The count of the accelerator must be greater than 0; received: %d.", a.Count)
		case a.Count > 0 && !typed:
			c.wrong(prefix+"accelerator_config.type", "The type of the accelerator is required.")
		case a.Count == 0 && typed:
			c.wrong(prefix+"accelerator_config.count", "The count of the accelerator must be greater than 0.")
		case strings.HasPrefix(a.Type, "TPU_"):
			c.missing(prefix+"accelerator_config.type", "TPUs are")
		}
	}
	c.disk(prefix, cfg.DiskConfig)
}

func (c *checker) disk(prefix string, d *ml.GoogleCloudMlV1__DiskConfig) {
	if d == nil {
		return
	}
	if t := d.BootDiskType; t != "" && t != "pd-ssd" && t != "pd-standard" {
		c.wrong(prefix+"disk_config.boot_disk_type", "The boot disk type '%s' is not supported. Options are [pd-ssd, pd-standard].", t)
	}
	if d.BootDiskSizeGb < 0 {
		c.wrong(prefix+"disk_config.boot_disk_size_gb", "The boot disk size must not be negative; received: %d.", d.BootDiskSizeGb)
	}
	const w = "Boot disk settings have no effect on this server."
	if (d.BootDiskType != "" || d.BootDiskSizeGb != 0) && !slices.Contains(c.warnings, w) {
		c.warnings = append(c.warnings, w)
	}
}

// accelerator is what a role's sub-message asks for; the zero value is none.
func accelerator(cfg *ml.GoogleCloudMlV1__ReplicaConfig) job.Accelerator {
	if cfg == nil || cfg.AcceleratorConfig == nil || cfg.AcceleratorConfig.Count <= 0 || cfg.AcceleratorConfig.Count > 1<<20 {
		return job.Accelerator{}
	}
	a := job.Accelerator{Type: cfg.AcceleratorConfig.Type, Count: int(cfg.AcceleratorConfig.Count)}
	if a.Type == "" || a.Type == "ACCELERATOR_TYPE_UNSPECIFIED" {
		return job.Accelerator{}
	}
	return a
}

// maxReplicas bounds the replicas of a role: more than that is a slip of the
// keyboard, which would make as many rows.
const maxReplicas = 1000

// title writes parameter_server as "Parameter server".
func title(field string) string {
	return sentence(strings.ReplaceAll(field, "_", " "))
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
