package store

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"sync"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
)

// Object is a version that was opened. Close it. It is used by one goroutine.
type Object struct {
	s3.Version
	Bucket *Bucket

	s      *Store
	body   body
	inline []byte // the sealed body, when it was read along
	held   bool   // the readers know of it

	// A large body is read by several goroutines at once when it is shipped.
	unwrapping sync.Mutex
	keeper     seal.Keeper // nil is the region's
	key        seal.Key    // the object key, once unwrapped
}

// Open finds the current version of a key, or a named one (versionID "null"
// included). A current delete marker is ErrNoSuchKey with AWS's headers, a named
// one ErrMethodNotAllowed. The answer waits until what was read is durable.
// Parts are not loaded; see Object.LoadParts.
func (s *Store) Open(ctx context.Context, bucket, key, versionID string) (*Object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	var o *Object
	s.readers.opening.RLock()
	defer s.readers.opening.RUnlock()
	err := s.view(ctx, func(snap kv.Snapshot) error {
		b, err := s.bucket(snap, bucket)
		if err != nil {
			return err
		}
		r, err := s.lookup(snap, b, key, versionID)
		if err != nil {
			return err
		}
		o, err = s.openRecord(snap, b, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// openRecord makes an Object of a record read through snap. From here to Close
// the sweeper keeps what it names.
func (s *Store) openRecord(snap kv.Snapshot, b *Bucket, r *record) (*Object, error) {
	o := &Object{Version: r.Version, Bucket: b, s: s, body: r.body}
	switch r.body.kind {
	case bodyInline:
		k := inlineKey(b.UID, r.ID)
		sealed, err := snap.Get(k)
		if errors.Is(err, kv.ErrNotFound) {
			err = corrupt(k, err) // the row that names it is of the same view
		}
		if err != nil {
			return nil, err
		}
		o.inline = sealed
	case bodyBlob, bodyRuns:
		s.readers.hold(o.holder())
		o.held = true
	}
	return o, nil
}

// head reads the head of a key, or nil.
func (s *Store) head(snap kv.Snapshot, uid s3.UID, key string) (*record, error) {
	for _, table := range []byte{tableLive, tableDead} {
		k := headKey(table, uid, key)
		raw, err := snap.Get(k)
		if err == nil {
			return parseRecord(k, raw)
		}
		if !errors.Is(err, kv.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

// lookup finds a version as GET does.
func (s *Store) lookup(snap kv.Snapshot, b *Bucket, key, versionID string) (*record, error) {
	var (
		r   *record
		err error
	)
	switch versionID {
	case "":
		if r, err = s.head(snap, b.UID, key); err != nil {
			return nil, err
		}
		if r == nil || r.Marker {
			return nil, notFound(key, r)
		}
		return r, nil
	case s3.NullVersion:
		head, err := s.head(snap, b.UID, key)
		if err != nil {
			return nil, err
		}
		if head != nil && !head.nullAt.IsZero() {
			if r, err = s.readVersion(snap, b.UID, key, head.nullAt); err != nil {
				return nil, err
			}
		}
	default:
		id, err := stamp.Parse(versionID)
		if err != nil {
			return nil, ErrInvalidVersion.With("ArgumentName", "versionId").With("ArgumentValue", versionID)
		}
		if r, err = s.readVersion(snap, b.UID, key, id); err != nil {
			return nil, err
		}
		if r != nil && r.Null {
			r = nil
		}
	}
	if r == nil {
		return nil, ErrNoSuchVersion.With("Key", key).With("VersionId", versionID)
	}
	if r.Marker {
		return nil, isMarker(r, "GET")
	}
	return r, nil
}

func (s *Store) readVersion(g getter, uid s3.UID, key string, id stamp.Stamp) (*record, error) {
	k := versionKey(uid, key, id)
	raw, err := g.Get(k)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseRecord(k, raw)
}

// Close frees what Open holds.
func (o *Object) Close() {
	if o.held {
		o.held = false
		o.s.readers.release(o.holder())
	}
}

// Body reads length bytes of plaintext from offset; length -1 means to the
// end. The reader also implements io.WriterTo. Bytes that are not what was
// written end it with an error that wraps seal.ErrCorrupt or blob.ErrCorrupt.
func (o *Object) Body(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if length < 0 {
		length = o.Size - offset
	}
	if offset < 0 || length < 0 || offset+length > o.Size {
		return nil, errors.New("store: a range beyond the object")
	}
	if err := o.Unlock(ctx); err != nil {
		return nil, err
	}
	switch o.body.kind {
	case bodyInline:
		plain, err := o.key.Open(nil, o.body.stream, o.inline)
		if err != nil {
			return nil, corrupt(inlineKey(o.Bucket.UID, o.ID), err)
		}
		if int64(len(plain)) != o.Size {
			return nil, corrupt(inlineKey(o.Bucket.UID, o.ID), seal.ErrCorrupt)
		}
		return &bytesBody{plain[offset : offset+length]}, nil
	case bodyBlob:
		return o.s.openRun(ctx, o.key, &run{size: o.Size, stream: o.body.stream, blob: o.body.blob, head: o.body.head}, offset, length)
	case bodyRuns:
		runs, skip, err := o.runs(ctx, offset, length)
		if err != nil {
			return nil, err
		}
		return o.runsBody(runs, skip, length, func(r *run) int64 { return r.size }, func(r *run, from, n int64) (io.ReadCloser, error) {
			return o.s.openRun(ctx, o.key, r, from, n)
		}), nil
	}
	return nil, errors.New("store: a delete marker has no body")
}

// Use gives the object the Keeper that opens its key. Without it the region's
// is asked, which has only those of SSE-S3. It comes before the first Body.
func (o *Object) Use(k seal.Keeper) {
	o.unwrapping.Lock()
	defer o.unwrapping.Unlock()
	o.keeper, o.key = k, nil
}

// Wrapped is the object's key as its Keeper wrapped it: seal.KindOf tells which
// Keeper that was. It must not be changed. A delete marker has none.
func (o *Object) Wrapped() []byte { return o.body.wrapped }

// Unlock has the Keeper open the object's key, once: Body does it too, but a
// request that wants no body may have to prove that it could have read it. It
// returns the Keeper's errors as they are.
func (o *Object) Unlock(ctx context.Context) error {
	o.unwrapping.Lock()
	defer o.unwrapping.Unlock()
	if o.key != nil || o.body.wrapped == nil {
		return nil
	}
	key, err := o.s.unwrap(ctx, o.keeper, o.body.wrapped, about(o.Bucket.UID, o.Key))
	if err != nil {
		return err
	}
	o.key = key
	return nil
}

// openRun reads a range of one run.
func (s *Store) openRun(ctx context.Context, key seal.Key, r *run, offset, length int64) (io.ReadCloser, error) {
	from, n := key.Range(offset, length, r.size)
	src, err := s.openSealed(ctx, r, from, n)
	if err != nil {
		return nil, err
	}
	return key.Reader(src, r.stream, r.size, offset, length), nil
}

// openSealed reads sealed bytes of one run.
func (s *Store) openSealed(ctx context.Context, r *run, from, n int64) (io.ReadCloser, error) {
	src, err := s.opt.Blobs.Open(ctx, r.blob, int64(r.head)+from, n)
	if errors.Is(err, blob.ErrNotFound) {
		err = corrupt([]byte(r.blob), err) // a row names it
	}
	return src, err
}

// bytesBody is a body that is in memory.
type bytesBody struct{ left []byte }

func (b *bytesBody) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

func (b *bytesBody) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b.left)
	b.left = b.left[n:]
	return int64(n), err
}

func (b *bytesBody) Close() error { return nil }

// runs gives the runs that hold a range, and where in the first it begins.
func (o *Object) runs(ctx context.Context, offset, length int64) (runs []*run, skip int64, err error) {
	span := kv.Prefix(runPrefix(o.Bucket.UID, o.body.owner))
	at := int64(0)
	if u := o.body.uniform; u > 0 && offset >= u {
		first := min(offset/u, int64(o.PartsCount)-1)
		span.Low = runKey(o.Bucket.UID, o.body.owner, int(first)+1, 0)
		at = first * u
	}
	err = o.s.view(ctx, func(snap kv.Snapshot) error {
		for r, err := range scanRuns(snap, span) {
			if err != nil {
				return err
			}
			if at+r.size > offset {
				if len(runs) == 0 {
					skip = offset - at
				}
				runs = append(runs, r)
			}
			if at += r.size; at >= offset+length && len(runs) > 0 {
				return nil
			}
		}
		return nil
	})
	return runs, skip, err
}

// LoadParts fills Version.Parts with the parts after number after, at most max.
// It tells whether more follow. An object that is not multipart has none.
func (o *Object) LoadParts(ctx context.Context, after, max int) (more bool, err error) {
	o.Parts = nil
	if o.PartsCount == 0 || o.body.kind != bodyRuns {
		return false, nil
	}
	span := kv.Prefix(runPrefix(o.Bucket.UID, o.body.owner))
	span.Low = runKey(o.Bucket.UID, o.body.owner, after+1, 0)
	err = o.s.view(ctx, func(snap kv.Snapshot) error {
		for r, err := range scanRuns(snap, span) {
			if err != nil {
				return err
			}
			if r.seq != 0 {
				continue
			}
			if len(o.Parts) == max {
				more = true
				return nil
			}
			o.Parts = append(o.Parts, r.part)
		}
		return nil
	})
	return more, err
}

// PartRange gives the range of plaintext of a part (1 for an object that is not
// multipart), or false when there is no such part.
func (o *Object) PartRange(ctx context.Context, number int) (offset, length int64, ok bool, err error) {
	if o.PartsCount == 0 {
		return 0, o.Size, number == 1, nil
	}
	err = o.s.view(ctx, func(snap kv.Snapshot) error {
		for r, err := range scanRuns(snap, kv.Prefix(runPrefix(o.Bucket.UID, o.body.owner))) {
			if err != nil {
				return err
			}
			switch {
			case r.part.Number == number && r.seq == 0:
				length, ok = r.part.Size, true
				return nil
			case r.part.Number > number:
				return nil
			}
			offset += r.size
		}
		return nil
	})
	return offset, length, ok, err
}

// readers counts the open readers of bodies, by version. What is freed waits
// for them.
type readers struct {
	// opening is held while a version is read from a view and until it is
	// counted in m. The sweeper takes it once between reading what is to be
	// freed and looking into m: whoever opens later no longer finds the version.
	opening sync.RWMutex

	mu sync.Mutex
	m  map[stamp.Stamp]int
}

// settle waits until every open that began before is counted.
func (r *readers) settle() {
	r.opening.Lock()
	r.opening.Unlock() //nolint:staticcheck // the wait is the point
}

func (r *readers) hold(id stamp.Stamp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		r.m = make(map[stamp.Stamp]int)
	}
	r.m[id]++
}

func (r *readers) release(id stamp.Stamp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m[id]--; r.m[id] <= 0 {
		delete(r.m, id)
	}
}

func (r *readers) busy(id stamp.Stamp) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.m[id] > 0
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
