package cli

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/config"
	"github.com/trainyard/trainyard/internal/mlv1"
)

// parse gives the document that a command line describes, without running it.
func parse(t *testing.T, args ...string) (string, error) {
	t.Helper()
	a := &App{Streams: newStreams(strings.NewReader(""), io.Discard, io.Discard, nil)}
	var doc mlv1.Doc
	cmd := newSubmit(a, func(_ context.Context, o *submitOptions) error {
		s, err := config.Load(config.Input{Environ: []string{"HOME=/nonexistent", "TRAINYARD_REGION=env"}})
		if err != nil {
			return err
		}
		doc, err = o.document(s)
		return err
	})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(flagError)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	b, _ := json.Marshal(doc)
	return string(b), err
}

func TestFlagsBecomeTheDocument(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"j", `{"jobId":"j","trainingInput":{"region":"env"}}`},
		{"j --", `{"jobId":"j","trainingInput":{"region":"env"}}`},
		{"j -- --a -- b", `{"jobId":"j","trainingInput":{"args":["--a","--","b"],"region":"env"}}`},
		{"--module-name=a.b j", `{"jobId":"j","trainingInput":{"pythonModule":"a.b","region":"env"}}`},
		{"j --scale-tier BASIC_GPU", `{"jobId":"j","trainingInput":{"region":"env","scaleTier":"BASIC_GPU"}}`},
		{"j --scale-tier basic-gpu --python-version 3.7 --runtime-version 2.11", `{"jobId":"j","trainingInput":{"pythonVersion":"3.7","region":"env","runtimeVersion":"2.11","scaleTier":"BASIC_GPU"}}`},
		{"j --enable-web-access --network n --service-account a@b.c", `{"jobId":"j","trainingInput":{"enableWebAccess":true,"network":"n","region":"env","serviceAccount":"a@b.c"}}`},
		{"j --enable-web-access=false", `{"jobId":"j","trainingInput":{"enableWebAccess":false,"region":"env"}}`},
		{"j --labels a=b,c= --labels d=e", `{"jobId":"j","labels":{"a":"b","c":"","d":"e"},"trainingInput":{"region":"env"}}`},
		{"j --use-chief-in-tf-config true", `{"jobId":"j","trainingInput":{"region":"env","useChiefInTfConfig":true}}`},
		{"j --job-dir gs://bucket", `{"jobId":"j","trainingInput":{"jobDir":"gs://bucket/","region":"env"}}`},
		{"j --kms-key projects/p/locations/l/keyRings/r/cryptoKeys/k", `{"jobId":"j","trainingInput":{"encryptionConfig":{"kmsKeyName":"projects/p/locations/l/keyRings/r/cryptoKeys/k"},"region":"env"}}`},
		{"j --parameter-server-machine-type m --parameter-server-count 2 --tpu-tf-version 2.1", `{"jobId":"j","trainingInput":{"parameterServerCount":"2","parameterServerType":"m","region":"env","workerConfig":{"tpuTfVersion":"2.1"}}}`},
	} {
		got, err := parse(t, strings.Fields(tt.line)...)
		if err != nil || got != tt.want {
			t.Errorf("%s\n got %s, %v\nwant %s", tt.line, got, err, tt.want)
		}
	}
}

func TestListsSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"a,b": {"a", "b"}, "": {}, "a,,b": {"a", "b"}, "^:^a,b:c": {"a,b", "c"}, "^^a": {"^^a"}, "a b,ü": {"a b", "ü"},
	} {
		if diff := cmp.Diff(want, splitList(text)); diff != "" {
			t.Errorf("splitList(%q) (-want +got)\n%s", text, diff)
		}
	}
}

func TestAddressesAreReadAsTheOriginalDoes(t *testing.T) {
	for text, want := range map[string]bool{
		"gs://bucket/o": true, "gs://bucket/a//b": true, "gs://bucket": false, "gs://bucket/": false, "gs://r/one.whl": false,
		"gs://Bucket/o": false, "bucket/o": false, "gs:/bucket/o": false, "gs://bucket/a\nb": false, "gs://1.2.3.4/o": false,
		"gs://a.b/o": true, "gs://" + strings.Repeat("a", 64) + "/o": false, "gs://bucket/" + strings.Repeat("x", 1025): false,
	} {
		if _, got := remote(text); got != want {
			t.Errorf("remote(%.40q) = %t", text, got)
		}
	}
}

func FuzzAddresses(f *testing.F) {
	f.Add("gs://bucket/o")
	f.Add("gs://bucket")
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := stagingBucket(text); err == nil && checkBucket(strings.TrimPrefix(b, "gs://")) != nil {
			t.Errorf("stagingBucket(%q) = %q", text, b)
		}
		if d, err := jobDir(text); err == nil {
			if again, err := jobDir(d); err != nil || again != d {
				t.Errorf("jobDir(%q) = %q, and of that %q, %v", text, d, again, err)
			}
		}
		if at, ok := remote(text); ok && "gs://"+at.bucket+"/"+at.name != text {
			t.Errorf("remote(%q) = %+v", text, at)
		}
	})
}
