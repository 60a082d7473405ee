package s3api

import (
	"context"
	"encoding/json"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/store"
)

// standing is what a bucket's documents say about who may do what, parsed.
type standing struct {
	policies []*policy.Document // the bucket's policy, or none
	denials  []*policy.Document // its Deny statements alone, or none
	public   bool               // the policy lets everybody in
	block    rule.PublicAccessBlock
	acl      rule.ACL // of the bucket; without grants where ACLs are off
}

// standing gives what a bucket's documents say, which is parsed once for each
// state of the bucket. A document that can't be read is an error: nobody knows
// what it would deny.
func (d *Door) standing(ctx context.Context, b *store.Bucket) (*standing, error) {
	v, err := b.Derived("s3api.standing", func() (any, error) { return d.readStanding(ctx, b) })
	if err != nil {
		return nil, err
	}
	return v.(*standing), nil
}

func (d *Door) readStanding(ctx context.Context, b *store.Bucket) (*standing, error) {
	s := &standing{}
	get := func(name string) ([]byte, error) {
		if !b.Has(name) {
			return nil, nil
		}
		return d.opt.Store.Document(ctx, b, name, "")
	}
	raw, err := get("publicAccessBlock")
	if err != nil {
		return nil, err
	}
	if s.block, err = rule.ParsePublicAccessBlock(raw); err != nil {
		return nil, awserr.ErrInternal.Because(err)
	}
	if b.Ownership != ownershipEnforced {
		if raw, err = get("acl"); err != nil {
			return nil, err
		}
		if s.acl, err = bucketACLOf(raw, b); err != nil {
			return nil, awserr.ErrInternal.Because(err)
		}
	}
	if raw, err = get("policy"); err != nil || raw == nil {
		return s, err
	}
	if err := s.readPolicy(raw); err != nil {
		return nil, awserr.ErrInternal.Because(err)
	}
	return s, nil
}

func (s *standing) readPolicy(raw []byte) error {
	doc, err := policy.Parse(raw, policy.Resource)
	if err != nil {
		return err
	}
	s.policies, s.public = []*policy.Document{doc}, policy.Public(doc)
	if raw, err = onlyDenials(raw); err != nil || raw == nil {
		return err
	}
	if doc, err = policy.Parse(raw, policy.Resource); err != nil {
		return err
	}
	s.denials = []*policy.Document{doc}
	return nil
}

// onlyDenials gives a policy without the statements that allow, or nil when
// nothing is left of it. The policy was read strictly before.
func onlyDenials(raw []byte) ([]byte, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(doc["Statement"], &list); err != nil {
		list = []json.RawMessage{doc["Statement"]}
	}
	var keep []json.RawMessage
	for _, s := range list {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(s, &members); err != nil {
			return nil, err
		}
		var effect string
		if err := json.Unmarshal(members["Effect"], &effect); err != nil {
			return nil, err
		}
		if effect == "Deny" {
			keep = append(keep, s)
		}
	}
	if keep == nil {
		return nil, nil
	}
	var err error
	if doc["Statement"], err = json.Marshal(keep); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// bucketACLOf reads a bucket's ACL; without one its owner may do everything.
func bucketACLOf(raw []byte, b *store.Bucket) (rule.ACL, error) {
	if raw == nil {
		return rule.CannedACL("private", rule.Principals{Owner: canonicalID(b.Owner), BucketOwner: canonicalID(b.Owner)})
	}
	return rule.StoredACL(raw)
}
