package cli

import (
	"strings"
	"testing"
)

func TestStandInsTranslateWhatProgramsCall(t *testing.T) {
	for line, want := range map[string]string{
		"trainyard storage ls":                                        "trainyard storage ls",
		"/x/bin/gsutil -m cp -r a gs://b/c":                           "trainyard storage cp --recursive -- a gs://b/c",
		"gsutil -q -m cp -rn a gs://b/c":                              "trainyard --quiet storage cp --recursive --no-clobber -- a gs://b/c",
		"gsutil cp - gs://b/c":                                        "trainyard storage cp -- - gs://b/c",
		"gsutil -o GSUtil:x=1 cp -a public-read x gs://b":             "trainyard storage cp -- x gs://b",
		"gsutil cat -r 0-9 gs://b/c":                                  "trainyard storage cat --range=0-9 -- gs://b/c",
		"gsutil ls -lr gs://b":                                        "trainyard storage ls --long --recursive -- gs://b",
		"gsutil ls":                                                   "trainyard storage ls",
		"gsutil -m rsync -r -d a gs://b":                              "trainyard storage rsync --recursive --delete-unmatched-destination-objects -- a gs://b",
		"gsutil rsync -x .*\\.pyc a gs://b":                           "trainyard storage rsync --exclude=.*\\.pyc -- a gs://b",
		"gsutil -q stat gs://b/c":                                     "trainyard --quiet --no-user-output-enabled storage objects describe -- gs://b/c",
		"gsutil mb -l us-central1 -p proj gs://b":                     "trainyard storage buckets create --location=us-central1 --project=proj -- gs://b",
		"gsutil rm -rf gs://b/c":                                      "trainyard storage rm --recursive --continue-on-error -- gs://b/c",
		"gsutil -h Content-Type:text/x cp a gs://b":                   "trainyard storage cp --content-type=text/x -- a gs://b",
		"gsutil setmeta -h Cache-Control: -h x-goog-meta-K: gs://b/c": "trainyard storage objects update --clear-cache-control --remove-custom-metadata=k -- gs://b/c",
		"gsutil ls -d gs://b/c":                                       "trainyard storage ls --directory -- gs://b/c",
		"gsutil du -sh gs://b":                                        "trainyard storage du --summarize --readable-sizes -- gs://b",
		"gcloud --project p auth login":                               "",
		"gcloud --version":                                            "trainyard version",
		"gcloud storage cp a gs://b":                                  "trainyard storage cp a gs://b",
		"gcloud ai-platform jobs list":                                "trainyard ai-platform jobs list",
		"gcloud config get-value project":                             "trainyard config get project",
	} {
		got, say, err := standIn(strings.Fields(line))
		if want == "" {
			if say == "" {
				t.Errorf("%s is %q, and should be nothing to do", line, got)
			}
			continue
		}
		if err != nil || say != "" || strings.Join(got, " ") != want {
			t.Errorf("%s\nis   %s (%q, %v)\nwant %s", line, strings.Join(got, " "), say, err, want)
		}
	}
	for line, want := range map[string]string{
		"gsutil acl ch -u x gs://b":      `does not know "acl"`,
		"gsutil cp --frobnicate a b":     "gsutil cp does not know --frobnicate",
		"gsutil --frobnicate cp a b":     "does not know --frobnicate",
		"gsutil cat -r":                  "gsutil cat -r needs a value",
		"gsutil -u":                      "gsutil -u needs a value",
		"gsutil setmeta -h X:y gs://b/c": `does not know the header "X:y"`,
	} {
		if _, _, err := standIn(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if _, say, err := standIn(strings.Fields("gcloud auth activate-service-account --key-file x")); err != nil || !strings.Contains(say, "no credentials") {
		t.Errorf("%q, %v", say, err)
	}
}

// TestStandInsUseFlagsThatExist: a translation that the command line does not
// take would fail in somebody's job.
func TestStandInsUseFlagsThatExist(t *testing.T) {
	root := newRoot(&App{})
	for name, c := range gsutilCommands {
		cmd, rest, err := root.Find(c.to)
		if err != nil || len(rest) != 0 {
			t.Errorf("gsutil %s is %v, which is no command", name, c.to)
			continue
		}
		for letter, f := range c.flags {
			if to := strings.TrimPrefix(f.to, "--"); to != "" && f.to != "--header" && cmd.Flags().Lookup(to) == nil && root.PersistentFlags().Lookup(to) == nil {
				t.Errorf("gsutil %s -%s is %s, which %s has not", name, letter, f.to, cmd.CommandPath())
			}
		}
	}
}
