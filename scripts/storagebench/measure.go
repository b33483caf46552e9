package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
)

type peers struct{ yard, plain, emulator *server }

// each calls measure for the peers that are there, in turn and in every other
// round the other way round. The emulator leaves to the system what the others
// flush; nobody else's time is to pay for that.
func (p peers) each(round int, measure func(s *server, t *times) error, yard, plain, emulator *times) (err error) {
	type turn struct {
		s *server
		t *times
	}
	turns := []turn{{p.yard, yard}, {p.plain, plain}, {p.emulator, emulator}}
	if round%2 == 1 {
		slices.Reverse(turns)
	}
	for _, v := range turns {
		if v.s != nil && v.t != nil {
			err = errors.Join(err, measure(v.s, v.t))
		}
		if v.s != nil && v.s == p.emulator {
			syscall.Sync()
		}
	}
	return err
}

// files: 1,000 objects of 1 MiB by 8 writers.
func files(p peers, dir string) error {
	const n, writers = 1000, 8
	var copies, yard, plain, emulator times
	for round := range *rounds {
		if round > 0 {
			p.emulator = nil // slow, and far off
		}
		// Nothing is removed meanwhile: a file system that has just lost thousands
		// of files is slower with new ones.
		if err := copies.add(copyFiles(filepath.Join(dir, fmt.Sprint("copies-", round)), writers, n)); err != nil {
			return err
		}
		err := p.each(round, func(s *server, t *times) error {
			return t.add(s.putMany(writers, n, block, func(i int) string { return fmt.Sprintf("files-%d-%d", round, i) }))
		}, &yard, &plain, &emulator)
		if err != nil {
			return err
		}
	}
	what := "1,000 objects of 1 MiB, 8 writers, over HTTP"
	row(what, yard.rate(n, "MiB"), "files copied and flushed: "+copies.rate(n, "MiB"), yard.over(copies), "≤ 1.5")
	row("", "", "plain PUT with flush: "+plain.rate(n, "MiB"), yard.over(plain), "")
	row("", "", "fake-gcs-server, which flushes nothing: "+emulator.rate(n, "MiB"), yard.over(emulator), "")
	return nil
}

// large: 2 GiB up and down, and what the server needs for it.
func large(p peers, _ string) error {
	const size = 2 << 30
	var up, upPlain, upEmulator, session, down, downPlain, downEmulator times
	if _, _, err := p.yard.memory(); err != nil {
		return err
	}
	var peak, own int64
	for round := range *rounds {
		if round > 0 { // it holds the object in memory
			p.emulator = nil
		}
		upload := func(s *server, t *times) error {
			return t.add(clock(1, 1, func(int) error { return s.upload("large", &stream{size}, size) }))
		}
		download := func(s *server, t *times) error {
			return t.add(clock(1, 1, func(int) error { return s.download("large", size) }))
		}
		err := errors.Join(p.each(round, upload, &up, &upPlain, &upEmulator), p.each(round, download, &down, &downPlain, &downEmulator),
			session.add(clock(1, 1, func(int) error { return p.yard.resumable("session", &stream{size}, size) })))
		if err != nil {
			return err
		}
		a, h, err := p.yard.memory()
		if err != nil {
			return err
		}
		own, peak = max(own, a), max(peak, h)
		if err := errors.Join(p.yard.remove("large"), p.yard.remove("session")); err != nil {
			return err
		}
	}
	const mib = size >> 20
	row("2 GiB up, in one request", up.rate(mib, "MiB"), "plain PUT with flush: "+upPlain.rate(mib, "MiB"), up.over(upPlain), "≤ 1.5")
	row("", "", "fake-gcs-server, which flushes nothing: "+upEmulator.rate(mib, "MiB"), up.over(upEmulator), "")
	row("2 GiB up, resumable as gcloud sends it", session.rate(mib, "MiB"), "plain PUT with flush: "+upPlain.rate(mib, "MiB"), session.over(upPlain), "≤ 1.5")
	row("2 GiB down", down.rate(mib, "MiB"), "plain GET: "+downPlain.rate(mib, "MiB"), down.over(downPlain), "≤ 1.5")
	row("", "", "fake-gcs-server: "+downEmulator.rate(mib, "MiB"), down.over(downEmulator), "")
	row("the server's memory meanwhile, at most (VmHWM)", fmt.Sprintf("%d MiB", peak>>20), fmt.Sprintf("of its own (RssAnon): %d MiB", own>>20), "", "≤ 64 MiB")
	return nil
}

// small: objects of 1 KiB by 64 writers.
func small(p peers, _ string) error {
	const n, writers = 6400, 64
	var yard, plain, emulator times
	for round := range *rounds {
		err := p.each(round, func(s *server, t *times) error {
			return t.add(s.putMany(writers, n, block[:1024], func(i int) string { return fmt.Sprintf("small-%d-%d", round, i) }))
		}, &yard, &plain, &emulator)
		if err != nil {
			return err
		}
	}
	row("objects of 1 KiB, 64 writers at once", yard.rate(n, "objects"), "plain PUT with flush: "+plain.rate(n, "objects"), yard.over(plain), "≥ 700/s")
	row("", "", "fake-gcs-server, which flushes nothing: "+emulator.rate(n, "objects"), yard.over(emulator), "")
	return nil
}

// list: pages of ten out of 100,000 objects.
func list(p peers, _ string) error {
	const n, writers, pages = 100_000, 64, 500
	name := func(i int) string { return fmt.Sprintf("listed/shard-%03d/part-%05d", i/100, i) }
	if _, err := p.yard.putMany(writers, n, nil, name); err != nil {
		return err
	}
	var took times
	for i := range pages {
		path := fmt.Sprintf("/storage/v1/b/%s/o?maxResults=10&prefix=listed/shard-%03d/", bucketName, i*7%1000)
		if err := took.add(clock(1, 1, func(int) error { return p.yard.done(client.Get(p.yard.url(path))) })); err != nil {
			return err
		}
	}
	p99 := slices.Sorted(slices.Values(took))[pages*99/100]
	row("a list of 10 of 100,000 by prefix, over HTTP", fmt.Sprintf("%.2f ms", took.median().Seconds()*1e3), "of 100 requests the slowest but one: "+fmt.Sprintf("%.2f ms", p99.Seconds()*1e3), "", "≤ 1 ms")
	return nil
}
