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
// connection whose requests do not: it follows the framing of messages line by
// line, so that bodies pass as they are. A read that fails and is tried again,
// as net/http does with deadlines, goes on where it was.
type plain struct {
	net.Conn
	r     *bufio.Reader
	ready bytes.Buffer      // lines that were looked at
	body  int64             // bytes left of a body or of a chunk
	part  []byte            // of a line
	long  int               // bytes of the head, or of the line, so far
	next  func(line string) // takes the line that is next

	// Of the head that is being read.
	begun, chunked bool
	length         int64
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
		line, err := p.line()
		if err != nil {
			return 0, err
		}
		p.next(line)
	}
}

// line reads a line, or what there is of one at the end.
func (p *plain) line() (string, error) {
	for {
		part, err := p.r.ReadSlice('\n')
		p.part = append(p.part, part...)
		if p.long += len(part); p.long > longestHead {
			return "", errHead
		}
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(p.part) > 0:
			line := string(p.part)
			p.part = p.part[:0]
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// head takes a line of a request's head and leaves the identity encoding out.
func (p *plain) head(line string) {
	text := strings.TrimRight(line, "\r\n")
	name, value, _ := strings.Cut(text, ":")
	value = strings.ToLower(textproto.TrimString(value))
	switch {
	case strings.EqualFold(name, "Transfer-Encoding") && value == "identity":
		return
	case strings.EqualFold(name, "Transfer-Encoding"):
		p.chunked = strings.HasSuffix(value, "chunked")
	case strings.EqualFold(name, "Content-Length"):
		p.length, _ = strconv.ParseInt(value, 10, 64) // net/http refuses what is none
	}
	p.ready.WriteString(line)
	if text != "" || !p.begun {
		p.begun = p.begun || text != ""
		return
	}
	if p.chunked {
		p.next = p.chunk
	} else {
		p.body = max(p.length, 0)
	}
	p.begun, p.chunked, p.length, p.long = false, false, 0, 0
}

// chunk takes the line with the size of a chunk.
func (p *plain) chunk(line string) {
	p.ready.WriteString(line)
	p.long = 0
	size, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ";")
	n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	switch {
	case err != nil || n < 0: // net/http refuses it; until then all passes
		p.body = 1 << 62
	case n == 0:
		p.next = p.trailer
	default:
		p.body, p.next = n, p.chunkEnd
	}
}

// chunkEnd takes the line's end that follows a chunk.
func (p *plain) chunkEnd(line string) {
	p.ready.WriteString(line)
	p.long = 0
	p.next = p.chunk
}

// trailer takes lines up to the empty one that ends a chunked body.
func (p *plain) trailer(line string) {
	p.ready.WriteString(line)
	if strings.TrimRight(line, "\r\n") == "" {
		p.next, p.long = p.head, 0
	}
}
