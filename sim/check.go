package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3model"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
)

// differs compares what of a version never changes and is the same everywhere.
// It names the first difference. class is that which a should have.
func differs(a, b *s3.Version, class s3.StorageClass) string {
	switch {
	case a.Key != b.Key || a.ID != b.ID || a.Marker != b.Marker:
		return "identity"
	case !a.Modified.Equal(b.Modified):
		return "Last-Modified"
	case a.Size != b.Size || a.ETag != b.ETag || a.Digest != b.Digest:
		return "size, ETag or digest"
	case a.Checksum != b.Checksum:
		return "checksum"
	case !slices.Equal(a.System, b.System) || !slices.Equal(a.Meta, b.Meta):
		return "metadata"
	case a.Owner != b.Owner || a.Origin != b.Origin || a.SSE != b.SSE:
		return "owner, origin or encryption"
	case a.PartsCount != b.PartsCount || !slices.EqualFunc(a.Parts, b.Parts, samePart):
		return "parts"
	case a.Class.Or() != class.Or():
		return "storage class"
	}
	return ""
}

func samePart(a, b s3.Part) bool {
	return a.Number == b.Number && a.Size == b.Size && a.ETag == b.ETag && a.Checksum == b.Checksum && a.Modified.Equal(b.Modified)
}

// sideDiffers compares registers.
func sideDiffers(a, b *s3.Version) string {
	switch {
	case a.Tags.At != b.Tags.At || !slices.Equal(a.Tags.Tags, b.Tags.Tags):
		return "tags"
	case a.Retention.At != b.Retention.At || a.Retention.Mode != b.Retention.Mode || !a.Retention.Until.Equal(b.Retention.Until):
		return "retention"
	case a.Hold.At != b.Hold.At || a.Hold.On != b.Hold.On || a.Hold.Set != b.Hold.Set:
		return "legal hold"
	}
	return ""
}

// look reads a version of any kind from a store, with its body; nil when it is
// not there.
func (w *world) look(ctx context.Context, r *region, b *s3model.Bucket, key string, id stamp.Stamp) (*s3model.Version, error) {
	o, err := r.store.OpenTask(ctx, &store.Task{UID: b.UID, Key: key, ID: id})
	if errors.Is(err, store.ErrNoSuchVersion) {
		return nil, nil
	}
	if err != nil {
		return nil, w.violation("%s: reading %s/%s %s: %v", r.name, b.Name, key, short(id), err)
	}
	defer o.Close()
	v := &s3model.Version{Version: o.Version}
	if v.Marker {
		return v, nil
	}
	body, err := o.Body(ctx, 0, -1)
	if err == nil {
		v.Body, err = io.ReadAll(body)
		body.Close()
	}
	if err != nil {
		return nil, w.violation("%s: body of %s/%s %s: %v", r.name, b.Name, key, short(id), err)
	}
	return v, nil
}

// compareKey compares what a store holds under a key with the model.
func (w *world) compareKey(ctx context.Context, r *region, b *s3model.Bucket, key string) error {
	if b == nil || w.err != nil {
		return w.err
	}
	page, err := r.store.ListVersions(ctx, store.ListVersionsInput{Bucket: b.Name, Prefix: key, Max: store.ListMax})
	if err != nil {
		return w.violation("%s: listing versions of %s: %v", r.name, b.Name, err)
	}
	entries := slices.DeleteFunc(page.Entries, func(e store.Entry) bool { return e.Key != key })
	st := b.Keys[key]
	if len(entries) != len(st) {
		return w.violation("%s: %s/%s has %d versions, want %d: %s", r.name, b.Name, key, len(entries), len(st), shown(entries, st))
	}
	for i, v := range st {
		e := &entries[i]
		if e.VersionID != v.VersionID() || e.Marker != v.Marker || e.Latest != (i == 0) || e.Size != v.Size || e.ETag != v.ETag {
			return w.violation("%s: %s/%s is listed as %+v at %d, want %s", r.name, b.Name, key, *e, i, short(v.ID))
		}
		got, err := w.look(ctx, r, b, key, v.ID)
		if err != nil {
			return err
		}
		if got == nil {
			return w.violation("%s: %s/%s %s is listed and cannot be read", r.name, b.Name, key, short(v.ID))
		}
		what := differs(&got.Version, &v.Version, v.Class)
		if what == "" {
			what = sideDiffers(&got.Version, &v.Version)
		}
		if what == "" && (got.Null != v.Null || got.Replica != v.Replica) {
			what = "kind"
		}
		if what == "" && !bytes.Equal(got.Body, v.Body) {
			what = "body"
		}
		if what != "" {
			return w.violation("%s: %s/%s %s has another %s:\n got %+v\nwant %+v", r.name, b.Name, key, short(v.ID), what, got.Version, v.Version)
		}
		if err := w.statuses(r, b, &got.Version); err != nil {
			return err
		}
	}
	return w.current(ctx, r, b, key)
}

