package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// Bounds of what the guard lets through.
const (
	headersMax   = 256 // lines of a head, or of a trailer
	chunkLineMax = 64  // bytes of the line before a chunk
)

// guard is a connection that speaks HTTP/1 and whose framing is checked before
// net/http sees it. net/http is lenient where another server in front of it may
// read the same bytes as another request: it drops Content-Length beside
// Transfer-Encoding, joins folded lines, and takes bare line feeds. A request
// that is not framed in exactly one way is made one that net/http answers with
// 400 and a closed connection, in its turn behind those that came before.
//
// One goroutine reads at a time, as net/http does.
type guard struct {
	net.Conn
	headMax int
	tls     *tls.ConnectionState // nil for plain HTTP
	life    *life

	buf   []byte // read from the connection and not yet handed on
	ok    int    // how much of it was found right
	seen  int    // how much of the line or head behind ok was looked at
	state frameState
	left  int64 // bytes of a body or chunk still to come
	lines int   // of a trailer
	size  int   // of a trailer

	unread atomic.Bool // some of a request is still to come from a client that may send it
}

type frameState uint8

const (
	inHead frameState = iota
	inBody
	inChunkLine
	inChunk
	inChunkEnd
	inTrailer
	refused // nothing more is handed on
)

// What makes net/http give up: a request line, and a chunk's line, that are
// none.
var (
	noRequest = []byte("BAD\r\n\r\n")
	noChunk   = []byte("!\r\n")
)

// Read implements net.Conn.
func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if g.ok > 0 {
			n := copy(p, g.buf[:g.ok])
			g.ok -= n
			// What is left is short, save when net/http reads single bytes.
			g.buf = g.buf[:copy(g.buf, g.buf[n:])]
			return n, nil
		}
		switch {
		case g.state == refused:
			return 0, io.EOF
		case (g.state == inBody || g.state == inChunk) && len(g.buf) == 0:
			// Bytes of a body go straight to whoever reads them.
			n, err := g.Conn.Read(p[:min(int64(len(p)), g.left)])
			if g.left -= int64(n); g.left == 0 {
				g.bodyOver()
			}
			if err != nil {
				g.unread.Store(false) // it has gone, or had its time
			}
			return n, err
		}
		if err := g.fill(); err != nil {
			g.unread.Store(false)
			return 0, err
		}
		g.advance()
	}
}

