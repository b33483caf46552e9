package mlapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// served are the methods of Google's API that stay in the discovery document.
var served = map[string][]string{
	"projects":                      {"getConfig"},
	"projects.jobs":                 {"cancel", "create", "get", "getIamPolicy", "list", "patch", "setIamPolicy", "testIamPermissions"},
	"projects.locations":            {"get", "list"},
	"projects.locations.operations": {"cancel", "get"},
	"projects.operations":           {"cancel", "get", "list"},
}

func TestTheDiscoveryDocumentIsGooglesTrimmed(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Skipf("SKIPPED: the module's folder is not known: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "ml", "v1", "ml-api.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	resources, _ := trim(d["resources"].(map[string]any), "").(map[string]any)
	d["resources"] = resources
	all := d["schemas"].(map[string]any)
	kept := map[string]any{}
	keep(resources, all, kept)
	d["schemas"] = kept
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(d); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("discovery.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want.Bytes(), discoveryDocument) {
		t.Error("discovery.json is not what Google's document gives: run go test ./internal/server/mlapi -run Discovery -update")
	}
}

// trim keeps the served resources and methods.
func trim(resources map[string]any, prefix string) any {
	for name, v := range resources {
		path, res := prefix+name, v.(map[string]any)
		methods, _ := res["methods"].(map[string]any)
		for m := range methods {
			if !strings.Contains(" "+strings.Join(served[path], " ")+" ", " "+m+" ") {
				delete(methods, m)
			}
		}
		if sub, ok := res["resources"].(map[string]any); ok {
			trim(sub, path+".")
		}
		if served[path] == nil {
			delete(resources, name)
		}
	}
	return resources
}

// keep finds the schemas that v refers to.
func keep(v any, all, kept map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && kept[ref] == nil {
			kept[ref] = all[ref]
			keep(all[ref], all, kept)
		}
		for _, e := range v {
			keep(e, all, kept)
		}
	case []any:
		for _, e := range v {
			keep(e, all, kept)
		}
	}
}
