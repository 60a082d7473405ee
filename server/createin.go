package server

import (
	"context"
	"fmt"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// pathCreate is where a region takes word from us-east-1 to make a bucket, as
// AWS's us-east-1 makes buckets of every region. Who may has been decided there,
// by the rows of IAM that are the same here.
const pathCreate = "/s3/v1/create"

// createFrom is the region whose word that is.
const createFrom = "us-east-1"

// createTimeout is more than what realm.Create takes here at most.
const createTimeout = 30 * time.Second

type createQuestion struct {
	Bucket     string            `json:"bucket"`
	Owner      string            `json:"owner"`
	Ownership  string            `json:"ownership"`
	ObjectLock bool              `json:"objectLock,omitempty"`
	Documents  map[string][]byte `json:"documents,omitempty"`
}

// createAnswer holds AWS's error, or nothing.
type createAnswer struct {
	Refused *refusal `json:"refused,omitempty"`
}

type refusal struct {
	Code    string         `json:"code"`
	Status  int            `json:"status"`
	Message string         `json:"message"`
	Extra   []awserr.Field `json:"extra,omitempty"`
}

func (r *Region) mountCreate(mux *realm.PeerMux) {
	realm.Answer(mux, pathCreate, func(ctx context.Context, from string, q createQuestion) (*createAnswer, error) {
		if from != createFrom {
			return nil, fmt.Errorf("server: region %s makes no buckets of other regions", from)
		}
		err := r.create(ctx, store.NewBucket{Name: q.Bucket, Owner: q.Owner, Ownership: q.Ownership, ObjectLock: q.ObjectLock, Documents: q.Documents})
		if e := awserr.From(err); e != nil {
			return &createAnswer{&refusal{e.Code, e.Status, e.Message, e.Extra}}, nil
		}
		return &createAnswer{}, err
	})
}

// create makes a bucket of this region.
func (r *Region) create(ctx context.Context, n store.NewBucket) error {
	return r.realm.Create(ctx, r.cfg.Region, n.Name, n.Owner, func(uid s3.UID) error {
		n.UID = uid
		_, err := r.store.CreateBucket(ctx, n)
		return err
	})
}

// createIn has another region make a bucket. ErrUnavailable means that it did
// not say whether it did.
func (r *Region) createIn(ctx context.Context, region string, n store.NewBucket) error {
	q := createQuestion{Bucket: n.Name, Owner: n.Owner, Ownership: n.Ownership, ObjectLock: n.ObjectLock, Documents: n.Documents}
	a, err := realm.Ask[createAnswer](ctx, r.peers, region, pathCreate, q, createTimeout)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return realm.ErrUnavailable.Because(err)
	case a.Refused != nil:
		return &awserr.Error{Code: a.Refused.Code, Status: a.Refused.Status, Message: a.Refused.Message, Extra: a.Refused.Extra}
	}
	return nil
}
