package buckettest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/trainyard/trainyard/internal/bucket"
	"github.com/trainyard/trainyard/internal/fault"
)

// Step is one call of a writer's, all of which happens or nothing.
type Step struct {
	Verb   string // put, delete, move, compose, start, chunk, last, parts, part, finish
	Key    string
	To     string   // of a move
	From   []string // of a compose; they are deleted
	Seeds  []int    // of the content
	ID     string   // of an upload
	Number int      // of a part
	Upto   int64    // of a chunk
}

// state is what the objects of one writer hold, by name: the seeds of their
// content.
type state map[string][]int

func (s state) after(step Step) state {
	s = maps.Clone(s)
	switch step.Verb {
	case "put", "last", "finish":
		s[step.Key] = step.Seeds
	case "delete":
		delete(s, step.Key)
	case "move":
		s[step.To] = s[step.Key]
		delete(s, step.Key)
	case "compose":
		var whole []int
		for _, from := range step.From {
			whole = append(whole, s[from]...)
			delete(s, from)
		}
		s[step.Key] = whole
	}
	return s
}

// body is the content of seeds: 8 bytes to 512 KiB each, no two alike.
func body(seeds ...int) (b []byte) {
	for _, seed := range seeds {
		rng := rand.New(rand.NewPCG(uint64(seed), 7))
		b = binary.LittleEndian.AppendUint64(b, uint64(seed))
		for range rng.IntN(1 << rng.IntN(17)) {
			b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
		}
	}
	return b
}

// Ledger knows what was acknowledged to writers that may be cut off at any
// moment, and what each was doing then.
type Ledger struct {
	mu      sync.Mutex
	writers map[int]*account // guarded by mu
}

type account struct {
	objects state
	pending *Step
	uploads map[string]Step         // acknowledged sessions; Upto is how many bytes were
	parts   map[string]map[int]Step // acknowledged parts of uploads; 0 is the upload itself
}

func (l *Ledger) of(writer int) *account {
	if l.writers == nil {
		l.writers = map[int]*account{}
	}
	if l.writers[writer] == nil {
		l.writers[writer] = &account{objects: state{}, uploads: map[string]Step{}, parts: map[string]map[int]Step{}}
	}
	return l.writers[writer]
}

// Begin is told before a step, and Done after it was acknowledged.
func (l *Ledger) Begin(writer int, step Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(writer).pending = &step
}

// Done takes the step as it was begun, with the ID that a start gave.
func (l *Ledger) Done(writer int, step Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(writer)
	a.settle(step)
	a.pending = nil
}

func (a *account) settle(step Step) {
	a.objects = a.objects.after(step)
	switch step.Verb {
	case "start", "chunk":
		a.uploads[step.ID] = step
	case "last":
		delete(a.uploads, step.ID)
	case "parts":
		a.parts[step.ID] = map[int]Step{0: step}
	case "part":
		a.parts[step.ID][step.Number] = step
	case "finish":
		delete(a.parts, step.ID)
	}
}

// Objects is how many names the ledger's writers have now.
func (l *Ledger) Objects() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.writers {
		n += len(a.objects)
	}
	return n
}

// Write changes the objects of one writer until ctx ends or a call fails, and
// tells each step before and after. Uploads in parts are among the steps where
// parts says so.
func Write(ctx context.Context, s bucket.Store, bucketName string, writer int, parts bool, rng *rand.Rand, begin, done func(int, Step)) error {
	w := &writing{ctx: ctx, s: s, bucket: bucketName, writer: writer, begin: begin, done: done}
	key := func() string { return fmt.Sprintf("w%d/%d", writer, rng.IntN(6)) }
	here := map[string]bool{}
	for w.err == nil && ctx.Err() == nil {
		k, seed := key(), rng.IntN(1<<30)
		switch rng.IntN(8) {
		case 0, 1:
			w.put(k, seed)
		case 2:
			if here[k] {
				w.do(Step{Verb: "delete", Key: k}, func() error { return s.Delete(ctx, bucketName, k, 0, bucket.Conditions{}) })
			}
			delete(here, k)
			continue
		case 3:
			if to := key(); here[k] && to != k {
				w.do(Step{Verb: "move", Key: k, To: to}, func() error {
					_, err := s.Move(ctx, bucket.Source{Bucket: bucketName, Name: k}, to, bucket.Conditions{})
					return err
				})
				delete(here, k)
				here[to] = true
			}
			continue
		case 4:
			w.compose(k, seed)
		case 5, 6:
			w.upload(k, seed)
		case 7:
			if !parts {
				continue
			}
			w.inParts(k, seed)
		}
		here[k] = true
	}
	return w.err
}

