package realm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// settleTimeout bounds what Create and Delete still do when the client has
// gone: the steps behind the one that took effect.
const settleTimeout = 10 * time.Second

// Create makes a bucket of this region in three steps: it claims the name at
// home with a new UID, lets local make the bucket, and confirms the claim. When
// it returns nil, every region that is reachable knows the bucket.
//
// Errors: ErrOwnedByYou, ErrExists, ErrInProgress (the name is being claimed or
// given back elsewhere at this moment), ErrUnavailable (home can't be asked, and
// nothing was made), and what local returns.
func (r *Realm) Create(ctx context.Context, region, bucket, owner string, local func(uid s3.UID) error) error {
	if err := r.mine(region); err != nil {
		return err
	}
	uid, err := newUID()
	if err != nil {
		return err
	}
	if !r.begin(bucket, uid) {
		return ErrInProgress
	}
	defer r.end(bucket)
	there, err := r.uidHere(ctx, bucket)
	if err != nil {
		return err
	}
	if there != "" {
		return r.taken(owner, bucket)
	}
	if err := r.settleOwed(ctx, bucket); err != nil {
		return ErrUnavailable.Because(err)
	}
	if err := r.claimAnew(ctx, bucket, uid, owner); err != nil {
		return err
	}
	err = local(uid)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err != nil {
		// The claim is given back only if the bucket is certainly not there; in
		// doubt it stays, and Sweep finds out.
		if there, herr := r.uidHere(ctx, bucket); herr == nil && there == "" {
			r.release(ctx, bucket, uid)
		}
		return err
	}
	return r.confirmMade(ctx, bucket, uid)
}

// claimAnew claims a name. Where this region itself left a claim behind that
// led to no bucket, it is given back first.
func (r *Realm) claimAnew(ctx context.Context, bucket string, uid s3.UID, owner string) error {
	var held *heldError
	err := r.claim(ctx, bucket, uid, owner)
	if errors.As(err, &held) && held.n.pending && held.n.main().region == r.opt.Region {
		// Nobody here is making it (begin saw to that) and it is not there.
		if err := r.release(ctx, bucket, held.n.main().uid); err != nil {
			return ErrUnavailable.Because(err)
		}
		err = r.claim(ctx, bucket, uid, owner)
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &held):
		switch {
		case held.n.owner != owner:
			return ErrExists.With("BucketName", bucket)
		case held.n.pending:
			return ErrInProgress
		}
		return ErrOwnedByYou.With("BucketName", bucket)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return ErrUnavailable.Because(err)
}

// confirmMade tells home that the bucket is there. Where home can't be asked
// the bucket is made all the same: the claim is home's word that the name is
// this bucket's, and Sweep confirms it when home is back.
func (r *Realm) confirmMade(ctx context.Context, bucket string, uid s3.UID) error {
	err := r.confirm(ctx, bucket, uid)
	var far *unreachableError
	var held *heldError
	switch {
	case err == nil, errors.As(err, &far):
		return nil
	case errors.As(err, &held), errors.Is(err, ErrStale):
		return awserr.ErrInternal.Because(fmt.Errorf("realm: bucket %s (%s) was made, but its claim is gone: %w", bucket, uid, err))
	}
	return nil
}

// Delete lets local remove a bucket of this region and gives its name back.
// When home can't be asked, the name is given back later: the bucket is gone.
func (r *Realm) Delete(ctx context.Context, region, bucket string, local func() error) error {
	if err := r.mine(region); err != nil {
		return err
	}
	if !r.begin(bucket, "") {
		return ErrInProgress
	}
	defer r.end(bucket)
	uid, err := r.uidHere(ctx, bucket)
	if err != nil {
		return err
	}
	if uid == "" {
		return local() // it says what AWS says of no bucket
	}
	// The note comes first: whatever happens between here and home, the name
	// does not stay taken by a bucket that is gone.
	if err := r.owe(ctx, bucket, uid); err != nil {
		return err
	}
	err = local()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	serr := r.settleOwed(ctx, bucket)
	if err != nil {
		return err
	}
	var far *unreachableError
	if serr != nil && !errors.As(serr, &far) {
		return serr
	}
	return nil
}

// mine refuses to act for another region.
func (r *Realm) mine(region string) error {
	if region != r.opt.Region {
		return fmt.Errorf("realm: region %s can't act for %s", r.opt.Region, region)
	}
	return nil
}

func (r *Realm) begin(bucket string, uid s3.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.busy[bucket]; ok {
		return false
	}
	r.busy[bucket] = uid
	return true
}

func (r *Realm) end(bucket string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, bucket)
}

// uidHere gives the UID of a bucket of this region, or "".
func (r *Realm) uidHere(ctx context.Context, bucket string) (s3.UID, error) {
	r.mu.Lock()
	local := r.local
	r.mu.Unlock()
	if local == nil {
		return "", ErrUnavailable.Because(errors.New("realm: the store is not attached yet"))
	}
	b, ok, err := local.Bucket(ctx, bucket)
	if err != nil || !ok {
		return "", err
	}
	return b.UID, nil
}

