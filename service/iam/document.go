package iam

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/farhold/farhold/policy"
)

// size is how many characters of a document count against quotas: all that are
// not white space.
func size(document string) (n int) {
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// checkIdentity checks the document of an identity policy.
func (s *Service) checkIdentity(document string) error {
	_, err := s.d.parse(document, policy.Identity)
	return malformed(err, policy.Identity)
}

// checkTrust checks a trust policy: its form, that it speaks of assuming roles
// only, that it is not too long, and that the principals that it names exist.
// It gives the users and roles among them.
func (s *Service) checkTrust(ctx context.Context, document string) (trusted []identified, err error) {
	if _, err := s.d.parse(document, policy.Trust); err != nil {
		return nil, malformed(err, policy.Trust)
	}
	var doc struct{ Statement many[trustStatement] }
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return nil, errTrustJSON.Because(err) // the strict parser was content: it has every form
	}
	for _, st := range doc.Statement {
		for _, a := range append(st.Action, st.NotAction...) {
			if !trustAction(a) {
				return nil, errTrustActions
			}
		}
		for _, p := range awsPrincipals(st.Principal) {
			ok, err := s.d.PrincipalExists(ctx, p)
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, ErrMalformed.Text("Invalid principal in policy: \"AWS\":\"%s\"", p)
			}
			id, ok, err := s.d.IDOf(ctx, p)
			if err != nil {
				return nil, err
			}
			if t := (identified{p, id}); ok && !slices.Contains(trusted, t) {
				trusted = append(trusted, t)
			}
		}
	}
	if size(document) > trustMax {
		return nil, quota("ACLSizePerRole", trustMax)
	}
	return trusted, nil
}

// trustAction tells whether a trust policy may have an action.
func trustAction(a string) bool {
	a = strings.ToLower(a)
	for _, prefix := range []string{"sts:assumerole", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext", "sts:*"} {
		if strings.HasPrefix(a, prefix) {
			return true
		}
	}
	return false
}

// trustStatement is what checkTrust looks at, of a document whose form has been
// checked strictly.
type trustStatement struct {
	Principal         json.RawMessage
	Action, NotAction many[string]
}

// awsPrincipals gives the AWS principals that a Principal member names.
func awsPrincipals(raw json.RawMessage) []string {
	var of struct{ AWS many[string] }
	if len(raw) == 0 || json.Unmarshal(raw, &of) != nil {
		return nil // "*"
	}
	return of.AWS
}

// many is a list that may stand as its only element.
type many[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (m *many[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(m))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*m = many[T]{one}
	return nil
}

// encoded gives a document as answers have it: percent-encoded as RFC 3986
// says. What it leaves alone is unreserved.
func encoded(document string) *string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(document) * 3 / 2)
	for i := range len(document) {
		switch c := document[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return ptr(b.String())
}
