package sigv4

import (
	"fmt"
	"time"

	"github.com/farhold/farhold/awserr"
)

// The errors of Query and JSON services, whose codes are not S3's.
var (
	errQueryIncomplete = awserr.New("IncompleteSignature", 400, "The request signature does not conform to AWS standards.")
	errQueryUnknownKey = awserr.New("InvalidClientTokenId", 403, "The security token included in the request is invalid.")
	errQueryExpired    = awserr.New("ExpiredToken", 403, "The security token included in the request is expired")
	errQueryMismatch   = awserr.New("SignatureDoesNotMatch", 403, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	errQueryNone       = awserr.New("MissingAuthenticationToken", 403, "Request is missing Authentication Token")
	errJSONIncomplete  = awserr.New("IncompleteSignatureException", 400, "The request signature does not conform to AWS standards.")
	errJSONUnknownKey  = awserr.New("UnrecognizedClientException", 400, "The security token included in the request is invalid.")
	errJSONExpired     = awserr.New("ExpiredTokenException", 400, "The security token included in the request is expired")
	errJSONMismatch    = awserr.New("InvalidSignatureException", 400, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	errJSONNone        = awserr.New("MissingAuthenticationTokenException", 400, "Missing Authentication Token")
	errBodyTooLarge    = awserr.New("RequestEntityTooLarge", 413, "Request size exceeded")
	queryWords         = words{errQueryNone, errQueryIncomplete, errQueryUnknownKey, errQueryExpired, errQueryMismatch}
	jsonWords          = words{errJSONNone, errJSONIncomplete, errJSONUnknownKey, errJSONExpired, errJSONMismatch}
)

// words are the errors of one protocol.
type words struct{ none, incomplete, unknownKey, expired, mismatch *awserr.Error }

// ForQuery turns an error of Verify into the one that a Query service, such as
// IAM, STS or SNS, answers. A nil error stands for a request without
// credentials, which those services refuse. Errors of others pass.
func ForQuery(err error) error { return queryWords.translate(err) }

// ForJSON is ForQuery for services that speak JSON or CBOR, such as KMS or
// CloudTrail.
func ForJSON(err error) error { return jsonWords.translate(err) }

func (w *words) translate(err error) error {
	if err == nil {
		return refuse(w.none, Incomplete)
	}
	why := ReasonOf(err)
	e := awserr.From(err)
	if why == 0 || e == nil {
		return err
	}
	extra := func(name string) string {
		for _, f := range e.Extra {
			if f.Name == name {
				return f.Value
			}
		}
		return ""
	}
	switch why {
	case UnknownKey, BadToken:
		return refuse(w.unknownKey, why)
	case TokenEnded:
		return refuse(w.expired, why)
	case Mismatch:
		return refuse(w.mismatch, why)
	case WrongScope:
		if extra("Region") != "" {
			return refuse(w.mismatch.Text("Credential should be scoped to a valid region."), why)
		}
		return refuse(w.mismatch.Text("Credential should be scoped to a valid date, region and service: %s", e.Message), why)
	case Skewed:
		return refuse(w.mismatch.Text("%s", skewText(extra("RequestTime"), extra("ServerTime"))), why)
	case Expired:
		return refuse(w.mismatch.Text("Signature expired: %s is now earlier than %s", extra("Expires"), extra("ServerTime")), why)
	case NotSigned:
		return refuse(w.mismatch.Text("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization; not signed: %s", extra("HeadersNotSigned")), why)
	case BadPayload:
		if e.Is(errTooLarge) {
			return refuse(errBodyTooLarge, why)
		}
	}
	return refuse(w.incomplete.Text("%s", e.Message), why)
}

// skewText is how Query and JSON services say that a request's time is too far
// from theirs: with the bound that it crossed.
func skewText(request, server string) string {
	at, ok := parseLongDate(request)
	now, err := time.Parse(isoDate, server)
	switch {
	case !ok || err != nil:
		return "Signature expired: " + request
	case at.Before(now):
		return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 15 min.)", request, now.Add(-SkewMax).Format(longDate), now.Format(longDate))
	}
	return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 15 min.)", request, now.Add(SkewMax).Format(longDate), now.Format(longDate))
}
