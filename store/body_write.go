package store

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"sync"

	"github.com/minio/crc64nvme"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/seal"
)

// written is a body that lies in its place, sealed and durable, but that no
// row names yet. Inline bodies are carried along and written with their rows.
type written struct {
	sums   Sums
	digest uint64
	inline []byte // sealed
	isBlob bool
	stream seal.StreamID
	blob   blob.ID
	head   int
}

// what describes a stream to be written.
type what struct {
	size      int64                // expected, or -1
	exact     bool                 // size is a promise, and other lengths ErrIncompleteBody
	algorithm s3.ChecksumAlgorithm // besides MD5 and the digest; "" for none
	noMD5     bool                 // the ETag is known already: a replica's
	inline    bool                 // small bodies may be inline
	key       seal.Key             // object key
	wrapped   []byte               // the same, wrapped, for the blob's header
	about     map[string]string    // what a key of the header's own is bound to
	header    func() []byte        // the blob header's payload
}

// hasher computes the sums of a body in one pass.
type hasher struct {
	size  int64
	md5   hash.Hash // nil when not wanted
	crc   hash.Hash64
	extra hash.Hash // nil when it is the digest itself or MD5, or none
	want  s3.ChecksumAlgorithm
}

func newHasher(algorithm s3.ChecksumAlgorithm, noMD5 bool) *hasher {
	h := &hasher{crc: crc64nvme.New(), want: algorithm}
	if !noMD5 || algorithm == s3.MD5 {
		h.md5 = md5.New()
	}
	if algorithm != "" && algorithm != s3.CRC64NVME && algorithm != s3.MD5 {
		h.extra = checksum.New(algorithm)
	}
	return h
}

func (h *hasher) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	if h.md5 != nil {
		h.md5.Write(p)
	}
	h.crc.Write(p)
	if h.extra != nil {
		h.extra.Write(p)
	}
	return len(p), nil
}

func (h *hasher) sums() Sums {
	s := Sums{Size: h.size}
	if h.md5 != nil {
		h.md5.Sum(s.MD5[:0])
	}
	if h.want != "" {
		var raw []byte
		switch {
		case h.extra != nil:
			raw = h.extra.Sum(nil)
		case h.want == s3.MD5:
			raw = s.MD5[:]
		default:
			raw = h.crc.Sum(nil)
		}
		s.Checksum = s3.Checksum{Algorithm: h.want, Type: s3.FullObject, Value: base64.StdEncoding.EncodeToString(raw)}
	}
	return s
}

func etagOf(sum [16]byte) string { return hex.EncodeToString(sum[:]) }

// newETag is the ETag of a body, or of a part: its MD5 under SSE-S3. Under keys
// that somebody may be denied, it is chance: an MD5 would tell those who may
// not read a body whether it is one that they know.
func newETag(e s3.SSE, sum [16]byte) string {
	if e.Algorithm != "AES256" && e.Algorithm != "" || e.CustomerKeyMD5 != "" {
		rand.Read(sum[:]) // never fails
	}
	return etagOf(sum)
}

// smallBuffers and copyBuffers keep the buffers through which bodies come in.
var (
	smallBuffers = sync.Pool{New: func() any { return new([inlineMax + 1]byte) }}
	copyBuffers  = sync.Pool{New: func() any { return new([256 << 10]byte) }}
)