type writing struct {
	ctx         context.Context
	s           bucket.Store
	bucket      string
	writer      int
	begin, done func(int, Step)
	err         error
}

func (w *writing) do(step Step, call func() error) {
	w.doing(&step, call)
}

// doing lets the call fill in the step's ID.
func (w *writing) doing(step *Step, call func() error) {
	if w.err != nil {
		return
	}
	w.begin(w.writer, *step)
	if err := call(); err != nil {
		w.err = fmt.Errorf("%s %s: %w", step.Verb, step.Key, err)
		return
	}
	w.done(w.writer, *step)
}

func (w *writing) options(key string, size int) bucket.PutOptions {
	o := bucket.PutOptions{}
	o.Bucket, o.Name, o.Size = w.bucket, key, int64(size)
	return o
}

func (w *writing) put(key string, seed int) {
	b := body(seed)
	w.do(Step{Verb: "put", Key: key, Seeds: []int{seed}}, func() error {
		_, err := w.s.Put(w.ctx, w.options(key, len(b)), bytes.NewReader(b))
		return err
	})
}

func (w *writing) compose(key string, seed int) {
	from := []string{key + ".a", key + ".b"}
	var sources []bucket.Source
	for i, name := range from {
		w.put(name, seed+i)
		sources = append(sources, bucket.Source{Bucket: w.bucket, Name: name})
	}
	w.do(Step{Verb: "compose", Key: key, From: from}, func() error {
		_, err := w.s.Compose(w.ctx, w.options(key, -1), sources, true)
		return err
	})
}

func (w *writing) upload(key string, seed int) {
	b := body(seed)
	step := Step{Verb: "start", Key: key, Seeds: []int{seed}}
	w.doing(&step, func() (err error) {
		step.ID, err = w.s.StartUpload(w.ctx, w.options(key, len(b)))
		return err
	})
	half := len(b) / 2
	step.Verb, step.Upto = "chunk", int64(half)
	w.do(step, func() error {
		st, err := w.s.Upload(w.ctx, step.ID, 0, -1, bytes.NewReader(b[:half]))
		if err == nil && st.Received != step.Upto {
			err = fmt.Errorf("%d bytes are acknowledged, %d were sent", st.Received, half)
		}
		return err
	})
	step.Verb = "last"
	w.do(step, func() error {
		st, err := w.s.Upload(w.ctx, step.ID, step.Upto, int64(len(b)), bytes.NewReader(b[half:]))
		if err == nil && st.Object == nil {
			err = errors.New("the last chunk makes no object")
		}
		return err
	})
}

func (w *writing) inParts(key string, seed int) {
	step := Step{Verb: "parts", Key: key}
	w.doing(&step, func() (err error) {
		step.ID, err = w.s.StartParts(w.ctx, w.options(key, -1))
		return err
	})
	var refs []bucket.PartRef
	var seeds []int
	for n := 1; n <= 2; n++ {
		b := body(seed + n)
		refs, seeds = append(refs, bucket.PartRef{Number: n}), append(seeds, seed+n)
		w.do(Step{Verb: "part", Key: key, ID: step.ID, Number: n, Seeds: []int{seed + n}}, func() error {
			_, err := w.s.PutPart(w.ctx, step.ID, n, w.options(key, len(b)), bytes.NewReader(b))
			return err
		})
	}
	w.do(Step{Verb: "finish", Key: key, ID: step.ID, Seeds: seeds}, func() error {
		_, err := w.s.FinishParts(w.ctx, step.ID, refs)
		return err
	})
}

// Check compares a store with the ledger after its writers were cut off: what
// was acknowledged is there and whole, and what was under way has happened or
// has not. Uploads that were cut off go on from what was acknowledged.
func (l *Ledger) Check(ctx context.Context, s bucket.Store, bucketName string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for writer, a := range l.writers {
		if err := a.check(ctx, s, bucketName, fmt.Sprintf("w%d/", writer)); err != nil {
			errs = append(errs, fmt.Errorf("writer %d, whose last step was %+v: %w", writer, a.pending, err))
		}
		a.pending = nil
	}
	return errors.Join(errs...)
}

