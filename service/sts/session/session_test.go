package session

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/wire/sigv4"
)

var now = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

func newTokens(t *testing.T, key string) *Tokens {
	t.Helper()
	k, err := realm.ParseKeys(key)
	if err != nil {
		t.Fatal(err)
	}
	return New(realm.NewBox(k, Purpose))
}

func roleSession() *access.Caller {
	return &access.Caller{
		Kind: access.Role, Account: "123456789012", ARN: "arn:aws:sts::123456789012:assumed-role/Replicator/s", UserID: "AROAABCDEFGHIJKLMNOPQ:s",
		Name: "Replicator", RoleARN: "arn:aws:iam::123456789012:role/x/Replicator",
		Session: &access.Session{
			Name: "s", Issued: now, Expiry: now.Add(time.Hour), Tags: map[string]string{"Team": "storage", "Empty": ""}, Transitive: []string{"Team"},
			Policies: []string{`{"Version":"2012-10-17","Statement":[]}`}, PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
			SourceIdentity: "alice", ExternalID: "x-1", MFA: true, Chained: true,
		},
	}
}

func TestAnyRegionOpensAToken(t *testing.T) {
	key := realm.NewKey()
	for _, c := range []*access.Caller{
		roleSession(),
		{Kind: access.Root, Account: "123456789012", ARN: "arn:aws:iam::123456789012:root", UserID: "123456789012", Session: &access.Session{Issued: now, Expiry: now.Add(time.Hour)}},
	} {
		cred, err := newTokens(t, key).Issue(c)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(cred.AccessKey, "ASIA") || len(cred.AccessKey) != 20 || len(cred.Secret) != 40 || !cred.Expiry.Equal(c.Session.Expiry) || (cred.Packed > 0) != (c.Kind == access.Role) {
			t.Errorf("credentials %+v", cred)
		}
		if strings.Contains(cred.Token, "Replicator") {
			t.Error("the token can be read")
		}
		elsewhere := newTokens(t, key)
		for range 2 { // opened, and remembered
			secret, got, err := elsewhere.Open(cred.AccessKey, cred.Token, now.Add(59*time.Minute))
			if err != nil || secret != cred.Secret {
				t.Fatalf("Open: %v", err)
			}
			want := *c
			want.AccessKey = cred.AccessKey
			if !reflect.DeepEqual(got, &want) {
				t.Errorf("Open gives %+v %+v", got, got.Session)
			}
			if _, _, err := elsewhere.Open(cred.AccessKey, cred.Token, now.Add(time.Hour)); !errors.Is(err, sigv4.ErrExpiredToken) {
				t.Errorf("after its time: %v", err)
			}
		}
	}
}

func TestForeignTokens(t *testing.T) {
	key := realm.NewKey()
	tokens := newTokens(t, key)
	cred, err := tokens.Issue(roleSession())
	if err != nil {
		t.Fatal(err)
	}
	other, err := tokens.Issue(roleSession())
	if err != nil {
		t.Fatal(err)
	}
	bad := func(name string, tokens *Tokens, accessKey, token string) {
		t.Helper()
		if _, _, err := tokens.Open(accessKey, token, now); !errors.Is(err, sigv4.ErrBadToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad("another key's", tokens, other.AccessKey, cred.Token)
	if _, _, err := tokens.Open(cred.AccessKey, cred.Token, now); err != nil {
		t.Fatal(err)
	}
	bad("another key's, once open", tokens, other.AccessKey, cred.Token)
	bad("another realm's", newTokens(t, realm.NewKey()), cred.AccessKey, cred.Token)
	bad("nothing", tokens, cred.AccessKey, "")
	bad("no base64", tokens, cred.AccessKey, strings.Repeat("?", 200))
	bad("random", tokens, cred.AccessKey, base64.StdEncoding.EncodeToString(make([]byte, 300)))
	bad("too long", tokens, cred.AccessKey, strings.Repeat("A", TokenMax+4))
	k, _ := realm.ParseKeys(key)
	bad("sealed for another purpose", tokens, cred.AccessKey, base64.StdEncoding.EncodeToString(realm.NewBox(k, "rows").Seal(encode(roleSession(), make([]byte, 30), nil), cred.AccessKey)))
	raw, _ := base64.StdEncoding.DecodeString(cred.Token)
	for i := range raw {
		raw[i] ^= 1
		bad(fmt.Sprint("byte ", i), tokens, cred.AccessKey, base64.StdEncoding.EncodeToString(raw))
		raw[i] ^= 1
	}
	// A field of a later version could be a bound of the session.
	later := number(encode(roleSession(), make([]byte, 30), nil), 99, 1)
	bad("unknown field", tokens, cred.AccessKey, base64.StdEncoding.EncodeToString(tokens.box.Seal(later, cred.AccessKey)))
}

func TestTokensAreBounded(t *testing.T) {
	tokens := newTokens(t, realm.NewKey())
	rng := rand.New(rand.NewPCG(1, 1))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(' ' + rng.IntN(95))
		}
		return string(b)
	}
	c := roleSession()
	c.Session.Policies = []string{noise(2048)}
	cred, err := tokens.Issue(c)
	if err != nil || len(cred.Token) > TokenMax {
		t.Fatalf("the longest session policy: %v, %d characters", err, len(cred.Token))
	}
	if cred.Packed < 40 || cred.Packed > 100 {
		t.Errorf("packed %d%%", cred.Packed)
	}
	for i := range 50 {
		c.Session.Tags[fmt.Sprint(i)+noise(100)] = noise(256)
	}
	var large *TooLargeError
	if _, err := tokens.Issue(c); !errors.As(err, &large) || large.Percent <= 100 {
		t.Errorf("50 long tags: %v", err)
	}
	for range cacheMax + 10 {
		tokens.remember([32]byte{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())}, &opened{})
	}
	if len(tokens.open) > cacheMax {
		t.Errorf("%d tokens remembered", len(tokens.open))
	}
}
