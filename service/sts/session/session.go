// Package session makes temporary credentials and knows them again. Everything
// about a session lies sealed in its token, under a key that all regions of the
// realm have: any of them opens it alone, and none keeps a table of sessions.
package session

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/wire/sigv4"
)

// Bounds of a token.
const (
	// packedMax is how many bytes the policies and tags of a session may take
	// when they are packed. AWS has such a bound too, and doesn't tell which.
	packedMax = 4096
	unpackMax = 64 << 10 // bytes of what a token holds packed
	// TokenMax is the longest token, in characters.
	TokenMax = 8192
	cacheMax = 4096 // tokens that are remembered open
)

// Purpose is what the realm's key seals tokens for.
const Purpose = "session tokens"

// Sealer seals and opens; realm.Box is one.
type Sealer interface {
	Seal(plain []byte, about string) []byte
	Open(sealed []byte, about string) ([]byte, error)
}

// Tokens makes credentials and opens tokens. It is safe for concurrent use.
type Tokens struct {
	box Sealer

	mu   sync.RWMutex
	open map[[sha256.Size]byte]*opened
}

// opened is a token that proved itself.
type opened struct {
	secret string
	caller *access.Caller
}

// New makes one. The sealer is the realm's for Purpose.
func New(box Sealer) *Tokens {
	return &Tokens{box: box, open: map[[sha256.Size]byte]*opened{}}
}

// Credentials are temporary ones.
type Credentials struct {
	AccessKey string // ASIA and 16 characters
	Secret    string // 40 characters
	Token     string // at most TokenMax characters of base64
	Expiry    time.Time
	// Packed is how much of the room for policies and tags the session takes, in
	// per cent, rounded up.
	Packed int
}

// TooLargeError says that the policies and tags of a session take more room
// than there is.
type TooLargeError struct{ Percent int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("session: policies and tags take %d%% of the room for them", e.Percent)
}

// Issue makes credentials for a caller, whose Session says until when and with
// what they are good. Its AccessKey is not looked at. Error: *TooLargeError.
func (t *Tokens) Issue(c *access.Caller) (*Credentials, error) {
	var raw [40]byte
	rand.Read(raw[:])
	cred := &Credentials{
		AccessKey: "ASIA" + base32.StdEncoding.EncodeToString(raw[:10]),
		Secret:    base64.StdEncoding.EncodeToString(raw[10:]),
		Expiry:    c.Session.Expiry,
	}
	packed := pack(c.Session)
	cred.Packed = (len(packed)*100 + packedMax - 1) / packedMax
	if cred.Packed > 100 {
		return nil, &TooLargeError{cred.Packed}
	}
	cred.Token = base64.StdEncoding.EncodeToString(t.box.Seal(encode(c, raw[10:], packed), cred.AccessKey))
	if len(cred.Token) > TokenMax {
		return nil, &TooLargeError{len(cred.Token) * 100 / TokenMax}
	}
	return cred, nil
}

// Open gives the secret that belongs to an access key and the caller who holds
// it. Errors: sigv4.ErrBadToken for a token that is none, is another key's or
// comes from another realm, sigv4.ErrExpiredToken for one whose time is over.
// The caller must not be changed.
func (t *Tokens) Open(accessKey, token string, now time.Time) (secret string, c *access.Caller, err error) {
	if len(token) > TokenMax || len(token) < 64 {
		return "", nil, sigv4.ErrBadToken
	}
	id := sha256.Sum256([]byte(token))
	t.mu.RLock()
	o := t.open[id]
	t.mu.RUnlock()
	if o == nil {
		sealed, err := base64.StdEncoding.Strict().DecodeString(token)
		if err != nil {
			return "", nil, sigv4.ErrBadToken
		}
		plain, err := t.box.Open(sealed, accessKey)
		if err != nil {
			return "", nil, sigv4.ErrBadToken
		}
		if o, err = decode(plain); err != nil {
			return "", nil, sigv4.ErrBadToken
		}
		o.caller.AccessKey = strings.Clone(accessKey)
		t.remember(id, o)
	}
	switch {
	case o.caller.AccessKey != accessKey:
		return "", nil, sigv4.ErrBadToken
	case !now.Before(o.caller.Session.Expiry):
		return "", nil, sigv4.ErrExpiredToken
	}
	return o.secret, o.caller, nil
}

// remember keeps a token open: a client sends it with each request. Only tokens
// that opened come here, so that strangers can't fill it.
func (t *Tokens) remember(id [sha256.Size]byte, o *opened) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.open {
		if len(t.open) < cacheMax {
			break
		}
		delete(t.open, k)
	}
	t.open[id] = o
}

// A token holds, behind a format byte, fields as the protocol buffers' wire
// format has them. The access key is not among them: it is what the token is
// sealed about.
const tokenFormat = 1

const (
	fieldSecret = iota + 1 // 30 bytes
	fieldKind
	fieldAccount
	fieldARN
	fieldUserID
	fieldName
	fieldRoleARN
	fieldSession
	fieldIssued // Unix seconds
	fieldExpiry
	fieldSourceIdentity
	fieldExternalID
	fieldMFA
	fieldChained
	fieldPacked // deflated, see below
)

