package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheStrongerSourceWins(t *testing.T) {
	file := write(t, "project: file\nregion: file\nstaging-bucket: file\n")
	s, err := Load(Input{
		File:    file,
		Environ: []string{"HOME=/h", "CLOUDSDK_CORE_PROJECT=sdk", "TRAINYARD_PROJECT=env", "CLOUDSDK_COMPUTE_REGION=sdk", "TRAINYARD_REGION="},
		Flags:   map[string]string{"project": "flag", "unrelated": "x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][2]string{
		"project":        {"flag", "flag --project"},
		"region":         {"sdk", "environment CLOUDSDK_COMPUTE_REGION"},
		"staging-bucket": {"file", "file " + file},
		"listen":         {"127.0.0.1:8450", "default"},
	} {
		for _, v := range s.Values() {
			if v.Key == key && [2]string{v.Value, v.Source} != want {
				t.Errorf("%s = %q from %q, want %q", key, v.Value, v.Source, want)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	s, err := Load(Input{Environ: []string{"HOME=/h", "XDG_DATA_HOME=relative/does/not/count"}})
	if err != nil {
		t.Fatal(err)
	}
	if s.File != filepath.FromSlash("/h/.config/trainyard/config.yaml") || s.DataDir != filepath.FromSlash("/h/.local/share/trainyard") {
		t.Errorf("file %s, data %s", s.File, s.DataDir)
	}
	if s.Project != "local" || s.Region != "" || s.Regions[0] != "us-central1" || len(s.Regions) != 22 || s.CancelGrace != 30*time.Second || s.KeepFailed != 24*time.Hour || s.DefaultBucket != "trainyard-default" {
		t.Errorf("%+v", s)
	}
}

func TestEverySettingIsAFlagAVariableAndAKeyOfTheFile(t *testing.T) {
	values := map[string]string{
		"endpoint": "http://h:1", "data-dir": "/yard", "listen": "h:1", "quiet": "true", "storage-proxy": "false", "private-tmp": "false", "max-parallel-jobs": "3", "job-memory": "2GiB", "cancel-grace": "5s",
		"environments-size": "3GiB", "fetch-pythons": "true", "keep-failed": "1h0m0s", "keep-jobs": "90d", "log-level": "debug", "installer": "pip", "regions": "a,b", "pythons": "/p,/q", "buckets": "models=s3://x,team-*=gs://y-*", "machines": "/m.yaml", "prices": "/p.yaml",
	}
	for _, k := range keys {
		v, ok := values[k.name]
		if !ok {
			v = "value"
		}
		if k.name == "token-file" {
			v = write(t, "sesame\n")
		}
		shown := v
		if k.name == "token" {
			shown = redacted
		}
		for how, in := range map[string]Input{
			"flag":     {Flags: map[string]string{k.name: v}},
			"variable": {Environ: []string{k.variables()[0] + "=" + v}},
			"file":     {File: write(t, k.name+": "+v+"\n")},
		} {
			s, err := Load(in)
			if err != nil || k.get(&s) != shown || s.SourceOf(k.name).Level == Default {
				t.Errorf("%s as %s: %q, %v from %s", k.name, how, k.get(&s), err, s.SourceOf(k.name))
			}
		}
		if k.help == "" {
			t.Errorf("%s has no help", k.name)
		}
	}
}

func TestMistakesNameTheKeyAndTheSource(t *testing.T) {
	for _, tt := range []struct{ file, env, msg, hint string }{
		{file: "projct: x", msg: `line 1: unknown key "projct"`, hint: "did you mean project?"},
		{file: "staging_bucket: x", msg: `unknown key "staging_bucket"`, hint: "did you mean staging-bucket?"},
		{file: "zzzzzz: x", msg: `unknown key "zzzzzz"`, hint: "the keys are endpoint,"},
		{file: "project: [a", msg: "line 1"},
		{file: "- x", msg: "expected lines of the form key: value"},
		{file: "project: a\nproject: b", msg: `key "project" is there twice`},
		{file: "project: {a: b}", msg: "project: a plain value or a list is expected"},
		{file: "regions: [[a]]", msg: "regions: a list of plain values is expected"},
		{file: "data-dir: ''", msg: "data-dir: a folder is expected"},
		{file: "quiet: maybe", msg: `quiet: "maybe" is neither true nor false`},
		{env: "TRAINYARD_LISTEN=8450", msg: `environment TRAINYARD_LISTEN: listen: "8450" is not an address`},
		{env: "TRAINYARD_ENDPOINT=h:1", msg: `endpoint: "h:1" is not an address`},
		{env: "TRAINYARD_JOB_MEMORY=-1", msg: `"-1" is not a size`},
		{env: "TRAINYARD_LOG_LEVEL=loud", msg: `"loud" is none of debug`},
		{env: "TRAINYARD_INSTALLER=conda", msg: `"conda" is none of auto, uv, pip`},
		{env: "TRAINYARD_MAX_PARALLEL_JOBS=x", msg: "is not a whole number"},
		{env: "TRAINYARD_BUCKETS=models", msg: "buckets: expected NAME=PLACE"},
		{file: "buckets:\n  models: s3:/x", msg: "the place of models is none such as s3://company-models"},
		{env: "TRAINYARD_BUCKETS=models=s3://key:sesame@x", msg: "the place of models holds credentials"},
		{file: "buckets:\n  models: [s3://x]", msg: "buckets: models: a plain value without commas is expected"},
		{env: "TRAINYARD_PROJECT=", msg: "the project is set to the empty string"},
		{env: "TRAINYARD_TOKEN_FILE=/does/not/exist", msg: "token-file"},
		{env: "TRAINYARD_CONFIG_FILE=/does/not/exist", msg: "cannot read the configuration file"},
	} {
		in := Input{Environ: []string{tt.env}}
		if tt.file != "" {
			in.File = write(t, tt.file)
		}
		_, err := Load(in)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.msg) || !strings.Contains(fault.HintOf(err), tt.hint) {
			t.Errorf("%q %q: %v (hint %q), want %q (hint %q)", tt.file, tt.env, err, fault.HintOf(err), tt.msg, tt.hint)
		}
	}
}

func TestBucketsAreAMappingInTheFile(t *testing.T) {
	s, err := Load(Input{File: write(t, "buckets:\n  models: s3://company-models/prefix?endpoint=http://minio:9000\n  \"team-*\": gs://company-*\n")})
	want := []string{"models=s3://company-models/prefix?endpoint=http://minio:9000", "team-*=gs://company-*"}
	if err != nil || !slices.Equal(s.Buckets, want) {
		t.Errorf("buckets are %q, %v; want %q", s.Buckets, err, want)
	}
}

func TestAFileWithNothingInItIsFine(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "null\n"} {
		if _, err := Load(Input{File: write(t, text)}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	type holder struct{ Token Secret }
	h := holder{NewSecret("sesame")}
	b, err := json.Marshal(h)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", h.Token, "holder", h)
	for _, text := range []string{string(b), log.String(), fmt.Sprint(h), fmt.Sprintf("%v %+v %#v %s %q %x", h, h, h, h.Token, h.Token, h.Token)} {
		if strings.Contains(text, "sesame") || strings.Contains(text, "736573616d65") || err != nil {
			t.Errorf("shown in %s (%v)", text, err)
		}
	}
	if h.Token.Reveal() != "sesame" {
		t.Error("the value is lost")
	}
}

func TestSizesReadBackAsTheyWere(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1": 1, "1K": 1024, "1kB": 1000, "1.5GiB": 3 << 29, "2 GB": 2e9, "4G": 4 << 30} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
		if back, err := ParseSize(FormatSize(got)); err != nil || back != got {
			t.Errorf("%d reads back as %d, %v", got, back, err)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("1.5GiB")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseSize(text)
		if err != nil {
			return
		}
		if back, err := ParseSize(FormatSize(n)); n < 0 || err != nil || back != n {
			t.Errorf("ParseSize(%q) = %d, which reads back as %d, %v", text, n, back, err)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add("project: x\nregions: [a, b]\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readFile(path, true); err != nil {
			return
		}
		if err := Set(path, "project", "set"); err != nil {
			return // what can be read may not all be written back: anchors, say
		}
		got, err := readFile(path, true)
		if err != nil || got["project"] != "set" {
			t.Errorf("%q: after Set: %v, %v", text, got, err)
		}
	})
}

func TestPathsAreSeenFromWhereTheyStand(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"token", "sub/token"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("sesame"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wd, err := os.Getwd() // with links followed
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(wd, "sub", "config.yaml")
	if err := os.WriteFile(file, []byte("token-file: token\ndata-dir: ~/yard\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(in Input) Settings {
		t.Helper()
		in.Environ = append(in.Environ, "HOME=/home/ann")
		s, err := Load(in)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := load(Input{File: file}); s.TokenFile != filepath.Join(wd, "sub", "token") || s.DataDir != "/home/ann/yard" {
		t.Errorf("from the file: %s, %s", s.TokenFile, s.DataDir)
	}
	if s := load(Input{File: file, Flags: map[string]string{"token-file": "token"}, Environ: []string{"TRAINYARD_DATA_DIR=yard"}}); s.TokenFile != filepath.Join(wd, "token") || s.DataDir != filepath.Join(wd, "yard") {
		t.Errorf("from flag and environment: %s, %s", s.TokenFile, s.DataDir)
	}
	s := load(Input{Environ: []string{"TRAINYARD_DATA_DIR=yard"}})
	if p, ok := s.Path("data-dir"); !ok || p != filepath.Join(wd, "yard") {
		t.Errorf("data-dir: %q, %t", p, ok)
	}
	for _, name := range []string{"listen", "nothing"} {
		if p, ok := s.Path(name); ok {
			t.Errorf("%s is a path: %q", name, p)
		}
	}
	if err := Set(file, "token-file", "token"); err != nil {
		t.Fatal(err)
	}
	if s := load(Input{File: file}); s.TokenFile != filepath.Join(wd, "token") {
		t.Errorf("after config set: %s", s.TokenFile)
	}
}
