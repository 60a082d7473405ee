package s3api

import (
	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// canonicalID gives the canonical user ID of an account: the 64 hex digits that
// stand in answers as the ID of an Owner.
func canonicalID(account string) string { return access.CanonicalID(account) }

// owner gives the account that will own what the caller writes into a bucket:
// the bucket's owner where ACLs are off, where the writer hands the object over
// (BucketOwnerPreferred and bucket-owner-full-control), and where the writer is
// nobody; else the writer's account.
func (rq *Request) owner(b *store.Bucket, acl s3.ACLRegister) string {
	switch {
	case rq.Caller.Account == "", b.Ownership == ownershipEnforced,
		b.Ownership == ownershipPreferred && acl.Canned == "bucket-owner-full-control":
		return b.Owner
	}
	return rq.Caller.Account
}