// write reads body to its end, seals it and puts it in its place. verify, if
// any, sees the sums before anything is made durable.
func (s *Store) write(ctx context.Context, w what, body io.Reader, verify func(Sums) error) (*written, error) {
	h := newHasher(w.algorithm, w.noMD5)
	out := &written{stream: newStreamID()}
	var first []byte
	if max := s.opt.InlineMax; w.inline && max >= 0 && w.size <= max {
		buf := smallBuffers.Get().(*[inlineMax + 1]byte)
		defer smallBuffers.Put(buf)
		n, err := io.ReadFull(body, buf[:min(max, inlineMax)+1])
		if err == nil {
			first = buf[:n] // longer than that: it becomes a blob
		} else if err != io.EOF && err != io.ErrUnexpectedEOF {
			return nil, err
		} else {
			h.Write(buf[:n])
			if err := w.finish(h, verify, out); err != nil {
				return nil, err
			}
			out.inline = w.key.Seal(nil, out.stream, buf[:n])
			return out, nil
		}
	}
	bw, err := s.beginBlob(ctx, &w, out)
	if err != nil {
		return nil, err
	}
	defer bw.Abort()
	sw := w.key.Writer(bw, out.stream)
	take := func(p []byte) error {
		h.Write(p)
		_, err := sw.Write(p)
		return err
	}
	if err := take(first); err != nil {
		return nil, err
	}
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := io.ReadFull(body, buf[:])
		if n > 0 {
			if err := take(buf[:n]); err != nil {
				return nil, err
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if err := sw.Close(); err != nil {
		return nil, err
	}
	if err := w.finish(h, verify, out); err != nil {
		return nil, err
	}
	return s.commitBlob(ctx, bw, out)
}

// beginBlob opens a blob and writes its header.
func (s *Store) beginBlob(ctx context.Context, w *what, out *written) (blob.Writer, error) {
	key, wrapped, err := s.headerKey(ctx, w)
	if err != nil {
		return nil, err
	}
	head, err := seal.AppendHeader(nil, key, wrapped, out.stream, w.header())
	if err != nil {
		return nil, err
	}
	out.head, out.isBlob = len(head), true
	bw, err := s.opt.Blobs.Create(ctx, sealedSize(w.size))
	if err != nil {
		return nil, err
	}
	if _, err := bw.Write(head); err != nil {
		bw.Abort()
		return nil, err
	}
	return bw, nil
}

// headerKey gives the key of a blob's header: the object's, where the region's
// key opens that; else one of its own under the region's key, so that an index
// can be rebuilt from blobs without KMS and without the customers' keys.
func (s *Store) headerKey(ctx context.Context, w *what) (key, wrapped []byte, err error) {
	if seal.KindOf(w.wrapped) == seal.KindRegion {
		return w.key, w.wrapped, nil
	}
	key, own, err := s.opt.Keeper.NewDataKey(ctx, "", w.about)
	if err != nil {
		return nil, nil, err
	}
	return key, seal.JoinHeaderKey(own, w.wrapped), nil
}

// commitBlob makes a blob durable.
func (s *Store) commitBlob(ctx context.Context, bw blob.Writer, out *written) (*written, error) {
	// The collector that looks for what a crash left must not take the blob
	// between its becoming durable and a row naming it.
	s.orphans.committing()
	id, err := bw.Commit(ctx)
	s.orphans.committed(id)
	if err != nil {
		return nil, err
	}
	out.blob = id
	return out, nil
}

// finish checks the length and gives the sums to verify.
func (w *what) finish(h *hasher, verify func(Sums) error, out *written) error {
	if w.exact && w.size >= 0 && h.size != w.size {
		return ErrIncompleteBody
	}
	out.sums, out.digest = h.sums(), h.crc.Sum64()
	if verify != nil {
		return verify(out.sums)
	}
	return nil
}

func sealedSize(plain int64) int64 {
	if plain < 0 {
		return -1
	}
	return seal.SealedSize(seal.SealedSize(plain)) + 2048 // two layers at most, and the header
}

// discard gives up a body that no row came to name. A commit that failed may
// have been applied all the same, and then its row is there, or will be after a
// restart: the blob stays unless it is certain that no row names it. What stays
// without one, or cannot be deleted now, the collector finds after the next start.
func (s *Store) discard(w *written) {
	if w == nil || !w.isBlob || w.blob == "" {
		return
	}
	ctx := context.Background()
	err := s.view(ctx, func(snap kv.Snapshot) error {
		_, err := snap.Get(blobRefKey(w.blob))
		return err
	})
	if !errors.Is(err, kv.ErrNotFound) {
		return
	}
	if err := s.opt.Blobs.Delete(ctx, w.blob); err == nil {
		s.orphans.named(w.blob)
	}
}

// place fills in where the body lies.
func (w *written) place(b *body, wrapped []byte) {
	*b = body{kind: bodyInline, wrapped: wrapped, stream: w.stream}
	if w.isBlob {
		b.kind, b.blob, b.head = bodyBlob, w.blob, w.head
	}
}

// about is what an object key is bound to: a row of one object moved to
// another does not open.
func about(uid s3.UID, key string) map[string]string {
	return map[string]string{"farhold:bucket": string(uid), "farhold:key": key}
}

var errKeyLength = errors.New("store: the keeper gave a key of the wrong length")

// newKey makes an object key; a nil Keeper is the region's.
func (s *Store) newKey(ctx context.Context, k seal.Keeper, about map[string]string) (plain seal.Key, wrapped []byte, err error) {
	if k == nil {
		k = s.opt.Keeper
	}
	plain, wrapped, err = k.NewDataKey(ctx, "", about)
	if err == nil && !plain.Valid() {
		err = errKeyLength
	}
	return plain, wrapped, err
}

// unwrap opens an object key; a nil Keeper is the region's.
func (s *Store) unwrap(ctx context.Context, k seal.Keeper, wrapped []byte, about map[string]string) (seal.Key, error) {
	if k == nil {
		k = s.opt.Keeper
	}
	plain, err := k.Unwrap(ctx, wrapped, about)
	if err == nil && !seal.Key(plain).Valid() {
		err = errKeyLength
	}
	return plain, err
}

// headerPayload is what a blob says of itself, sealed, so that the index can be
// rebuilt from blobs: the version as it was when its first byte was written.
// The stamp in it is provisional: the final one is minted at the commit.
func headerPayload(uid s3.UID, v *s3.Version, part int) []byte {
	b := []byte{rowFormat}
	b = s3.AppendString(b, s3.FieldForeign, string(uid))
	b = s3.AppendUint(b, s3.FieldForeign+1, uint64(part))
	slim := *v
	slim.Targets, slim.Parts = nil, nil
	return s3.AppendVersion(b, &slim)
}