func shown(entries []store.Entry, st s3model.Stack) (s string) {
	for _, e := range entries {
		s += " " + e.VersionID
	}
	s += "; want"
	for _, v := range st {
		s += " " + v.VersionID()
	}
	return s
}

// current compares what GET finds without a version ID.
func (w *world) current(ctx context.Context, r *region, b *s3model.Bucket, key string) error {
	want := b.Current(key)
	o, err := r.store.Open(ctx, b.Name, key, "")
	switch {
	case want == nil && errors.Is(err, store.ErrNoSuchKey):
		return nil
	case err != nil:
		return w.violation("%s: GET %s/%s: %v, want %v", r.name, b.Name, key, err, want)
	case want == nil:
		o.Close()
		return w.violation("%s: GET %s/%s finds %s, want nothing", r.name, b.Name, key, short(o.ID))
	}
	defer o.Close()
	if what := differs(&o.Version, withoutParts(&want.Version), want.Class); what != "" || o.ID != want.ID {
		return w.violation("%s: GET %s/%s finds %s with another %s than %s", r.name, b.Name, key, short(o.ID), what, short(want.ID))
	}
	if what := sideDiffers(&o.Version, &want.Version); what != "" {
		return w.violation("%s: GET %s/%s %s finds other %s", r.name, b.Name, key, short(o.ID), what)
	}
	return nil
}

func withoutParts(v *s3.Version) *s3.Version {
	c := *v
	c.Parts = nil
	return &c
}

// statuses checks what a source says of its replicas: COMPLETED only for what
// the destination has taken, FAILED only for what it refused.
func (w *world) statuses(r *region, b *s3model.Bucket, v *s3.Version) error {
	o := w.versions[v.ID]
	if v.Replica {
		if len(v.Targets) > 0 {
			return w.violation("%s: the replica %s/%s %s goes on to %+v", r.name, b.Name, v.Key, short(v.ID), v.Targets)
		}
		return nil
	}
	for i := range v.Targets {
		t := &v.Targets[i]
		switch t.Status {
		case s3.Completed:
			if taken := o.taken[t.Bucket]; stamp.Compare(taken, t.Want) < 0 {
				return w.violation("%s: %s/%s %s is COMPLETED for %s, which took %s of %s", r.name, b.Name, v.Key, short(v.ID), t.Bucket, short(taken), short(t.Want))
			}
		case s3.Failed:
			known := slices.Contains(o.reason[t.Bucket], t.Reason) || r.law.was[t.Reason] ||
				t.Region == "" && t.Reason == "DstBucketNotFound" // nobody ever found it
			if t.Reason == "" || !known {
				return w.violation("%s: %s/%s %s is FAILED for %s with %q, which answered %q", r.name, b.Name, v.Key, short(v.ID), t.Bucket, t.Reason, o.reason[t.Bucket])
			}
		case s3.Pending:
		default:
			return w.violation("%s: %s/%s %s: status %q", r.name, b.Name, v.Key, short(v.ID), t.Status)
		}
	}
	return nil
}

