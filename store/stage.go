package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
)

// A large body arrives in segments that are stored as they come, so that a
// broken line costs the segment that was on it and no more. A segment is a run;
// it never spans two parts.

// SegmentSize is the length of a segment in bytes, save the last of a part.
const SegmentSize = 8 << 20

// tableStage: UID key 0 1 descending stamp → a body that is arriving.
const tableStage = 's'

func stageKey(uid s3.UID, key string, id stamp.Stamp) []byte {
	return stackKey(tableStage, uid, key, id)
}

// stage is a body that is arriving, as a row.
type stage struct {
	wrapped []byte
	owner   stamp.Stamp // of its runs
	// Where the region can't open wrapped, the object key is here too, under a
	// key of the region's, until the body is whole: the role that replicas are
	// made with may make keys of KMS, and need not be allowed to open them.
	// Whether it may still make them is decided with each segment.
	lock  []byte // a key, wrapped under the region's
	under []byte // the object key under it
	sse   s3.SSE // that goes with wrapped
}

func parseStage(key, raw []byte) (*stage, error) {
	b, err := openRow(key, raw)
	if err != nil {
		return nil, err
	}
	g := new(stage)
	err = s3.Fields(b, func(num protowire.Number, x uint64, raw, _ []byte) error {
		switch num {
		case 1:
			g.wrapped = append([]byte(nil), raw...)
		case 2:
			if copy(g.owner[:], raw) != len(g.owner) {
				return s3.ErrVersionFormat
			}
		case 3:
			g.lock = append([]byte(nil), raw...)
		case 4:
			g.under = append([]byte(nil), raw...)
		case 5:
			g.sse.Algorithm = string(raw)
		case 6:
			g.sse.KeyID = string(raw)
		case 7:
			g.sse.BucketKey = x != 0
		}
		return nil
	})
	if err != nil {
		return nil, corrupt(key, err)
	}
	return g, nil
}

// cut is where a segment lies in the structure of its object.
type cut struct {
	part s3.Part
	seq  int
	Segment
}

// cuts gives the segments of a body: part by part, each cut at SegmentSize. An
// object that is not multipart counts as one part.
func cuts(v *s3.Version) []cut {
	parts := v.Parts
	if v.PartsCount == 0 {
		parts = []s3.Part{{Number: 1, Size: v.Size}}
	}
	var list []cut
	at := int64(0)
	for _, p := range parts {
		for seq, from := 0, int64(0); from < p.Size || seq == 0; seq++ {
			n := min(SegmentSize, p.Size-from)
			list = append(list, cut{p, seq, Segment{Index: len(list), Offset: at + from, Length: n}})
			from += n
		}
		at += p.Size
	}
	return list
}

func (g *stage) row() []byte {
	b := s3.AppendBytes([]byte{rowFormat}, 1, g.wrapped)
	b = s3.AppendBytes(b, 2, g.owner[:])
	b = s3.AppendBytes(b, 3, g.lock)
	b = s3.AppendBytes(b, 4, g.under)
	b = s3.AppendString(b, 5, g.sse.Algorithm)
	b = s3.AppendString(b, 6, g.sse.KeyID)
	if g.sse.BucketKey {
		b = s3.AppendUint(b, 7, 1)
	}
	return b
}

// newStage makes the key of a body that begins to arrive.
func (s *Store) newStage(ctx context.Context, a *Arrival, about map[string]string) (*stage, error) {
	key, wrapped, err := s.newKey(ctx, a.Keeper, about)
	if err != nil {
		return nil, err
	}
	g := &stage{wrapped: wrapped, sse: a.Version.SSE}
	if seal.KindOf(wrapped) == seal.KindRegion {
		return g, nil
	}
	lock, wrappedLock, err := s.opt.Keeper.NewDataKey(ctx, "", about)
	if err != nil {
		return nil, err
	}
	g.lock, g.under = wrappedLock, seal.WrapUnder(nil, lock, key, wrapped, about)
	return g, nil
}

// key opens the object key of a body that is arriving.
func (g *stage) key(ctx context.Context, s *Store, about map[string]string) (seal.Key, error) {
	if len(g.lock) == 0 {
		return s.unwrap(ctx, nil, g.wrapped, about)
	}
	lock, err := s.unwrap(ctx, nil, g.lock, about)
	if err != nil {
		return nil, err
	}
	key, err := seal.UnwrapUnder(lock, g.under, g.wrapped, about)
	if err == nil && !seal.Key(key).Valid() {
		err = errKeyLength
	}
	return key, err
}

