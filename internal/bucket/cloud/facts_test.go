package cloud

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
)

// roomy is a service that keeps any facts.
type roomy struct{ Service }

func (roomy) Limit() int     { return 1 << 30 }
func (roomy) String() string { return "roomy" }

// FuzzFacts reads what somebody left in our entry of the metadata. Whatever it
// is, the object has facts, and the same ones after they were written again.
func FuzzFacts(f *testing.F) {
	f.Add(`{"g":1764079200000000,"m":1,"s":5,"c":1764079200000,"5":"XUFAKrxLKna5cZ2REBfFkg==","3":7,"t":"a/b","k":{"k":"v"}}`, int64(5), "tag")
	f.Add(`{"g":-1,"m":0,"s":5}`, int64(5), "tag")
	f.Add("not JSON", int64(0), "")
	p := place{bucket: "box", prefix: "below/", Service: roomy{}}
	f.Fuzz(func(t *testing.T, text string, size int64, tag string) {
		e := Entry{Key: "below/x", Size: size, Tag: tag, Modified: time.Unix(1_764_079_200, 0), Facts: base64.RawURLEncoding.EncodeToString([]byte(text))}
		o := p.object(e)
		if o.Bucket != "box" || o.Name != "x" || o.Size != size || o.Generation <= 0 {
			t.Fatalf("%q: %+v", text, o)
		}
		written, err := p.entry(o)
		if err != nil {
			t.Fatal(err)
		}
		written.Modified = e.Modified
		// Strings that are no UTF-8 cannot come out of JSON, so nothing is lost.
		if diff := cmp.Diff(o, p.object(written)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add(position{name: "a/b", mark: "2!88!x"}.token())
	f.Add(position{prefix: true, name: "ü"}.token())
	f.Add("aGVsbG8")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := parseToken(token)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", token, err)
			}
			return
		}
		if again, err := parseToken(p.token()); err != nil || again != p {
			t.Errorf("%q: %+v, then %+v, %v", token, p, again, err)
		}
	})
}

// A generation that is derived comes before those that are given out, and
// tells objects of one second apart.
func TestDerivedGenerations(t *testing.T) {
	p := place{bucket: "box", Service: roomy{}}
	now := time.Now()
	a := p.object(Entry{Key: "x", Tag: "a", Modified: now})
	b := p.object(Entry{Key: "x", Tag: "b", Modified: now})
	later := p.object(Entry{Key: "x", Tag: "a", Modified: now.Add(time.Second)})
	s := New(Options{})
	if g := s.next(0); a.Generation == b.Generation || later.Generation <= max(a.Generation, b.Generation) || g <= a.Generation || s.next(g+10) <= g+10 {
		t.Errorf("generations %d, %d, later %d, ours %d", a.Generation, b.Generation, later.Generation, g)
	}
}
