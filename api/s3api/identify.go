package s3api

import (
	"errors"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/sigv4"
)

// anonymous is whoever gives no credentials.
var anonymous = &access.Caller{}

var errNoPrincipal = errors.New("the credentials came without a caller")

// identify proves who sends the request. A form carries its credentials in its
// body; until they are read, its sender is nobody, and credentials beside the
// form are a second set.
func (d *Door) identify(rq *Request) error {
	res, err := d.opt.Verifier.Verify(rq.R)
	if err != nil {
		return d.wrongScope(rq, err)
	}
	if rq.isForm() && res.Kind != sigv4.Anonymous {
		return awserr.Argument("Authorization", "", "Only one auth mechanism allowed; a form carries its own")
	}
	return rq.believe(res)
}

// believe takes over what a verified request proved.
func (rq *Request) believe(res *sigv4.Result) error {
	rq.Auth = res
	if res.Kind == sigv4.Anonymous {
		rq.Caller = anonymous
		return nil
	}
	c, ok := res.Identity.(*access.Caller)
	if !ok || c == nil || c.Kind == access.Anonymous || c.Account == "" {
		// Nobody without an account, ever: peers let such identities fall
		// through to the administrator's.
		return awserr.ErrAccessDenied.Because(errNoPrincipal)
	}
	rq.Caller = c
	if rq.Door.opt.Used != nil {
		rq.Door.opt.Used(c)
	}
	res.Hoist(rq.R)
	return nil
}

// wrongScope tells a client that signed for another region where the bucket
// is, as far as it exists: SDKs sign again for the region in the header.
func (d *Door) wrongScope(rq *Request, err error) error {
	if sigv4.ReasonOf(err) != sigv4.WrongScope || rq.Bucket == "" {
		return err
	}
	e := awserr.From(err)
	if e == nil {
		return err
	}
	place, ok, lookup := d.opt.Realm.Locate(rq.Ctx, rq.Bucket)
	if lookup != nil || !ok {
		return err
	}
	return e.Header("X-Amz-Bucket-Region", place.Region)
}
