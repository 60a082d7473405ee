package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strings"

	"github.com/farhold/farhold/awserr"
)

// isS3 tells whether a service signs as S3 does: path encoded once and not
// normalised, payload hash in a header.
func isS3(service string) bool {
	switch service {
	case "s3", "s3express", "s3-object-lambda", "s3-outposts":
		return true
	}
	return false
}

// isDigest tells whether s is a SHA-256 in hex.
func isDigest(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for i := 0; i < len(s); i++ {
		if _, ok := unhex(s[i]); !ok {
			return false
		}
	}
	return true
}

// checkPayload accepts the values that x-amz-content-sha256 may have.
func checkPayload(s string) error {
	switch s {
	case UnsignedPayload, StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer, StreamingECDSA, StreamingECDSATrailer:
		return nil
	}
	if isDigest(s) {
		return nil
	}
	return refuse(awserr.Argument("x-amz-content-sha256", s, "%s", payloadForms), BadPayload)
}

// hashBody reads the body of a request whose client sends no digest, puts it
// back and gives its SHA-256 in hex.
func hashBody(r *http.Request) (string, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return EmptySHA256, nil
	}
	if r.ContentLength > BodyMax {
		return "", refuse(errTooLarge.With("MaxMessageLengthBytes", "2097152"), BadPayload)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, BodyMax+1))
	if err != nil {
		return "", errIncomplete.Because(err)
	}
	if len(body) > BodyMax {
		return "", refuse(errTooLarge.With("MaxMessageLengthBytes", "2097152"), BadPayload)
	}
	closer := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(body), closer}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

var errIncomplete = awserr.New("IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header")

// PayloadReader passes r through and compares its SHA-256 with what the client
// signed, in hex. Where r ends, a body that is another gives
// XAmzContentSHA256Mismatch in place of io.EOF: whoever commits what was read
// must have seen io.EOF, not just counted bytes.
func PayloadReader(r io.Reader, sha256hex string) io.Reader {
	return &payloadReader{r: r, want: sha256hex, hash: sha256.New()}
}

type payloadReader struct {
	r    io.Reader
	want string
	hash hash.Hash
	err  error // sticky, once r has ended
}

func (p *payloadReader) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.r.Read(b)
	if n > 0 {
		p.hash.Write(b[:n])
	}
	if err == nil {
		return n, nil
	}
	p.err = err
	if err == io.EOF {
		if got := hex.EncodeToString(p.hash.Sum(nil)); !strings.EqualFold(got, p.want) {
			p.err = refuse(errPayloadHash.With("ClientComputedContentSHA256", p.want).With("S3ComputedContentSHA256", got), BadPayload)
		}
	}
	return n, p.err
}
