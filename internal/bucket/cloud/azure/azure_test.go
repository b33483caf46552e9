package azure

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trainyard/trainyard/internal/fault"
)

func open(t *testing.T, o Options, env map[string]string) (*Service, error) {
	t.Helper()
	o.For, o.Env = "models", func(name string) string { return env[name] }
	return New(o)
}

func TestMistakesAreToldAtTheStart(t *testing.T) {
	for what, tt := range map[string]struct {
		o    Options
		env  map[string]string
		want string
	}{
		"no account":        {Options{Container: "box"}, nil, "in no account"},
		"a bad account":     {Options{Container: "box", Account: "evil.example/"}, nil, "name of an account"},
		"a bad container":   {Options{Container: "a_b", Account: "acme"}, nil, "name of a container"},
		"a bad key":         {Options{Container: "box"}, map[string]string{"AZURE_STORAGE_ACCOUNT": "acme", "AZURE_STORAGE_KEY": "sesame!"}, "AZURE_STORAGE_KEY"},
		"a bad connection":  {Options{Container: "box"}, map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "sesame"}, "AZURE_STORAGE_CONNECTION_STRING"},
		"two dashes in one": {Options{Container: "a--b", Account: "acme"}, nil, "name of a container"},
	} {
		_, err := open(t, tt.o, tt.env)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v, want %q", what, err, tt.want)
		}
	}
}

// A signature in a connection string is part of every address; no error shows
// it.
func TestNoErrorTellsASignature(t *testing.T) {
	s, err := open(t, Options{Container: "box"}, map[string]string{
		"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=http://127.0.0.1:1/acme;SharedAccessSignature=sv=2024-01-01&sig=opensesame"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Head(t.Context(), "x")
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "gs://models") || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error()+fault.HintOf(err), "sesame") {
		t.Errorf("Head: %v (hint %s)", err, fault.HintOf(err))
	}
}

func TestNamesThatAzureChangesAreRefused(t *testing.T) {
	s, err := open(t, Options{Container: "box", Account: "acme"}, map[string]string{"AZURE_STORAGE_ACCOUNT": "acme", "AZURE_STORAGE_KEY": "c2VzYW1l"})
	if err != nil {
		t.Fatal(err)
	}
	for key, ok := range map[string]bool{
		"a": true, "a/b": true, "a//b": true, "/a": true, "a/": true, "a.b": true, ".a": true, "ü 🚂": true,
		"a.": false, "a./b": false, "..": false, "a/../b": false, `a\b`: false, "a\x00b": false, " ": false, strings.Repeat("a/", 255) + "a": false,
	} {
		if err := s.CheckKey(key); (err == nil) != ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("CheckKey(%q) = %v", key, err)
		}
	}
}

func TestAServiceThatNeverAnswersIsGivenUp(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	s, err := open(t, Options{Container: "box", Account: "acme", Endpoint: silent.URL, Patience: 50 * time.Millisecond}, map[string]string{"AZURE_STORAGE_ACCOUNT": "acme", "AZURE_STORAGE_KEY": "c2VzYW1l"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := s.Head(ctx, "x"); ctx.Err() != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("Head: %v", err)
	}
}
