package awschunked

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/sigv4"
)

// The parts of the S3 documentation's streaming examples.
const (
	docSeed        = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
	docTrailerSeed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
	docDate        = "20130524T000000Z"
	docScope       = "20130524/us-east-1/s3/aws4_request"
)

var docKey = sigv4.SigningKey("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")

func chain(seed string) *sigv4.Chain { return sigv4.NewChain(docKey, docDate, docScope, seed) }

const (
	docBody = "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n<65536>\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n<1024>\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	docTrailerBody = "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n<65536>\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n<1024>\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)

// fill replaces <n> by n letters a.
func fill(s string) string {
	for _, n := range []int{8191, 8192, 9000, 65536, 1024, 100, 5, 3, 1} {
		s = strings.ReplaceAll(s, fmt.Sprintf("<%d>", n), strings.Repeat("a", n))
	}
	return s
}

func TestDocumented(t *testing.T) {
	r := NewReader(strings.NewReader(fill(docBody)), Config{Chain: chain(docSeed), Length: 66560})
	b, err := io.ReadAll(r)
	if err != nil || len(b) != 66560 || len(r.Trailers()) != 0 || r.Length() != 66560 {
		t.Errorf("%d %v", len(b), err)
	}
	body := fill(docTrailerBody)
	if len(body) != 66946 {
		t.Errorf("%d bytes, the documentation says 66946", len(body))
	}
	// As the documentation draws it, with LF and an empty line.
	drawn := strings.Replace(body, "sOO8/Q==\r\n", "sOO8/Q==\n\r\n", 1)
	for _, body := range []string{body, drawn, strings.Replace(body, "crc32c:", "crc32c: ", 1), strings.Replace(body, "x-amz-checksum", "X-Amz-Checksum", 1)} {
		r = NewReader(strings.NewReader(body), Config{Chain: chain(docTrailerSeed), Trailer: true, Announced: []string{"x-amz-checksum-crc32c"}, Length: 66560})
		if r.Trailers() != nil {
			t.Error("trailers before the end")
		}
		b, err = io.ReadAll(r)
		if err != nil || len(b) != 66560 || r.Trailers().Get("x-amz-checksum-crc32c") != "sOO8/Q==" {
			t.Errorf("%d %v %v", len(b), r.Trailers(), err)
		}
	}
}

// What boto3 sends, captured, and what other clients make of AWS's drawing.
func TestUnsigned(t *testing.T) {
	for _, body := range []string{
		"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
		"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\r\n\r\n",
		"0005\r\nhello\r\n000\r\nX-AMZ-CHECKSUM-CRC32:  NhCmhg==\t\r\n\r\n",
	} {
		r := NewReader(strings.NewReader(body), Config{Trailer: true, Announced: []string{"x-amz-checksum-crc32"}, Length: 5})
		b, err := io.ReadAll(r)
		if err != nil || string(b) != "hello" || r.Trailers().Get("X-Amz-Checksum-Crc32") != "NhCmhg==" {
			t.Errorf("%q: %q %v %v", body, b, r.Trailers(), err)
		}
	}
	for _, body := range []string{"0\r\n\r\n", fill("2000\r\n<8192>\r\n2000\r\n<8192>\r\n5\r\n<5>\r\n0\r\n\r\n")} {
		n := int64(strings.Count(body, "a"))
		r := NewReader(strings.NewReader(body), Config{Trailer: true, Length: n})
		if b, err := io.ReadAll(r); err != nil || int64(len(b)) != n || r.Trailers() == nil {
			t.Errorf("%d %v", len(b), err)
		}
	}
}

