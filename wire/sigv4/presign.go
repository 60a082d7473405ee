package sigv4

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
)

// presigned verifies V4 in the query.
func (v *Verifier) presigned(r *http.Request, s *scratch, path string) (*Result, error) {
	c := s.newClaim(Presigned)
	c.skip = "X-Amz-Signature"
	var alg, credText, expiresText string
	for _, p := range [...]struct {
		name string
		to   *string
	}{
		{"X-Amz-Algorithm", &alg}, {"X-Amz-Credential", &credText}, {"X-Amz-Signature", &c.signature},
		{"X-Amz-Date", &c.dateText}, {"X-Amz-SignedHeaders", &c.signed}, {"X-Amz-Expires", &expiresText},
	} {
		value, times := s.query.get(p.name)
		if times != 1 || value == "" {
			return nil, refuse(errQuery, Incomplete)
		}
		*p.to = value
	}
	switch alg {
	case algorithm:
	case algorithmA:
		return nil, refuse(awserr.ErrNotImplemented.With("Header", "X-Amz-Algorithm"), Unsupported)
	default:
		return nil, queryError(Unsupported, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"")
	}
	var ok bool
	if c.cred, ok = parseCredential(credText); !ok {
		return nil, queryError(Malformed, "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	if why, region := v.checkScope(&c.cred); why != "" {
		e := errQuery.Text("Error parsing the X-Amz-Credential parameter; %s", why)
		if region {
			e = e.With("Region", v.Region)
		}
		return nil, refuse(e, WrongScope)
	}
	if c.date, ok = parseLongDate(c.dateText); !ok {
		return nil, queryError(Malformed, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	if c.dateText[:8] != c.cred.date {
		return nil, queryError(WrongScope, "Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", c.cred.date, c.dateText[:8])
	}
	life, err := parseExpires(expiresText)
	if err != nil {
		return nil, err
	}
	if !orderedHeaders(c.signed) {
		return nil, queryError(Malformed, "The X-Amz-SignedHeaders parameter is malformed: %q", c.signed)
	}
	var times int
	if c.token, times = s.query.get("X-Amz-Security-Token"); times > 1 {
		return nil, queryError(Malformed, "The X-Amz-Security-Token parameter must not be repeated")
	}
	ends := c.date.Add(life)
	switch now := v.now(); {
	case c.date.Sub(now) > SkewMax:
		return nil, refuse(errNotYet.With("X-Amz-Date", c.dateText).With("Expires", ends.Format(isoDate)).With("ServerTime", now.Format(isoDate)), Expired)
	case life == 0 || now.After(ends): // nothing is valid for no time, also where the signer's clock is ahead
		return nil, refuse(errExpired.With("X-Amz-Expires", expiresText).With("Expires", ends.Format(isoDate)).With("ServerTime", now.Format(isoDate)), Expired)
	}
	if err := v.presignedPayload(r, s, c); err != nil {
		return nil, err
	}
	res, err := v.prove(r, s, path, c)
	if err != nil {
		return nil, err
	}
	res.Expires = ends
	return res, nil
}

// presignedPayload finds what the signature says of the body. S3's presigned
// requests leave it open unless the query, or a signed header, says otherwise.
// An unsigned digest header may be there; it is no proof, so it counts for
// nothing, and a framing that nobody signed is refused.
func (v *Verifier) presignedPayload(r *http.Request, s *scratch, c *claim) (err error) {
	if !isS3(c.cred.service) {
		if err := checkSigned(r, c.signed, ""); err != nil {
			return err
		}
		c.payload, err = hashBody(r)
		return err
	}
	const name = "x-amz-content-sha256"
	header, err := only(r, "X-Amz-Content-Sha256")
	if err != nil {
		return err
	}
	except := name
	if strings.HasPrefix(header, "STREAMING-") {
		except = ""
	}
	if err := checkSigned(r, c.signed, except); err != nil {
		return err
	}
	c.payload = UnsignedPayload
	if value, times := s.query.get("X-Amz-Content-Sha256"); times == 1 {
		c.payload = value
	} else if times > 1 {
		return queryError(Malformed, "The X-Amz-Content-Sha256 parameter must not be repeated")
	} else if header != "" && listed(c.signed, name) {
		c.payload = header
	}
	return checkPayload(c.payload)
}

// parseExpires reads X-Amz-Expires, in seconds.
func parseExpires(s string) (time.Duration, error) {
	digits := strings.TrimPrefix(s, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	switch {
	case digits == "" || strings.Trim(digits, "0123456789") != "":
		return 0, queryError(Malformed, "X-Amz-Expires should be a number")
	case digits != s:
		return 0, queryError(Malformed, "X-Amz-Expires must be non-negative")
	case err != nil || n > ExpiresMax:
		return 0, queryError(Malformed, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	return time.Duration(n) * time.Second, nil
}

// queryError is AuthorizationQueryParametersError with its text.
func queryError(why Reason, format string, args ...any) error {
	return refuse(errQuery.Text(format, args...), why)
}
