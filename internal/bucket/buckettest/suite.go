// Package buckettest is the specification of bucket.Store as a suite that every
// driver passes.
package buckettest

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// Capabilities say which of what gs:// has a driver's backing store has, too.
// What it has not the driver must refuse in words, and the suite looks that it
// does.
type Capabilities struct {
	Versions    bool // buckets can keep versions
	Rules       bool // buckets can have lifecycle rules
	Expires     bool // and Expire is what acts on them; else the backing store does
	Underscores bool // are allowed in the names of buckets, as dots are
	// Refuses says which names of objects the backing store cannot have; nil for
	// none.
	Refuses func(name string) bool
	// Sums says that the MD5 of an object made of others is known.
	Sums bool
}

// All is every capability: what gs:// is.
var All = Capabilities{Versions: true, Rules: true, Expires: true, Underscores: true}

// Run runs the suite. open gives an empty store each time.
func Run(t *testing.T, can Capabilities, open func(t *testing.T) bucket.Store) {
	tests := map[string]func(*testing.T, bucket.Store){
		"buckets":    func(t *testing.T, s bucket.Store) { buckets(t, s, can) },
		"names":      func(t *testing.T, s bucket.Store) { names(t, s, can) },
		"compose":    func(t *testing.T, s bucket.Store) { compose(t, s, can) },
		"parts":      func(t *testing.T, s bucket.Store) { parts(t, s, can) },
		"content":    content,
		"conditions": conditions, "races": races, "bodies": bodies, "listing": listing, "copies": copies,
		"resumable": resumable, "updates": updates, "stalled": stalled, "pages": pages,
		"versions": versions, "versions listed": versionsListed, "lifecycle": lifecycle,
	}
	if !can.Versions {
		tests["versions"] = noVersions
		delete(tests, "versions listed")
	}
	switch {
	case !can.Rules:
		tests["lifecycle"] = noRules
	case !can.Expires:
		tests["lifecycle"] = keptRules
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			if _, err := s.CreateBucket(t.Context(), bucket.Bucket{Name: "box", Project: "p"}); err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
}

func put(t *testing.T, s bucket.Store, name, body string, c bucket.Conditions) (bucket.Object, error) {
	o := bucket.PutOptions{Conditions: c}
	o.Bucket, o.Name, o.Size = "box", name, int64(len(body))
	return s.Put(t.Context(), o, strings.NewReader(body))
}

func mustPut(t *testing.T, s bucket.Store, name, body string) bucket.Object {
	t.Helper()
	o, err := put(t, s, name, body, bucket.Conditions{})
	if err != nil {
		t.Fatalf("put %q: %v", name, err)
	}
	return o
}

func read(t *testing.T, s bucket.Store, name string, offset, length int64) string {
	t.Helper()
	_, r, err := s.Open(t.Context(), "box", name, 0, offset, length, bucket.Conditions{})
	if err != nil {
		t.Fatalf("open %q: %v", name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %q: %v", name, err)
	}
	return string(b)
}

func is(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: %v, want %s", what, err, kind)
	}
}

func n(v int64) *int64 { return &v }

func buckets(t *testing.T, s bucket.Store, can Capabilities) {
	ctx := t.Context()
	_, err := s.CreateBucket(ctx, bucket.Bucket{Name: "box", Project: "other"})
	is(t, "the same name again", err, fault.Conflict)
	for _, name := range []string{"", "ab", "Capital", "-dash", "dash-", "1.2.3.4", strings.Repeat("x", 64), "a b", "a/b"} {
		_, err := s.CreateBucket(ctx, bucket.Bucket{Name: name, Project: "p"})
		is(t, "bucket "+name, err, fault.Invalid)
	}
	other := "a.b_c-d"
	if !can.Underscores {
		_, err := s.CreateBucket(ctx, bucket.Bucket{Name: other, Project: "p"})
		is(t, "bucket "+other, err, fault.Invalid)
		other = "aaa-b-c-d"
	}
	if _, err := s.CreateBucket(ctx, bucket.Bucket{Name: other, Project: "p"}); err != nil {
		t.Error(err)
	}
	list, err := s.Buckets(ctx, "p", "")
	if err != nil || len(list) != 2 || list[0].Name != other || list[1].Name != "box" {
		t.Errorf("Buckets = %+v, %v", list, err)
	}
	mustPut(t, s, "x", "x")
	is(t, "deleting a bucket that is not empty", s.DeleteBucket(ctx, "box", bucket.Conditions{}), fault.Conflict)
	if err := s.Delete(ctx, "box", "x", 0, bucket.Conditions{}); err != nil {
		t.Error(err)
	}
	if err := s.DeleteBucket(ctx, "box", bucket.Conditions{}); err != nil {
		t.Error(err)
	}
	_, err = s.Bucket(ctx, "box")
	is(t, "a deleted bucket", err, fault.NotFound)
	_, err = put(t, s, "x", "x", bucket.Conditions{})
	is(t, "a put into it", err, fault.NotFound)
	_, err = s.List(ctx, "box", bucket.Query{})
	is(t, "a listing of it", err, fault.NotFound)
	if _, err := s.CreateBucket(ctx, bucket.Bucket{Name: "box", Project: "p"}); err != nil {
		t.Errorf("the name again: %v", err)
	}
}

// names: everything is a name, never a path.
func names(t *testing.T, s bucket.Store, can Capabilities) {
	fine := []string{"a", "a/b", "a//b", "/a", "/lead/", "//", "...", ".a", "../../../../etc/passwd", "a/", "../x", "./x", "a/../b", "ü €/🚂", " ", "%2F", "a\x00b", "con", strings.Repeat("n", 1024), `\`, "a?b#c"}
	if can.Refuses != nil {
		for _, name := range fine {
			if can.Refuses(name) {
				_, err := put(t, s, name, "x", bucket.Conditions{})
				is(t, fmt.Sprintf("name %q", name), err, fault.Invalid)
			}
		}
		fine = slices.DeleteFunc(fine, can.Refuses)
	}
	for _, name := range fine {
		mustPut(t, s, name, "content of "+name)
	}
	for _, name := range fine {
		if got := read(t, s, name, 0, -1); got != "content of "+name {
			t.Errorf("%q holds %q", name, got)
		}
	}
	page, err := s.List(t.Context(), "box", bucket.Query{})
	slices.Sort(fine)
	var got []string
	for _, o := range page.Objects {
		got = append(got, o.Name)
	}
	if err != nil || !slices.Equal(got, fine) {
		t.Errorf("List = %q, %v, want the names in the order of their bytes", got, err)
	}
	for _, name := range []string{"", ".", "..", "a\nb", "a\rb", strings.Repeat("n", 1025), "\xff"} {
		_, err := put(t, s, name, "x", bucket.Conditions{})
		is(t, fmt.Sprintf("name %q", name), err, fault.Invalid)
	}
}

func content(t *testing.T, s bucket.Store) {
	body := strings.Repeat("0123456789", 100_000)
	o := mustPut(t, s, "x", body)
	sum := md5.Sum([]byte(body))
	if o.Size != int64(len(body)) || !bytes.Equal(o.MD5, sum[:]) || o.CRC32C != crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)) {
		t.Errorf("facts %+v do not fit the content", o)
	}
	if got := read(t, s, "x", 999_995, 100); got != "56789" {
		t.Errorf("the end is %q", got)
	}
	if got := read(t, s, "x", 10, 3); got != "012" {
		t.Errorf("a range is %q", got)
	}
	// What is open stays readable, whatever becomes of the object.
	_, r, err := s.Open(t.Context(), "box", "x", 0, 0, -1, bucket.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	second := mustPut(t, s, "x", "new")
	if second.Generation <= o.Generation || second.Metageneration != 1 {
		t.Errorf("generations %d then %d, metageneration %d", o.Generation, second.Generation, second.Metageneration)
	}
	if err := s.Delete(t.Context(), "box", "x", 0, bucket.Conditions{}); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != body {
		t.Errorf("the old content reads %d bytes, %v", len(b), err)
	}
	_, err = s.Stat(t.Context(), "box", "x", 0, bucket.Conditions{})
	is(t, "a deleted object", err, fault.NotFound)
	is(t, "deleting it again", s.Delete(t.Context(), "box", "x", 0, bucket.Conditions{}), fault.NotFound)
}

func conditions(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	_, err := put(t, s, "x", "1", bucket.Conditions{GenerationMatch: n(1)})
	is(t, "match of an object that is not there", err, fault.Precondition)
	first, err := put(t, s, "x", "1", bucket.Conditions{GenerationMatch: n(0)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = put(t, s, "x", "2", bucket.Conditions{GenerationMatch: n(0)})
	is(t, "must not exist", err, fault.Precondition)
	if got := read(t, s, "x", 0, -1); got != "1" {
		t.Errorf("a refused put left %q", got)
	}
	if _, err = put(t, s, "x", "2", bucket.Conditions{GenerationMatch: n(first.Generation), MetagenerationMatch: n(1)}); err != nil {
		t.Errorf("the right generation: %v", err)
	}
	is(t, "deleting an old generation", s.Delete(ctx, "box", "x", 0, bucket.Conditions{GenerationMatch: n(first.Generation)}), fault.Precondition)
	_, err = s.Stat(ctx, "box", "x", first.Generation, bucket.Conditions{})
	is(t, "an old generation", err, fault.NotFound)
	now, err := s.Stat(ctx, "box", "x", 0, bucket.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Stat(ctx, "box", "x", 0, bucket.Conditions{GenerationNotMatch: n(now.Generation)})
	if !errors.Is(err, bucket.ErrNotModified) {
		t.Errorf("not-match of the present generation: %v, want not modified", err)
	}
}

// races: of many writers that want to follow the same generation, one does, and
// no update is lost.
func races(t *testing.T, s bucket.Store) {
	const writers = 64
	together := func(write func(i int) error) (won int) {
		t.Helper()
		var wg sync.WaitGroup
		var mu sync.Mutex
		start := make(chan struct{})
		for i := range writers {
			wg.Go(func() {
				<-start
				err := write(i)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !fault.Is(err, fault.Precondition) {
					t.Errorf("put: %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
		return won
	}
	var generation int64
	for round := range 4 {
		won := together(func(i int) error {
			_, err := put(t, s, "x", fmt.Sprint(i), bucket.Conditions{GenerationMatch: n(generation)})
			return err
		})
		o, err := s.Stat(t.Context(), "box", "x", 0, bucket.Conditions{})
		if won != 1 || err != nil || o.Generation <= generation {
			t.Fatalf("round %d: %d puts followed generation %d, which is now %d, %v", round, won, generation, o.Generation, err)
		}
		generation = o.Generation
	}

	// Each adds its name to what is there, as often as it takes.
	mustPut(t, s, "list", "")
	won := together(func(i int) error {
		for {
			o, r, err := s.Open(t.Context(), "box", "list", 0, 0, -1, bucket.Conditions{})
			if err != nil {
				return err
			}
			was, err := io.ReadAll(r)
			r.Close()
			if err != nil {
				return err
			}
			_, err = put(t, s, "list", fmt.Sprintf("%s%d ", was, i), bucket.Conditions{GenerationMatch: n(o.Generation)})
			if !fault.Is(err, fault.Precondition) {
				return err
			}
		}
	})
	names := strings.Fields(read(t, s, "list", 0, -1))
	slices.Sort(names)
	if won != writers || len(slices.Compact(names)) != writers {
		t.Errorf("of %d updates %d were acknowledged and %d are there", writers, won, len(names))
	}
}

// bodies: what is cut or damaged leaves nothing.
func bodies(t *testing.T, s bucket.Store) {
	o := bucket.PutOptions{}
	o.Bucket, o.Name, o.Size = "box", "x", 10
	_, err := s.Put(t.Context(), o, strings.NewReader("short"))
	is(t, "a body that is too short", err, fault.Invalid)
	_, err = s.Put(t.Context(), o, strings.NewReader("longer than ten bytes"))
	is(t, "a body that is too long", err, fault.Invalid)
	o.Size = -1
	_, err = s.Put(t.Context(), o, io.MultiReader(strings.NewReader("half"), broken{}))
	is(t, "a body that breaks off", err, fault.Invalid)
	wrong := o
	wrong.WantMD5 = make([]byte, 16)
	_, err = s.Put(t.Context(), wrong, strings.NewReader("x"))
	is(t, "a wrong MD5", err, fault.Invalid)
	wrong = o
	wrong.WantCRC32C = new(uint32)
	_, err = s.Put(t.Context(), wrong, strings.NewReader("x"))
	is(t, "a wrong CRC32C", err, fault.Invalid)
	_, err = s.Stat(t.Context(), "box", "x", 0, bucket.Conditions{})
	is(t, "after all that", err, fault.NotFound)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func listing(t *testing.T, s bucket.Store) {
	ctx := context.Background()
	all := []string{}
	for _, a := range []string{"a", "b", "c/", "c0", "d/e"} {
		for _, b := range []string{"", "/", "/x", "/x/y", "//z", "0"} {
			if name := a + b; name != "." && !slices.Contains(all, name) {
				mustPut(t, s, name, name)
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	rapid.Check(t, func(t *rapid.T) {
		q := bucket.Query{
			Prefix:                   rapid.SampledFrom([]string{"", "a", "a/", "c/", "d/e/", "zz"}).Draw(t, "prefix"),
			Delimiter:                rapid.SampledFrom([]string{"", "/", "0"}).Draw(t, "delimiter"),
			StartOffset:              rapid.SampledFrom([]string{"", "a/", "b", "d"}).Draw(t, "start"),
			EndOffset:                rapid.SampledFrom([]string{"", "b", "c0", "z"}).Draw(t, "end"),
			Max:                      rapid.IntRange(1, 7).Draw(t, "max"),
			IncludeTrailingDelimiter: rapid.Bool().Draw(t, "trailing"),
		}
		var objects, prefixes []string
		for _, name := range all {
			rest, ok := strings.CutPrefix(name, q.Prefix)
			if !ok || name < q.StartOffset || q.EndOffset != "" && name >= q.EndOffset {
				continue
			}
			if i := strings.Index(rest, q.Delimiter); q.Delimiter != "" && i >= 0 {
				p := q.Prefix + rest[:i+len(q.Delimiter)]
				if !slices.Contains(prefixes, p) {
					prefixes = append(prefixes, p)
				}
				if !q.IncludeTrailingDelimiter || name != p {
					continue
				}
			}
			objects = append(objects, name)
		}
		var gotObjects, gotPrefixes []string
		for pages := 0; ; pages++ {
			page, err := s.List(ctx, "box", q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Objects)+len(page.Prefixes) > q.Max || pages > 100 {
				t.Fatalf("page %d has %d of %d", pages, len(page.Objects)+len(page.Prefixes), q.Max)
			}
			for _, o := range page.Objects {
				gotObjects = append(gotObjects, o.Name)
			}
			gotPrefixes = append(gotPrefixes, page.Prefixes...)
			if q.Token = page.Next; q.Token == "" {
				break
			}
		}
		if !slices.Equal(gotObjects, objects) || !slices.Equal(gotPrefixes, prefixes) {
			t.Fatalf("%+v:\ngot  %q %q\nwant %q %q", q, gotObjects, gotPrefixes, objects, prefixes)
		}
	})
}

func copies(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	o := bucket.PutOptions{}
	o.Bucket, o.Name, o.Size, o.ContentType, o.Metadata = "box", "from", 5, "text/plain", map[string]string{"k": "v"}
	from, err := s.Put(ctx, o, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	to := bucket.PutOptions{}
	to.Bucket, to.Name = "box", "to"
	got, err := s.Copy(ctx, bucket.Source{Bucket: "box", Name: "from"}, to, false)
	if err != nil || got.ContentType != "text/plain" || got.Metadata["k"] != "v" || !bytes.Equal(got.MD5, from.MD5) || got.Generation <= from.Generation {
		t.Errorf("Copy = %+v, %v", got, err)
	}
	to.ContentType = "x/y"
	if got, err = s.Copy(ctx, bucket.Source{Bucket: "box", Name: "from"}, to, true); err != nil || got.ContentType != "x/y" || got.Metadata != nil || got.Size != 5 {
		t.Errorf("Copy with facts of its own = %+v, %v", got, err)
	}
	// The copy stands by itself.
	mustPut(t, s, "from", "other")
	if got := read(t, s, "to", 0, -1); got != "hello" {
		t.Errorf("the copy holds %q", got)
	}
	// Onto itself, as clients rewrite an object to change its facts.
	self := bucket.PutOptions{}
	self.Bucket, self.Name, self.ContentType = "box", "to", "a/b"
	if got, err := s.Copy(ctx, bucket.Source{Bucket: "box", Name: "to"}, self, true); err != nil || got.ContentType != "a/b" || read(t, s, "to", 0, -1) != "hello" {
		t.Errorf("a copy onto itself = %+v, %v", got, err)
	}
	_, err = s.Move(ctx, bucket.Source{Bucket: "box", Name: "to"}, "from", bucket.Conditions{GenerationMatch: n(0)})
	is(t, "a move onto what exists", err, fault.Precondition)
	if _, err := s.Move(ctx, bucket.Source{Bucket: "box", Name: "to"}, "moved", bucket.Conditions{}); err != nil || read(t, s, "moved", 0, -1) != "hello" {
		t.Errorf("Move: %v", err)
	}
	_, err = s.Stat(ctx, "box", "to", 0, bucket.Conditions{})
	is(t, "what was moved away", err, fault.NotFound)
	_, err = s.Copy(ctx, bucket.Source{Bucket: "box", Name: "none"}, self, false)
	is(t, "a copy of nothing", err, fault.NotFound)
}

func compose(t *testing.T, s bucket.Store, can Capabilities) {
	for i, part := range []string{"one ", "two ", "three"} {
		mustPut(t, s, fmt.Sprint("part", i), part)
	}
	o := bucket.PutOptions{}
	o.Bucket, o.Name = "box", "whole"
	first := md5.Sum([]byte("one ")) // gcloud sends the first source's facts for the whole's
	o.WantMD5 = first[:]
	sources := []bucket.Source{{Bucket: "box", Name: "part0"}, {Bucket: "box", Name: "part1"}, {Bucket: "box", Name: "part2"}}
	got, err := s.Compose(t.Context(), o, sources, true)
	if err != nil || !sums(got, "one two three", can) || got.Components != 3 || got.CRC32C != crc32.Checksum([]byte("one two three"), crc32.MakeTable(crc32.Castagnoli)) {
		t.Errorf("Compose = %+v, %v", got, err)
	}
	if got := read(t, s, "whole", 0, -1); got != "one two three" {
		t.Errorf("the composite holds %q", got)
	}
	_, err = s.Stat(t.Context(), "box", "part1", 0, bucket.Conditions{})
	is(t, "a source that was to be deleted", err, fault.NotFound)
	_, err = s.Compose(t.Context(), o, sources, false)
	is(t, "sources that are gone", err, fault.NotFound)
	if got := read(t, s, "whole", 0, -1); got != "one two three" {
		t.Errorf("a failed compose left %q", got)
	}
}

func resumable(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	o := bucket.PutOptions{}
	o.Bucket, o.Name, o.Size, o.ContentType = "box", "x", -1, "a/b"
	id, err := s.StartUpload(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.Upload(ctx, id, 0, -1, strings.NewReader("0123456789"))
	if err != nil || st.Received != 10 || st.Object != nil {
		t.Fatalf("first chunk: %+v, %v", st, err)
	}
	// A chunk that breaks off keeps what arrived.
	if _, err = s.Upload(ctx, id, 10, -1, io.MultiReader(strings.NewReader("abc"), broken{})); err == nil {
		t.Error("a broken chunk is accepted")
	}
	if st, err = s.UploadStatus(ctx, id); err != nil || st.Received != 13 {
		t.Errorf("after it: %+v, %v", st, err)
	}
	_, err = s.Upload(ctx, id, 20, -1, strings.NewReader("x"))
	is(t, "a gap", err, fault.Precondition)
	// Repeated bytes are stepped over.
	st, err = s.Upload(ctx, id, 10, 16, strings.NewReader("abcdef"))
	if err != nil || st.Object == nil || st.Object.Size != 16 || st.Object.ContentType != "a/b" {
		t.Fatalf("last chunk: %+v, %v", st, err)
	}
	if got := read(t, s, "x", 0, -1); got != "0123456789abcdef" {
		t.Errorf("the object holds %q", got)
	}
	if again, err := s.UploadStatus(ctx, id); err != nil || again.Object == nil || again.Object.Generation != st.Object.Generation {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	if again, err := s.Upload(ctx, id, 10, 16, strings.NewReader("abcdef")); err != nil || again.Object == nil {
		t.Errorf("the last chunk again: %+v, %v", again, err)
	}

	id, err = s.StartUpload(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Upload(ctx, id, 0, 3, strings.NewReader("too much"))
	is(t, "more bytes than announced", err, fault.Invalid)
	if err := s.CancelUpload(ctx, id); err != nil {
		t.Error(err)
	}
	_, err = s.UploadStatus(ctx, id)
	is(t, "a cancelled session", err, fault.NotFound)

	empty := o
	empty.Name = "empty"
	if id, err = s.StartUpload(ctx, empty); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Upload(ctx, id, 0, 0, strings.NewReader("")); err != nil || st.Object == nil || st.Object.Size != 0 {
		t.Errorf("an empty object: %+v, %v", st, err)
	}

	sum := o
	sum.Name, sum.WantMD5 = "sum", make([]byte, 16)
	if id, err = s.StartUpload(ctx, sum); err != nil {
		t.Fatal(err)
	}
	_, err = s.Upload(ctx, id, 0, 1, strings.NewReader("x"))
	is(t, "a wrong MD5", err, fault.Invalid)
	_, err = s.Stat(ctx, "box", "sum", 0, bucket.Conditions{})
	is(t, "after it", err, fault.NotFound)

	// Checksums may come with the last chunk only.
	late := o
	late.Name = "late"
	for i, want := range []*bucket.Promise{{WantMD5: make([]byte, 16)}, {WantCRC32C: new(uint32)}, {}} {
		if id, err = s.StartUpload(ctx, late); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Upload(ctx, id, 0, 2, &bucket.Promise{Reader: strings.NewReader("x"), WantMD5: make([]byte, 16)}); err != nil {
			t.Errorf("a checksum with a chunk that is not the last: %v", err)
		}
		want.Reader = strings.NewReader("y")
		st, err := s.Upload(ctx, id, 1, 2, want)
		if i == 2 {
			if err != nil || st.Object == nil {
				t.Errorf("no checksum: %+v, %v", st, err)
			}
			continue
		}
		is(t, "a wrong checksum at last", err, fault.Invalid)
		_, err = s.Stat(ctx, "box", "late", 0, bucket.Conditions{})
		is(t, "after it", err, fault.NotFound)
	}
}

// parts: an upload in parts becomes an object when it is finished, and not
// before.
func parts(t *testing.T, s bucket.Store, can Capabilities) {
	ctx := t.Context()
	o := bucket.PutOptions{}
	o.Bucket, o.Name, o.ContentType, o.Metadata = "box", "x", "a/b", map[string]string{"k": "v"}
	id, err := s.StartParts(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	part := func(number int, body string) bucket.PartRef {
		t.Helper()
		size := bucket.PutOptions{}
		size.Size = int64(len(body))
		p, err := s.PutPart(ctx, id, number, size, strings.NewReader(body))
		sum := md5.Sum([]byte(body))
		if err != nil || p.Number != number || p.Size != int64(len(body)) || !bytes.Equal(p.MD5, sum[:]) || p.CRC32C != crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)) {
			t.Fatalf("part %d: %+v, %v", number, p, err)
		}
		return bucket.PartRef{Number: number, MD5: p.MD5}
	}
	three := part(3, "three")
	old := part(1, "wrong")
	one := part(1, "one, ")
	part(7, "not wanted")
	two := part(2, "two, ")
	bad := bucket.PutOptions{}
	bad.Size, bad.WantMD5 = -1, make([]byte, 16)
	_, err = s.PutPart(ctx, id, 2, bad, strings.NewReader("x"))
	is(t, "a part with a wrong MD5", err, fault.Invalid)
	bad.WantMD5 = nil
	_, err = s.PutPart(ctx, id, 2, bad, io.MultiReader(strings.NewReader("x"), broken{}))
	is(t, "a part that breaks off", err, fault.Invalid)
	for _, number := range []int{0, -1, bucket.MaxParts + 1} {
		_, err = s.PutPart(ctx, id, number, bad, strings.NewReader("x"))
		is(t, fmt.Sprint("part number ", number), err, fault.Invalid)
	}
	u, list, err := s.Parts(ctx, id)
	if err != nil || u.ID != id || u.Options.Name != "x" || u.Options.ContentType != "a/b" || len(list) != 4 || list[0].Number != 1 || list[0].Size != 5 || list[3].Number != 7 {
		t.Errorf("Parts = %+v, %+v, %v", u, list, err)
	}
	if all, err := s.PartUploads(ctx, "box"); err != nil || len(all) != 1 || all[0].ID != id {
		t.Errorf("PartUploads = %+v, %v", all, err)
	}
	_, err = s.Stat(ctx, "box", "x", 0, bucket.Conditions{})
	is(t, "before it is finished", err, fault.NotFound)
	for what, refs := range map[string][]bucket.PartRef{"no part": nil, "a part that is not there": {one, {Number: 5}}, "a part that was replaced": {old, two}} {
		_, err := s.FinishParts(ctx, id, refs)
		is(t, what, err, fault.Invalid)
		if what != "no part" && !errors.Is(err, bucket.ErrPart) {
			t.Errorf("%s: the cause of %v is not ErrPart", what, err)
		}
	}
	if _, err := s.FinishParts(ctx, id, []bucket.PartRef{two, one}); !errors.Is(err, bucket.ErrPartOrder) {
		t.Errorf("parts out of order: %v", err)
	}
	got, err := s.FinishParts(ctx, id, []bucket.PartRef{one, two, three})
	if err != nil || got.Size != 15 || !sums(got, "one, two, three", can) || got.ContentType != "a/b" || got.Metadata["k"] != "v" || got.CRC32C != crc32.Checksum([]byte("one, two, three"), crc32.MakeTable(crc32.Castagnoli)) {
		t.Errorf("FinishParts = %+v, %v", got, err)
	}
	if got := read(t, s, "x", 0, -1); got != "one, two, three" {
		t.Errorf("the object holds %q", got)
	}
	if again, err := s.FinishParts(ctx, id, []bucket.PartRef{one, two, three}); err != nil || again.Generation != got.Generation {
		t.Errorf("finished again: %+v, %v", again, err)
	}
	_, err = s.PutPart(ctx, id, 1, bad, strings.NewReader("x"))
	is(t, "a part after the end", err, fault.NotFound)
	is(t, "aborting after the end", s.AbortParts(ctx, id), fault.NotFound)

	// Conditions hold when it is finished.
	o.Conditions = bucket.Conditions{GenerationMatch: n(got.Generation)}
	if id, err = s.StartParts(ctx, o); err != nil {
		t.Fatal(err)
	}
	one = part(1, "1")
	mustPut(t, s, "x", "between")
	_, err = s.FinishParts(ctx, id, []bucket.PartRef{one})
	is(t, "a condition that no longer holds", err, fault.Precondition)
	if err := s.AbortParts(ctx, id); err != nil {
		t.Error(err)
	}
	_, _, err = s.Parts(ctx, id)
	is(t, "an aborted upload", err, fault.NotFound)
	if all, err := s.PartUploads(ctx, "box"); err != nil || len(all) != 0 {
		t.Errorf("PartUploads at the end = %+v, %v", all, err)
	}
	o.Bucket = "nobox"
	_, err = s.StartParts(ctx, o)
	is(t, "in a bucket that is not there", err, fault.NotFound)
}

// sums tells whether an object made of others has the MD5 that it should.
func sums(o bucket.Object, body string, can Capabilities) bool {
	sum := md5.Sum([]byte(body))
	return o.MD5 == nil || can.Sums && bytes.Equal(o.MD5, sum[:])
}

func updates(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	o := mustPut(t, s, "x", "x")
	text, v := "text/plain", "v"
	got, err := s.Update(ctx, "box", "x", 0, bucket.Attrs{ContentType: &text, Metadata: map[string]*string{"k": &v}}, bucket.Conditions{MetagenerationMatch: n(1)})
	if err != nil || got.ContentType != text || got.Metadata["k"] != "v" || got.Metageneration != 2 || got.Generation != o.Generation {
		t.Errorf("Update = %+v, %v", got, err)
	}
	_, err = s.Update(ctx, "box", "x", 0, bucket.Attrs{}, bucket.Conditions{MetagenerationMatch: n(1)})
	is(t, "an old metageneration", err, fault.Precondition)
	if got, err = s.Update(ctx, "box", "x", 0, bucket.Attrs{Metadata: map[string]*string{"k": nil}}, bucket.Conditions{}); err != nil || len(got.Metadata) != 0 || got.ContentType != text {
		t.Errorf("removing a key: %+v, %v", got, err)
	}
	if got, err = s.Update(ctx, "box", "x", 0, bucket.Attrs{Replace: true}, bucket.Conditions{}); err != nil || got.ContentType != "" {
		t.Errorf("replacing: %+v, %v", got, err)
	}
}

// pages: a listing of more than a page goes on where it was, also when names
// are put and taken away meanwhile.
func pages(t *testing.T, s bucket.Store) {
	ctx := t.Context()
	for i := range 40 {
		mustPut(t, s, fmt.Sprintf("dir%d/%02d", i%3, i), "x")
	}
	var got []string
	q := bucket.Query{Max: 7}
	for n := 0; n == 0 || q.Token != ""; n++ {
		page, err := s.List(ctx, "box", q)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			got = append(got, o.Name)
		}
		q.Token = page.Next
		if n == 1 {
			mustPut(t, s, "aaa", "before")
			if err := s.Delete(ctx, "box", got[0], 0, bucket.Conditions{}); err != nil {
				t.Error(err)
			}
		}
	}
	if len(got) != 40 || !slices.IsSorted(got) {
		t.Errorf("%d names: %q", len(got), got)
	}
	_, err := s.List(ctx, "box", bucket.Query{Token: "not a token"})
	is(t, "a token that nobody gave", err, fault.Invalid)
}

// stalled: a body that does not come blocks nobody.
func stalled(t *testing.T, s bucket.Store) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		o := bucket.PutOptions{}
		o.Bucket, o.Name, o.Size = "box", "slow", -1
		_, err := s.Put(t.Context(), o, r)
		done <- err
	}()
	if _, err := io.WriteString(w, "a beginning"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "quick", "x")
	if _, err := s.Stat(t.Context(), "box", "slow", 0, bucket.Conditions{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an object whose body is still coming: %v", err)
	}
	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := read(t, s, "slow", 0, -1); got != "a beginning" {
		t.Errorf("the slow object holds %q", got)
	}
}
