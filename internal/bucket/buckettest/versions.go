package buckettest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// version turns versioning of the bucket on or off.
func version(t *testing.T, s bucket.Store, on bool) {
	t.Helper()
	if b, err := s.UpdateBucket(t.Context(), "box", func(b *bucket.Bucket) error { b.Versioning = on; return nil }); err != nil || b.Versioning != on {
		t.Fatalf("UpdateBucket = %+v, %v", b, err)
	}
}

// listed is a listing as lines "name=content" in the order of the listing;
// noncurrent objects are in brackets.
func listed(t *testing.T, s bucket.Store, all bool) string {
	t.Helper()
	page, err := s.List(t.Context(), "box", bucket.Query{Versions: all})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, o := range page.Objects {
		line := o.Name + "=" + readGeneration(t, s, o.Name, o.Generation)
		if !o.Deleted.IsZero() {
			line = "(" + line + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, " ")
}

func readGeneration(t *testing.T, s bucket.Store, name string, generation int64) string {
	t.Helper()
	o, r, err := s.Open(t.Context(), "box", name, generation, 0, -1, bucket.Conditions{})
	if err != nil {
		t.Fatalf("open %q generation %d: %v", name, generation, err)
	}
	defer r.Close()
	b := make([]byte, o.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func expect(t *testing.T, s bucket.Store, what, live, all string) {
	t.Helper()
	if got := listed(t, s, false); got != live {
		t.Errorf("%s: live objects %s, want %s", what, got, live)
	}
	if got := listed(t, s, true); got != all {
		t.Errorf("%s: all objects %s, want %s", what, got, all)
	}
}

// versions: a versioned bucket keeps what is overwritten or deleted.
func versions(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	none := bucket.Conditions{}
	mustPut(t, s, "x", "0")
	mustPut(t, s, "x", "1")
	expect(t, s, "before versioning", "x=1", "x=1")
	version(t, s, true)
	two := mustPut(t, s, "x", "2")
	three := mustPut(t, s, "x", "3")
	mustPut(t, s, "y", "y")
	expect(t, s, "overwritten", "x=3 y=y", "(x=1) (x=2) x=3 y=y")
	if err := s.Delete(ctx, "box", "x", 0, none); err != nil {
		t.Fatal(err)
	}
	expect(t, s, "deleted", "y=y", "(x=1) (x=2) (x=3) y=y")
	_, err := s.Stat(ctx, "box", "x", 0, none)
	is(t, "the live object after a delete", err, fault.NotFound)
	is(t, "deleting it again", s.Delete(ctx, "box", "x", 0, none), fault.NotFound)

	// Conditions are about the live object, or about the generation named.
	_, err = put(t, s, "x", "4", bucket.Conditions{GenerationMatch: n(three.Generation)})
	is(t, "a put onto a noncurrent generation", err, fault.Precondition)
	four, err := put(t, s, "x", "4", bucket.Conditions{GenerationMatch: n(0)})
	if err != nil {
		t.Errorf("a put where only noncurrent objects are: %v", err)
	}
	if o, err := s.Stat(ctx, "box", "x", two.Generation, bucket.Conditions{GenerationMatch: n(two.Generation), MetagenerationMatch: n(1)}); err != nil || o.Deleted.IsZero() || o.Deleted.Before(o.Created) {
		t.Errorf("a noncurrent object: %+v, %v", o, err)
	}
	_, err = s.Stat(ctx, "box", "x", two.Generation, bucket.Conditions{GenerationMatch: n(three.Generation)})
	is(t, "a noncurrent object under another's condition", err, fault.Precondition)
	is(t, "deleting under a condition", s.Delete(ctx, "box", "x", two.Generation, bucket.Conditions{MetagenerationMatch: n(7)}), fault.Precondition)

	// Facts of a noncurrent object change without touching the live one.
	text := "text/plain"
	if o, err := s.Update(ctx, "box", "x", two.Generation, bucket.Attrs{ContentType: &text}, none); err != nil || o.Metageneration != 2 || o.ContentType != text || o.Deleted.IsZero() {
		t.Errorf("Update of a noncurrent object = %+v, %v", o, err)
	}
	if o, err := s.Stat(ctx, "box", "x", 0, none); err != nil || o.ContentType != "" || o.Generation != four.Generation {
		t.Errorf("the live object after it = %+v, %v", o, err)
	}

	// A noncurrent object that is copied onto its name is live again.
	self := bucket.PutOptions{}
	self.Bucket, self.Name = "box", "x"
	back, err := s.Copy(ctx, bucket.Source{Bucket: "box", Name: "x", Generation: two.Generation}, self, false)
	if err != nil || back.Generation <= four.Generation || !back.Deleted.IsZero() || back.ContentType != text {
		t.Errorf("restoring = %+v, %v", back, err)
	}
	expect(t, s, "restored", "x=2 y=y", "(x=1) (x=2) (x=3) (x=4) x=2 y=y")

	// Of a generation, a delete is for good.
	for _, g := range []int64{two.Generation, back.Generation} {
		if err := s.Delete(ctx, "box", "x", g, none); err != nil {
			t.Error(err)
		}
		_, err := s.Stat(ctx, "box", "x", g, none)
		is(t, "a generation that was deleted", err, fault.NotFound)
	}
	expect(t, s, "deleted for good", "y=y", "(x=1) (x=3) (x=4) y=y")

	// Noncurrent objects can be composed; sources that are live are kept.
	whole := bucket.PutOptions{}
	whole.Bucket, whole.Name = "box", "z"
	if _, err := s.Compose(ctx, whole, []bucket.Source{{Bucket: "box", Name: "x", Generation: three.Generation}, {Bucket: "box", Name: "y"}}, true); err != nil {
		t.Error(err)
	}
	expect(t, s, "composed", "z=3y", "(x=1) (x=4) (y=y) z=3y")
	if _, err := s.Move(ctx, bucket.Source{Bucket: "box", Name: "z"}, "w", none); err != nil {
		t.Error(err)
	}
	expect(t, s, "moved", "w=3y", "w=3y (x=1) (x=4) (y=y) (z=3y)")
	id, err := s.StartUpload(ctx, bucket.PutOptions{Object: bucket.Object{Bucket: "box", Name: "w", Size: -1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upload(ctx, id, 0, 1, strings.NewReader("u")); err != nil {
		t.Error(err)
	}
	expect(t, s, "uploaded", "w=u", "(w=3y) w=u (x=1) (x=4) (y=y) (z=3y)")

	// Suspended, nothing more is kept, and what was kept stays.
	version(t, s, false)
	mustPut(t, s, "w", "v")
	if err := s.Delete(ctx, "box", "w", 0, none); err != nil {
		t.Error(err)
	}
	expect(t, s, "suspended", "", "(w=3y) (x=1) (x=4) (y=y) (z=3y)")
	is(t, "deleting a bucket with noncurrent objects", s.DeleteBucket(ctx, "box", none), fault.Conflict)
	page, err := s.List(ctx, "box", bucket.Query{Versions: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range page.Objects {
		if err := s.Delete(ctx, "box", o.Name, o.Generation, none); err != nil {
			t.Error(err)
		}
	}
	is(t, "deleting under another metageneration", s.DeleteBucket(ctx, "box", bucket.Conditions{MetagenerationMatch: n(1)}), fault.Precondition)
	if err := s.DeleteBucket(ctx, "box", bucket.Conditions{MetagenerationMatch: n(3)}); err != nil {
		t.Error(err)
	}
}

// versionsListed: pages of every size hold each generation once, in order.
func versionsListed(t *testing.T, s bucket.Store) {
	ctx := context.Background()
	version(t, s, true)
	type item struct {
		name       string
		generation int64
	}
	var all []item
	for round := range 3 {
		for i, name := range []string{"a", "a/", "a/b", "a/c/d", "b", "c/"} {
			if (i+round)%3 != 0 {
				o := mustPut(t, s, name, fmt.Sprint(round))
				all = append(all, item{name, o.Generation})
			}
		}
	}
	if err := s.Delete(ctx, "box", "a/b", 0, bucket.Conditions{}); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b item) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return int(a.generation - b.generation)
	})
	rapid.Check(t, func(t *rapid.T) {
		q := bucket.Query{
			Prefix:                   rapid.SampledFrom([]string{"", "a", "a/", "c"}).Draw(t, "prefix"),
			Delimiter:                rapid.SampledFrom([]string{"", "/"}).Draw(t, "delimiter"),
			Max:                      rapid.IntRange(1, 7).Draw(t, "max"),
			IncludeTrailingDelimiter: rapid.Bool().Draw(t, "trailing"),
			Versions:                 true,
		}
		var objects []item
		var prefixes []string
		for _, o := range all {
			rest, ok := strings.CutPrefix(o.name, q.Prefix)
			if !ok {
				continue
			}
			if i := strings.Index(rest, "/"); q.Delimiter != "" && i >= 0 {
				p := q.Prefix + rest[:i+1]
				if !slices.Contains(prefixes, p) {
					prefixes = append(prefixes, p)
				}
				if !q.IncludeTrailingDelimiter || o.name != p {
					continue
				}
			}
			objects = append(objects, o)
		}
		var gotObjects []item
		var gotPrefixes []string
		for pages := 0; ; pages++ {
			page, err := s.List(ctx, "box", q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Objects)+len(page.Prefixes) > q.Max || pages > 100 {
				t.Fatalf("page %d has %d of %d", pages, len(page.Objects)+len(page.Prefixes), q.Max)
			}
			for _, o := range page.Objects {
				gotObjects = append(gotObjects, item{o.Name, o.Generation})
			}
			gotPrefixes = append(gotPrefixes, page.Prefixes...)
			if q.Token = page.Next; q.Token == "" {
				break
			}
		}
		if !slices.Equal(gotObjects, objects) || !slices.Equal(gotPrefixes, prefixes) {
			t.Fatalf("%+v:\ngot  %v %q\nwant %v %q", q, gotObjects, gotPrefixes, objects, prefixes)
		}
	})
}

// lifecycle: rules take away what they fit, and nothing else.
func lifecycle(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	later := func(days int) time.Time { return time.Now().AddDate(0, 0, days).Add(time.Minute) }
	expire := func(now time.Time, want int) {
		t.Helper()
		if got, err := s.Expire(ctx, now); err != nil || got != want {
			t.Errorf("Expire = %d, %v; want %d", got, err, want)
		}
	}
	rules := func(r ...bucket.Rule) {
		t.Helper()
		if _, err := s.UpdateBucket(ctx, "box", func(b *bucket.Bucket) error { b.Lifecycle = r; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, s, "keep/a", "1")
	mustPut(t, s, "tmp/a", "1")
	mustPut(t, s, "tmp/b", "1")
	expire(later(1000), 0)
	rules(bucket.Rule{Age: n(30), Prefixes: []string{"tmp/"}})
	expire(later(29), 0)
	expire(later(30), 2)
	expect(t, s, "after 30 days", "keep/a=1", "keep/a=1")

	// Of a versioned bucket, a live object becomes noncurrent first.
	version(t, s, true)
	for _, body := range []string{"2", "3", "4"} {
		mustPut(t, s, "keep/a", body)
	}
	no := false
	rules(bucket.Rule{NumNewerVersions: n(2)}, bucket.Rule{Age: n(7), IsLive: &no})
	expire(later(1), 2)
	expect(t, s, "two newer versions", "keep/a=4", "(keep/a=3) keep/a=4")
	expire(later(7), 1)
	expect(t, s, "noncurrent for a week", "keep/a=4", "keep/a=4")
	rules(bucket.Rule{Age: n(30)})
	expire(later(30), 1)
	expect(t, s, "live for a month", "", "(keep/a=4)")
	expire(later(30), 1)
	expect(t, s, "and again", "", "")
}

// noVersions: a store that keeps none says so, and an old generation is gone.
func noVersions(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	_, err := s.UpdateBucket(ctx, "box", func(b *bucket.Bucket) error { b.Versioning = true; return nil })
	is(t, "asking for versions", err, fault.Invalid)
	if b, err := s.Bucket(ctx, "box"); err != nil || b.Versioning || b.Metageneration != 1 {
		t.Errorf("the bucket after that: %+v, %v", b, err)
	}
	_, err = s.CreateBucket(ctx, bucket.Bucket{Name: "versioned", Project: "p", Versioning: true})
	is(t, "a new bucket with versions", err, fault.Invalid)
	old := mustPut(t, s, "x", "1")
	now := mustPut(t, s, "x", "2")
	expect(t, s, "overwritten", "x=2", "x=2")
	_, err = s.Stat(ctx, "box", "x", old.Generation, bucket.Conditions{})
	is(t, "the old generation", err, fault.NotFound)
	is(t, "deleting the old generation", s.Delete(ctx, "box", "x", old.Generation, bucket.Conditions{}), fault.NotFound)
	if err := s.Delete(ctx, "box", "x", now.Generation, bucket.Conditions{}); err != nil {
		t.Errorf("deleting the generation that is there: %v", err)
	}
	expect(t, s, "deleted", "", "")
}

// noRules: a store that has no lifecycle rules says so.
func noRules(t *testing.T, s bucket.Store) {
	_, err := s.UpdateBucket(t.Context(), "box", func(b *bucket.Bucket) error {
		b.Lifecycle = []bucket.Rule{{Age: n(1)}}
		return nil
	})
	is(t, "a lifecycle rule", err, fault.Invalid)
	if b, err := s.Bucket(t.Context(), "box"); err != nil || len(b.Lifecycle) != 0 {
		t.Errorf("the bucket after that: %+v, %v", b, err)
	}
	mustPut(t, s, "x", "x")
	if removed, err := s.Expire(t.Context(), time.Now().AddDate(10, 0, 0)); err != nil || removed != 0 {
		t.Errorf("Expire = %d, %v", removed, err)
	}
	expect(t, s, "ten years later", "x=x", "x=x")
}

// keptRules: rules that the backing store acts on are kept as they were given.
func keptRules(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	no := false
	want := []bucket.Rule{
		{Age: n(30), Prefixes: []string{"tmp/"}, Suffixes: []string{".log"}},
		{NumNewerVersions: n(2), IsLive: &no},
		{CreatedBefore: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
	}
	if _, err := s.UpdateBucket(ctx, "box", func(b *bucket.Bucket) error { b.Lifecycle = want; return nil }); err != nil {
		t.Fatal(err)
	}
	b, err := s.Bucket(ctx, "box")
	if diff := cmp.Diff(want, b.Lifecycle); err != nil || diff != "" {
		t.Errorf("rules: %v %s", err, diff)
	}
	if b, err = s.UpdateBucket(ctx, "box", func(b *bucket.Bucket) error { b.Lifecycle = nil; return nil }); err != nil || len(b.Lifecycle) != 0 {
		t.Errorf("without rules: %+v, %v", b, err)
	}
}
