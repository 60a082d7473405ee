package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
)

// ErrGone is a Directory's answer for a caller whose user or role is no longer
// there.
var ErrGone = errors.New("access: the caller is gone")

// CanonicalID gives the canonical user ID of an account: the 64 hex digits that
// stand in S3's answers as the ID of an Owner. It follows from the account ID
// alone, so that every region says the same.
func CanonicalID(account string) string {
	sum := sha256.Sum256([]byte("canonical user " + account))
	return hex.EncodeToString(sum[:])
}

// Decider decides. It is safe for concurrent use.
type Decider struct{ Directory Directory }

// Decide gives nil when the request is allowed, else an *awserr.Error with
// code AccessDenied and AWS's text, or the error that kept it from knowing.
func (d *Decider) Decide(ctx context.Context, r *Request) error {
	_, err := d.Evaluate(ctx, r)
	if err != nil {
		return err
	}
	return awserr.ErrAccessDenied
}

// Evaluate gives the decision itself, for whoever combines it with others.
func (d *Decider) Evaluate(ctx context.Context, r *Request) (policy.Decision, error) {
	return policy.Decision{}, nil
}