func (a *account) check(ctx context.Context, s bucket.Store, bucketName, prefix string) error {
	is, err := contents(ctx, s, bucketName, prefix)
	if err != nil {
		return err
	}
	before := a.objects.differs(is)
	if before != nil && a.pending == nil {
		return before
	}
	if before != nil {
		if after := a.objects.after(*a.pending).differs(is); after != nil {
			return fmt.Errorf("it has not happened (%w), nor has it (%w)", before, after)
		}
		a.settle(*a.pending)
	}
	for id, u := range a.uploads {
		if err := a.resume(ctx, s, id, u); err != nil {
			return fmt.Errorf("upload %s of %s: %w", id, u.Key, err)
		}
	}
	for id, parts := range a.parts {
		if err := a.finish(ctx, s, id, parts); err != nil {
			return fmt.Errorf("upload in parts %s of %s: %w", id, parts[0].Key, err)
		}
	}
	return nil
}

// resume completes an upload that was cut off.
func (a *account) resume(ctx context.Context, s bucket.Store, id string, u Step) error {
	st, err := s.UploadStatus(ctx, id)
	if err != nil {
		return err
	}
	b := body(u.Seeds...)
	if st.Object == nil {
		if st.Received < u.Upto || st.Received > int64(len(b)) {
			return fmt.Errorf("%d bytes are there, %d were acknowledged", st.Received, u.Upto)
		}
		if st, err = s.Upload(ctx, id, st.Received, int64(len(b)), bytes.NewReader(b[st.Received:])); err != nil {
			return err
		}
	}
	if st.Object == nil || st.Object.Size != int64(len(b)) {
		return fmt.Errorf("it became %+v", st)
	}
	u.Verb = "last"
	a.settle(u)
	return nil
}

// finish completes an upload in parts with those that were acknowledged, or
// gives it up where there are none.
func (a *account) finish(ctx context.Context, s bucket.Store, id string, parts map[int]Step) error {
	whole := Step{Verb: "finish", Key: parts[0].Key, ID: id}
	_, there, err := s.Parts(ctx, id)
	if err != nil {
		return err
	}
	var refs []bucket.PartRef
	for n := 1; n < len(parts); n++ {
		b := body(parts[n].Seeds...)
		sum := md5.Sum(b)
		if !slices.ContainsFunc(there, func(p bucket.Part) bool { return p.Number == n && bytes.Equal(p.MD5, sum[:]) }) {
			return fmt.Errorf("part %d was acknowledged; there is %+v", n, there)
		}
		refs = append(refs, bucket.PartRef{Number: n, MD5: sum[:]})
		whole.Seeds = append(whole.Seeds, parts[n].Seeds...)
	}
	if len(refs) == 0 {
		delete(a.parts, id)
		return s.AbortParts(ctx, id)
	}
	if _, err := s.FinishParts(ctx, id, refs); err != nil {
		return err
	}
	a.settle(whole)
	return nil
}

// contents reads all objects under a prefix, and checks their sums.
func contents(ctx context.Context, s bucket.Store, bucketName, prefix string) (map[string][]byte, error) {
	page, err := s.List(ctx, bucketName, bucket.Query{Prefix: prefix})
	if err != nil {
		return nil, err
	}
	is := map[string][]byte{}
	for _, o := range page.Objects {
		_, r, err := s.Open(ctx, bucketName, o.Name, 0, 0, -1, bucket.Conditions{})
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name, err)
		}
		sum := md5.Sum(b)
		if o.Size != int64(len(b)) || o.MD5 != nil && !bytes.Equal(o.MD5, sum[:]) || o.CRC32C != crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) {
			return nil, fmt.Errorf("%s: %d bytes do not fit %+v", o.Name, len(b), o)
		}
		is[o.Name] = b
	}
	return is, nil
}

func (s state) differs(is map[string][]byte) error {
	for name, seeds := range s {
		if got, ok := is[name]; !ok {
			return fault.Errorf(fault.NotFound, "%s is not there", name)
		} else if !bytes.Equal(got, body(seeds...)) {
			return fmt.Errorf("%s holds %d other bytes", name, len(got))
		}
	}
	for name := range is {
		if _, ok := s[name]; !ok {
			return fmt.Errorf("%s is there", name)
		}
	}
	return nil
}
