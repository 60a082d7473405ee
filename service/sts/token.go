package sts

import (
	"context"
	"strconv"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/sts"
)

// Bounds of GetSessionToken. For root users longer sessions are cut to an hour,
// as AWS does.
const (
	tokenDefault = 12 * time.Hour
	tokenRoot    = time.Hour
)

// sessionToken gives a user or a root user temporary credentials that may do
// what its own may. It needs no permission: the caller has better ones.
func (i *Issuer) sessionToken(_ context.Context, c *service.Call, in *shapes.GetSessionTokenRequest) (*shapes.GetSessionTokenResponse, error) {
	if in.MinimumSessionTokenSize != nil {
		return nil, errNoPadding
	}
	if c.Caller.Session != nil || c.Caller.Kind != access.User && c.Caller.Kind != access.Root {
		return nil, errInSession
	}
	if err := factors(in.SerialNumber, in.TokenCode); err != nil {
		return nil, err
	}
	length := tokenDefault
	if in.DurationSeconds != nil {
		length = time.Duration(*in.DurationSeconds) * time.Second
	}
	if c.Caller.Kind == access.Root {
		length = min(length, tokenRoot)
	}
	caller := *c.Caller
	caller.AccessKey = ""
	caller.Session = &access.Session{Issued: i.now(), Expiry: i.now().Add(length)}
	cred, err := i.opt.Tokens.Issue(&caller)
	if err != nil {
		return nil, packedError(err)
	}
	return &shapes.GetSessionTokenResponse{Credentials: shown(cred)}, nil
}

func itoa[I int32 | int64](n I) string { return strconv.FormatInt(int64(n), 10) }
