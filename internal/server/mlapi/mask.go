package mlapi

import "errors"

// fieldMask is a parsed fields parameter, as in jobs(jobId,state),nextPageToken
// or jobs/jobId: names and what is wanted below them; nil is everything.
type fieldMask map[string]fieldMask

var errMask = errors.New("the mask is not understood")

func parseMask(s string) (fieldMask, error) {
	p := &maskParser{rest: s}
	m, err := p.list(0)
	if err != nil || p.rest != "" {
		return nil, errMask
	}
	return m, nil
}

type maskParser struct{ rest string }

func (p *maskParser) peek() byte {
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

func (p *maskParser) list(depth int) (fieldMask, error) {
	if depth > 20 {
		return nil, errMask
	}
	m := fieldMask{}
	for {
		if err := p.path(m, depth); err != nil {
			return nil, err
		}
		if p.peek() != ',' {
			return m, nil
		}
		p.rest = p.rest[1:]
	}
}

// path reads a/b(c,d) into m.
func (p *maskParser) path(m fieldMask, depth int) error {
	n := 0
	for n < len(p.rest) && isName(p.rest[n]) {
		n++
	}
	name := p.rest[:n]
	if p.rest = p.rest[n:]; n == 0 || depth > 20 {
		return errMask
	}
	sub := fieldMask(nil)
	switch p.peek() {
	case '/', '.':
		p.rest = p.rest[1:]
		sub = fieldMask{}
		if err := p.path(sub, depth+1); err != nil {
			return err
		}
	case '(':
		p.rest = p.rest[1:]
		var err error
		if sub, err = p.list(depth + 1); err != nil || p.peek() != ')' {
			return errMask
		}
		p.rest = p.rest[1:]
	}
	m.add(name, sub)
	return nil
}

// add joins two wishes for one name; everything wins.
func (m fieldMask) add(name string, sub fieldMask) {
	old, has := m[name]
	if !has || sub == nil || old == nil {
		if !has || sub == nil {
			m[name] = sub
		}
		return
	}
	for k, v := range sub {
		old.add(k, v)
	}
}

func isName(c byte) bool {
	return c == '*' || c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
