package logs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"time"
)

// maxFrame is longer than any frame that a spool writes: a message may be
// escaped to six times its length.
const maxFrame = 6*(maxMessage+maxFields) + 64<<10

// frames reads entries from a file at an offset.
type frames struct {
	r      *bufio.Reader
	pos    int64 // of the reader
	offset int64 // behind the last frame that was read
}

func newFrames(f io.ReaderAt, offset int64) *frames {
	return &frames{r: bufio.NewReaderSize(io.NewSectionReader(f, offset, 1<<62), 64<<10), pos: offset, offset: offset}
}

// next is the next entry; io.EOF when there is no further whole one. A damaged
// line is passed over, for those behind it.
func (r *frames) next() (Entry, error) {
	for {
		line, err := r.line()
		if err != nil {
			return Entry{}, err // io.EOF for a frame without its end
		}
		r.pos += int64(len(line))
		if e, ok := parseFrame(line); ok {
			r.offset = r.pos
			return e, nil
		}
	}
}

// line is the next line with its end.
func (r *frames) line() ([]byte, error) {
	line, err := r.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		head := bytes.Clone(line)
		var rest []byte
		rest, err = r.r.ReadBytes('\n')
		line = append(head, rest...)
	}
	return line, err
}

// parseFrame reads a line with its end.
func parseFrame(line []byte) (Entry, bool) {
	var e Entry
	if len(line) < 11 || len(line) > maxFrame || line[8] != ' ' || line[len(line)-1] != '\n' {
		return e, false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	body := line[9 : len(line)-1]
	if err != nil || uint32(sum) != crc32.Checksum(body, castagnoli) {
		return e, false
	}
	return e, json.Unmarshal(body, &e) == nil
}

// seekTime finds an offset from which every entry at or after t is read, by
// halving: times do not go backwards within a spool. A few earlier entries may
// come first.
func seekTime(f *os.File, t time.Time) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	low, high := int64(0), info.Size() // every frame that begins before low is earlier than t
	for high-low > 256<<10 {
		mid := low + (high-low)/2
		start, e, err := frameAfter(f, mid)
		switch {
		case err == io.EOF || err == nil && !e.Time.Before(t):
			high = mid
		case err != nil:
			return 0, err
		default:
			low = start
		}
	}
	return low, nil
}

// frameAfter is the first whole frame that begins after offset.
func frameAfter(f *os.File, offset int64) (int64, Entry, error) {
	skip := bufio.NewReader(io.NewSectionReader(f, offset, 1<<62))
	line, err := skip.ReadBytes('\n')
	if err != nil {
		return 0, Entry{}, err
	}
	start := offset + int64(len(line))
	e, err := newFrames(f, start).next()
	return start, e, err
}
