package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/minio/crc64nvme"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// A deleted bucket leaves no row and no blob, also none of a body that was
// arriving, or of an upload that was open.
func TestDeletedBucketLeavesNothing(t *testing.T) {
	r := newRegion(t, "us-west-2", nil)
	ctx := t.Context()
	r.bucket_("gone", versioningEnabled)

	up, err := r.CreateUpload(ctx, &PutInput{Bucket: "gone", Key: "upload", Owner: "111122223333"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.UploadPart(ctx, &PartInput{Bucket: "gone", Key: "upload", UploadID: up.ID, Number: 1, Size: 3}, bytes.NewReader([]byte("abc"))); err != nil {
		t.Fatal(err)
	}
	clock := stamp.NewClock("us-east-1", r.opt.Clock.Now, nil)
	v := s3.Version{Key: "arriving", ID: clock.Next(stamp.Stamp{}), Modified: r.now, Size: SegmentSize + 1, Origin: "us-east-1", Owner: "111122223333"}
	a := &Arrival{From: "us-east-1", Bucket: "gone", Version: v}
	if err := r.Stage(ctx, a, Segments(&v)[1], bytes.NewReader([]byte{1})); err != nil {
		t.Fatal(err)
	}
	w, err := r.Put(ctx, &PutInput{Bucket: "gone", Key: "purged", Size: 20 << 10, Owner: "111122223333"}, bytes.NewReader(make([]byte, 20<<10)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Delete(ctx, DeleteInput{Bucket: "gone", Key: "purged", VersionID: w.VersionID()}); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteBucket(ctx, "gone"); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		more, err := r.SweepStep(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !more && n > 3 {
			break
		}
	}
	snap, err := r.kv.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for p, err := range snap.Scan(kv.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("left behind: %q", p.Key)
	}
	for info, err := range r.blobs.List(ctx, "") {
		t.Errorf("left behind: blob %s %v", info.ID, err)
	}
}

// A body that was arriving and never came is given up after a week, and can
// begin anew.
func TestStagingsAreGivenUp(t *testing.T) {
	r := newRegion(t, "us-west-2", nil)
	ctx := t.Context()
	r.bucket_("copy", versioningEnabled)
	clock := stamp.NewClock("us-east-1", r.opt.Clock.Now, nil)
	body := make([]byte, SegmentSize+1)
	v := s3.Version{Key: "k", ID: clock.Next(stamp.Stamp{}), Modified: r.now, Size: int64(len(body)), Digest: crc64nvme.Checksum(body), Origin: "us-east-1", Owner: "111122223333"}
	a := &Arrival{From: "us-east-1", Bucket: "copy", Version: v}
	stage := func(segs ...Segment) {
		t.Helper()
		for _, seg := range segs {
			if err := r.Stage(ctx, a, seg, bytes.NewReader(body[seg.Offset:seg.Offset+seg.Length])); err != nil {
				t.Fatal(err)
			}
		}
	}
	sweep := func(want int) {
		t.Helper()
		for range 5 {
			if _, err := r.SweepStep(ctx); err != nil {
				t.Fatal(err)
			}
		}
		has, err := r.Staged(ctx, a)
		if err != nil || len(has) != want {
			t.Fatalf("%d segments are here, %v; want %d", len(has), err, want)
		}
	}
	segs := Segments(&v)
	stage(segs[0])
	r.now = r.now.Add(6 * 24 * time.Hour)
	sweep(1)
	r.now = r.now.Add(25 * time.Hour)
	sweep(0)
	for info, err := range r.blobs.List(ctx, "") {
		t.Errorf("left behind: blob %s %v", info.ID, err)
	}
	a.Staged = true
	if _, err := r.Receive(ctx, a, nil); !errors.Is(err, ErrNotStaged) {
		t.Errorf("received what was given up: %v", err)
	}
	stage(segs...)
	sweep(2)
	if rc, err := r.Receive(ctx, a, nil); err != nil || rc.Digest != v.Digest {
		t.Errorf("%+v, %v", rc, err)
	}
}

// Readers of deleted versions, however many and however slow, hold up their own
// versions and nothing else, and sweep rests while it waits for them.
func TestReadersHoldUpTheirOwn(t *testing.T) {
	r := newRegion(t, "us-west-2", nil)
	ctx := t.Context()
	r.bucket_("b", "")
	body := make([]byte, 20<<10)
	put := func(key string) {
		t.Helper()
		if _, err := r.Put(ctx, &PutInput{Bucket: "b", Key: key, Size: int64(len(body)), Owner: "111122223333"}, bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(key string) {
		t.Helper()
		if _, err := r.Delete(ctx, DeleteInput{Bucket: "b", Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	blobs := func() (n int) {
		t.Helper()
		for _, err := range r.blobs.List(ctx, "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	var open []*Object
	read := func(key string) {
		t.Helper()
		put(key)
		o, err := r.Open(ctx, "b", key, "")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, o)
		remove(key)
	}
	for i := range sweepRowsMax {
		read(fmt.Sprintf("read-%d", i))
	}
	put("free")
	remove("free")
	r.sweepAll()
	if n := blobs(); n != sweepRowsMax {
		t.Errorf("%d blobs are left beside those of %d readers", n-sweepRowsMax, sweepRowsMax)
	}
	read("one-more")
	r.sweepAll() // and it ends
	old := stamp.NewClock("us-west-2", func() time.Time { return r.now.Add(-2 * doneKept) }, nil).Next(stamp.Stamp{})
	note := doneKey(s3.UID("0000000000000001"), old)
	if err := kv.Update(ctx, r.kv, func(tx *kv.Tx) error {
		tx.Put(note, append(append([]byte{rowFormat}, old[:]...), 'k'))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r.sweepAll()
	snap, err := r.kv.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if _, err := snap.Get(note); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("what is old is kept while somebody reads: %v", err)
	}
	for _, o := range open {
		o.Close()
	}
	r.sweepAll()
	if n := blobs(); n != 0 {
		t.Errorf("%d blobs are left when nobody reads any more", n)
	}
}

// What is old is found behind any number of rows that are not, in steps each of
// which reads so many rows and no more.
func TestStepsForgetPieceByPiece(t *testing.T) {
	for _, tt := range []struct {
		name string
		most int
		row  func(uid s3.UID, i int, at stamp.Stamp) (key, value []byte)
	}{
		{"stagings", sweepRowsMax, func(uid s3.UID, i int, at stamp.Stamp) (key, value []byte) {
			return stageKey(uid, fmt.Sprintf("%06d", i), at), (&stage{owner: at}).row()
		}},
		{"uploads that were completed", sweepKeysMax, func(uid s3.UID, i int, at stamp.Stamp) (key, value []byte) {
			id := at
			binary.BigEndian.PutUint32(id[:], uint32(i))
			return doneKey(uid, id), append(append([]byte{rowFormat}, at[:]...), 'k')
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRegion(t, "us-west-2", nil)
			ctx := t.Context()
			b := r.bucket_("b", versioningEnabled)
			r.sweepAll()
			put := func(i int, at stamp.Stamp) []byte {
				t.Helper()
				k, v := tt.row(b.UID, i, at)
				if err := kv.Update(ctx, r.kv, func(tx *kv.Tx) error { tx.Put(k, v); return nil }); err != nil {
					t.Fatal(err)
				}
				return k
			}
			here := func(key []byte) bool {
				t.Helper()
				snap, err := r.kv.Snapshot(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer snap.Close()
				_, err = snap.Get(key)
				if err != nil && !errors.Is(err, kv.ErrNotFound) {
					t.Fatal(err)
				}
				return err == nil
			}
			old := put(2*tt.most+1, r.opt.Clock.Next(stamp.Stamp{}))
			r.now = r.now.Add(8 * 24 * time.Hour)
			var young []byte
			for i := range 2*tt.most + 1 {
				young = put(i, r.opt.Clock.Next(stamp.Stamp{}))
			}
			for step := range 2 {
				if more, err := r.SweepStep(ctx); err != nil || !more || !here(old) {
					t.Fatalf("step %d: more %t, %v; the old row is here: %t", step, more, err, here(old))
				}
			}
			if _, err := r.SweepStep(ctx); err != nil || here(old) || !here(young) {
				t.Fatalf("%v; the old row is here: %t, the last young one: %t", err, here(old), here(young))
			}
			// The next round begins with the first row.
			r.sweepAll()
			r.now = r.now.Add(8 * 24 * time.Hour)
			r.sweepAll()
			if here(young) {
				t.Error("what grew old since is still here")
			}
		})
	}
}
