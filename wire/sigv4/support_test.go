package sigv4

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/awserr"
)

// The credentials of AWS's documentation.
const (
	docKey    = "AKIAIOSFODNN7EXAMPLE"
	docSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// keyring is a Credentials for tests. Temporary keys have a token.
type keyring struct {
	secrets, tokens map[string]string
	err             error
}

func (k keyring) Secret(_ context.Context, accessKey, token string) (string, any, error) {
	if k.err != nil {
		return "", nil, k.err
	}
	secret, ok := k.secrets[accessKey]
	if !ok {
		return "", nil, ErrUnknownKey
	}
	if token != k.tokens[accessKey] {
		return "", nil, ErrBadToken
	}
	return secret, "owner of " + accessKey, nil
}

var docKeys = keyring{
	secrets: map[string]string{docKey: docSecret, "ASIATEMPORARY": "temporary/secret"},
	tokens:  map[string]string{"ASIATEMPORARY": "IQoJb3JpZ2luX2VjEOz//////////wEaCXVzLWVhc3QtMSJGMEQCIB+/=="},
}

// docTime is the moment of the S3 documentation's examples.
var docTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func verifier(now time.Time) *Verifier {
	return &Verifier{Credentials: docKeys, Region: "us-east-1", Services: []string{"s3"}, Now: at(now)}
}

// received parses a request as net/http's server would. Lines end in LF for
// readability.
func received(t testing.TB, text string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)))
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return r
}

// wants checks an error's code, text and reason; empty text is not checked.
func wants(t testing.TB, err error, why Reason, code, text string) {
	t.Helper()
	e := awserr.From(err)
	if e == nil {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	if e.Code != code || text != "" && e.Message != text {
		t.Errorf("got %s: %s\nwant %s: %s", e.Code, e.Message, code, text)
	}
	if got := ReasonOf(err); got != why {
		t.Errorf("%s: reason %d, want %d", e.Code, got, why)
	}
}

func extra(err error, name string) string {
	if e := awserr.From(err); e != nil {
		for _, f := range e.Extra {
			if f.Name == name {
				return f.Value
			}
		}
	}
	return ""
}

var errBackend = errors.New("the key store is on fire")
