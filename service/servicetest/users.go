package servicetest

import (
	"context"
	"testing"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/wire/sigv4"
)

// Secret is the secret of all Users.
const Secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

// Allow is a policy that allows everything.
const Allow = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// Good is the access key of the user who may do everything.
const Good = "AKIAGOOD"

// Users are users by their access keys. They are the credentials and the
// directory of a door.
type Users map[string]User

// User is a user with what binds them.
type User struct {
	Account string
	Bound   access.Policies
}

// NewUsers makes Good, and for each kind of policy a user of the account who
// may do nothing because of it: denied names the actions that policies deny,
// such as kms:*.
func NewUsers(t testing.TB, account, denied string) Users {
	t.Helper()
	deny := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"` + denied + `","Resource":"*"}}`
	yes, no := []*policy.Document{parse(t, Allow, policy.Identity)}, []*policy.Document{parse(t, deny, policy.Identity)}
	level := []*policy.Document{parse(t, Allow, policy.Organization), parse(t, deny, policy.Organization)}
	return Users{
		Good:           {account, access.Policies{Identity: yes}},
		"AKIANOTHING":  {account, access.Policies{}},
		"AKIADENIED":   {account, access.Policies{Identity: []*policy.Document{yes[0], no[0]}}},
		"AKIABOUNDARY": {account, access.Policies{Identity: yes, Boundary: no[0]}},
		"AKIASESSION":  {account, access.Policies{Identity: yes, Session: no, HasSession: true}},
		"AKIASCP":      {account, access.Policies{Identity: yes, ServiceControl: [][]*policy.Document{level}}},
	}
}

// parse parses a policy that must be one.
func parse(t testing.TB, text string, kind policy.Kind) *policy.Document {
	t.Helper()
	d, err := policy.Parse([]byte(text), kind)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Secret implements sigv4.Credentials.
func (u Users) Secret(_ context.Context, key, token string) (string, any, error) {
	who, ok := u[key]
	switch {
	case !ok:
		return "", nil, sigv4.ErrUnknownKey
	case token != "":
		return "", nil, sigv4.ErrBadToken
	}
	return Secret, &access.Caller{Kind: access.User, Account: who.Account, ARN: "arn:aws:iam::" + who.Account + ":user/" + key, AccessKey: key}, nil
}

// Policies implements access.Directory.
func (u Users) Policies(_ context.Context, c *access.Caller) (*access.Policies, error) {
	bound := u[c.AccessKey].Bound
	return &bound, nil
}

// ResourceControl implements access.Directory.
func (Users) ResourceControl(context.Context, string) ([][]*policy.Document, error) { return nil, nil }
