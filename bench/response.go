package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errMalformed is wrapped by every complaint about the form of a response.
var errMalformed = errors.New("bench: malformed response")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errMalformed}, args...)...)
}

// response is what an HTTP/1.1 response said before its body.
type response struct {
	status int
	length int64 // of the body; -1 when only its end tells
	read   int64 // body bytes that came
	close  bool  // the connection can't be used again
	chunks bool
}

// receive reads one response. Informational ones are skipped.
func (c *conn) receive(bodiless bool, sink func(int, []byte) error) (response, error) {
	for {
		if err := c.readHead(); err != nil {
			return response{}, err
		}
		resp, err := parseHead(c.head)
		if err != nil {
			return resp, err
		}
		if resp.status < 200 {
			if resp.status == 101 {
				return resp, malformed("status 101 was not asked for")
			}
			continue
		}
		switch {
		case bodiless || resp.status == 204 || resp.status == 304:
		case resp.chunks:
			err = c.readChunks(&resp, sink)
		case resp.length >= 0:
			err = c.readBody(&resp, resp.length, sink)
		default:
			resp.close = true
			err = c.readAll(&resp, sink)
		}
		if err == nil && c.r != c.w {
			err = malformed("%d bytes behind its end", c.w-c.r)
		}
		return resp, err
	}
}

// readHead moves the next header block to c.head: the status line and the
// headers, each ended by CRLF, without the empty line.
func (c *conn) readHead() error {
	searched := 0
	for {
		have := c.in[c.r:c.w]
		if i := bytes.Index(have[searched:], []byte("\r\n\r\n")); i >= 0 {
			end := searched + i + 2
			c.head = append(c.head[:0], have[:end]...)
			c.r += end + 2
			return nil
		}
		if len(have) > headMax {
			return malformed("headers of more than %d bytes", headMax)
		}
		searched = max(len(have)-3, 0)
		if err := c.fill(); err != nil {
			if err == io.EOF && c.answered {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// parseHead reads the status line and the headers that frame the body.
func parseHead(head []byte) (response, error) {
	resp := response{length: -1}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return resp, malformed("status line %.80q", line)
	}
	resp.close = line[7] == '0'
	for _, d := range line[9:12] {
		if d < '0' || d > '9' {
			return resp, malformed("status line %.80q", line)
		}
		resp.status = resp.status*10 + int(d-'0')
	}
	if resp.status < 100 {
		return resp, malformed("status %d", resp.status)
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || bytes.ContainsAny(line[:colon], " \t") {
			return resp, malformed("header line %.80q", line)
		}
		if err := resp.header(line[:colon], bytes.TrimSpace(line[colon+1:])); err != nil {
			return resp, err
		}
	}
	if resp.chunks && resp.length >= 0 {
		return resp, malformed("both Content-Length and Transfer-Encoding")
	}
	return resp, nil
}

func (r *response) header(name, value []byte) error {
	switch len(name) { // Most headers fall through on their length alone.
	case len("connection"):
		if bytes.EqualFold(name, []byte("connection")) {
			switch {
			case bytes.EqualFold(value, []byte("close")):
				r.close = true
			case bytes.EqualFold(value, []byte("keep-alive")):
				r.close = false
			}
		}
	case len("content-length"):
		if bytes.EqualFold(name, []byte("content-length")) {
			n, ok := parseDecimal(value)
			if !ok || r.length >= 0 && r.length != n {
				return malformed("Content-Length %.40q", value)
			}
			r.length = n
		}
	case len("transfer-encoding"):
		if bytes.EqualFold(name, []byte("transfer-encoding")) {
			if !bytes.EqualFold(value, []byte("chunked")) || r.chunks {
				return malformed("Transfer-Encoding %.40q", value)
			}
			r.chunks = true
		}
	}
	return nil
}

func parseDecimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, true
}

// readBody passes the next n bytes to sink.
func (c *conn) readBody(resp *response, n int64, sink func(int, []byte) error) error {
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return early(err)
			}
		}
		p := c.in[c.r:min(int64(c.w), int64(c.r)+n)]
		c.r += len(p)
		n -= int64(len(p))
		resp.read += int64(len(p))
		if sink != nil {
			if err := sink(resp.status, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *conn) readAll(resp *response, sink func(int, []byte) error) error {
	for {
		if err := c.readBody(resp, int64(c.w-c.r), sink); err != nil {
			return err
		}
		if err := c.fill(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (c *conn) readChunks(resp *response, sink func(int, []byte) error) error {
	for {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		line, _, _ = bytes.Cut(line, []byte(";"))
		line = bytes.TrimRight(line, " \t")
		if len(line) == 0 || len(line) > 15 {
			return malformed("chunk size %.40q", line)
		}
		var n int64
		for _, d := range line {
			v := strings.IndexByte("0123456789abcdef", d|0x20)
			if v < 0 || d < '0' {
				return malformed("chunk size %.40q", line)
			}
			n = n<<4 | int64(v)
		}
		if n == 0 {
			break
		}
		if err := c.readBody(resp, n, sink); err != nil {
			return err
		}
		if line, err = c.readLine(); err != nil {
			return err
		} else if len(line) != 0 {
			return malformed("%.40q where a chunk must end", line)
		}
	}
	for trailers := 0; ; {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		if trailers += len(line); trailers > headMax {
			return malformed("trailers of more than %d bytes", headMax)
		}
	}
}

// readLine gives the next line without its CRLF, valid until the next read.
func (c *conn) readLine() ([]byte, error) {
	for {
		if i := bytes.IndexByte(c.in[c.r:c.w], '\n'); i >= 0 {
			line := c.in[c.r : c.r+i]
			c.r += i + 1
			if len(line) == 0 || line[len(line)-1] != '\r' {
				return nil, malformed("line %.40q without CRLF", line)
			}
			return line[:len(line)-1], nil
		}
		if c.w-c.r > headMax {
			return nil, malformed("line of more than %d bytes", headMax)
		}
		if err := c.fill(); err != nil {
			return nil, early(err)
		}
	}
}

// early names an end that comes too soon.
func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// headerValue finds a header of the last response; name is in lower case.
func (c *conn) headerValue(name string) string {
	_, rest, _ := bytes.Cut(c.head, []byte("\r\n"))
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(string(line[:len(name)]), name) {
			return string(bytes.TrimSpace(line[len(name)+1:]))
		}
	}
	return ""
}
