package mlv1

import (
	"strings"

	"github.com/trainyard/trainyard/internal/job"
)

// ParseFilter reads the filter of jobs.list, in the language of AIP-160:
//
//	jobId:census*
//	state:FAILED AND NOT labels.team=vision
//	createTime>"2020-01-02T03:04:05Z" (state=RUNNING OR state=QUEUED)
//
// OR binds tighter than AND, and terms side by side are joined by AND. ":"
// finds a part of a text, "=" wants the whole of it; "*" stands for anything in
// both. labels:KEY asks whether there is a label. An empty filter matches
// everything.
func ParseFilter(s string) (func(job.Job) bool, error) {
	p := &filterParser{text: s}
	p.next()
	if p.atEnd() && p.err == nil {
		return func(job.Job) bool { return true }, nil
	}
	f := p.and(0)
	if p.err == nil && !p.atEnd() {
		p.fail("unexpected %q", p.tok)
	}
	if p.err != nil {
		return nil, p.err
	}
	return f, nil
}

type match = func(job.Job) bool

const (
	maxFilter      = 10_000 // bytes
	maxFilterDepth = 50
)

func (p *filterParser) is(word string) bool { return !p.quoted && p.tok == word }

func (p *filterParser) atEnd() bool { return p.tok == "" && !p.quoted }

func (p *filterParser) done() bool { return p.atEnd() || p.is(")") }

func (p *filterParser) and(depth int) match {
	if depth > maxFilterDepth {
		p.fail("too many parentheses")
	}
	f := p.or(depth)
	for p.err == nil && !p.done() {
		if p.is("AND") {
			p.next()
		}
		left, right := f, p.or(depth)
		f = func(j job.Job) bool { return left(j) && right(j) }
	}
	return f
}

func (p *filterParser) or(depth int) match {
	f := p.not(depth)
	for p.err == nil && p.is("OR") {
		p.next()
		left, right := f, p.not(depth)
		f = func(j job.Job) bool { return left(j) || right(j) }
	}
	return f
}

func (p *filterParser) not(depth int) match {
	negate := false
	for p.is("NOT") || p.is("-") {
		negate = !negate
		p.next()
	}
	if !p.quoted && !p.is("-") && strings.HasPrefix(p.tok, "-") {
		negate = !negate
		p.tok = p.tok[1:]
	}
	f := p.term(depth)
	if negate {
		return func(j job.Job) bool { return !f(j) }
	}
	return f
}

func (p *filterParser) term(depth int) match {
	if p.is("(") {
		p.next()
		f := p.and(depth + 1)
		if !p.is(")") {
			p.fail("a parenthesis is not closed")
		}
		p.next()
		return f
	}
	name := p.tok
	if p.done() || p.quoted || p.is("AND") || p.is("OR") || strings.ContainsAny(name, "=<>!:*") {
		p.fail("expected the name of a field")
		return never
	}
	p.next()
	// labels."KEY" with letters that are not bare
	if name == "labels." && p.quoted {
		name += p.tok
		p.next()
	}
	op := p.tok
	if p.quoted || !strings.Contains(" = != < <= > >= : ", " "+op+" ") || op == "" {
		p.fail("expected an operator after %s", name)
		return never
	}
	p.next()
	if p.done() || !p.quoted && strings.Contains(" = != < <= > >= : ( AND OR NOT ", " "+p.tok+" ") {
		p.fail("expected a value after %s%s", name, op)
		return never
	}
	f := p.compare(name, op, p.tok)
	p.next()
	return f
}

func never(job.Job) bool { return false }
