package mlapi

import (
	"encoding/json"
	"slices"

	"github.com/trainyard/trainyard/internal/fault"
)

// serviceAccount is who this server says it is where the API wants a service
// account. The name can belong to nobody.
const serviceAccount = "trainyard@service.invalid"

func (a *api) config(request) (any, error) {
	return map[string]any{"serviceAccount": serviceAccount, "config": map[string]any{}}, nil
}

func (a *api) locations(r request) (any, error) {
	if len(a.Rules.Regions) == 0 {
		return map[string]any{}, nil
	}
	var all []any
	for _, region := range slices.Sorted(slices.Values(a.Rules.Regions)) {
		all = append(all, place(r, region))
	}
	return map[string]any{"locations": all}, nil
}

func (a *api) location(r request) (any, error) {
	if !slices.Contains(a.Rules.Regions, r.name) {
		return nil, atField("name", fault.Errorf(fault.NotFound, "The location '%s' was not found.", r.name))
	}
	return place(r, r.name), nil
}

func place(r request, region string) map[string]any {
	return map[string]any{
		"name":         "projects/" + string(r.project) + "/locations/" + region,
		"capabilities": []any{map[string]any{"type": "TRAINING"}},
	}
}

// Training jobs are not operations, so there are none.
func noOperations(request) (any, error) { return map[string]any{}, nil }

func noOperation(r request) (any, error) {
	return nil, atField("name", fault.Errorf(fault.NotFound, "The operation '%s' was not found.", r.name))
}

// noPolicy is the etag that the original gives an empty policy.
const noPolicy = "ACAB"

// getPolicy answers with the empty policy: who may call is decided for the
// whole server.
func (a *api) getPolicy(r request) (any, error) {
	_, err := a.job(r)
	return map[string]any{"etag": noPolicy}, err
}

// setPolicy takes the empty policy and refuses every other, which would not be
// kept.
func (a *api) setPolicy(r request) (any, error) {
	var sent struct {
		Policy struct {
			Bindings []any `json:"bindings"`
		} `json:"policy"`
	}
	if err := r.decode(&sent); err != nil {
		return nil, err
	}
	if _, err := a.job(r); err != nil {
		return nil, err
	}
	if len(sent.Policy.Bindings) > 0 {
		return nil, invalid("policy.bindings", "IAM policies of jobs are not available on this server: whoever may call it may do everything.")
	}
	return map[string]any{"etag": noPolicy}, nil
}

// testPermissions allows everything on a job that there is.
func (a *api) testPermissions(r request) (any, error) {
	var sent struct {
		Permissions []string `json:"permissions"`
	}
	if err := r.decode(&sent); err != nil {
		return nil, err
	}
	_, err := a.job(r)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && len(sent.Permissions) == 0:
		return map[string]any{}, nil
	case err != nil:
		return nil, err
	}
	return map[string]any{"permissions": sent.Permissions}, nil
}

func (r request) decode(v any) error {
	raw, err := r.body()
	if err != nil || len(raw) == 0 {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.Errorf(fault.Invalid, "Invalid JSON payload received. %w", err)
	}
	return nil
}
