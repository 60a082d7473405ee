package store

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/stamp"
)

// Limits of uploads in parts.
const (
	PartsMax    = 10_000
	PartSizeMin = 5 << 20 // bytes, of every part but the last
)

// upload is an open multipart upload as a row: the version that it will become,
// and its state.
type upload struct {
	record
	id           stamp.Stamp
	algorithm    s3.ChecksumAlgorithm // "" when none was asked for
	checksumType s3.ChecksumType
	initiator    string // ARN
	fence        uint64 // grows when a Complete begins to read the parts
	completing   bool   // a Complete is reading them; whoever adds a part says so by taking this off
	overtaken    bool   // the object that was there was deleted since, and no version says so
}

const (
	uploadAlgorithm protowire.Number = iota + 100
	uploadType
	uploadFence
	uploadCompleting
	uploadInitiator
	uploadOvertaken
)

func (u *upload) row() []byte {
	foreign := u.foreign
	u.foreign = nil
	b := u.record.row(false)
	u.foreign = foreign
	b = s3.AppendString(b, uploadAlgorithm, string(u.algorithm))
	b = s3.AppendString(b, uploadType, string(u.checksumType))
	b = s3.AppendUint(b, uploadFence, u.fence)
	if u.completing {
		b = s3.AppendUint(b, uploadCompleting, 1)
	}
	b = s3.AppendString(b, uploadInitiator, u.initiator)
	if u.overtaken {
		b = s3.AppendUint(b, uploadOvertaken, 1)
	}
	return append(b, foreign...)
}

func parseUpload(key, raw []byte) (*upload, error) {
	r, err := parseRecord(key, raw)
	if err != nil {
		return nil, err
	}
	u := &upload{record: *r, id: r.ID}
	u.foreign = nil
	err = s3.Fields(r.foreign, func(num protowire.Number, x uint64, raw, field []byte) error {
		switch num {
		case uploadAlgorithm:
			u.algorithm = s3.ChecksumAlgorithm(raw)
		case uploadType:
			u.checksumType = s3.ChecksumType(raw)
		case uploadFence:
			u.fence = x
		case uploadCompleting:
			u.completing = x != 0
		case uploadInitiator:
			u.initiator = string(raw)
		case uploadOvertaken:
			u.overtaken = x != 0
		default:
			u.foreign = append(u.foreign, field...)
		}
		return nil
	})
	if err != nil {
		return nil, corrupt(key, err)
	}
	return u, nil
}

// uploadID is how clients name an upload.
func uploadID(id stamp.Stamp) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func parseUploadID(s string) (id stamp.Stamp, err error) {
	if b, err := base64.RawURLEncoding.DecodeString(s); err == nil && len(b) == len(id) {
		copy(id[:], b)
		return id, nil
	}
	return id, ErrNoSuchUpload.With("UploadId", s)
}

// public is the upload as doors see it.
func (u *upload) public(b *Bucket) *Upload {
	p := &Upload{ID: uploadID(u.id), Key: u.Key, Initiated: u.Modified, Bucket: b, Wrapped: u.body.wrapped, Input: PutInput{
		Bucket: b.Name, Key: u.Key, Size: -1, System: u.System, Meta: u.Meta, Class: u.Class, Owner: u.Owner, Initiator: u.initiator,
		Tags: u.Tags.Tags, Mode: u.Retention.Mode, Until: u.Retention.Until, ACL: u.ACL, SSE: u.SSE,
		Algorithm: u.algorithm, ChecksumType: u.checksumType,
	}}
	if u.Hold.Set {
		p.Input.Hold = "OFF"
		if u.Hold.On {
			p.Input.Hold = "ON"
		}
	}
	return p
}

