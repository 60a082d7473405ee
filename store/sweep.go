package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// freed is a row of tableFree: what a transaction stopped naming and sweep
// frees. Freeing n parts is one such row.
type freed struct {
	uid    s3.UID
	holder stamp.Stamp // the version or upload that named it: its readers are waited for
	blobs  []blob.ID
	runs   bool // everything in tableRun under uid and holder
	purge  bool // everything of the bucket uid
}

// Bounds of one row and of one step.
const (
	freedBlobsMax = 800 // IDs of up to 64 bytes fit in a value
	sweepRowsMax  = 200
	sweepKeysMax  = 2000
)

const (
	freedUID protowire.Number = iota + 1
	freedHolder
	freedBlobField
	freedRuns
	freedPurge
)

// free writes a row for sweep.
func (s *Store) free(tx *kv.Tx, f freed) {
	b := []byte{rowFormat}
	b = s3.AppendString(b, freedUID, string(f.uid))
	if !f.holder.IsZero() {
		b = s3.AppendBytes(b, freedHolder, f.holder[:])
	}
	for _, id := range f.blobs {
		b = s3.AppendString(b, freedBlobField, string(id))
	}
	if f.runs {
		b = s3.AppendUint(b, freedRuns, 1)
	}
	if f.purge {
		b = s3.AppendUint(b, freedPurge, 1)
	}
	tx.Put(freeKey(s.opt.Clock.Next(stamp.Stamp{})), b)
}

func parseFreed(key, raw []byte) (freed, error) {
	var f freed
	b, err := openRow(key, raw)
	if err != nil {
		return f, err
	}
	err = s3.Fields(b, func(num protowire.Number, x uint64, raw, _ []byte) error {
		switch num {
		case freedUID:
			f.uid = s3.UID(raw)
		case freedHolder:
			if copy(f.holder[:], raw) != len(f.holder) {
				return s3.ErrVersionFormat
			}
		case freedBlobField:
			f.blobs = append(f.blobs, blob.ID(raw))
		case freedRuns:
			f.runs = x != 0
		case freedPurge:
			f.purge = x != 0
		}
		return nil
	})
	if err != nil {
		return f, corrupt(key, err)
	}
	return f, nil
}

// freeBody gives up the body of a version that is being removed.
func (s *Store) freeBody(tx *kv.Tx, uid s3.UID, r *record) {
	switch r.body.kind {
	case bodyInline:
		tx.Delete(inlineKey(uid, r.ID))
	case bodyBlob:
		s.free(tx, freed{uid: uid, holder: r.ID, blobs: []blob.ID{r.body.blob}})
	case bodyRuns:
		s.free(tx, freed{uid: uid, holder: r.body.owner, runs: true})
	}
}

// holderOf is what the readers of a version are counted under.
func (o *Object) holder() stamp.Stamp {
	if o.body.kind == bodyRuns {
		return o.body.owner
	}
	return o.ID
}

// SweepStep frees what nothing names any more: blobs and rows of deleted
// versions, parts of uploads given up, everything of deleted buckets, and
// blobs that a crash left. What somebody still reads waits for its reader and
// holds up nothing else. It does a bounded piece of work and tells whether
// there is more that can be done now. Only one SweepStep runs at a time.
func (s *Store) SweepStep(ctx context.Context) (more bool, err error) {
	rows, more, err := upTo(ctx, s, s.freeing.span(tableFree), sweepRowsMax, parseFreed)
	if err != nil {
		return false, err
	}
	if len(rows) > 0 {
		s.readers.settle()
	}
	freed := false
	for _, r := range rows {
		if !r.row.holder.IsZero() && s.readers.busy(r.row.holder) {
			continue // a later step, after the reader
		}
		if err := s.freeNow(ctx, r.key, r.row); err != nil {
			return false, err
		}
		freed = true
	}
	switch {
	case !more:
		s.freeing = nil
	case !freed:
		advance(&s.freeing, rows, more) // all of these wait for readers: what stands behind them need not
	}
	if more || freed { // the rest of what is freed in pieces, or what stands behind
		return true, nil
	}
	forgot, err := s.forgetDone(ctx)
	if err != nil {
		return false, err
	}
	gaveUp, err := s.forgetStaged(ctx)
	if err != nil {
		return false, err
	}
	found, err := s.sweepOrphans(ctx)
	if err != nil {
		return false, err
	}
	return forgot || gaveUp || found, nil
}

// freeNow does what a row says, in pieces; the last removes the row.
func (s *Store) freeNow(ctx context.Context, key []byte, f freed) (err error) {
	var rows [][]byte
	more := false
	blobs := f.blobs
	switch {
	case f.runs:
		rows, blobs, more, err = s.runsToFree(ctx, runPrefix(f.uid, f.holder))
	case f.purge:
		rows, blobs, more, err = s.bucketToFree(ctx, f.uid)
	}
	if err != nil {
		return err
	}
	// Blobs first: their deletion can be repeated, a row that is gone cannot.
	for _, id := range blobs {
		if err := s.opt.Blobs.Delete(ctx, id); err != nil {
			return err
		}
		rows = append(rows, blobRefKey(id))
	}
	return kv.Update(ctx, s.opt.KV, func(tx *kv.Tx) error {
		tx.Frees()
		for _, k := range rows {
			tx.Delete(k)
		}
		if !more {
			tx.Delete(key)
		}
		return nil
	})
}

