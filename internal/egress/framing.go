package egress

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
)

// TensorFlow's client sends "Transfer-Encoding: identity" with each request
// that has no body. That encoding was taken out of HTTP long ago, and net/http
// refuses a request that names it before any handler sees it. plain is a
// connection whose requests do not: it follows the framing of messages, so
// that bodies pass as they are.
type plain struct {
	net.Conn
	r     *bufio.Reader
	ready bytes.Buffer // of a head, or of a chunk's size
	body  int64        // bytes left of a body or of a chunk
	next  func() error // reads what follows them
}

// longestHead bounds a request's head; net/http refuses longer ones, too.
const longestHead = 1 << 20

var errHead = errors.New("the head of a request is too long")

func newPlain(c net.Conn) *plain {
	p := &plain{Conn: c, r: bufio.NewReaderSize(c, 64<<10)}
	p.next = p.head
	return p
}

func (p *plain) Read(b []byte) (int, error) {
	for {
		switch {
		case p.ready.Len() > 0:
			return p.ready.Read(b)
		case p.body > 0:
			n, err := p.r.Read(b[:min(int64(len(b)), p.body)])
			p.body -= int64(n)
			return n, err
		}
		if err := p.next(); err != nil {
			return 0, err
		}
	}
}

// head reads a request's head and leaves the identity encoding out.
func (p *plain) head() error {
	var length int64
	chunked, long := false, 0
	for {
		line, err := p.line(&long)
		if err != nil {
			if p.ready.Len() > 0 && errors.Is(err, io.EOF) {
				return nil // net/http says what it thinks of half a head
			}
			return err
		}
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.ToLower(textproto.TrimString(value))
		switch {
		case strings.EqualFold(name, "Transfer-Encoding") && value == "identity":
			continue
		case strings.EqualFold(name, "Transfer-Encoding"):
			chunked = strings.HasSuffix(value, "chunked")
		case strings.EqualFold(name, "Content-Length"):
			length, _ = strconv.ParseInt(value, 10, 64) // net/http refuses what is none
		}
		p.ready.WriteString(line)
		if name == "" && p.ready.Len() > 2 {
			break
		}
	}
	if chunked {
		p.next = p.chunk
		return nil
	}
	p.body = max(length, 0)
	return nil
}

// chunk reads the size of a chunk.
func (p *plain) chunk() error {
	long := 0
	line, err := p.line(&long)
	if err != nil {
		return err
	}
	p.ready.WriteString(line)
	size, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ";")
	n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	switch {
	case err != nil || n < 0: // net/http refuses it; until then all passes
		p.next = func() error { p.body = 1 << 62; return nil }
	case n == 0:
		p.next = p.trailer
	default:
		p.body, p.next = n, p.chunkEnd
	}
	return nil
}

// chunkEnd reads the line's end that follows a chunk.
func (p *plain) chunkEnd() error {
	long := 0
	line, err := p.line(&long)
	p.ready.WriteString(line)
	p.next = p.chunk
	return err
}

// trailer reads up to the empty line that ends a chunked body.
func (p *plain) trailer() error {
	for long := 0; ; {
		line, err := p.line(&long)
		if err != nil {
			return err
		}
		p.ready.WriteString(line)
		if strings.TrimRight(line, "\r\n") == "" {
			p.next = p.head
			return nil
		}
	}
}

func (p *plain) line(long *int) (string, error) {
	var line []byte
	for {
		part, err := p.r.ReadSlice('\n')
		line = append(line, part...)
		if *long += len(part); *long > longestHead {
			return "", errHead
		}
		switch {
		case err == nil:
			return string(line), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return string(line), nil // the next read says so again
		default:
			return "", err
		}
	}
}
