package mlv1_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/job"
	"github.com/trainyard/trainyard/internal/mlv1"
)

func TestRolesBecomeGroups(t *testing.T) {
	for doc, want := range map[string][]job.Group{
		with(`"scaleTier": "STANDARD_1"`): {{Role: job.Master, Count: 1, Machine: "n1-highcpu-8"}, {Role: job.Worker, Count: 4, Machine: "n1-highcpu-8"}, {Role: job.ParameterServer, Count: 3, Machine: "n1-standard-4"}},
		with(`"scaleTier": "PREMIUM_1"`):  {{Role: job.Master, Count: 1, Machine: "n1-highcpu-16"}, {Role: job.Worker, Count: 19, Machine: "n1-highcpu-16"}, {Role: job.ParameterServer, Count: 11, Machine: "n1-highmem-8"}},
		with(`"scaleTier": "CUSTOM", "masterType": "standard", "workerCount": "2", "workerType": "large_model", "parameterServerCount": "0", "parameterServerType": "standard", "evaluatorCount": 1, "evaluatorType": "complex_model_s"`): {
			{Role: job.Master, Count: 1, Machine: "standard"}, {Role: job.Worker, Count: 2, Machine: "large_model"}, {Role: job.Evaluator, Count: 1, Machine: "complex_model_s"}},
	} {
		p, err := mlv1.Parse("demo", []byte(doc), rules)
		if err != nil {
			t.Errorf("%s\n%v", doc, err)
			continue
		}
		same := slices.EqualFunc(p.Spec.Groups, want, func(g, w job.Group) bool {
			return g.Role == w.Role && g.Count == w.Count && g.Machine == w.Machine && g.Need.CPUs > 0 && g.Need.Memory > 0
		})
		if !same {
			t.Errorf("%s\nhas the groups %+v, want %+v", doc, p.Spec.Groups, want)
		}
	}
}

func TestTheImageOfTheMasterMayBeSaidOfOtherRoles(t *testing.T) {
	const image = "gcr.io/cloud-ml-public/training/pytorch-cpu.1-13"
	doc := func(worker string) []byte {
		return []byte(with(`"scaleTier": "CUSTOM", "masterType": "standard", "masterConfig": {"imageUri": "` + image + `"}, "workerCount": 1, "workerType": "standard", "workerConfig": {"imageUri": "` + worker + `"}`))
	}
	if _, err := mlv1.Parse("demo", doc(image), rules); err != nil {
		t.Error(err)
	}
	if _, err := mlv1.Parse("demo", doc("gcr.io/own/image"), rules); err == nil || !strings.Contains(err.Error(), "worker_config.image_uri") {
		t.Errorf("a worker's own image gives %v", err)
	}
}