// Segments gives the segments in which a version's body travels. Its parts are
// loaded.
func Segments(v *s3.Version) []Segment {
	list := cuts(v)
	out := make([]Segment, len(list))
	for i := range list {
		out[i] = list[i].Segment
	}
	return out
}

// staging finds or begins the staging of an arrival.
func (s *Store) staging(ctx context.Context, b *Bucket, a *Arrival) (*stage, error) {
	var g *stage
	v := &a.Version
	k := stageKey(b.UID, v.Key, v.ID)
	read := func(get getter) error {
		raw, err := get.Get(k)
		if err == nil {
			g, err = parseStage(k, raw)
		}
		return err
	}
	err := s.view(ctx, func(snap kv.Snapshot) error { return read(snap) })
	if !errors.Is(err, kv.ErrNotFound) {
		return g, err
	}
	fresh, err := s.newStage(ctx, a, about(b.UID, v.Key))
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx *kv.Tx) error {
		if err := read(tx); !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		g = fresh
		g.owner = s.opt.Clock.Next(stamp.Stamp{})
		tx.Put(k, g.row())
		return nil
	})
	return g, err
}

// Stage stores a segment of a large body ahead of its arrival. Staging the same
// segment again is staging it once. The body is checked as a whole by Receive.
func (s *Store) Stage(ctx context.Context, a *Arrival, seg Segment, body io.Reader) error {
	v := &a.Version
	if err := checkKey(v.Key); err != nil {
		return err
	}
	list := cuts(v)
	if seg.Index < 0 || seg.Index >= len(list) || list[seg.Index].Segment != seg {
		return fmt.Errorf("%w: no such segment", s3.ErrVersionFormat)
	}
	c := list[seg.Index]
	b, err := s.destination(ctx, a.Bucket, a.UID)
	if err != nil {
		return err
	}
	if _, ok, err := s.known(ctx, b, v); err != nil || ok {
		return err // Receive will say so
	}
	if err := takes(b, v); err != nil {
		return err
	}
	g, err := s.staging(ctx, b, a)
	if err != nil {
		return err
	}
	bound := about(b.UID, v.Key)
	key, err := g.key(ctx, s, bound)
	if err != nil {
		return err
	}
	w, err := s.write(ctx, what{
		size: seg.Length, exact: true, noMD5: true, key: key, wrapped: g.wrapped, about: bound,
		header: func() []byte { return headerPayload(b.UID, v, c.part.Number) },
	}, body, nil)
	if err != nil {
		return err
	}
	r := &run{part: c.part, seq: c.seq, size: seg.Length, digest: w.digest, stream: w.stream, blob: w.blob, head: w.head}
	err = s.update(ctx, func(tx *kv.Tx) error {
		now, err := s.writableBucket(tx, a.Bucket)
		if errors.Is(err, ErrNoSuchBucket) || err == nil && now.UID != b.UID {
			return ErrDstBucketNotFound
		}
		if err != nil {
			return err
		}
		if err := staysStaged(tx, stageKey(b.UID, v.Key, v.ID), g.owner); err != nil {
			return err // it was completed, or given up
		}
		k := runKey(b.UID, g.owner, c.part.Number, c.seq)
		if raw, err := tx.Get(k); err == nil {
			old, err := parseRun(k, raw)
			if err != nil {
				return err
			}
			s.free(tx, freed{holder: g.owner, blobs: []blob.ID{old.blob}})
		} else if !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		tx.Put(k, r.row())
		tx.Put(blobRefKey(w.blob), blobOwner(b.UID, g.owner))
		return nil
	})
	if err != nil {
		s.discard(w)
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		return err
	}
	s.orphans.named(w.blob)
	return nil
}

// Staged tells which segments of an arrival are here, in order of their index.
func (s *Store) Staged(ctx context.Context, a *Arrival) ([]Segment, error) {
	b, err := s.destination(ctx, a.Bucket, a.UID)
	if err != nil {
		return nil, err
	}
	_, runs, err := s.stagedRuns(ctx, b, &a.Version)
	if err != nil {
		return nil, err
	}
	var out []Segment
	for _, c := range cuts(&a.Version) {
		if r := runs[[2]int{c.part.Number, c.seq}]; r != nil && r.size == c.Length {
			out = append(out, c.Segment)
		}
	}
	return out, nil
}