// CreateUpload opens a multipart upload. The bucket's default retention is
// taken when it completes.
func (s *Store) CreateUpload(ctx context.Context, in *PutInput) (*Upload, error) {
	if err := checkKey(in.Key); err != nil {
		return nil, err
	}
	b, err := s.cachedBucket(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	r, err := s.newRecord(b, in)
	if err != nil {
		return nil, err
	}
	if in.Mode == "" {
		r.Retention = s3.RetentionRegister{}
	}
	u := &upload{record: *r, algorithm: in.Algorithm, checksumType: in.ChecksumType, initiator: in.Initiator}
	if u.algorithm != "" && u.checksumType == "" {
		u.checksumType = checksum.DefaultType(u.algorithm)
	}
	if _, u.body.wrapped, err = s.newKey(ctx, in.Keeper, about(b.UID, in.Key)); err != nil {
		return nil, err
	}
	u.Modified = s.wallNow()
	// It comes after what is there, also where the clock was set back over a
	// restart: see Conditions.overtaken.
	var after stamp.Stamp
	err = s.view(ctx, func(snap kv.Snapshot) error {
		head, err := s.head(snap, b.UID, in.Key)
		if head != nil {
			after = head.ID
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	u.id = s.opt.Clock.Next(after)
	u.ID = u.id
	err = s.update(ctx, func(tx *kv.Tx) error {
		now, err := s.writableBucket(tx, in.Bucket)
		if err != nil {
			return err
		}
		if now.UID != b.UID {
			return ErrNoSuchBucket.With("BucketName", in.Bucket)
		}
		tx.Put(uploadKey(b.UID, in.Key, u.id), u.row())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return u.public(b), nil
}

// readUpload reads an open upload through g.
func (s *Store) readUpload(g getter, b *Bucket, key, id string) (*upload, error) {
	at, err := parseUploadID(id)
	if err != nil {
		return nil, err
	}
	k := uploadKey(b.UID, key, at)
	raw, err := g.Get(k)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, ErrNoSuchUpload.With("UploadId", id)
	}
	if err != nil {
		return nil, err
	}
	return parseUpload(k, raw)
}

// Upload gives an open upload, or ErrNoSuchUpload.
func (s *Store) Upload(ctx context.Context, bucket, key, uploadID string) (u *Upload, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		b, err := s.bucket(snap, bucket)
		if err != nil {
			return err
		}
		row, err := s.readUpload(snap, b, key, uploadID)
		if err != nil {
			return err
		}
		u = row.public(b)
		return nil
	})
	return u, err
}

// ErrPartNumber is answered for a part number out of range.
var ErrPartNumber = awserr.Argument("partNumber", "", "Part number must be an integer between 1 and 10000, inclusive")

// UploadPart stores a part, replacing one of the same number.
func (s *Store) UploadPart(ctx context.Context, in *PartInput, body io.Reader) (*s3.Part, error) {
	if in.Number < 1 || in.Number > PartsMax {
		e := ErrPartNumber.Text("Part number must be an integer between 1 and 10000, inclusive")
		e.Extra[1].Value = itoa(in.Number)
		return nil, e
	}
	var (
		b *Bucket
		u *upload
	)
	err := s.view(ctx, func(snap kv.Snapshot) (err error) {
		if b, err = s.bucket(snap, in.Bucket); err != nil {
			return err
		}
		u, err = s.readUpload(snap, b, in.Key, in.UploadID)
		return err
	})
	if err != nil {
		return nil, err
	}
	bound := about(b.UID, in.Key)
	key, err := s.unwrap(ctx, in.Keeper, u.body.wrapped, bound)
	if err != nil {
		return nil, err
	}
	algorithm := in.Algorithm
	if u.algorithm != "" {
		algorithm = u.algorithm
	}
	w, err := s.write(ctx, what{
		size: in.Size, exact: true, algorithm: algorithm, key: key, wrapped: u.body.wrapped, about: bound,
		header: func() []byte { return headerPayload(b.UID, &u.Version, in.Number) },
	}, body, in.Verify)
	if err != nil {
		return nil, err
	}
	part := s3.Part{Number: in.Number, Size: w.sums.Size, ETag: newETag(u.SSE, w.sums.MD5), Checksum: w.sums.Checksum, Modified: s.wallNow()}
	r := &run{part: part, size: part.Size, digest: w.digest, stream: w.stream, blob: w.blob, head: w.head}
	err = s.update(ctx, func(tx *kv.Tx) error {
		now, err := s.writableBucket(tx, in.Bucket)
		if err != nil {
			return err
		}
		if now.UID != b.UID {
			return ErrNoSuchBucket.With("BucketName", in.Bucket)
		}
		u, err := s.readUpload(tx, now, in.Key, in.UploadID)
		if err != nil {
			return err
		}
		if u.completing { // it must read the parts again
			u.completing = false
			u.fence++
			tx.Put(uploadKey(b.UID, in.Key, u.id), u.row())
		}
		k := runKey(b.UID, u.id, in.Number, 0)
		if raw, err := tx.Get(k); err == nil {
			old, err := parseRun(k, raw)
			if err != nil {
				return err
			}
			s.free(tx, freed{holder: u.id, blobs: []blob.ID{old.blob}})
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		tx.Put(k, r.row())
		tx.Put(blobRefKey(w.blob), blobOwner(b.UID, u.id))
		return nil
	})
	if err != nil {
		s.discard(w)
		return nil, err
	}
	s.orphans.named(w.blob)
	return &part, nil
}

// Parts lists the parts of an open upload after a number, at most max.
func (s *Store) Parts(ctx context.Context, bucket, key, uploadID string, after, max int) (u *Upload, parts []s3.Part, more bool, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		b, err := s.bucket(snap, bucket)
		if err != nil {
			return err
		}
		row, err := s.readUpload(snap, b, key, uploadID)
		if err != nil {
			return err
		}
		u = row.public(b)
		span := kv.Prefix(runPrefix(b.UID, row.id))
		span.Low = runKey(b.UID, row.id, after+1, 0)
		for r, err := range scanRuns(snap, span) {
			if err != nil {
				return err
			}
			if len(parts) == max {
				more = true
				return nil
			}
			parts = append(parts, r.part)
		}
		return nil
	})
	return u, parts, more, err
}

// Abort gives an upload and its parts up. It answers ErrNoSuchUpload when there
// is none.
func (s *Store) Abort(ctx context.Context, bucket, key, uploadID string) error {
	return s.update(ctx, func(tx *kv.Tx) error {
		b, err := s.writableBucket(tx, bucket)
		if err != nil {
			return err
		}
		u, err := s.readUpload(tx, b, key, uploadID)
		if err != nil {
			return err
		}
		tx.Delete(uploadKey(b.UID, key, u.id))
		s.free(tx, freed{uid: b.UID, holder: u.id, runs: true})
		tx.Frees()
		return nil
	})
}

// overtakenMax is how many uploads of a key hear of it when its object is
// deleted: what one transaction writes has an end. The others go by what is there
// when they complete.
const overtakenMax = 1000

// overtake says to the open uploads of a key that its object is deleted for good:
// their conditions can no longer tell from the key's versions. Each is guarded.
func (s *Store) overtake(tx *kv.Tx, uid s3.UID, key string) error {
	var open [][]byte
	for p, err := range tx.Scan(kv.Prefix(stackPrefix(tableUpload, uid, key))) {
		if err != nil {
			return err
		}
		if open = append(open, bytes.Clone(p.Key)); len(open) == overtakenMax {
			break
		}
	}
	for _, k := range open {
		raw, err := tx.Get(k)
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		u, err := parseUpload(k, raw)
		if err != nil {
			return err
		}
		if !u.overtaken {
			u.overtaken = true
			tx.Put(k, u.row())
		}
	}
	return nil
}

// Complete makes an object of the parts named. A repeated Complete of the same
// upload gives the first answer.
//
// It first fences the upload's row, so that a part that is still on its way is
// either seen or makes it begin again; it then reads the parts, and commits the
// version guarded on the fence.
func (s *Store) Complete(ctx context.Context, in *CompleteInput) (*s3.Version, error) {
	if err := checkKey(in.Key); err != nil {
		return nil, err
	}
	for range 16 {
		v, err := s.complete(ctx, in)
		if !errors.Is(err, errFence) {
			return v, err
		}
	}
	return nil, ErrConflict.With("Key", in.Key)
}

var errFence = errors.New("store: the upload changed while it was completed")

func (s *Store) complete(ctx context.Context, in *CompleteInput) (*s3.Version, error) {
	id, err := parseUploadID(in.UploadID)
	if err != nil {
		return nil, err
	}
	var (
		b    *Bucket
		u    *upload
		done *s3.Version
	)
	err = s.update(ctx, func(tx *kv.Tx) error {
		done = nil
		if b, err = s.writableBucket(tx, in.Bucket); err != nil {
			return err
		}
		if u, err = s.readUpload(tx, b, in.Key, in.UploadID); errors.Is(err, ErrNoSuchUpload) {
			done, err = s.completed(tx, b, in, id)
			return err
		} else if err != nil {
			return err
		}
		u.fence++
		u.completing = true
		tx.Put(uploadKey(b.UID, in.Key, u.id), u.row())
		return nil
	})
	if err != nil || done != nil {
		return done, err
	}
	parts, err := s.choose(ctx, b, u, in)
	if err != nil {
		return nil, err
	}
	r := &u.record
	if err := parts.assemble(r, u, in); err != nil {
		return nil, err
	}
	if r.Retention.Mode == "" && b.lock != nil {
		if mode, until, ok := b.lock.Default(s.opt.Clock.Now()); ok {
			r.Retention = s3.RetentionRegister{Mode: mode, Until: until}
		}
	}
	r.foreign = nil
	fence := u.fence
	cond := in.If
	cond.began = u.id
	err = s.commitVersion(ctx, in.Bucket, b.UID, r, cond, nil, func(tx *kv.Tx, b *Bucket) error {
		now, err := s.readUpload(tx, b, in.Key, in.UploadID)
		if errors.Is(err, ErrNoSuchUpload) {
			return errFence // another Complete, or an Abort, came first
		}
		if err != nil {
			return err
		}
		if now.fence != fence || !now.completing {
			return errFence
		}
		if now.overtaken && cond.any() {
			return ErrConflict.With("Key", in.Key)
		}
		tx.Delete(uploadKey(b.UID, in.Key, id))
		for _, x := range parts.unused {
			tx.Delete(runKey(b.UID, id, x.part.Number, x.seq))
		}
		if len(parts.unused) > 0 {
			var blobs []blob.ID
			for _, x := range parts.unused {
				blobs = append(blobs, x.blob)
			}
			for some := range slices.Chunk(blobs, freedBlobsMax) {
				s.free(tx, freed{holder: id, blobs: some})
			}
		}
		d := append([]byte{rowFormat}, r.ID[:]...)
		tx.Put(doneKey(b.UID, id), append(d, in.Key...))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &r.Version, nil
}

// completed gives the first answer to a Complete that is repeated.
func (s *Store) completed(tx *kv.Tx, b *Bucket, in *CompleteInput, id stamp.Stamp) (*s3.Version, error) {
	gone := ErrNoSuchUpload.With("UploadId", in.UploadID)
	k := doneKey(b.UID, id)
	raw, err := tx.Get(k)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	row, err := openRow(k, raw)
	if err != nil {
		return nil, err
	}
	var v stamp.Stamp
	if len(row) < len(v) || string(row[len(v):]) != in.Key {
		return nil, gone
	}
	copy(v[:], row)
	r, err := s.readVersion(peeker{tx}, b.UID, in.Key, v)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, gone
	}
	return &r.Version, nil
}

// chosen are the parts of an upload that a Complete names, and the others.
type chosen struct{ used, unused []*run }

// choose finds the parts that a Complete names and checks what it says of them.
func (s *Store) choose(ctx context.Context, b *Bucket, u *upload, in *CompleteInput) (*chosen, error) {
	for i := range in.Parts {
		if n := in.Parts[i].Number; i > 0 && n <= in.Parts[i-1].Number {
			return nil, ErrInvalidPartOrder.With("UploadId", in.UploadID)
		}
	}
	var c chosen
	err := s.view(ctx, func(snap kv.Snapshot) error {
		want := in.Parts
		for r, err := range scanRuns(snap, kv.Prefix(runPrefix(b.UID, u.id))) {
			if err != nil {
				return err
			}
			if len(want) > 0 && want[0].Number < r.part.Number {
				return invalidPart(in, &want[0])
			}
			if len(want) == 0 || want[0].Number != r.part.Number {
				c.unused = append(c.unused, r)
				continue
			}
			w := &want[0]
			want = want[1:]
			if strings.Trim(w.ETag, `"`) != r.part.ETag {
				return invalidPart(in, w)
			}
			if !w.Checksum.IsZero() && (r.part.Checksum.Algorithm != w.Checksum.Algorithm || r.part.Checksum.Value != w.Checksum.Value) {
				return invalidPart(in, w)
			}
			if len(want) > 0 && r.part.Size < PartSizeMin {
				return ErrEntityTooSmall.With("ProposedSize", itoa(int(r.part.Size))).With("MinSizeAllowed", itoa(PartSizeMin)).
					With("PartNumber", itoa(r.part.Number)).With("ETag", r.part.ETag)
			}
			c.used = append(c.used, r)
		}
		if len(want) > 0 {
			return invalidPart(in, &want[0])
		}
		return nil
	})
	if err == nil && len(c.used) == 0 {
		err = awserr.ErrMalformedXML
	}
	return &c, err
}

func invalidPart(in *CompleteInput, p *CompletedPart) error {
	return ErrInvalidPart.With("UploadId", in.UploadID).With("PartNumber", itoa(p.Number)).With("ETag", p.ETag)
}

// assemble makes the version that the parts are.
func (c *chosen) assemble(r *record, u *upload, in *CompleteInput) error {
	sum := md5.New()
	var (
		size    int64
		digest  uint64
		parts   []s3.Part
		uniform = c.used[0].size
		in1toN  = true
	)
	for i, x := range c.used {
		raw, err := hex.DecodeString(x.part.ETag)
		if err != nil {
			return corrupt([]byte("part "+itoa(x.part.Number)), err)
		}
		sum.Write(raw)
		digest = checksum.CombineCRC64NVME(digest, x.digest, x.size)
		size += x.size
		parts = append(parts, x.part)
		if x.part.Number != i+1 || i < len(c.used)-1 && x.size != uniform || x.size > uniform {
			in1toN = false
		}
	}
	if in.Size >= 0 && in.Size != size {
		return awserr.ErrInvalidRequest.Text("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", in.Size, size)
	}
	r.Size, r.Digest, r.PartsCount = size, digest, len(parts)
	r.ETag = hex.EncodeToString(sum.Sum(nil)) + "-" + itoa(len(parts))
	r.body.kind, r.body.owner = bodyRuns, u.id
	if in1toN && uniform > 0 {
		r.body.uniform = uniform
	}
	algorithm, kind := u.algorithm, u.checksumType
	if algorithm == "" {
		// Nobody asked for one: S3 computes the CRC64NVME of the whole itself.
		algorithm, kind = s3.CRC64NVME, s3.FullObject
		parts = nil
	}
	var err error
	if algorithm == s3.CRC64NVME && kind == s3.FullObject {
		r.Checksum = s3.Checksum{Algorithm: algorithm, Type: kind, Value: checksum.EncodeCRC64NVME(digest)}
	} else if r.Checksum, err = checksum.OfParts(algorithm, kind, parts); err != nil {
		return err
	}
	if err := compareWhole(in.Checksum, r.Checksum, u.algorithm); err != nil {
		return err
	}
	if u.algorithm == "" && u.SSE.CustomerKeyMD5 != "" {
		r.Checksum = s3.Checksum{} // of what lies under a customer's key S3 keeps none of its own
	}
	return nil
}

// compareWhole compares what a completion says is the checksum of the whole with
// what was computed, in the algorithm that the upload asked for. Where it asked
// for none, S3 ignores all but the one that it computes by itself. Clients give
// composite checksums with and without the count of parts.
func compareWhole(given, computed s3.Checksum, asked s3.ChecksumAlgorithm) error {
	if given.IsZero() || asked == "" && given.Algorithm != computed.Algorithm {
		return nil
	}
	want := computed.Value
	if !strings.Contains(given.Value, "-") {
		want, _, _ = strings.Cut(want, "-")
	}
	if given.Algorithm != computed.Algorithm || given.Value != want {
		return checksum.WholeMismatch(computed.Algorithm)
	}
	return nil
}
