package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"

	"github.com/trainyard/trainyard/internal/job"
)

// clusterSpec is what TF_CONFIG and CLUSTER_SPEC hold.
type clusterSpec struct {
	Cluster     map[string][]string `json:"cluster"`
	Task        task                `json:"task"`
	Job         json.RawMessage     `json:"job"`
	Environment string              `json:"environment"`
}

type task struct {
	Type  string `json:"type"`
	Index int    `json:"index"`
	Trial string `json:"trial,omitempty"`
	Cloud string `json:"cloud,omitempty"`
}

// Env is what a replica's environment says of the job and of its place in it.
func Env(spec job.Spec, self job.Replica, addresses map[job.Replica]string, t Trial) (map[string]string, error) {
	hosts := map[job.Role][]string{}
	for _, r := range Replicas(spec) {
		addr, ok := addresses[r]
		if !ok {
			return nil, fmt.Errorf("replica %s %d has no address", r.Role, r.Index)
		}
		hosts[r.Role] = append(hosts[r.Role], addr)
	}
	document, err := jobObject(spec, t)
	if err != nil {
		return nil, err
	}
	specOf := func(primary string, evaluators bool, cloud string) (string, error) {
		name := func(r job.Role) string {
			if r == job.Master {
				return primary
			}
			return string(r)
		}
		c := clusterSpec{
			Cluster: map[string][]string{}, Job: document, Environment: "cloud",
			Task: task{Type: name(self.Role), Index: self.Index, Trial: t.ID, Cloud: cloud},
		}
		for role, h := range hosts {
			if role != job.Evaluator || evaluators {
				c.Cluster[name(role)] = h
			}
		}
		b, err := json.Marshal(c)
		return string(b), err
	}
	primary := spec.Primary
	if primary == "" {
		primary = string(job.Master)
	}
	tf, err := specOf(primary, false, string(spec.Key.Project))
	if err != nil {
		return nil, fmt.Errorf("write TF_CONFIG: %w", err)
	}
	cs, err := specOf(string(job.Master), true, "")
	if err != nil {
		return nil, fmt.Errorf("write CLUSTER_SPEC: %w", err)
	}
	env := map[string]string{
		"TF_CONFIG":           tf,
		"CLUSTER_SPEC":        cs,
		"CLOUD_ML_JOB_ID":     string(spec.Key.ID),
		"CLOUD_ML_PROJECT_ID": string(spec.Key.Project),
	}
	if dir := Dir(spec, t); dir != "" {
		env["TRAINYARD_JOB_DIR"] = dir
	}
	if t.ID != "" {
		env["CLOUD_ML_TRIAL_ID"] = t.ID
	}
	return env, collective(env, spec, self, hosts[job.Master])
}

// jobObject is the "job" of both variables: the training input, and in it the
// arguments as the program gets them.
func jobObject(spec job.Spec, t Trial) (json.RawMessage, error) {
	var input map[string]json.RawMessage
	if len(spec.Opaque) > 0 {
		if err := json.Unmarshal(spec.Opaque, &input); err != nil {
			return nil, fmt.Errorf("read the job's own document: %w", err)
		}
	}
	if input == nil {
		input = map[string]json.RawMessage{}
	}
	if args := Args(spec, t); len(args) > 0 {
		b, err := json.Marshal(args)
		if err != nil {
			return nil, fmt.Errorf("write the job's arguments: %w", err)
		}
		input["args"] = b
	}
	return json.Marshal(input)
}

// collective adds what torch.distributed's init_process_group() reads. Masters
// and workers are its ranks. Parameter servers and evaluators take no part in
// collective communication: libraries that see these variables would wait in
// them for peers that never come, so they get none.
func collective(env map[string]string, spec job.Spec, self job.Replica, master []string) error {
	rank, world, gpus := -1, 0, 0
	for _, g := range spec.Groups {
		if g.Role != job.Master && g.Role != job.Worker {
			continue
		}
		if g.Role == self.Role {
			rank, gpus = world+self.Index, g.Accelerator.Count
		}
		world += g.Count
	}
	if rank < 0 || len(master) == 0 {
		return nil
	}
	host, port, err := net.SplitHostPort(master[0])
	if err != nil {
		return fmt.Errorf("address of the master: %w", err)
	}
	env["MASTER_ADDR"], env["MASTER_PORT"] = host, port
	env["RANK"], env["WORLD_SIZE"] = strconv.Itoa(rank), strconv.Itoa(world)
	// Every replica is a machine to its program, and the program the only
	// process there. A program that is alone with several GPUs is not told so:
	// libraries would take it for one process per GPU and use the first only.
	if world > 1 || gpus <= 1 {
		env["LOCAL_RANK"] = "0"
	}
	return nil
}