// taskOf names what a task is for.
type taskOf struct {
	uid    s3.UID
	key    string
	id     stamp.Stamp
	target string
}

// outbox reads all tasks of a region, due or not.
func (w *world) outbox(ctx context.Context, r *region) (map[taskOf][]store.Task, error) {
	r.far = true
	defer func() { r.far = false }()
	rows := make(map[taskOf][]store.Task)
	to := []string{""}
	for _, x := range w.regions {
		to = append(to, x.name)
	}
	for _, to := range to {
		for _, lane := range []store.Lane{store.LaneSmall, store.LaneLarge} {
			for shard := range uint8(store.Shards) {
				tasks, err := r.store.Tasks(ctx, to, lane, shard, 0, 1<<30)
				if err != nil {
					return nil, w.violation("%s: tasks: %v", r.name, err)
				}
				for _, t := range tasks {
					k := taskOf{t.UID, t.Key, t.ID, t.Target}
					rows[k] = append(rows[k], t)
				}
			}
		}
	}
	return rows, nil
}

// settledRows checks that work is noted if and only if something is left to be
// done: as many rows as the target counts, those that were refused marked as
// such, and none left out for a reason that somebody can mend.
func (w *world) settledRows(ctx context.Context, r *region) error {
	rows, err := w.outbox(ctx, r)
	if err != nil {
		return err
	}
	for _, name := range names(r.model) {
		b := r.model[name]
		for _, key := range b.Names() {
			for _, v := range b.Keys[key] {
				if v.Replica {
					continue
				}
				got, err := w.look(ctx, r, b, key, v.ID)
				if err != nil || got == nil {
					return w.violation("%s: %s/%s %s is gone: %v", r.name, name, key, short(v.ID), err)
				}
				for _, t := range got.Targets {
					list, failed := rows[taskOf{b.UID, key, v.ID, t.Bucket}], 0
					for i := range list {
						if list[i].Failed {
							failed++
						}
					}
					where := fmt.Sprintf("%s: %s/%s %s for %s is %s (%s)", r.name, name, key, short(v.ID), t.Bucket, t.Status, t.Reason)
					switch {
					case len(list) != t.Open || failed != t.Failed:
						return w.violation("%s: it counts %d tasks, %d refused, and has %d and %d", where, t.Open, t.Failed, len(list), failed)
					case (t.Status == s3.Pending) != (t.Open > 0 && t.Failed == 0):
						return w.violation("%s with %d tasks, %d refused", where, t.Open, t.Failed)
					case t.Status == s3.Failed && t.Failed == 0 && !forGood[t.Reason]:
						return w.violation("%s: that can be mended, and nothing will try", where)
					}
				}
			}
		}
	}
	return nil
}

// forGood are the reasons that nothing mends.
var forGood = map[string]bool{"DstBucketNotFound": true, "DstVersionNotFound": true, "DstVersionDiffers": true}