func (s *Store) stagedRuns(ctx context.Context, b *Bucket, v *s3.Version) (g *stage, runs map[[2]int]*run, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		k := stageKey(b.UID, v.Key, v.ID)
		raw, err := snap.Get(k)
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if g, err = parseStage(k, raw); err != nil {
			return err
		}
		runs = make(map[[2]int]*run)
		for r, err := range scanRuns(snap, kv.Prefix(runPrefix(b.UID, g.owner))) {
			if err != nil {
				return err
			}
			runs[[2]int{r.part.Number, r.seq}] = r
		}
		return nil
	})
	return g, runs, err
}

// ErrNotStaged is returned by Receive when segments of a staged body are missing.
var ErrNotStaged = errors.New("store: segments of the body are missing")

// staysStaged tells whether a staging is the one that was read before, or
// kv.ErrNotFound.
func staysStaged(tx *kv.Tx, key []byte, owner stamp.Stamp) error {
	raw, err := tx.Get(key)
	if err != nil {
		return err
	}
	g, err := parseStage(key, raw)
	if err == nil && g.owner != owner {
		err = kv.ErrNotFound
	}
	return err
}

// stagedKept is how long after it began a staging that led to no version is
// given up: its source purged the version, or may no longer send it. A source
// that still wants to begins anew.
const stagedKept = 7 * 24 * time.Hour

// forgetStaged gives up stagings that began long ago. It looks at up to
// sweepRowsMax and goes on behind them the next time.
func (s *Store) forgetStaged(ctx context.Context) (more bool, err error) {
	rows, more, err := upTo(ctx, s, s.staged.span(tableStage), sweepRowsMax, parseStage)
	if err != nil {
		return false, err
	}
	old := stamp.TimeOf(s.opt.Clock.Now().Add(-stagedKept))
	for _, r := range rows {
		if r.row.owner.Time() >= old {
			continue
		}
		if err := s.giveUp(ctx, r.key, r.row.owner); err != nil {
			return false, err
		}
	}
	advance(&s.staged, rows, more)
	return more, nil
}

// giveUp ends a staging, unless its version came or it began anew since.
func (s *Store) giveUp(ctx context.Context, key []byte, owner stamp.Stamp) error {
	return kv.Update(ctx, s.opt.KV, func(tx *kv.Tx) error {
		if err := staysStaged(tx, key, owner); errors.Is(err, kv.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		tx.Frees()
		tx.Delete(key)
		s.free(tx, freed{uid: s3.UID(hexOf(key[1 : 1+uidSize])), holder: owner, runs: true})
		return nil
	})
}

// takeStaged makes a body of the segments that came before.
func (s *Store) takeStaged(ctx context.Context, b *Bucket, a *Arrival, r *record, in *intake) error {
	g, runs, err := s.stagedRuns(ctx, b, &a.Version)
	if err != nil {
		return err
	}
	digest := uint64(0)
	var used []*run
	for _, c := range cuts(&a.Version) {
		x := runs[[2]int{c.part.Number, c.seq}]
		if x == nil || x.size != c.Length {
			return ErrNotStaged
		}
		digest = checksum.CombineCRC64NVME(digest, x.digest, x.size)
		used = append(used, x)
	}
	if g == nil || len(used) != len(runs) {
		return ErrNotStaged
	}
	if digest != a.Version.Digest {
		// What came is not what the source has. Begin again from nothing.
		err := kv.Update(ctx, s.opt.KV, func(tx *kv.Tx) error {
			tx.Delete(stageKey(b.UID, a.Version.Key, a.Version.ID))
			s.free(tx, freed{uid: b.UID, holder: g.owner, runs: true})
			return nil
		})
		return errors.Join(ErrDigest, err)
	}
	in.staged = g.owner
	if len(g.lock) > 0 {
		r.SSE = g.sse // the key that the first segment was given
	}
	r.body = body{kind: bodyRuns, wrapped: g.wrapped, owner: g.owner, uniform: uniformOf(used)}
	return nil
}