// runsToFree gives up to sweepKeysMax runs under a prefix and their blobs.
func (s *Store) runsToFree(ctx context.Context, prefix []byte) (rows [][]byte, blobs []blob.ID, more bool, err error) {
	runs, more, err := upTo(ctx, s, kv.Prefix(prefix), sweepKeysMax, parseRun)
	for _, r := range runs {
		rows, blobs = append(rows, r.key), append(blobs, r.row.blob)
	}
	return rows, blobs, more, err
}

// bucketTables are the tables whose rows belong to a bucket's UID. Versions
// are not among them: a bucket is only deleted without any.
var bucketTables = []byte{
	tableDocument, tableChunk, tableLive, tableDead, tableInline, tableTombstone,
	tableUpload, tableDone, tableStage, tableDelta, tableUsage, tableDue,
}

// bucketToFree gives some of what is left of a deleted bucket.
func (s *Store) bucketToFree(ctx context.Context, uid s3.UID) (rows [][]byte, blobs []blob.ID, more bool, err error) {
	rows, blobs, more, err = s.runsToFree(ctx, tableKey(tableRun, uid, 0))
	if err != nil || more {
		return rows, blobs, more, err
	}
	err = s.view(ctx, func(snap kv.Snapshot) error {
		for _, table := range bucketTables {
			for p, err := range snap.Scan(kv.Prefix(tableKey(table, uid, 0))) {
				if err != nil {
					return err
				}
				if len(rows) >= sweepKeysMax {
					more = true
					return nil
				}
				rows = append(rows, append([]byte(nil), p.Key...))
			}
		}
		return nil
	})
	return rows, blobs, more, err
}

// doneKept is how long a completed upload answers a repeated Complete.
const doneKept = 24 * time.Hour

// forgetDone removes the notes of uploads completed long ago. It looks at up to
// sweepKeysMax notes and goes on behind them the next time.
func (s *Store) forgetDone(ctx context.Context) (more bool, err error) {
	rows, more, err := upTo(ctx, s, s.done.span(tableDone), sweepKeysMax, func(_, raw []byte) (v stamp.Stamp, err error) {
		if len(raw) > 1+len(v) {
			copy(v[:], raw[1:])
		}
		return v, nil
	})
	if err != nil {
		return false, err
	}
	old := stamp.TimeOf(s.opt.Clock.Now().Add(-doneKept))
	kept := func(r keyed[stamp.Stamp]) bool { return r.row.Time() >= old }
	if forget := slices.DeleteFunc(slices.Clone(rows), kept); len(forget) > 0 {
		err = kv.Update(ctx, s.opt.KV, func(tx *kv.Tx) error {
			for _, r := range forget {
				tx.Delete(r.key)
			}
			tx.Frees()
			return nil
		})
	}
	if err != nil {
		return false, err
	}
	advance(&s.done, rows, more)
	return more, nil
}

// orphans finds the blobs that a crash left: durable, and named by no row. Only
// blobs older than this process can be orphans, since it gives up its own; it
// looks through them once after each start.
type orphans struct {
	mu      sync.RWMutex // held for reading while a blob becomes durable
	started time.Time
	after   blob.ID
	done    bool
	young   map[blob.ID]bool // durable, and about to be named
}

// start begins the look. Blob engines note times by the machine's clock, so
// this is one of the few places that ask it.
func (o *orphans) start() {
	o.started = time.Now()
	o.young = make(map[blob.ID]bool)
}

func (o *orphans) committing() { o.mu.RLock() }

func (o *orphans) committed(id blob.ID) {
	o.mu.RUnlock()
	if id == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.done {
		o.young[id] = true
	}
}

func (o *orphans) named(id blob.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.young, id)
}

// sweepOrphans looks at up to sweepKeysMax blobs. It tells whether more are
// to be looked at.
func (s *Store) sweepOrphans(ctx context.Context) (more bool, err error) {
	o := &s.orphans
	if o.done {
		return false, nil
	}
	var lost []blob.ID
	n := 0
	for info, err := range s.opt.Blobs.List(ctx, o.after) {
		if err != nil {
			return false, err
		}
		if n++; n > sweepKeysMax {
			more = true
			break
		}
		o.after = info.ID
		if info.Created.Before(o.started) {
			lost = append(lost, info.ID)
		}
	}
	err = s.view(ctx, func(snap kv.Snapshot) error {
		kept := lost[:0]
		for _, id := range lost {
			_, err := snap.Get(blobRefKey(id))
			if errors.Is(err, kv.ErrNotFound) {
				kept = append(kept, id)
			} else if err != nil {
				return err
			}
		}
		lost = kept
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, id := range lost {
		if err := s.dropOrphan(ctx, id); err != nil {
			return false, err
		}
	}
	if !more {
		o.mu.Lock()
		o.done, o.young = true, nil
		o.mu.Unlock()
	}
	return more, nil
}

// dropOrphan deletes a blob unless it is being named at this moment, or was
// named since we looked.
func (s *Store) dropOrphan(ctx context.Context, id blob.ID) error {
	o := &s.orphans
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.young[id] {
		return nil
	}
	named := false
	err := s.view(ctx, func(snap kv.Snapshot) error {
		_, err := snap.Get(blobRefKey(id))
		named = err == nil
		if errors.Is(err, kv.ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil || named {
		return err
	}
	return s.opt.Blobs.Delete(ctx, id)
}
