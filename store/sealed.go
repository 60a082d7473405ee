package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/minio/crc64nvme"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
)

// A body whose key only its customer has is shipped as it lies: its sealed
// frames and its wrapped key, unchanged. Nobody on the way can open either.

// ErrNotSealed is returned by Object.Sealed for an object that can't be shipped
// as it lies: its wrapped key opens in its own bucket only.
var ErrNotSealed = errors.New("store: the object's key is not its customer's")

// Sealed tells how the object's body lies sealed. It is for objects of
// customers' keys (SSE-C); for others it is ErrNotSealed.
func (o *Object) Sealed(ctx context.Context) (*Sealed, error) {
	if seal.KindOf(o.body.wrapped) != seal.KindCustomer {
		return nil, ErrNotSealed
	}
	b := &Sealed{Wrapped: o.body.wrapped}
	if o.body.kind != bodyRuns {
		b.Runs = []SealedRun{{Stream: o.body.stream, Size: o.Size, Digest: o.Digest}}
		return b, nil
	}
	err := o.s.view(ctx, func(snap kv.Snapshot) error {
		for r, err := range scanRuns(snap, kv.Prefix(runPrefix(o.Bucket.UID, o.body.owner))) {
			if err != nil {
				return err
			}
			b.Runs = append(b.Runs, SealedRun{Part: r.part.Number, Seq: r.seq, Stream: r.stream, Size: r.size, Digest: r.digest})
		}
		return nil
	})
	return b, err
}

// SealedBody reads length bytes of the sealed body from offset, as Sealed
// describes it; length -1 means to the end.
func (o *Object) SealedBody(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	desc, err := o.Sealed(ctx)
	if err != nil {
		return nil, err
	}
	size := desc.Length()
	if length < 0 {
		length = size - offset
	}
	if offset < 0 || length < 0 || offset+length > size {
		return nil, errors.New("store: a range beyond the sealed body")
	}
	switch o.body.kind {
	case bodyInline:
		if int64(len(o.inline)) != size {
			return nil, corrupt(inlineKey(o.Bucket.UID, o.ID), seal.ErrCorrupt)
		}
		return &bytesBody{o.inline[offset : offset+length]}, nil
	case bodyBlob:
		return o.s.openSealed(ctx, &run{blob: o.body.blob, head: o.body.head}, offset, length)
	}
	runs, _, err := o.runs(ctx, 0, o.Size)
	if err != nil {
		return nil, err
	}
	return o.runsBody(runs, offset, length, func(r *run) int64 { return seal.SealedSize(r.size) }, func(r *run, from, n int64) (io.ReadCloser, error) {
		return o.s.openSealed(ctx, r, from, n)
	}), nil
}

// check tells whether a sealed body can be that of a version.
func (b *Sealed) check(v *s3.Version) error {
	odd := fmt.Errorf("%w: a sealed body that is not the version's", s3.ErrVersionFormat)
	if seal.KindOf(b.Wrapped) != seal.KindCustomer || v.SSE.CustomerKeyMD5 == "" || len(b.Runs) == 0 {
		return odd
	}
	if v.PartsCount == 0 {
		if r := &b.Runs[0]; len(b.Runs) > 1 || r.Size != v.Size || r.Digest != v.Digest || r.Part != 0 || r.Seq != 0 {
			return odd
		}
		return nil
	}
	// Each run continues its part or begins the next one; the parts are whole.
	parts, seq, left, size := v.Parts, 0, int64(0), int64(0)
	next := 0
	for i := range b.Runs {
		r := &b.Runs[i]
		if r.Seq == 0 {
			if left != 0 || next == len(parts) || parts[next].Number != r.Part {
				return odd
			}
			left, seq = parts[next].Size, 0
			next++
		}
		if r.Size < 0 || r.Size > left || r.Seq != seq || r.Part != parts[next-1].Number {
			return odd
		}
		left, seq, size = left-r.Size, seq+1, size+r.Size
	}
	if left != 0 || next != len(parts) || size != v.Size {
		return odd
	}
	return nil
}

// takeSealed puts a body that came sealed into its place.
func (s *Store) takeSealed(ctx context.Context, b *Bucket, a *Arrival, r *record, in *intake, src io.Reader) (err error) {
	v, desc := &a.Version, a.Sealed
	if err := desc.check(v); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			in.giveUp(s)
		}
	}()
	sum := crc64nvme.New()
	src = io.TeeReader(src, sum)
	single := v.PartsCount == 0
	r.body = body{kind: bodyRuns, wrapped: desc.Wrapped, owner: v.ID}
	for i := range desc.Runs {
		x := &desc.Runs[i]
		w, err := s.carry(ctx, what{
			size: x.Size, inline: single, wrapped: desc.Wrapped, about: about(b.UID, v.Key),
			header: func() []byte { return headerPayload(b.UID, v, x.Part) },
		}, x, src)
		if err != nil {
			return err
		}
		if w.isBlob {
			in.fresh = append(in.fresh, w.blob)
		}
		if single {
			in.single = w
			w.place(&r.body, desc.Wrapped)
			break
		}
		y := &run{seq: x.Seq, size: x.Size, digest: x.Digest, stream: x.Stream, blob: w.blob, head: w.head}
		y.part.Number = x.Part
		if x.Seq == 0 {
			y.part = partOf(v, x.Part)
		}
		in.runs = append(in.runs, y)
	}
	if _, err := io.ReadFull(src, make([]byte, 1)); err == nil {
		return ErrIncompleteBody // it goes on
	} else if err != io.EOF {
		return err
	}
	if !single {
		r.body.uniform = uniformOf(in.runs)
	}
	if desc.Verify != nil {
		return desc.Verify(sum.Sum64())
	}
	return nil
}

// partOf gives the facts of a part.
func partOf(v *s3.Version, number int) s3.Part {
	for i := range v.Parts {
		if v.Parts[i].Number == number {
			return v.Parts[i]
		}
	}
	return s3.Part{Number: number}
}

// carry puts a stream that is sealed already into its place, as it is.
func (s *Store) carry(ctx context.Context, w what, x *SealedRun, src io.Reader) (*written, error) {
	out := &written{stream: x.Stream, digest: x.Digest, sums: Sums{Size: x.Size}}
	src = io.LimitReader(src, x.Length())
	if max := s.opt.InlineMax; w.inline && max >= 0 && x.Size <= max {
		b, err := io.ReadAll(src)
		if err == nil && int64(len(b)) != x.Length() {
			err = ErrIncompleteBody
		}
		out.inline = b
		return out, err
	}
	bw, err := s.beginBlob(ctx, &w, out)
	if err != nil {
		return nil, err
	}
	defer bw.Abort()
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	n, err := io.CopyBuffer(struct{ io.Writer }{bw}, src, buf[:])
	if err != nil {
		return nil, err
	}
	if n != x.Length() {
		return nil, ErrIncompleteBody
	}
	return s.commitBlob(ctx, bw, out)
}

// Unlock has a Keeper open an upload's key, to prove that whoever asks could
// read its parts. It returns the Keeper's errors as they are.
func (u *Upload) Unlock(ctx context.Context, k seal.Keeper) error {
	_, err := k.Unwrap(ctx, u.Wrapped, about(u.Bucket.UID, u.Key))
	return err
}
