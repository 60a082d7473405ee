package awschunked

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	// ChunkMin is the least size of a chunk that is not the last, in bytes.
	ChunkMin = 8 << 10
	// ChunkMax is the greatest size of a chunk, in bytes: that of an object in
	// one PUT.
	ChunkMax = 5 << 30
	// LineMax bounds a chunk's header and a trailer's line, in bytes.
	LineMax = 2 << 10
	// TrailersMax bounds all trailers together, in bytes.
	TrailersMax = 16 << 10
	// trailersCount bounds the trailers that may be announced.
	trailersCount = 16

	signatureName = "x-amz-trailer-signature"
)

// Config says how a body is framed.
type Config struct {
	// Chain proves the chunks of a signed body; nil for an unsigned one.
	Chain *sigv4.Chain
	// Trailer tells that a trailer block follows the last chunk.
	Trailer bool
	// Announced are the trailers that must come, lower case.
	Announced []string
	// Length is how long the content must be, in bytes.
	Length int64
}

// ForRequest makes the reader of a verified request's body. It is nil, with no
// error, if the body is not framed: res.PayloadHash tells.
func ForRequest(r *http.Request, res *sigv4.Result) (*Reader, error) {
	c := Config{}
	switch res.PayloadHash {
	case sigv4.StreamingSigned:
		c.Chain = res.Chain()
	case sigv4.StreamingSignedTrailer:
		c.Chain, c.Trailer = res.Chain(), true
	case sigv4.StreamingUnsignedTrailer:
		c.Trailer = true
	case sigv4.StreamingECDSA, sigv4.StreamingECDSATrailer:
		return nil, awserr.ErrNotImplemented.With("Header", "x-amz-content-sha256")
	default:
		return nil, nil
	}
	if c.Chain == nil && res.PayloadHash != sigv4.StreamingUnsignedTrailer {
		return nil, awserr.ErrAccessDenied // nothing that chunks could be chained to
	}
	var err error
	if c.Length, err = decodedLength(r.Header); err != nil {
		return nil, err
	}
	if c.Announced, err = announced(r.Header, c.Trailer); err != nil {
		return nil, err
	}
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	return NewReader(body, c), nil
}

// decodedLength reads x-amz-decoded-content-length.
func decodedLength(h http.Header) (int64, error) {
	v := h["X-Amz-Decoded-Content-Length"]
	if len(v) != 1 || v[0] == "" {
		return 0, ErrMissingLength
	}
	n, err := strconv.ParseUint(v[0], 10, 63)
	if err != nil {
		return 0, ErrMissingLength.Because(err)
	}
	return int64(n), nil
}

// announced reads x-amz-trailer.
func announced(h http.Header, trailer bool) ([]string, error) {
	var names []string
	for _, line := range h["X-Amz-Trailer"] {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.ToLower(strings.TrimSpace(one))
			if one == "" {
				continue
			}
			if !strings.HasPrefix(one, "x-amz-checksum-") {
				return nil, ErrTrailerUnsupported
			}
			if slices.Contains(names, one) || len(names) == trailersCount {
				return nil, ErrMalformedTrailer
			}
			names = append(names, one)
		}
	}
	if names != nil && !trailer {
		return nil, ErrMalformedTrailer
	}
	return names, nil
}

// ContentEncoding removes aws-chunked from a Content-Encoding: it says how the
// request was sent and is no property of the object.
func ContentEncoding(value string) string {
	if !strings.Contains(strings.ToLower(value), "aws-chunked") {
		return value
	}
	var keep []string
	for one := range strings.SplitSeq(value, ",") {
		if one = strings.TrimSpace(one); one != "" && !strings.EqualFold(one, "aws-chunked") {
			keep = append(keep, one)
		}
	}
	return strings.Join(keep, ",")
}

// Reader decodes a framed body. It is not safe for concurrent use.
type Reader struct {
	src  *bufio.Reader
	cfg  Config
	hash hash.Hash // of the chunk being read; nil if unsigned
	sig  [64]byte  // of the chunk being read

	left  int64 // bytes to come of the chunk being read
	size  int64 // of the chunk being read
	count int64 // chunks begun
	total int64 // bytes promised by the chunks begun

	trailers http.Header
	err      error // sticky
}

// NewReader decodes body. It reads nothing before the first Read.
func NewReader(body io.Reader, c Config) *Reader {
	d := &Reader{src: bufio.NewReaderSize(body, LineMax), cfg: c}
	if c.Chain != nil {
		d.hash = sha256.New()
	}
	return d
}

// Length is how many bytes the content has, as the client announced it. A body
// that has another length never reaches io.EOF.
func (d *Reader) Length() int64 { return d.cfg.Length }

// Trailers are those that came, by canonical name; nil before io.EOF.
func (d *Reader) Trailers() http.Header {
	if d.err != io.EOF {
		return nil
	}
	return d.trailers
}

// Read gives the content. Errors are AWS's and stay; io.EOF means that
// everything was proved.
func (d *Reader) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if d.left == 0 {
		if d.err = d.begin(); d.err != nil {
			return 0, d.err
		}
	}
	if int64(len(p)) > d.left {
		p = p[:d.left]
	}
	n, err := d.src.Read(p)
	d.left -= int64(n)
	if d.hash != nil {
		d.hash.Write(p[:n])
	}
	if d.left == 0 {
		// An error that came with the last bytes comes again to end.
		d.err = d.end()
	} else if err != nil {
		d.err = broken(err)
	}
	return n, d.err
}

