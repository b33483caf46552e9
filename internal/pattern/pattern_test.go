package pattern

import "testing"

func TestAPatternIsCompiledWhenItIsUsed(t *testing.T) {
	underTest = false
	defer func() { underTest = true }()
	wrong := New(`(`)
	if p := New(`^a(b+)$`); !p.MatchString("abb") || p.FindStringSubmatch("abb")[1] != "bb" || p.MatchString("a") {
		t.Error("it does not match as a regular expression")
	}
	defer func() {
		if recover() == nil {
			t.Error("a wrong pattern is used")
		}
	}()
	wrong.MatchString("")
}

func TestAWrongPatternFailsEveryTest(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a wrong pattern is not found")
		}
	}()
	New(`(`)
}