// Everything that can be wrong with a framed body.
func TestMalformed(t *testing.T) {
	const (
		incomplete = "IncompleteBody"
		mismatch   = "SignatureDoesNotMatch"
		trailer    = "MalformedTrailerError"
		small      = "InvalidChunkSizeError"
	)
	unsigned := Config{Trailer: true, Announced: []string{"x-amz-checksum-crc32"}, Length: 5}
	none := Config{Trailer: true, Length: 5}
	const crc = "x-amz-checksum-crc32:NhCmhg==\r\n"
	long := strings.Repeat("0", LineMax)
	type c struct {
		name string
		cfg  Config
		body string
		code string
	}
	cases := []c{
		{"empty", unsigned, "", incomplete},
		{"no size", unsigned, "\r\n", incomplete},
		{"size cut", unsigned, "5", incomplete},
		{"size in LF", unsigned, "5\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size in CR", unsigned, "5\rhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size with space", unsigned, "5 \r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size with tab before", unsigned, "\t5\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size with sign", unsigned, "+5\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size negative", unsigned, "-5\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size with 0x", unsigned, "0x5\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size with underscore", unsigned, "0_5\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size in words", unsigned, "five\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size of 16 EiB", unsigned, "ffffffffffffffff\r\nhello\r\n", incomplete},
		{"size wraps to 5", unsigned, "10000000000000005\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size of 8 EiB", unsigned, "7fffffffffffffff\r\nhello\r\n", incomplete},
		{"size over 5 GiB", Config{Trailer: true, Length: math.MaxInt64}, "140000001\r\nhello\r\n", incomplete},
		{"size endless", unsigned, long + long, incomplete},
		{"size padded", unsigned, strings.Repeat("0", 20) + "5\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"size of more than was announced", unsigned, "6\r\nhello!\r\n0\r\n" + crc + "\r\n", incomplete},
		{"less than was announced", unsigned, "4\r\nhell\r\n0\r\n" + crc + "\r\n", incomplete},
		{"nothing where much was announced", unsigned, "0\r\n" + crc + "\r\n", incomplete},
		{"extension", unsigned, "5;a=b\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"signature where none belongs", unsigned, "5;chunk-signature=" + docSeed + "\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"data cut", unsigned, "5\r\nhel", incomplete},
		{"data without end", unsigned, "5\r\nhello", incomplete},
		{"data with half an end", unsigned, "5\r\nhello\r", incomplete},
		{"data ends in LF", unsigned, "5\r\nhello\n0\r\n" + crc + "\r\n", incomplete},
		{"data longer than its chunk", unsigned, "4\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"no last chunk", unsigned, "5\r\nhello\r\n", incomplete},
		{"no trailers", unsigned, "5\r\nhello\r\n0\r\n", incomplete},
		{"announced trailer missing", unsigned, "5\r\nhello\r\n0\r\n\r\n", trailer},
		{"trailer twice", unsigned, "5\r\nhello\r\n0\r\n" + crc + crc + "\r\n", trailer},
		{"trailer unannounced", none, "5\r\nhello\r\n0\r\n" + crc + "\r\n", trailer},
		{"another trailer too", unsigned, "5\r\nhello\r\n0\r\n" + crc + "x-amz-meta-a:b\r\n\r\n", trailer},
		{"another trailer instead", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:NhCmhg==\r\n\r\n", trailer},
		{"trailer without colon", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", trailer},
		{"trailer without name", unsigned, "5\r\nhello\r\n0\r\n:x\r\n\r\n", trailer},
		{"trailer with space in its name", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32 :NhCmhg==\r\n\r\n", trailer},
		{"trailer folded", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:\r\n NhCmhg==\r\n\r\n", trailer},
		{"trailer with CR within", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:Nh\rCmhg==\r\n\r\n", trailer},
		{"trailer with NUL", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:Nh\x00Cmhg==\r\n\r\n", trailer},
		{"trailer not ASCII", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:Nhé\r\n\r\n", trailer},
		{"trailer in LF", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\n\n", incomplete},
		{"trailer endless", unsigned, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + long + long, trailer},
		{"trailer signature where none belongs", unsigned, "5\r\nhello\r\n0\r\n" + crc + "x-amz-trailer-signature:" + docSeed + "\r\n\r\n", trailer},
		{"trailers without end", unsigned, "5\r\nhello\r\n0\r\n" + crc, incomplete},
		{"trailers with half an end", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\r", incomplete},
		{"data after the end", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\r\n ", incomplete},
		{"a second body", unsigned, "5\r\nhello\r\n0\r\n" + crc + "\r\n5\r\nhello\r\n0\r\n" + crc + "\r\n", incomplete},
		{"short chunk in the middle", Config{Trailer: true, Length: 8192 + 8191}, fill("1fff\r\n<8191>\r\n2000\r\n<8192>\r\n0\r\n\r\n"), small},
	}
	signed := Config{Length: 66560}
	good := fill(docBody)
	edit := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("no %q", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	cases = append(cases, []c{
		{"signature of the first chunk", signed, edit("ad80", "ad81"), mismatch},
		{"signature of the second chunk", signed, edit("0055", "0056"), mismatch},
		{"signature of the last chunk", signed, edit("b6c6", "b6c7"), mismatch},
		{"signature in capitals", signed, edit("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", strings.ToUpper("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")), mismatch},
		{"signature short", signed, edit("ad80", "ad8"), incomplete},
		{"signature long", signed, edit("ad80", "ad800"), incomplete},
		{"signature absent", signed, edit(";chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", ""), incomplete},
		{"signature of another name", signed, edit("chunk-signature", "chunk-signaturf"), incomplete},
		{"second extension", signed, edit("\r\n", ";a=b\r\n"), incomplete},
		{"data", signed, edit("aaaaaaaa", "aaaabaaa"), mismatch},
		{"data of the second chunk", signed, strings.Replace(good, "aaaaa\r\n0;", "aaaab\r\n0;", 1), mismatch},
		{"chunk dropped", Config{Length: 65536}, strings.Replace(good, "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"+strings.Repeat("a", 1024)+"\r\n", "", 1), mismatch},
		{"last chunk dropped", signed, good[:strings.LastIndex(good, "0;chunk")], incomplete},
		{"cut after the last header", signed, good[:len(good)-2], incomplete},
		{"trailers where none belong", signed, good[:len(good)-2] + crc + "\r\n", incomplete},
		{"data after the end", signed, good + "x", incomplete},
		{"length announced too long", Config{Length: 66561}, good, incomplete},
		{"length announced too short", Config{Length: 66559}, good, incomplete},
	}...)
	for _, tc := range cases {
		if tc.cfg.Chain == nil && !tc.cfg.Trailer {
			tc.cfg.Chain = chain(docSeed)
		}
		t.Run(tc.name, func(t *testing.T) { wantsCode(t, tc.cfg, tc.body, tc.code) })
	}

	trailers := Config{Trailer: true, Announced: []string{"x-amz-checksum-crc32c"}, Length: 66560}
	good = fill(docTrailerBody)
	for _, tc := range []c{
		{"value", trailers, edit("sOO8/Q==", "sOO8/A=="), mismatch},
		{"trailer signature", trailers, edit("d81f", "d81e"), mismatch},
		{"trailer signature absent", trailers, good[:strings.Index(good, "x-amz-trailer-sig")] + "\r\n", trailer},
		{"trailer signature first", trailers, strings.Replace(edit("x-amz-checksum-crc32c:sOO8/Q==\r\n", ""), "\r\n\r\n", "\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", 1), mismatch},
		{"trailer after its signature", trailers, good[:len(good)-2] + "x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", trailer},
		{"trailer signature twice", trailers, good[:len(good)-2] + good[strings.Index(good, "x-amz-trailer-sig"):], trailer},
		{"trailer dropped", trailers, edit("x-amz-checksum-crc32c:sOO8/Q==\r\n", ""), mismatch},
		{"trailers dropped", trailers, good[:strings.Index(good, "x-amz-checksum")] + "\r\n", trailer},
		{"no end", trailers, good[:len(good)-2], incomplete},
	} {
		tc.cfg.Chain = chain(docTrailerSeed)
		t.Run("signed trailers: "+tc.name, func(t *testing.T) { wantsCode(t, tc.cfg, tc.body, tc.code) })
	}
}

// wantsCode reads body to its error, which must be AWS's and stay.
func wantsCode(t *testing.T, cfg Config, body, code string) {
	t.Helper()
	r := NewReader(strings.NewReader(body), cfg)
	n, err := io.Copy(io.Discard, r)
	e := awserr.From(err)
	if e == nil || e.Code != code || e.Status/100 != 4 {
		t.Fatalf("%d bytes, %v, want %s", n, err, code)
	}
	if r.Trailers() != nil {
		t.Error("trailers of a body that is wrong")
	}
	if _, again := r.Read(make([]byte, 1)); again != err {
		t.Errorf("then %v", again)
	}
	if n > cfg.Length {
		t.Errorf("%d bytes of %d", n, cfg.Length)
	}
}

func TestErrorsOfTheBodyBeneath(t *testing.T) {
	broken := errors.New("connection reset")
	for at := range 40 {
		body := "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
		r := NewReader(io.MultiReader(strings.NewReader(body[:at]), iotest.ErrReader(broken)), Config{Trailer: true, Announced: []string{"x-amz-checksum-crc32"}, Length: 5})
		_, err := io.ReadAll(r)
		if !errors.Is(err, broken) || awserr.From(err).Code != "IncompleteBody" {
			t.Fatalf("at %d: %v", at, err)
		}
	}
	r := NewReader(iotest.ErrReader(awserr.ErrSlowDown), Config{Trailer: true})
	if _, err := io.ReadAll(r); awserr.From(err).Code != "SlowDown" {
		t.Error(err)
	}
}

func TestForRequest(t *testing.T) {
	req := func(kv ...string) *http.Request {
		r := &http.Request{Header: http.Header{}, Body: io.NopCloser(strings.NewReader("0\r\n\r\n"))}
		for i := 0; i < len(kv); i += 2 {
			r.Header.Add(kv[i], kv[i+1])
		}
		return r
	}
	length := []string{"X-Amz-Decoded-Content-Length", "0"}
	for _, tc := range []struct {
		name string
		r    *http.Request
		hash string
		kind sigv4.Kind
		code string
	}{
		{"plain", req(), sigv4.UnsignedPayload, sigv4.Header, ""},
		{"digest", req(), sigv4.EmptySHA256, sigv4.Header, ""},
		{"anonymous", req(), "", sigv4.Anonymous, ""},
		{"unsigned", req(length...), sigv4.StreamingUnsignedTrailer, sigv4.Header, "ok"},
		{"signed", req(length...), sigv4.StreamingSigned, sigv4.Header, "ok"},
		{"signed trailer", req(append(length, "X-Amz-Trailer", "x-amz-checksum-crc32, X-Amz-Checksum-Sha1")...), sigv4.StreamingSignedTrailer, sigv4.Presigned, "ok"},
		{"nothing to chain to", req(length...), sigv4.StreamingSigned, sigv4.PresignedV2, "AccessDenied"},
		{"ECDSA", req(length...), sigv4.StreamingECDSA, sigv4.Header, "NotImplemented"},
		{"ECDSA trailer", req(length...), sigv4.StreamingECDSATrailer, sigv4.Header, "NotImplemented"},
		{"no length", req(), sigv4.StreamingSigned, sigv4.Header, "MissingContentLength"},
		{"length negative", req("X-Amz-Decoded-Content-Length", "-1"), sigv4.StreamingSigned, sigv4.Header, "MissingContentLength"},
		{"length signed", req("X-Amz-Decoded-Content-Length", "+1"), sigv4.StreamingSigned, sigv4.Header, "MissingContentLength"},
		{"length huge", req("X-Amz-Decoded-Content-Length", "9223372036854775808"), sigv4.StreamingSigned, sigv4.Header, "MissingContentLength"},
		{"length twice", req(append(length, length...)...), sigv4.StreamingSigned, sigv4.Header, "MissingContentLength"},
		{"trailer that is no checksum", req(append(length, "X-Amz-Trailer", "content-type")...), sigv4.StreamingUnsignedTrailer, sigv4.Header, "InvalidRequest"},
		{"trailer twice", req(append(length, "X-Amz-Trailer", "x-amz-checksum-crc32,x-amz-checksum-crc32")...), sigv4.StreamingUnsignedTrailer, sigv4.Header, "MalformedTrailerError"},
		{"trailer without trailers", req(append(length, "X-Amz-Trailer", "x-amz-checksum-crc32")...), sigv4.StreamingSigned, sigv4.Header, "MalformedTrailerError"},
	} {
		r, err := ForRequest(tc.r, &sigv4.Result{PayloadHash: tc.hash, Kind: tc.kind})
		got := ""
		if e := awserr.From(err); e != nil {
			got = e.Code
		} else if err == nil && r != nil {
			got = "ok"
		}
		if got != tc.code {
			t.Errorf("%s: %q, %v", tc.name, got, err)
		}
	}
	r := req(length...)
	r.Body = nil
	d, err := ForRequest(r, &sigv4.Result{PayloadHash: sigv4.StreamingUnsignedTrailer, Kind: sigv4.Header})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(d); awserr.From(err).Code != "IncompleteBody" {
		t.Error(err)
	}
}

func TestContentEncoding(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "gzip": "gzip", "aws-chunked": "", "AWS-Chunked": "", "aws-chunked,gzip": "gzip", "gzip, aws-chunked": "gzip",
		"gzip,br": "gzip,br", " aws-chunked , gzip ,br": "gzip,br", "x-aws-chunked": "x-aws-chunked",
	} {
		if got := ContentEncoding(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// encoded frames a body as a client does: chunks of a size, signed or not, and
// trailers.
func encoded(body []byte, chunk int, c *sigv4.Chain, trailer bool, trailers ...string) []byte {
	var out []byte
	head := func(b []byte) {
		out = fmt.Appendf(out, "%x", len(b))
		if c != nil {
			sum := sha256.Sum256(b)
			out = fmt.Appendf(out, ";chunk-signature=%s", c.SignChunk(&sum))
		}
		out = append(out, "\r\n"...)
	}
	for b := body; len(b) > 0; {
		one := b[:min(chunk, len(b))]
		b = b[len(one):]
		head(one)
		out = append(out, one...)
		out = append(out, "\r\n"...)
	}
	head(nil)
	if trailer {
		var canon []byte
		for _, line := range trailers {
			out = append(out, line+"\r\n"...)
			canon = append(canon, line+"\n"...)
		}
		if c != nil {
			sum := sha256.Sum256(canon)
			out = fmt.Appendf(out, "x-amz-trailer-signature:%s\r\n", c.SignTrailer(&sum))
		}
	}
	return append(out, "\r\n"...)
}

// However the bytes arrive and however they are asked for, the result is the
// same.
func TestAnySplit(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789\r\n;"), 3000)
	for _, c := range []struct {
		cfg   Config
		chunk int
		lines []string
	}{
		{Config{Length: int64(len(body)), Chain: chain(docSeed)}, 8192, nil},
		{Config{Length: int64(len(body)), Chain: chain(docSeed), Trailer: true, Announced: []string{"x-amz-checksum-crc32", "x-amz-checksum-sha1"}}, 9001, []string{"x-amz-checksum-crc32:a", "x-amz-checksum-sha1:b"}},
		{Config{Length: int64(len(body)), Trailer: true, Announced: []string{"x-amz-checksum-crc32"}}, 1 << 20, []string{"x-amz-checksum-crc32:a"}},
	} {
		wire := encoded(body, c.chunk, freshChain(c.cfg), c.cfg.Trailer, c.lines...)
		for _, src := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
		} {
			for _, ask := range []int{1, 7, 512, 8192, 1 << 20} {
				cfg := c.cfg
				cfg.Chain = freshChain(c.cfg)
				r := NewReader(src(bytes.NewReader(wire)), cfg)
				var got []byte
				buf := make([]byte, ask)
				var err error
				for err == nil {
					var n int
					n, err = r.Read(buf)
					got = append(got, buf[:n]...)
				}
				if err != io.EOF || !bytes.Equal(got, body) || len(r.Trailers()) != len(c.lines) {
					t.Fatalf("asking for %d: %d bytes, %v", ask, len(got), err)
				}
				if n, err := r.Read(nil); n != 0 || err != io.EOF {
					t.Fatalf("after the end: %d %v", n, err)
				}
			}
		}
	}
}

func freshChain(c Config) *sigv4.Chain {
	if c.Chain == nil {
		return nil
	}
	return chain(docSeed)
}

func BenchmarkReader(b *testing.B) {
	for _, bc := range []struct {
		name        string
		size, chunk int
		signed      bool
	}{
		{"unsigned/4KiB", 4 << 10, 64 << 10, false},
		{"unsigned/16MiB", 16 << 20, 1 << 20, false},
		{"signed/4KiB", 4 << 10, 64 << 10, true},
		{"signed/16MiB", 16 << 20, 64 << 10, true},
	} {
		b.Run(bc.name, func(b *testing.B) {
			body := make([]byte, bc.size)
			cfg := Config{Length: int64(bc.size)}
			if bc.signed {
				cfg.Chain = chain(docSeed)
			} else {
				cfg.Trailer, cfg.Announced = true, []string{"x-amz-checksum-crc32"}
			}
			wire := encoded(body, bc.chunk, freshChain(cfg), cfg.Trailer, "x-amz-checksum-crc32:NhCmhg==")
			b.SetBytes(int64(bc.size))
			b.ReportAllocs()
			buf := make([]byte, 256<<10)
			for b.Loop() {
				cfg.Chain = freshChain(cfg)
				r := NewReader(bytes.NewReader(wire), cfg)
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf); err != nil || n != int64(bc.size) {
					b.Fatal(n, err)
				}
			}
		})
	}
}
