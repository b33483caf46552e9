package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

func TestSecretsAreHiddenHoweverTheyArePrinted(t *testing.T) {
	a := &agent{task: &Task{Replica: executor.Replica{Vars: []job.Variable{
		{Name: "A", Value: "visible"}, {Name: "B", Secret: true, Sealed: `s"é😀\x`}, {Name: "C", Secret: true, Sealed: "-- BEGIN --\nfirst line\nsecond line\n"}, {Name: "D", Secret: true, Sealed: "1"},
	}}}}
	a.Unseal = func(_ job.Key, v job.Variable) (string, error) { return v.Sealed, nil }
	v, err := a.openVariables()
	if err != nil || v.values["A"] != "visible" || v.values["D"] != "1" {
		t.Fatalf("%v, %v", v, err)
	}
	for in, want := range map[string]string{
		"visible 1":                         "visible 1",
		`is s"é😀\x!`:                        "is ***!",
		`{"m": "s\"é😀\\x"}`:                 `{"m": "***"}`,
		`{"m": "s\"\u00e9\ud83d\ude00\\x"}`: `{"m": "***"}`,
		"> second line <":                   "> *** <",
		`{"m": "-- BEGIN --\nfirst line\nsecond line\n"}`: `{"m": "***\n"}`,
	} {
		if got := string(v.hide([]byte(in))); got != want {
			t.Errorf("%s is logged as %s, want %s", in, got, want)
		}
	}
	line := []byte("x")
	if (variables{}).hide(line)[0] = 'y'; line[0] != 'y' {
		t.Error("a program without secrets has its lines copied")
	}
}

func TestASecretThatCannotBeOpenedEndsTheRun(t *testing.T) {
	a := &agent{task: &Task{Replica: executor.Replica{Vars: []job.Variable{{Name: "B", Secret: true, Sealed: "x"}}}}}
	if _, err := a.openVariables(); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "B is secret") {
		t.Errorf("no key: %v", err)
	}
	a.Unseal = func(job.Key, job.Variable) (string, error) { return "", errors.New("another key") }
	if _, err := a.openVariables(); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "B cannot be opened: another key") || fault.HintOf(err) == "" {
		t.Errorf("another key: %v", err)
	}
}
