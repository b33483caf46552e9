package logs

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"strconv"
	"time"
)

// appendFrame appends an entry's frame to buf. It writes the JSON by hand:
// this is done for every line of every program, and reflection takes five
// times as long. Fields that are no JSON are left out.
func appendFrame(buf *bytes.Buffer, e *Entry) {
	const space = "00000000 "
	begin := buf.Len()
	buf.WriteString(space)
	b := buf.AvailableBuffer()
	b = appendText(append(b, `{"task":`...), e.Task)
	if e.Trial != "" {
		b = appendText(append(b, `,"trial":`...), e.Trial)
	}
	b = append(b, `,"time":"`...)
	b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = appendText(append(b, `","severity":`...), string(e.Severity))
	b = appendText(append(b, `,"message":`...), e.Message)
	buf.Write(b)
	if len(e.Fields) > 0 {
		end := buf.Len()
		buf.WriteString(`,"fields":`)
		if json.Compact(buf, e.Fields) != nil { // which takes line ends out, too
			buf.Truncate(end)
		}
	}
	b = buf.AvailableBuffer()
	if e.Stream != "" {
		b = appendText(append(b, `,"stream":`...), e.Stream)
	}
	b = appendText(append(b, `,"insertId":`...), e.InsertID)
	buf.Write(append(b, '}'))
	frame := buf.Bytes()[begin:]
	const digits = "0123456789abcdef"
	sum := crc32.Checksum(frame[len(space):], castagnoli)
	for i := range 8 {
		frame[i] = digits[sum>>(28-4*i)&15]
	}
	buf.WriteByte('\n')
}

// appendText appends a JSON string. s is UTF-8.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', '0'+c>>4)
			b = strconv.AppendUint(b, uint64(c&15), 16)
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