// begin reads a chunk's header. At the last chunk it reads all that follows and
// gives io.EOF.
func (d *Reader) begin() error {
	line, err := d.line()
	if err != nil {
		return err
	}
	digits, ext := line, []byte(nil)
	for i, c := range line {
		if c == ';' {
			digits, ext = line[:i], line[i:]
			break
		}
	}
	size, ok := parseSize(digits)
	if !ok {
		return incomplete("the size of chunk %d is malformed or out of bounds", d.count+1)
	}
	if err := d.extension(ext); err != nil {
		return err
	}
	if size == 0 {
		return d.finish()
	}
	if d.count > 0 && d.size < ChunkMin {
		return ErrInvalidChunkSize.With("Chunk", strconv.FormatInt(d.count, 10)).With("BadChunkSize", strconv.FormatInt(d.size, 10))
	}
	if size > d.cfg.Length-d.total {
		return wrongLength(d.cfg.Length, d.total+size)
	}
	d.count++
	d.total += size
	d.size, d.left = size, size
	if d.hash != nil {
		d.hash.Reset()
	}
	return nil
}

// end reads the line end after a chunk's data and proves the chunk.
func (d *Reader) end() error {
	if err := d.crlf(); err != nil {
		return err
	}
	return d.prove()
}

// prove holds the chunk's signature against its data.
func (d *Reader) prove() error {
	if d.cfg.Chain == nil {
		return nil
	}
	var sum [sha256.Size]byte
	d.hash.Sum(sum[:0])
	return d.cfg.Chain.Chunk(string(d.sig[:]), &sum)
}

// finish reads what follows the header of the last, empty chunk.
func (d *Reader) finish() error {
	if d.hash != nil {
		d.hash.Reset()
	}
	if err := d.prove(); err != nil {
		return err
	}
	if d.total != d.cfg.Length {
		return wrongLength(d.cfg.Length, d.total)
	}
	var err error
	if d.cfg.Trailer {
		err = d.readTrailers()
	} else {
		err = d.crlf()
	}
	if err != nil {
		return err
	}
	if _, err := d.src.ReadByte(); err == nil {
		return incomplete("data after the last chunk")
	} else if err != io.EOF {
		return broken(err)
	}
	return io.EOF
}

// readTrailers reads the trailer block. A line ends in CRLF, or in LF and an
// empty line, which is how some clients print AWS's description of it.
func (d *Reader) readTrailers() error {
	d.trailers = make(http.Header)
	var canon []byte
	proved := d.cfg.Chain == nil
	for total := 0; ; {
		line, err := d.src.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, bufio.ErrBufferFull) {
				return ErrMalformedTrailer
			}
			return broken(err)
		}
		if total += len(line); total > TrailersMax {
			return ErrMalformedTrailer
		}
		line = line[:len(line)-1]
		short := len(line) == 0 || line[len(line)-1] != '\r'
		if !short {
			line = line[:len(line)-1]
			if len(line) == 0 {
				break
			}
		}
		name, value, ok := strings.Cut(string(line), ":")
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		if !ok || !wellFormed(name, value) {
			return ErrMalformedTrailer
		}
		switch {
		case name == signatureName && !proved:
			sum := sha256.Sum256(canon)
			if err := d.cfg.Chain.Trailer(value, &sum); err != nil {
				return err
			}
			proved = true
		case d.cfg.Chain != nil && proved:
			return ErrMalformedTrailer // the signature comes last
		case !slices.Contains(d.cfg.Announced, name) || d.trailers[http.CanonicalHeaderKey(name)] != nil:
			return ErrMalformedTrailer
		default:
			d.trailers[http.CanonicalHeaderKey(name)] = []string{value}
			canon = append(canon, name...)
			canon = append(canon, ':')
			canon = append(canon, value...)
			canon = append(canon, '\n')
		}
		if short {
			if err := d.crlf(); err != nil {
				return err
			}
		}
	}
	if !proved || len(d.trailers) != len(d.cfg.Announced) {
		return ErrMalformedTrailer
	}
	return nil
}

// wellFormed tells whether a trailer's name is a token and its value visible.
func wellFormed(name, value string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return name != ""
}

// extension reads what follows a chunk's size: the signature of a signed
// chunk, nothing otherwise.
func (d *Reader) extension(ext []byte) error {
	const prefix = ";chunk-signature="
	if d.cfg.Chain == nil {
		if len(ext) != 0 {
			return incomplete("an unsigned chunk has an extension")
		}
		return nil
	}
	if len(ext) != len(prefix)+len(d.sig) || string(ext[:len(prefix)]) != prefix {
		return incomplete("a chunk has no well-formed signature")
	}
	copy(d.sig[:], ext[len(prefix):])
	return nil
}

// parseSize reads a chunk's size: hex digits and nothing else, at most
// ChunkMax.
func parseSize(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		if n = n<<4 | int64(c); n > ChunkMax {
			return 0, false
		}
	}
	return n, true
}

// line reads a line that ends in CRLF, without it. It is good until the next
// read.
func (d *Reader) line() ([]byte, error) {
	b, err := d.src.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, incomplete("the header of chunk %d is longer than %d bytes", d.count+1, LineMax)
		}
		return nil, broken(err)
	}
	if len(b) < 2 || b[len(b)-2] != '\r' {
		return nil, incomplete("the header of chunk %d does not end in CRLF", d.count+1)
	}
	return b[:len(b)-2], nil
}

// crlf reads CRLF.
func (d *Reader) crlf() error {
	for _, want := range [...]byte{'\r', '\n'} {
		c, err := d.src.ReadByte()
		if err != nil {
			return broken(err)
		}
		if c != want {
			return incomplete("CRLF expected after chunk %d", d.count)
		}
	}
	return nil
}