// compareAll compares everything.
func (w *world) compareAll(ctx context.Context) error {
	for _, r := range w.regions {
		for _, name := range names(r.model) {
			b := r.model[name]
			if err := w.listed(ctx, r, b); err != nil {
				return err
			}
			for _, key := range b.Names() {
				if err := w.compareKey(ctx, r, b, key); err != nil {
					return err
				}
			}
		}
		if err := w.settledRows(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// listed compares a listing of current objects, page by page.
func (w *world) listed(ctx context.Context, r *region, b *s3model.Bucket) error {
	var want, got []string
	for _, key := range b.Names() {
		if v := b.Current(key); v != nil {
			want = append(want, key+" "+v.ETag)
		}
	}
	for after := ""; ; {
		page, err := r.store.List(ctx, store.ListInput{Bucket: b.Name, After: after, Max: 2})
		if err != nil {
			return w.violation("%s: listing %s: %v", r.name, b.Name, err)
		}
		for _, e := range page.Entries {
			got = append(got, e.Key+" "+e.ETag)
		}
		if !page.Truncated {
			break
		}
		after = page.Next
	}
	if !slices.Equal(got, want) {
		return w.violation("%s: %s lists %q, want %q", r.name, b.Name, got, want)
	}
	return nil
}

// converged checks what must be true once everything has come to rest.
func (w *world) converged(ctx context.Context) error {
	if err := w.compareAll(ctx); err != nil {
		return err
	}
	for _, r := range w.regions {
		rows, err := w.outbox(ctx, r)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			return w.violation("%s: %d tasks are left: %v", r.name, len(rows), rows)
		}
		for _, name := range names(r.model) {
			if err := w.arrived(ctx, r, r.model[name]); err != nil {
				return err
			}
			if err := w.usage(ctx, r, r.model[name]); err != nil {
				return err
			}
		}
		if err := w.swept(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// arrived checks the replicas of every version of a source bucket, and that
// no replica in it hides what its writer had not seen.
func (w *world) arrived(ctx context.Context, r *region, b *s3model.Bucket) error {
	for _, key := range b.Names() {
		head := b.Head(key)
		for _, v := range b.Keys[key] {
			if v != head && slices.Contains(w.versions[v.ID].past, head.ID) {
				return w.violation("%s: %s/%s: %s is current, and older than %s, whose writer could see it", r.name, b.Name, key, short(head.ID), short(v.ID))
			}
			if v.Replica {
				continue
			}
			got, err := w.look(ctx, r, b, key, v.ID)
			if err != nil {
				return err
			}
			for _, t := range got.Targets {
				if err := w.replica(r, b, v, &t); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// replica checks one destination of one version.
func (w *world) replica(r *region, b *s3model.Bucket, v *s3model.Version, t *s3.Target) error {
	where := r.name + ": " + b.Name + "/" + v.Key + " " + short(v.ID) + " at " + t.Bucket
	o := w.versions[v.ID]
	var there *s3model.Version
	place, ok := w.places.m[t.Bucket]
	var d *s3model.Bucket
	if ok {
		d = w.region(place.Region).model[t.Bucket]
		there = d.Find(v.Key, v.ID)
	}
	switch t.Status {
	case s3.Pending:
		return w.violation("%s: PENDING with nothing left to do", where)
	case s3.Failed:
		if !forGood[t.Reason] {
			return w.violation("%s: FAILED with %s, and all is mended", where, t.Reason)
		}
		return nil // refused saw that it was not there then; a late copy may have come since
	}
	switch {
	case d == nil || d.Purged[v.ID]:
		return nil // it was there: accepted was checked with every status
	case there == nil && w.remade(d, o, t):
		return nil
	case there == nil:
		return w.violation("%s: COMPLETED, and not there", where)
	}
	if what := differs(&there.Version, &v.Version, o.goes[t.Bucket]); what != "" {
		return w.violation("%s: the replica has another %s", where, what)
	}
	if what := lacks(&there.Version, &v.Version); what != "" {
		return w.violation("%s: the replica lacks a change of %s:\n src %+v\n dst %+v", where, what, v.Version, there.Version)
	}
	return nil
}

// lacks names a register that is older in a replica than at its source, or is
// of the same age and different. A newer one was changed at the destination; it
// is what the model says, which is compared by itself.
func lacks(there, v *s3.Version) string {
	switch {
	case stamp.Compare(there.Tags.At, v.Tags.At) < 0, there.Tags.At == v.Tags.At && !slices.Equal(there.Tags.Tags, v.Tags.Tags):
		return "tags"
	case stamp.Compare(there.Retention.At, v.Retention.At) < 0,
		there.Retention.At == v.Retention.At && !there.Retention.Joined && (there.Retention.Mode != v.Retention.Mode || !there.Retention.Until.Equal(v.Retention.Until)):
		return "retention"
	case stamp.Compare(there.Hold.At, v.Hold.At) < 0, there.Hold.At == v.Hold.At && !there.Hold.Joined && there.Hold.On != v.Hold.On:
		return "legal hold"
	}
	return ""
}
