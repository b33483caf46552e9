// Package archtest reads the repository: which room imports which, and that
// every room says what it is for.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/trainyard/trainyard/"

// arrows says which of our rooms a room may import. A trailing /... stands for
// the rooms below. The standard library is always allowed, and pattern, which
// stands for a part of it.
var arrows = map[string][]string{
	"cmd/trainyard":                  {"internal/..."},
	"internal/fault":                 {},
	"internal/pattern":               {},
	"internal/lifecycle":             {},
	"internal/archtest":              {},
	"internal/job":                   {"internal/fault"},
	"internal/config":                {"internal/fault"},
	"internal/cluster":               {"internal/job", "internal/fault"},
	"internal/mlv1":                  {"internal/job", "internal/fault"},
	"internal/ignore":                {"internal/fault"},
	"internal/pack":                  {"internal/ignore", "internal/fault"},
	"internal/check":                 {"internal/pack", "internal/fault"},
	"internal/scaffold":              {"internal/fault"},
	"internal/source":                {"internal/fault"},
	"internal/stage":                 {"internal/fault"},
	"internal/runtimes":              {"internal/fault"},
	"internal/pyenv":                 {"internal/runtimes", "internal/fault"},
	"internal/logs":                  {"internal/job", "internal/fault"},
	"internal/bucket":                {"internal/fault"},
	"internal/bucket/disk":           {"internal/bucket", "internal/fault"},
	"internal/bucket/cloud":          {"internal/bucket", "internal/fault"},
	"internal/bucket/cloud/s3":       {"internal/bucket/cloud", "internal/fault"},
	"internal/bucket/cloud/azure":    {"internal/bucket/cloud", "internal/fault"},
	"internal/bucket/cloud/gcs":      {"internal/bucket", "internal/bucket/cloud", "internal/fault"},
	"internal/bucket/route":          {"internal/bucket", "internal/fault"},
	"internal/bucket/buckettest":     {"internal/bucket", "internal/fault"},
	"internal/store":                 {"internal/job", "internal/fault"},
	"internal/store/storetest":       {"internal/store", "internal/job", "internal/fault"},
	"internal/repeat":                {"internal/job", "internal/fault"},
	"internal/compare":               {"internal/pack", "internal/fault"},
	"internal/retain":                {"internal/bucket", "internal/job", "internal/fault"},
	"internal/diagnose":              {"internal/logs", "internal/job", "internal/fault"},
	"internal/executor":              {"internal/job", "internal/fault"},
	"internal/executor/process":      {"internal/executor", "internal/agent", "internal/job", "internal/fault"},
	"internal/executor/fake":         {"internal/executor", "internal/job", "internal/fault"},
	"internal/executor/executortest": {"internal/executor", "internal/job", "internal/fault"},
	"internal/keep":                  {"internal/fault"},
	"internal/access":                {"internal/keep", "internal/bucket", "internal/job", "internal/fault"},
	"internal/egress":                {"internal/keep", "internal/fault"},
	"internal/signurl":               {"internal/fault"},
	"internal/confine":               {},
	"internal/agent":                 {"internal/egress", "internal/confine", "internal/executor", "internal/logs", "internal/job", "internal/fault"},
	"internal/control":               {"internal/cluster", "internal/executor", "internal/diagnose", "internal/job", "internal/fault"},
	"internal/price":                 {"internal/job", "internal/fault"},
	"internal/server":                {"internal/fault"},
	"internal/server/mlapi":          {"internal/mlv1", "internal/job", "internal/fault"},
	"internal/server/logapi":         {"internal/logs", "internal/job", "internal/fault"},
	"internal/server/storageapi":     {"internal/bucket", "internal/signurl", "internal/fault"},
	"internal/server/yardapi":        {"internal/server", "internal/logs", "internal/job", "internal/fault"},
	"internal/inplace":               {"internal/fault"},
	"internal/client":                {"internal/price", "internal/job", "internal/logs", "internal/fault"},
	"internal/cli":                   {"internal/cli/...", "internal/client", "internal/check", "internal/compare", "internal/config", "internal/inplace", "internal/job", "internal/mlv1", "internal/pack", "internal/runtimes", "internal/scaffold", "internal/source", "internal/stage", "internal/logs", "internal/signurl", "internal/fault"},
	"internal/cli/format":            {"internal/fault"},
	"internal/cli/dotenv":            {"internal/fault"},
	"internal/cli/filter":            {"internal/cli/format", "internal/fault"},
}

// onlyIn names libraries that may be linked in a few rooms only, so that the
// client's side carries no database and the domain no wire.
var onlyIn = map[string][]string{
	"modernc.org/sqlite":               {"internal/store", "internal/bucket/disk"},
	"database/sql":                     {"internal/store", "internal/store/storetest", "internal/bucket/disk"},
	"github.com/minio/minio-go":        {"internal/bucket/cloud/s3"},
	"github.com/Azure":                 {"internal/bucket/cloud/azure"},
	"github.com/spf13/cobra":           {"internal/cli"},
	"google.golang.org/api/ml/v1":      {"internal/mlv1", "internal/server/mlapi", "internal/client", "internal/cli"},
	"google.golang.org/api/storage/v1": {"internal/client", "internal/cli", "internal/bucket/cloud/gcs"},
	"cloud.google.com/go/storage":      {},
	"google.golang.org/grpc":           {},
}

func TestRoomsImportOnlyWhatTheTableAllows(t *testing.T) {
	imports := read(t)
	for room, list := range imports {
		allowed, ok := arrows[room]
		if !ok {
			t.Errorf("room %s is not in the table of arrows", room)
			continue
		}
		for _, imp := range list {
			ours, isOurs := strings.CutPrefix(imp, module)
			if isOurs && ours != "internal/pattern" && !slices.ContainsFunc(allowed, func(a string) bool { return matches(a, ours) }) {
				t.Errorf("%s imports %s, which the table does not allow", room, ours)
			}
			for lib, rooms := range onlyIn {
				if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !slices.Contains(rooms, room) {
					t.Errorf("%s imports %s, which belongs in %v only", room, imp, rooms)
				}
			}
		}
	}
	for room := range arrows {
		if _, ok := imports[room]; !ok {
			t.Errorf("the table names room %s, which does not exist", room)
		}
	}
}

func matches(pattern, path string) bool {
	if base, below := strings.CutSuffix(pattern, "/..."); below {
		return strings.HasPrefix(path, base+"/")
	}
	return pattern == path
}

// read parses the import clauses of every Go file that is not a test.
func read(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	for _, root := range []string{"../../cmd", "../../internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if d.Name() == "testdata" {
					return filepath.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(path, ".go") {
				return nil
			}
			room := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../../"))
			if _, ok := imports[room]; !ok {
				imports[room] = nil
			}
			if strings.HasSuffix(path, "_test.go") {
				return nil
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, s := range f.Imports {
				p, err := strconv.Unquote(s.Path.Value)
				if err != nil {
					return err
				}
				imports[room] = append(imports[room], p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(imports) < 20 {
		t.Fatalf("only %d rooms found: the walk is broken", len(imports))
	}
	return imports
}

func TestEveryRoomSaysWhatItIsFor(t *testing.T) {
	rooms := map[string]bool{}
	for room := range read(t) {
		rooms[room] = false
	}
	for room := range rooms {
		files, err := filepath.Glob(filepath.Join("../..", room, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", room, err, len(files))
		}
		for _, path := range files {
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && len(f.Doc.Text()) > 40 {
				rooms[room] = true
			}
		}
		if !rooms[room] {
			t.Errorf("%s has no package comment", room)
		}
	}
}