// fill reads more bytes to look at.
func (g *guard) fill() error {
	if cap(g.buf)-len(g.buf) < 512 {
		g.buf = append(make([]byte, 0, max(4096, 2*cap(g.buf))), g.buf...)
	}
	n, err := g.Conn.Read(g.buf[len(g.buf):cap(g.buf)])
	g.buf = g.buf[:len(g.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// advance looks at what was read and moves ok past what is right.
func (g *guard) advance() {
	for g.ok < len(g.buf) && g.state != refused {
		rest := g.buf[g.ok:]
		switch g.state {
		case inHead:
			end := g.headEnd(rest)
			if end < 0 {
				if len(rest) > g.headMax {
					g.refuse(noRequest)
				}
				return
			}
			if end > g.headMax {
				g.refuse(noRequest)
				return
			}
			f, err := checkHead(rest[:end])
			if err != nil {
				g.refuse(noRequest)
				return
			}
			g.ok, g.seen = g.ok+end, 0
			switch {
			case f.chunked:
				g.state = inChunkLine
				g.unread.Store(true)
			case f.length > 0:
				g.state, g.left = inBody, f.length
				g.unread.Store(true)
			}
		case inBody, inChunk:
			n := min(int64(len(rest)), g.left)
			g.ok += int(n)
			if g.left -= n; g.left == 0 {
				g.bodyOver()
			}
		case inChunkLine:
			line, ok := g.line(rest, chunkLineMax)
			if !ok {
				return
			}
			n, err := chunkSize(line)
			if err != nil {
				g.refuse(noChunk)
				return
			}
			g.ok += len(line) + 2
			if n > 0 {
				g.state, g.left = inChunk, n
			} else {
				g.state, g.lines, g.size = inTrailer, 0, 0
			}
		case inChunkEnd:
			if rest[0] != '\r' || len(rest) > 1 && rest[1] != '\n' {
				g.refuse(noChunk)
				return
			}
			if len(rest) < 2 {
				return
			}
			g.ok += 2
			g.state = inChunkLine
		case inTrailer:
			line, ok := g.line(rest, g.headMax-g.size)
			if !ok {
				return
			}
			g.lines, g.size = g.lines+1, g.size+len(line)+2
			if len(line) == 0 {
				g.state = inHead
				g.unread.Store(false)
			} else if name, _, err := splitHeader(line); err != nil || g.lines > headersMax || framing(name) {
				g.refuse(noChunk)
				return
			}
			g.ok += len(line) + 2
		}
	}
}

// framing tells headers that a trailer must not bring.
func framing(name []byte) bool {
	return bytes.EqualFold(name, []byte("Content-Length")) || bytes.EqualFold(name, []byte("Transfer-Encoding")) || bytes.EqualFold(name, []byte("Host"))
}

func (g *guard) bodyOver() {
	if g.state == inChunk {
		g.state = inChunkEnd
	} else {
		g.state = inHead
		g.unread.Store(false)
	}
}

// refuse replaces everything that was not handed on yet by what makes net/http
// end the connection.
func (g *guard) refuse(with []byte) {
	g.buf = append(g.buf[:g.ok], with...)
	g.ok = len(g.buf)
	g.state = refused
	g.unread.Store(true)
}

// headEnd gives the length of a head with its empty line, or -1. A line feed
// without its carriage return ends the search too: what follows is refused.
func (g *guard) headEnd(b []byte) int {
	for {
		i := bytes.IndexByte(b[g.seen:], '\n')
		if i < 0 {
			return -1
		}
		at := g.seen + i
		g.seen = at + 1
		if at == 0 || b[at-1] != '\r' {
			return at + 1 // checkHead refuses it
		}
		if at == 1 || at >= 3 && b[at-2] == '\n' {
			return at + 1
		}
	}
}

// line gives the next line without its end. It is not ok when it is not there
// yet, or was refused.
func (g *guard) line(b []byte, most int) (line []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0 && len(b) > most, i > most+1, i == 0, i > 0 && b[i-1] != '\r':
		g.refuse(noChunk)
		return nil, false
	case i < 0:
		return nil, false
	}
	return b[:i-1], true
}

// CloseWrite lets net/http end an answer in an orderly way. It calls this after
// the last answer where it left some of a body unread, and closes half a second
// later.
func (g *guard) CloseWrite() error {
	if g.unread.Load() && g.linger() {
		return nil
	}
	return closeWrite(g.Conn)
}

// Close implements net.Conn. net/http closes at once where a client has waited
// for 100 Continue or said that this was its last request, but the rest of its
// body may come all the same.
func (g *guard) Close() error {
	if g.unread.Load() && g.linger() {
		return nil
	}
	return g.Conn.Close()
}

// frame is how a request's body is framed.
type frame struct {
	length  int64
	chunked bool
}

var (
	errRequestLine = errors.New("server: the request line is none")
	errHeaderLine  = errors.New("server: a header line is none")
	errFraming     = errors.New("server: the body is framed in no way, or in two")
	errHeaders     = errors.New("server: too many headers")
)

// checkHead checks a request's head, with the empty line at its end.
func checkHead(b []byte) (f frame, err error) {
	line, rest, ok := cutLine(b)
	if !ok {
		return f, errRequestLine
	}
	minor, err := checkRequestLine(line)
	if err != nil {
		return f, err
	}
	length, coding := false, false
	for n := 0; ; n++ {
		if line, rest, ok = cutLine(rest); !ok {
			return f, errHeaderLine
		}
		if len(line) == 0 {
			break
		}
		if n == headersMax {
			return f, errHeaders
		}
		name, value, err := splitHeader(line)
		if err != nil {
			return f, err
		}
		switch len(name) {
		case len("Content-Length"):
			if !bytes.EqualFold(name, []byte("Content-Length")) {
				continue
			}
			if length {
				return f, errFraming
			}
			length = true
			if f.length, err = decimal(value); err != nil {
				return f, err
			}
		case len("Transfer-Encoding"):
			if !bytes.EqualFold(name, []byte("Transfer-Encoding")) {
				continue
			}
			if coding || !bytes.EqualFold(value, []byte("chunked")) {
				return f, errFraming
			}
			coding, f.chunked = true, true
		}
	}
	if len(rest) > 0 || length && coding || coding && minor == 0 {
		return f, errFraming
	}
	return f, nil
}

// cutLine takes a line off b. It must end with CR LF and have neither within.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, false
	}
	return b[:i-1], b[i+1:], true
}

// checkRequestLine takes METHOD SP TARGET SP HTTP/1.x and gives x. The target
// is a path, or a star: absolute forms name a host beside the one that was
// signed, and only proxies need them.
func checkRequestLine(b []byte) (minor byte, err error) {
	method, rest, ok := bytes.Cut(b, []byte{' '})
	if !ok || len(method) == 0 || bytes.Equal(method, []byte("CONNECT")) {
		return 0, errRequestLine
	}
	for _, c := range method {
		if !isToken(c) {
			return 0, errRequestLine
		}
	}
	target, version, ok := bytes.Cut(rest, []byte{' '})
	if !ok || len(target) == 0 || target[0] != '/' && !(len(target) == 1 && target[0] == '*') {
		return 0, errRequestLine
	}
	for _, c := range target {
		if c <= ' ' || c == 0x7f {
			return 0, errRequestLine
		}
	}
	if len(version) != 8 || string(version[:7]) != "HTTP/1." || version[7] != '0' && version[7] != '1' {
		return 0, errRequestLine
	}
	return version[7] - '0', nil
}

// splitHeader takes a header line apart. White space stands neither before the
// name (that would fold it to the line before) nor behind it.
func splitHeader(line []byte) (name, value []byte, err error) {
	i := bytes.IndexByte(line, ':')
	if i < 1 {
		return nil, nil, errHeaderLine
	}
	for _, c := range line[:i] {
		if !isToken(c) {
			return nil, nil, errHeaderLine
		}
	}
	value = bytes.Trim(line[i+1:], " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, errHeaderLine
		}
	}
	return line[:i], value, nil
}

// isToken tells the characters of methods and header names.
func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}

// decimal reads a Content-Length: digits and nothing else.
func decimal(b []byte) (n int64, err error) {
	if len(b) == 0 || len(b) > 18 {
		return 0, errFraming
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errFraming
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// chunkSize reads the line before a chunk: hexadecimal digits and nothing else.
// Extensions, which nobody uses, have been read differently by different
// servers.
func chunkSize(b []byte) (n int64, err error) {
	if len(b) == 0 || len(b) > 15 {
		return 0, errFraming
	}
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, errFraming
		}
		n = n<<4 | int64(c)
	}
	return n, nil
}
