// Package sts is the Security Token Service: it tells callers who they are, and
// makes sessions of roles and of users. A session is a sealed token (see package
// session), so that every region makes and checks them alone.
package sts

import (
	"context"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/iam"
	"github.com/farhold/farhold/service/sts/session"
	shapes "github.com/farhold/farhold/wire/shapes/sts"
)

// Roles finds roles; iam.Directory is it.
type Roles interface {
	// Role finds a role by its ARN. Not ok is a role that does not exist; an error
	// says that the tables can't be read.
	Role(ctx context.Context, roleARN string) (*iam.Role, bool, error)
}

// AccessKeys knows long-term access keys; iam.Directory is it.
type AccessKeys interface {
	// Secret is sigv4.Credentials': the identity is an *access.Caller.
	Secret(ctx context.Context, accessKey, sessionToken string) (secret string, identity any, err error)
}

// IssuerOptions says what an Issuer is made of.
type IssuerOptions struct {
	Roles   Roles
	Keys    AccessKeys
	Decider *access.Decider
	Tokens  *session.Tokens
	Now     func() time.Time
}

// Issuer makes sessions: it is what STS does. It is safe for concurrent use.
type Issuer struct{ opt IssuerOptions }

// NewIssuer makes one.
func NewIssuer(o IssuerOptions) *Issuer { return &Issuer{o} }

// Service gives the table of STS for service.New. Its doors answer alike in all
// regions.
func (i *Issuer) Service() service.Service {
	s := service.Service{
		Name: "sts", Protocols: []service.Protocol{service.Query}, Version: shapes.Version, Space: shapes.Namespace, Known: shapes.Operations(), Global: true,
		Operations: []service.Operation{
			service.Op[shapes.GetCallerIdentityRequest]("GetCallerIdentity", "", nil, i.callerIdentity),
			service.Op("AssumeRole", "sts:AssumeRole", i.assumeRoleTargets, i.assumeRole),
			service.Op[shapes.GetSessionTokenRequest]("GetSessionToken", "", nil, i.sessionToken),
			service.Op("GetAccessKeyInfo", "sts:GetAccessKeyInfo", service.On[shapes.GetAccessKeyInfoRequest]("*"), i.accessKeyInfo),
			service.Op("DecodeAuthorizationMessage", "sts:DecodeAuthorizationMessage", service.On[shapes.DecodeAuthorizationMessageRequest]("*"), i.decodeMessage),
		},
	}
	for _, of := range []struct {
		why   string
		names []string
	}{
		{"There are no identity providers.", []string{"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetWebIdentityToken"}},
		{"Root access is not managed centrally.", []string{"AssumeRoot"}},
		{"There are no federated users: use AssumeRole.", []string{"GetFederationToken", "GetDelegatedAccessToken"}},
	} {
		for _, name := range of.names {
			s.Operations = append(s.Operations, service.Operation{Name: name, Action: "sts:" + name, Why: of.why})
		}
	}
	return s
}

// callerIdentity needs no permission: everybody may know who they are.
func (i *Issuer) callerIdentity(_ context.Context, c *service.Call, _ *shapes.GetCallerIdentityRequest) (*shapes.GetCallerIdentityResponse, error) {
	return &shapes.GetCallerIdentityResponse{UserId: &c.Caller.UserID, Account: &c.Caller.Account, Arn: &c.Caller.ARN}, nil
}

// accessKeyInfo gives the account of a long-term access key. Temporary ones
// stand in no table, and their names tell nothing.
func (i *Issuer) accessKeyInfo(ctx context.Context, _ *service.Call, in *shapes.GetAccessKeyInfoRequest) (*shapes.GetAccessKeyInfoResponse, error) {
	_, who, err := i.opt.Keys.Secret(ctx, *in.AccessKeyId, "")
	if unknownKey(err) {
		return nil, errAccessKey
	}
	if err != nil {
		return nil, err
	}
	c, ok := who.(*access.Caller)
	if !ok {
		return nil, errAccessKey
	}
	return &shapes.GetAccessKeyInfoResponse{Account: &c.Account}, nil
}

// decodeMessage refuses: no service here answers with encoded messages, so that
// whatever is given was none.
func (i *Issuer) decodeMessage(context.Context, *service.Call, *shapes.DecodeAuthorizationMessageRequest) (*shapes.DecodeAuthorizationMessageResponse, error) {
	return nil, errMessage
}

// shown gives what was issued as answers have it.
func shown(c *session.Credentials) *shapes.Credentials {
	return &shapes.Credentials{AccessKeyId: &c.AccessKey, SecretAccessKey: &c.Secret, SessionToken: &c.Token, Expiration: &c.Expiry}
}

// now gives the time to the second, which tokens hold.
func (i *Issuer) now() time.Time { return i.opt.Now().UTC().Truncate(time.Second) }
