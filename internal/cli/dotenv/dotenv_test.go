package dotenv

import (
	"reflect"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/fault"
)

func TestAFileIsRead(t *testing.T) {
	text := "\ufeff# comment\r\n\r\n  A=x  \r\nexport B = y z # not\nC=\nD=#\nE=a#b\nF\nexport G\nH='$x \"y\" # z'\nI=\"a\\nb \\\"c\\\" \\d\" # comment\nJ=\"one\ntwo\"\nK='one\n\ntwo' \nexport=1\nL=a=b\nM # comment\nA=again"
	want := []Variable{
		{"A", "x", false}, {"B", "y z", false}, {"C", "", false}, {"D", "", false}, {"E", "a#b", false}, {"F", "", true}, {"G", "", true},
		{"H", `$x "y" # z`, false}, {"I", "a\nb \"c\" \\d", false}, {"J", "one\ntwo", false}, {"K", "one\n\ntwo", false},
		{"export", "1", false}, {"L", "a=b", false}, {"M", "", true}, {"A", "again", false},
	}
	got, err := Parse(".env", text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestWhatIsNoVariableIsSaidWithItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\nsesame street\n": ".env:2: this is no variable",
		"=sesame":              ".env:1: this is no variable",
		"A=1\n\nB='sesame":     ".env:3: the value of B has no closing quote",
		"A='x\ny' sesame":      ".env:2: the value of A goes on",
		"A=\"\n\n\"\nB 'x'":    ".env:4: this is no variable",
	} {
		_, err := Parse(".env", text)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%q gives %v, want %q", text, err, want)
		} else if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%v tells a value", err)
		}
	}
}

// FuzzParse: nothing makes it crash or loop, and what it read is read the same
// when it is written in single quotes.
func FuzzParse(f *testing.F) {
	f.Add("A=x\nB='y\nz' # c\nexport C=\"\\n\"\nD")
	f.Fuzz(func(t *testing.T, text string) {
		vs, err := Parse("f", text)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, v := range vs {
			switch {
			case strings.ContainsAny(v.Name, " \t'\"#$\n") || v.Name == "":
				t.Errorf("%q gives the name %q", text, v.Name)
			case strings.ContainsAny(v.Value, "'\r"):
				return
			case v.Bare:
				b.WriteString(v.Name + "\n")
			default:
				b.WriteString(v.Name + "='" + v.Value + "'\n")
			}
		}
		again, err := Parse("f", b.String())
		if err != nil || len(again) != len(vs) || len(vs) > 0 && !reflect.DeepEqual(again, vs) {
			t.Errorf("%q is %+v, written %q it is %+v, %v", text, vs, b.String(), again, err)
		}
	})
}
