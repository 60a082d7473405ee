package objectkey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/seal"
)

// keeper is the seal.Keeper of one object and one caller.
type keeper struct {
	keys *Keys
	want Want
	data DataKey // what KMS gave, for sealing
}

var errOtherKey = errors.New("objectkey: a Keeper has no keys by name")

// NewDataKey implements seal.Keeper.
func (s *keeper) NewDataKey(ctx context.Context, name string, about map[string]string) (plain, wrapped []byte, err error) {
	if name != "" {
		return nil, nil, errOtherKey
	}
	plain = make([]byte, seal.KeySize, seal.DoubleKeySize)
	rand.Read(plain) // never fails
	if s.want.Customer != nil {
		clear := []byte{byte(seal.KindCustomer)}
		return plain, seal.WrapUnder(clear, s.want.Customer.Key, plain, clear, customerAbout(about)), nil
	}
	if len(s.data.Plain) == 0 {
		return nil, nil, errors.New("objectkey: this Keeper opens keys and makes none")
	}
	r := record{kind: seal.KindKMS, blob: s.data.Blob}
	switch {
	case s.want.SSE.Algorithm == DSSEKMS:
		r.kind = seal.KindDouble
		outer, region, err := s.keys.opt.Region.NewDataKey(ctx, "", about)
		if err != nil {
			return nil, nil, err
		}
		r.region, plain = region, append(plain, outer...)
	case s.want.SSE.BucketKey:
		r.kind = seal.KindBucketKey
	}
	if len(s.want.About) > 0 {
		if r.context, err = json.Marshal(s.want.About); err != nil { // names in order
			return nil, nil, err
		}
	}
	wrapped, err = r.seal(s.data.Plain, plain[:seal.KeySize], about)
	return plain, wrapped, err
}

// Unwrap implements seal.Keeper.
func (s *keeper) Unwrap(ctx context.Context, wrapped []byte, about map[string]string) ([]byte, error) {
	kind := seal.KindOf(wrapped)
	if s.want.Customer != nil && kind != seal.KindCustomer {
		return nil, ErrNotApplicable
	}
	switch kind {
	case seal.KindCustomer:
		return s.unwrapCustomer(wrapped, about)
	case seal.KindKMS, seal.KindBucketKey, seal.KindDouble:
		return s.unwrapKMS(ctx, wrapped, about)
	}
	return s.keys.opt.Region.Unwrap(ctx, wrapped, about)
}

// customerAbout is what a key under a customer's is bound to: the object's key,
// but no bucket, because replicas are shipped as they lie.
func customerAbout(about map[string]string) map[string]string {
	return map[string]string{"farhold:key": about["farhold:key"]}
}

func (s *keeper) unwrapCustomer(wrapped []byte, about map[string]string) ([]byte, error) {
	c := s.want.Customer
	if c == nil {
		return nil, ErrKeyRequired
	}
	known := s.want.SSE.CustomerKeyMD5
	if known != "" && subtle.ConstantTimeCompare([]byte(known), []byte(c.MD5)) != 1 {
		return nil, ErrWrongKey
	}
	if len(c.Key) != seal.KeySize {
		return nil, ErrWrongKey
	}
	plain, err := seal.UnwrapUnder(c.Key, wrapped[1:], wrapped[:1], customerAbout(about))
	if err != nil && known == "" {
		return nil, ErrWrongKey
	}
	return plain, err
}

func (s *keeper) unwrapKMS(ctx context.Context, wrapped []byte, about map[string]string) ([]byte, error) {
	r, err := parse(wrapped)
	if err != nil {
		return nil, err
	}
	if s.keys.opt.KMS == nil {
		return nil, ErrNoKMS
	}
	var extra map[string]string
	if len(r.context) > 0 {
		if err := json.Unmarshal(r.context, &extra); err != nil {
			return nil, fmt.Errorf("%w: the encryption context of a wrapped key: %w", seal.ErrCorrupt, err)
		}
	}
	data, err := s.keys.decrypt(ctx, &s.want, r.blob, s.want.context(r.kind == seal.KindBucketKey, extra), r.kind == seal.KindBucketKey || s.want.Again)
	if err != nil {
		return nil, showError(err)
	}
	plain, err := r.open(data, about)
	if err != nil || r.kind != seal.KindDouble {
		return plain, err
	}
	outer, err := s.keys.opt.Region.Unwrap(ctx, r.region, about)
	return append(plain, outer...), err
}

// A key wrapped under a data key of KMS:
//
//	0    1  kind: 2, 3 with a bucket key, 4 for two layers
//	1    2  length B of KMS's blob, big endian
//	3    B  the data key as KMS encrypted it
//	     2  length C, big endian
//	     C  the encryption context that the client added, as JSON; may be empty
//	    64  the object key, wrapped under the data key; all that stands before
//	        and the store's context are bound to it
//	     R  kind 4: the key of the outer layer, wrapped under the region's
//
// It says all that reading takes, so that any copy of the row or of a blob's
// header can be read, as long as KMS has the key.
type record struct {
	kind    seal.Kind
	blob    []byte
	context []byte
	inner   []byte
	region  []byte
	clear   []byte
}

