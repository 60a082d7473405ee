package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
)

// headerV2 verifies Signature Version 2 in the Authorization header.
func (v *Verifier) headerV2(r *http.Request, s *scratch, path, auth string) (*Result, error) {
	if v.RefuseV2 || !v.serves("s3") {
		return nil, refuse(errMechanism, Unsupported)
	}
	rest := auth[len("AWS "):]
	if strings.Contains(rest, " ") {
		return nil, refuse(awserr.Argument("Authorization", auth, "Authorization header is invalid -- one and only one ' ' (space) required"), Malformed)
	}
	accessKey, signature, ok := strings.Cut(rest, ":")
	if !ok || accessKey == "" || signature == "" || strings.Contains(signature, ":") {
		return nil, refuse(awserr.Argument("Authorization", auth, "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"), Malformed)
	}
	c := s.newClaim(HeaderV2)
	c.signature = signature
	c.cred.accessKey = accessKey
	if err := requestDateV2(r, c); err != nil {
		return nil, err
	}
	if err := v.skew(c.date, c.dateText); err != nil {
		return nil, err
	}
	token, err := only(r, "X-Amz-Security-Token")
	if err != nil {
		return nil, err
	}
	c.token = token
	date := ""
	if r.Header["X-Amz-Date"] == nil {
		date, _ = only(r, "Date") // requestDate has seen that there is one
	}
	return v.proveV2(r, s, path, c, date, false)
}

// requestDateV2 is requestDate for Version 2, under which an x-amz-date takes
// the word from Date also where it is empty, as it does in the string to sign,
// and a date before 1970 is none.
func requestDateV2(r *http.Request, c *claim) error {
	if v := r.Header["X-Amz-Date"]; len(v) == 1 && strings.TrimSpace(v[0]) == "" {
		return refuse(errNoDate, Incomplete)
	}
	if err := requestDate(r, c); err != nil {
		return err
	}
	if c.date.Unix() < 0 {
		return refuse(errNoDate, Incomplete)
	}
	return nil
}

// presignedV2 verifies Signature Version 2 in the query.
func (v *Verifier) presignedV2(r *http.Request, s *scratch, path string) (*Result, error) {
	if v.RefuseV2 {
		return nil, refuse(errMechanism, Unsupported)
	}
	c := s.newClaim(PresignedV2)
	var expiresText string
	for _, p := range [...]struct {
		name string
		to   *string
	}{{"AWSAccessKeyId", &c.cred.accessKey}, {"Signature", &c.signature}, {"Expires", &expiresText}} {
		value, times := s.query.get(p.name)
		if times != 1 || value == "" {
			return nil, refuse(errV2Query, Incomplete)
		}
		*p.to = value
	}
	// Base64 holds pluses; a client that did not escape them meant them.
	c.signature = strings.ReplaceAll(c.signature, " ", "+")
	epoch, err := strconv.ParseUint(expiresText, 10, 63)
	if err != nil || epoch > epochMax {
		return nil, refuse(errNoDate.Text("Invalid date (should be seconds since epoch): %s", expiresText), Malformed)
	}
	ends, now := time.Unix(int64(epoch), 0).UTC(), v.now()
	if now.After(ends) {
		return nil, refuse(errExpired.With("Expires", ends.Format(isoDate)).With("ServerTime", now.Format(isoDate)), Expired)
	}
	if c.token, err = only(r, "X-Amz-Security-Token"); err != nil {
		return nil, err
	}
	if c.token == "" {
		var times int
		if c.token, times = s.query.get("x-amz-security-token"); times > 1 {
			return nil, refuse(errV2Query, Malformed)
		}
	}
	res, err := v.proveV2(r, s, path, c, expiresText, true)
	if err != nil {
		return nil, err
	}
	res.Expires = ends
	return res, nil
}

// epochMax is the end of the year 9999, in seconds.
const epochMax = 253402300799

// proveV2 builds V2's string to sign, looks the secret up and compares.
func (v *Verifier) proveV2(r *http.Request, s *scratch, path string, c *claim, date string, fromQuery bool) (*Result, error) {
	payload, err := only(r, "X-Amz-Content-Sha256")
	if err != nil {
		return nil, err
	}
	switch payload {
	case "":
		payload = UnsignedPayload
	case StreamingSigned, StreamingSignedTrailer, StreamingECDSA, StreamingECDSATrailer:
		// There is no V4 signature that a chunk's could follow.
		return nil, refuse(errMechanism, Unsupported)
	default:
		if err := checkPayload(payload); err != nil {
			return nil, err
		}
	}
	if err := s.stringToSignV2(r, v, path, date, fromQuery); err != nil {
		return nil, err
	}
	secret, identity, lookup := v.secret(r.Context(), c.cred.accessKey, c.token)
	if lookup != nil {
		secret = decoySecret
	}
	same := equalV2(c.signature, secret, s.sts)
	if lookup != nil {
		return nil, lookup
	}
	if !same && v.bareBucket(r, path) {
		// boto signs /bucket/ and sends /bucket, which mean the same.
		if err := s.stringToSignV2(r, v, path+"/", date, fromQuery); err != nil {
			return nil, err
		}
		same = equalV2(c.signature, secret, s.sts)
	}
	if !same {
		return nil, refuse(errMismatch.With("AWSAccessKeyId", c.cred.accessKey).
			With("StringToSign", string(s.sts)).
			With("SignatureProvided", c.signature).
			With("StringToSignBytes", spacedHex(s.sts)), Mismatch)
	}
	return &Result{Kind: c.kind, AccessKey: c.cred.accessKey, SessionToken: c.token, Identity: identity,
		Service: "s3", PayloadHash: payload, Signature: c.signature, Date: c.date}, nil
}

