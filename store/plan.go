package store

import (
	"context"
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// plan decides where a new version goes and writes the tasks for it. hidden is
// the object that a delete marker hides.
func (s *Store) plan(ctx context.Context, tx *kv.Tx, b *Bucket, r, hidden *record) error {
	if b.replication == nil || b.Versioning != versioningEnabled {
		return nil
	}
	o := ruleObject(&r.Version)
	if hidden != nil {
		h := ruleObject(&hidden.Version)
		o.Hidden = &h
	}
	for _, d := range b.replication.Plan(o) {
		t := s3.Target{
			Rule: d.Rule, Bucket: d.Bucket, Class: d.Class, KeyID: d.KMSKey, Owner: d.OwnerOverride,
			Status: s3.Pending, Want: r.ID, Open: 1,
		}
		place, ok, err := s.locate(ctx, d.Bucket)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err == nil && ok {
			t.Region, t.UID = place.Region, place.UID
		}
		// A write does not wait until somebody knows where its destination is: the
		// task of one that nobody knows here is resolved by a step.
		s.putTask(tx, b.UID, &r.Version, &t, KindVersion, r.ID)
		r.Targets = append(r.Targets, t)
	}
	return nil
}

func (s *Store) locate(ctx context.Context, bucket string) (Place, bool, error) {
	if s.opt.Directory == nil {
		return Place{}, false, nil
	}
	return s.opt.Directory.Locate(ctx, bucket)
}

func ruleObject(v *s3.Version) rule.Object {
	return rule.Object{Key: v.Key, Tags: v.Tags.Tags, Class: v.Class, SSE: v.SSE, Marker: v.Marker, Replica: v.Replica}
}

// putTask writes an outbox row.
func (s *Store) putTask(tx *kv.Tx, uid s3.UID, v *s3.Version, t *s3.Target, kind Kind, at stamp.Stamp) {
	if s.opt.Mutant == "no-outbox" {
		return
	}
	task := Task{
		Region: t.Region, Lane: laneOf(v), Kind: kind, UID: uid, Key: v.Key, ID: v.ID,
		Target: t.Bucket, TargetUID: t.UID, Rule: t.Rule, Class: t.Class, Size: v.Size, Written: s.wallNow(), At: at,
	}
	if kind == KindSide {
		task.Lane = LaneSmall
	}
	tx.Put(task.key(), task.value())
}

// taskKeyOf is the key of the row that ships a version as a whole.
func taskKeyOf(uid s3.UID, v *s3.Version, t *s3.Target) []byte {
	task := Task{Region: t.Region, Lane: laneOf(v), Kind: KindVersion, UID: uid, Key: v.Key, ID: v.ID, Target: t.Bucket, At: v.ID}
	return task.key()
}

func laneOf(v *s3.Version) Lane {
	if v.Size >= LargeMin {
		return LaneLarge
	}
	return LaneSmall
}

// shardOf spreads keys over the shards of a lane. FNV-1a, because it must give
// the same shard in every binary.
func shardOf(uid s3.UID, key string) uint8 {
	h := uint32(2166136261)
	for i := range len(uid) {
		h = (h ^ uint32(uid[i])) * 16777619
	}
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return uint8((h ^ h>>16) % Shards)
}

// lanePrefix begins the keys of one shard: table, region, 0, lane, shard.
func lanePrefix(table byte, region string, lane Lane, shard uint8) []byte {
	k := make([]byte, 0, 128)
	k = append(append(append(k, table), region...), 0)
	return append(k, byte(lane), shard)
}

// suffix is what both of a task's possible keys end in.
func (t *Task) suffix(k []byte) []byte {
	k = append(k, t.At[:]...)
	k = appendUID(k, t.UID)
	k = append(k, byte(t.Kind))
	if t.Kind == KindSide {
		k = append(k, t.ID[:]...)
	}
	k = append(append(k, t.Target...), 0)
	return append(k, t.Key...)
}

func (t *Task) key() []byte {
	return t.suffix(lanePrefix(tableOutbox, t.Region, t.Lane, shardOf(t.UID, t.Key)))
}

func (t *Task) parkedKey() []byte {
	k := lanePrefix(tableParked, t.Region, t.Lane, shardOf(t.UID, t.Key))
	k = binary.BigEndian.AppendUint64(k, uint64(t.Due.UnixMilli()))
	return t.suffix(k)
}

const (
	taskRule protowire.Number = iota + 1
	taskClass
	taskSize
	taskWritten
	taskAttempts
	taskReason
	taskTargetUID
	taskFailed
	taskTried
)

func (t *Task) value() []byte {
	b := make([]byte, 1, 48)
	b[0] = rowFormat
	b = s3.AppendString(b, taskRule, t.Rule)
	b = s3.AppendString(b, taskClass, string(t.Class))
	b = s3.AppendUint(b, taskSize, uint64(t.Size))
	b = s3.AppendUint(b, taskWritten, uint64(t.Written.UnixMilli()))
	b = s3.AppendUint(b, taskAttempts, uint64(t.Attempts))
	b = s3.AppendString(b, taskReason, t.Reason)
	b = s3.AppendString(b, taskTargetUID, string(t.TargetUID))
	if t.Failed {
		b = s3.AppendUint(b, taskFailed, 1)
	}
	if !t.Tried.IsZero() {
		b = s3.AppendUint(b, taskTried, uint64(t.Tried.UnixMilli()))
	}
	return b
}

// parseTask reads a row of the outbox or of the parked.
func parseTask(region string, lane Lane, shard uint8, parked bool, key, raw []byte) (Task, error) {
	t := Task{Region: region, Lane: lane, Shard: shard, row: key, raw: raw}
	k := key[len(region)+4:]
	bad := func() (Task, error) { return Task{}, corrupt(key, s3.ErrVersionFormat) }
	if parked {
		if len(k) < 8 {
			return bad()
		}
		t.Due = time.UnixMilli(int64(binary.BigEndian.Uint64(k))).UTC()
		k = k[8:]
	}
	if len(k) < 24+uidSize+1 {
		return bad()
	}
	copy(t.At[:], k)
	t.UID = s3.UID(hexOf(k[24 : 24+uidSize]))
	t.Kind = Kind(k[24+uidSize])
	k = k[24+uidSize+1:]
	t.ID = t.At
	if t.Kind == KindSide {
		if len(k) < 24 {
			return bad()
		}
		copy(t.ID[:], k)
		k = k[24:]
	}
	i := 0
	for i < len(k) && k[i] != 0 {
		i++
	}
	if i == len(k) {
		return bad()
	}
	t.Target, t.Key = string(k[:i]), string(k[i+1:])
	b, err := openRow(key, raw)
	if err != nil {
		return Task{}, err
	}
	err = s3.Fields(b, func(num protowire.Number, x uint64, raw, _ []byte) error {
		switch num {
		case taskRule:
			t.Rule = string(raw)
		case taskClass:
			t.Class = s3.StorageClass(raw)
		case taskSize:
			t.Size = int64(x)
		case taskWritten:
			t.Written = time.UnixMilli(int64(x)).UTC()
		case taskAttempts:
			t.Attempts = int(x)
		case taskReason:
			t.Reason = string(raw)
		case taskTargetUID:
			t.TargetUID = s3.UID(raw)
		case taskFailed:
			t.Failed = x != 0
		case taskTried:
			t.Tried = time.UnixMilli(int64(x)).UTC()
		}
		return nil
	})
	if err != nil {
		return Task{}, corrupt(key, err)
	}
	return t, nil
}
