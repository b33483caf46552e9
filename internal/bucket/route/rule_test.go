package route_test

import (
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/bucket/route"
	"github.com/trainyard/trainyard/internal/fault"
)

func TestRulesSayWhereABucketIs(t *testing.T) {
	rules, err := route.Parse([]string{"*=gs://mine-*", "team-*=s3://company/teams/*?endpoint=http://minio:9000&region=auto", "team-a=azblob://a?account=acme", "*-raw=s3://*"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"team-a": "azblob://a", "team-b": "s3://company/teams/b", "team-": "gs://mine-team-", "photos-raw": "s3://photos", "else": "gs://mine-else",
	} {
		got := "none"
		for _, r := range rules {
			if p, ok := r.At(name); ok {
				got = p.String()
				break
			}
		}
		if got != want {
			t.Errorf("%s is at %s, want %s", name, got, want)
		}
	}
	if p, _ := rules[1].At("team-b"); p.Prefix != "teams/b/" || p.Options["endpoint"] != "http://minio:9000" || p.Options["region"] != "auto" {
		t.Errorf("team-b is at %+v", p)
	}
}

func TestMistakenRulesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"models":                                   "NAME=PLACE",
		"models=":                                  "is not a place",
		"models=company-models":                    "is not a place",
		"models=ftp://x":                           "none of s3, gs, azblob",
		"models=s3://key:secret@x":                 "credentials",
		"models=s3://x?acount=y":                   `option "acount"`,
		"models=s3://x?endpoint=minio:9000":        "not an address",
		"models=gs://x?endpoint=http://a:secret@b": "not an address",
		"team-*=s3://x":                            "otherwise several buckets would be one",
		"team=s3://x-*":                            "the name has none",
		"*-*=s3://*":                               "one *",
		"Models=s3://x":                            "lower-case",
		"models=gs://x?region=y":                   `option "region"`,
		"models=azblob://c/*/?account":             "the name has none",
	} {
		_, err := route.Parse([]string{text})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(text, "secret") && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	if _, err := route.Parse([]string{"a-b=s3://x", "a-b=s3://y"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a name twice: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("models=s3://company/prefix?endpoint=http://minio:9000", "models")
	f.Add("team-*=s3://company/teams/*", "team-x")
	f.Fuzz(func(t *testing.T, text, name string) {
		rules, err := route.Parse([]string{text})
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%v", err)
			}
			return
		}
		if p, ok := rules[0].At(name); ok && (p.Container == "" || strings.Contains(p.Container+p.Prefix, "*") && !strings.Contains(name, "*") || p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/")) {
			t.Errorf("%q at %q: %+v", text, name, p)
		}
	})
}