// bareBucket tells whether a path is that of a bucket in path style, and
// nothing else: under a virtual host the same path would be a key.
func (v *Verifier) bareBucket(r *http.Request, path string) bool {
	return len(path) > 1 && strings.LastIndexByte(path, '/') == 0 && !strings.Contains(path, "%") &&
		(v.Bucket == nil || v.Bucket(r) == "")
}

// equalV2 compares a V2 signature in constant time.
func equalV2(given, secret string, sts []byte) bool {
	m := hmac.New(sha1.New, []byte(secret))
	m.Write(sts)
	want := base64.StdEncoding.EncodeToString(m.Sum(nil))
	return subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// v2Signed are the query parameters that V2 signs as part of the resource.
var v2Signed = []string{
	"accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
	"logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
	"response-cache-control", "response-content-disposition", "response-content-encoding",
	"response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
	"storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
}

// v2Unsigned are the query parameters that V2 leaves open and that do not
// change which operation a request is.
var v2Unsigned = []string{
	"AWSAccessKeyId", "Expires", "Signature", "continuation-token", "delimiter", "encoding-type", "fetch-owner",
	"key-marker", "list-type", "marker", "max-buckets", "max-keys", "max-parts", "max-uploads", "part-number-marker",
	"prefix", "start-after", "upload-id-marker", "version-id-marker", "x-id",
}

// stringToSignV2 builds V2's string to sign into s.sts.
//
// V2 signs a fixed list of parameters and S3 has grown others since, such as
// retention and legal-hold. A parameter that turns a request into another
// operation without being signed would let the holder of a presigned GET do
// what its maker never meant: such requests are refused and need V4.
func (s *scratch) stringToSignV2(r *http.Request, v *Verifier, path, date string, fromQuery bool) error {
	q := &s.query
	slices.SortFunc(q.params, q.less)
	b := append(s.sts[:0], r.Method...)
	b = append(b, '\n')
	b = appendV2(b, r, q, "content-md5", fromQuery)
	b = appendV2(b, r, q, "content-type", fromQuery)
	b = append(b, date...)
	b = append(b, '\n')

	var names []string
	for name := range r.Header {
		if amz(name) {
			names = append(names, strings.ToLower(name))
		}
	}
	for _, p := range q.params {
		name := decode(string(q.name(p)))
		lower := strings.ToLower(name)
		switch {
		case fromQuery && (lower == "content-md5" || lower == "content-type"):
		case fromQuery && amz(name):
			if lookup(r.Header, lower) == nil {
				if slices.Contains(names, lower) {
					return refuse(errV2Query, Malformed) // twice in the query
				}
				names = append(names, lower)
			}
		case slices.Contains(v2Signed, name), slices.Contains(v2Unsigned, name):
		default:
			return refuse(errMechanism, Unsupported)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		b = append(b, name...)
		b = append(b, ':')
		if values := lookup(r.Header, name); values != nil {
			for i, value := range values {
				if i > 0 {
					b = append(b, ',')
				}
				b = append(b, strings.TrimSpace(value)...) // V2 keeps the spaces within
			}
		} else {
			b = append(b, strings.TrimSpace(q.fold(name))...)
		}
		b = append(b, '\n')
	}

	if v.Bucket != nil {
		if bucket := v.Bucket(r); bucket != "" {
			b = append(b, '/')
			b = append(b, bucket...)
		}
	}
	b = append(b, path...)
	sep := byte('?')
	for _, p := range q.params {
		name := string(q.name(p)) // none of the signed names needs escaping
		if !slices.Contains(v2Signed, name) {
			continue
		}
		b = append(append(b, sep), name...)
		if p.end > p.mid {
			b = append(append(b, '='), decode(string(q.value(p)))...)
		}
		sep = '&'
	}
	s.sts = b
	return nil
}

// fold finds a parameter by its lower-case name, in any case.
func (q *query) fold(lower string) string {
	for _, p := range q.params {
		if strings.EqualFold(decode(string(q.name(p))), lower) {
			return decode(string(q.value(p)))
		}
	}
	return ""
}

// appendV2 appends one positional header; boto puts those of a presigned
// request into its query.
func appendV2(b []byte, r *http.Request, q *query, name string, fromQuery bool) []byte {
	if values := lookup(r.Header, name); len(values) > 0 {
		b = append(b, strings.TrimSpace(values[0])...)
	} else if fromQuery {
		b = append(b, q.fold(name)...)
	}
	return append(b, '\n')
}