// seal encodes the record with plain wrapped under the data key.
func (r *record) seal(data, plain []byte, about map[string]string) ([]byte, error) {
	if len(r.blob) > 1<<13 || len(r.context) > 1<<14 {
		return nil, fmt.Errorf("objectkey: a data key of %d bytes with a context of %d", len(r.blob), len(r.context))
	}
	b := make([]byte, 0, 5+len(r.blob)+len(r.context)+seal.WrappedUnder(len(plain))+len(r.region))
	b = append(b, byte(r.kind))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.blob)))
	b = append(b, r.blob...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.context)))
	b = append(b, r.context...)
	b = seal.WrapUnder(b, data, plain, b, about)
	return append(b, r.region...), nil
}

// parse takes a record apart.
func parse(b []byte) (*record, error) {
	short := fmt.Errorf("%w: a wrapped key of %d bytes", seal.ErrCorrupt, len(b))
	r := &record{kind: seal.KindOf(b)}
	rest := b[1:]
	for _, field := range []*[]byte{&r.blob, &r.context} {
		if len(rest) < 2 {
			return nil, short
		}
		n := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; len(rest) < n {
			return nil, short
		}
		*field, rest = rest[:n:n], rest[n:]
	}
	r.clear = b[:len(b)-len(rest)]
	n := seal.WrappedUnder(seal.KeySize)
	if len(rest) < n || r.kind != seal.KindDouble && len(rest) != n {
		return nil, short
	}
	r.inner, r.region = rest[:n:n], rest[n:]
	return r, nil
}

// open gives the object key, or that of the inner layer.
func (r *record) open(data []byte, about map[string]string) ([]byte, error) {
	if len(data) != seal.KeySize {
		return nil, fmt.Errorf("%w: a data key of %d bytes", seal.ErrCorrupt, len(data))
	}
	return seal.UnwrapUnder(data, r.inner, r.clear, about)
}

// generate asks KMS for a data key.
func (k *Keys) generate(ctx context.Context, w *Want) (DataKey, error) {
	about := w.context(w.SSE.BucketKey, w.About)
	d, err := k.opt.KMS.GenerateDataKey(ctx, w.By, w.keyName(), seal.KeySize, about)
	if e := awserr.From(err); e != nil && e.Code == "AccessDeniedException" && w.EncryptDoes {
		own := make([]byte, seal.KeySize)
		rand.Read(own)
		blob, keyARN, denied := k.opt.KMS.Encrypt(ctx, w.By, w.keyName(), own, about)
		if denied == nil {
			d, err = DataKey{Plain: own, Blob: blob, KeyARN: keyARN}, nil
		}
	}
	if err == nil && len(d.Plain) != seal.KeySize {
		err = fmt.Errorf("objectkey: KMS gave a data key of %d bytes", len(d.Plain))
	}
	return d, err
}

// use is a question that KMS answered with a data key: a decision that the
// caller may seal objects of the bucket under the key so named.
type use struct {
	by      caller
	uid     string
	bucket  string
	key     string
	about   string
	encrypt bool
}

// shared names a bucket key.
type shared struct {
	uid     string
	bucket  string
	key     string // ARN
	account string // of callers: they share what their account pays for
	about   string
}

// bucketKey gives the data key under which objects of a bucket are sealed now,
// once KMS has decided that the caller may.
func (k *Keys) bucketKey(ctx context.Context, w *Want) (DataKey, error) {
	about := ""
	if len(w.About) > 0 {
		b, err := json.Marshal(w.About)
		if err != nil {
			return DataKey{}, err
		}
		about = string(b)
	}
	u := use{by: callerOf(&w.By), uid: string(w.UID), bucket: w.Bucket, key: w.keyName(), about: about, encrypt: w.EncryptDoes}
	name := shared{uid: u.uid, bucket: w.Bucket, account: u.by.account, about: about}
	if keyARN, ok := k.uses.get(u); ok {
		name.key = keyARN
		if d, ok := k.bucketKeys.get(name); ok {
			return d, nil
		}
	}
	at := k.forgotten.Load()
	d, err := k.generate(ctx, w)
	if err != nil {
		return DataKey{}, err
	}
	name.key = d.KeyARN
	k.uses.put(at, u, d.KeyARN)
	if older, ok := k.bucketKeys.get(name); ok {
		return older, nil // the new one was the price of the decision
	}
	k.bucketKeys.put(at, name, d)
	return d, nil
}

// opening is a data key that a caller may open.
type opening struct {
	by     caller
	bucket string
	key    string
	blob   [sha256.Size]byte
}

// decrypt opens a data key. again says that the decision may be kept.
func (k *Keys) decrypt(ctx context.Context, w *Want, blob []byte, about map[string]string, again bool) ([]byte, error) {
	if !again {
		data, _, err := k.opt.KMS.Decrypt(ctx, w.By, blob, about)
		return data, err
	}
	o := opening{by: callerOf(&w.By), bucket: w.Bucket, blob: sha256.Sum256(blob)}
	if about["aws:s3:arn"] != ARN(w.Bucket, "") {
		o.key = w.Key
	}
	if data, ok := k.opened.get(o); ok {
		return data, nil
	}
	at := k.forgotten.Load()
	data, _, err := k.opt.KMS.Decrypt(ctx, w.By, blob, about)
	if err == nil {
		k.opened.put(at, o, data)
	}
	return data, err
}