// What is packed.
const (
	fieldTag = iota + 1 // 1 key, 2 value, 3 it is transitive (1)
	fieldPolicy
	fieldPolicyARN
	fieldTransitive // a key that no tag here has
)

func encode(c *access.Caller, secret, packed []byte) []byte {
	s := c.Session
	b := []byte{tokenFormat}
	b = text(b, fieldSecret, string(secret))
	b = number(b, fieldKind, uint64(c.Kind))
	b = text(b, fieldAccount, c.Account)
	b = text(b, fieldARN, c.ARN)
	b = text(b, fieldUserID, c.UserID)
	b = text(b, fieldName, c.Name)
	b = text(b, fieldRoleARN, c.RoleARN)
	b = text(b, fieldSession, s.Name)
	b = number(b, fieldIssued, uint64(s.Issued.Unix()))
	b = number(b, fieldExpiry, uint64(s.Expiry.Unix()))
	b = text(b, fieldSourceIdentity, s.SourceIdentity)
	b = text(b, fieldExternalID, s.ExternalID)
	b = number(b, fieldMFA, truth(s.MFA))
	b = number(b, fieldChained, truth(s.Chained))
	return text(b, fieldPacked, string(packed))
}

// pack gives policies and tags, deflated; nothing for a session without.
func pack(s *access.Session) []byte {
	var b []byte
	transitive := map[string]bool{}
	for _, k := range s.Transitive {
		transitive[k] = true
	}
	for k, v := range s.Tags {
		m := text(text(nil, 1, k), 2, v)
		m = number(m, 3, truth(transitive[k]))
		delete(transitive, k)
		b = text(b, fieldTag, string(m))
	}
	for k := range transitive {
		b = text(b, fieldTransitive, k)
	}
	for _, p := range s.Policies {
		b = text(b, fieldPolicy, p)
	}
	for _, a := range s.PolicyARNs {
		b = text(b, fieldPolicyARN, a)
	}
	if len(b) == 0 {
		return nil
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err) // the level is right
	}
	w.Write(b) // into memory: it doesn't fail
	w.Close()
	return out.Bytes()
}

func text(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func number(b []byte, num protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), n)
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// decode reads what encode made. Fields that it does not know, of a later
// version, are an error: they could be a bound of the session.
func decode(b []byte) (*opened, error) {
	if len(b) == 0 || b[0] != tokenFormat {
		return nil, fmt.Errorf("session: format %x", b[:min(len(b), 1)])
	}
	s := &access.Session{}
	o := &opened{caller: &access.Caller{Session: s}}
	c := o.caller
	err := fields(b[1:], func(num protowire.Number, v string, n uint64) error {
		switch num {
		case fieldSecret:
			o.secret = base64.StdEncoding.EncodeToString([]byte(v))
		case fieldKind:
			c.Kind = access.Kind(n)
		case fieldAccount:
			c.Account = v
		case fieldARN:
			c.ARN = v
		case fieldUserID:
			c.UserID = v
		case fieldName:
			c.Name = v
		case fieldRoleARN:
			c.RoleARN = v
		case fieldSession:
			s.Name = v
		case fieldIssued:
			s.Issued = time.Unix(int64(n), 0).UTC()
		case fieldExpiry:
			s.Expiry = time.Unix(int64(n), 0).UTC()
		case fieldSourceIdentity:
			s.SourceIdentity = v
		case fieldExternalID:
			s.ExternalID = v
		case fieldMFA:
			s.MFA = n != 0
		case fieldChained:
			s.Chained = n != 0
		case fieldPacked:
			return unpack(s, v)
		default:
			return fmt.Errorf("session: field %d", num)
		}
		return nil
	})
	if err == nil && (o.secret == "" || c.Kind == access.Anonymous || c.Account == "" || s.Expiry.IsZero()) {
		err = fmt.Errorf("session: a token that lacks something")
	}
	return o, err
}

func unpack(s *access.Session, packed string) error {
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(strings.NewReader(packed)), unpackMax+1))
	if err != nil {
		return err
	}
	if len(b) > unpackMax {
		return fmt.Errorf("session: more than %d bytes packed", unpackMax)
	}
	return fields(b, func(num protowire.Number, v string, _ uint64) error {
		switch num {
		case fieldTag:
			var key, value string
			err := fields([]byte(v), func(num protowire.Number, v string, n uint64) error {
				switch {
				case num == 1:
					key = v
				case num == 2:
					value = v
				case num == 3 && n != 0:
					s.Transitive = append(s.Transitive, key)
				}
				return nil
			})
			if s.Tags == nil {
				s.Tags = map[string]string{}
			}
			s.Tags[key] = value
			return err
		case fieldPolicy:
			s.Policies = append(s.Policies, v)
		case fieldPolicyARN:
			s.PolicyARNs = append(s.PolicyARNs, v)
		case fieldTransitive:
			s.Transitive = append(s.Transitive, v)
		default:
			return fmt.Errorf("session: packed field %d", num)
		}
		return nil
	})
}

// fields reads fields of bytes and of numbers.
func fields(b []byte, take func(num protowire.Number, v string, n uint64) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var err error
		switch typ {
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			b, err = b[n:], take(num, string(v), 0)
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			b, err = b[n:], take(num, "", v)
		default:
			return fmt.Errorf("session: wire type %d", typ)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