// taken is the error for a name that a bucket of this region has.
func (r *Realm) taken(owner, bucket string) error {
	if n, ok := r.table.name(bucket); ok && n.owner != owner {
		return ErrExists.With("BucketName", bucket)
	}
	return ErrOwnedByYou.With("BucketName", bucket)
}

// loadOwed reads which names are to be given back.
func (r *Realm) loadOwed(ctx context.Context) error {
	snap, err := r.opt.KV.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	prefix := owedKey("")
	for p, err := range snap.Scan(kv.Prefix(prefix)) {
		if err != nil {
			return err
		}
		if len(p.Value) < 1 || p.Value[0] != recordFormat {
			return fmt.Errorf("%w: key %q", ErrCorrupt, p.Key)
		}
		r.owed[string(p.Key[len(prefix):])] = s3.UID(p.Value[1:])
	}
	return snap.Settled(ctx)
}

// owe notes that a name is to be given back once its bucket is gone.
func (r *Realm) owe(ctx context.Context, bucket string, uid s3.UID) error {
	row := append([]byte{recordFormat}, uid...)
	if err := r.opt.KV.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: owedKey(bucket), Value: row}}, Frees: true}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owed[bucket] = uid
	return nil
}

// settleOwed does what a note of owe asks for, if there is one: it gives the
// name back when the bucket is gone, and drops the note. The caller has begun
// the bucket.
func (r *Realm) settleOwed(ctx context.Context, bucket string) error {
	r.mu.Lock()
	uid, ok := r.owed[bucket]
	r.mu.Unlock()
	if !ok {
		return nil
	}
	there, err := r.uidHere(ctx, bucket)
	if err != nil {
		return err
	}
	if there != uid {
		if err := r.release(ctx, bucket, uid); err != nil {
			return err
		}
	}
	if err := r.opt.KV.Commit(ctx, &kv.Mutation{Deletes: [][]byte{owedKey(bucket)}}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.owed, bucket)
	return nil
}

// Locate gives the place of a bucket: where this region's copy of the tables
// has it, or, for a bucket that the copy does not have yet, what this region's
// store and then home say. ErrUnavailable means that home could not be asked,
// so that nobody here knows.
func (r *Realm) Locate(ctx context.Context, bucket string) (store.Place, bool, error) {
	if n, ok := r.table.name(bucket); ok && !n.pending {
		return place(n), true, nil
	}
	r.mu.Lock()
	local := r.local
	r.mu.Unlock()
	if local != nil {
		b, ok, err := local.Bucket(ctx, bucket)
		if err != nil {
			return store.Place{}, false, err
		}
		if ok {
			return store.Place{Region: r.opt.Region, UID: b.UID, Owner: b.Owner}, true, nil
		}
	}
	if r.IsHome() {
		return store.Place{}, false, nil
	}
	return r.misses.ask(ctx, bucket, func(ctx context.Context) (store.Place, bool, error) {
		var held *heldError
		_, err := r.askHome(ctx, pathName, nameQuestion{Name: bucket})
		switch {
		case errors.As(err, &held) && !held.n.pending:
			return place(&held.n), true, nil
		case err == nil, errors.As(err, &held):
			return store.Place{}, false, nil
		}
		return store.Place{}, false, ErrUnavailable.Because(err)
	})
}

func place(n *nameRow) store.Place {
	p := n.main()
	return store.Place{Region: p.region, UID: p.uid, Owner: n.owner}
}

// Names lists the buckets of the whole realm by name, from this region's copy:
// up to max of them that begin with prefix and come after the given name.
func (r *Realm) Names(ctx context.Context, prefix, after string, max int) (list []Name, more bool, err error) {
	from := after
	if from < prefix {
		from = prefix
	}
	span := kv.Prefix(rowKey(kindName, prefix))
	span.Low = rowKey(kindName, from)
	if from == after {
		span.Low = append(span.Low, 0)
	}
	snap, err := r.opt.KV.Snapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	defer snap.Close()
	for p, err := range snap.Scan(span) {
		if err != nil {
			return nil, false, err
		}
		_, name, _ := splitRowKey(string(p.Key))
		n, err := decodeName(p.Value)
		if err != nil {
			return nil, false, fmt.Errorf("name %s: %w", name, err)
		}
		if n.pending || r.isOwed(name, n.main().uid) {
			continue
		}
		if len(list) == max {
			more = true
			break
		}
		list = append(list, n.public(name))
	}
	return list, more, snap.Settled(ctx)
}

// isOwed tells whether a bucket is gone here and only home does not know yet.
func (r *Realm) isOwed(bucket string, uid s3.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, busy := r.busy[bucket]
	return !busy && r.owed[bucket] == uid && uid != ""
}

func newUID() (s3.UID, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return s3.UID(hex.EncodeToString(b[:])), nil
}
