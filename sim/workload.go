package sim

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3model"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work/replication"
)

const owner = "111122223333"

// openUpload is a multipart upload under way.
type openUpload struct {
	bucket string
	uid    s3.UID
	key    string
	id     string
	tags   []s3.Tag
	parts  []store.CompletedPart
	body   []byte
}

// furnish makes the buckets and their first rules: in every region a versioned
// bucket whose rules point at others, a further one beside it, and in some runs
// a pair with Object Lock.
func (w *world) furnish(ctx context.Context) error {
	for i, r := range w.regions {
		if err := w.createBucket(ctx, r, fmt.Sprintf("main%d", i), s3model.Enabled, false); err != nil {
			return err
		}
		v := []s3model.Versioning{s3model.Enabled, s3model.Enabled, s3model.Suspended, s3model.Off}[w.rng.IntN(4)]
		if err := w.createBucket(ctx, r, fmt.Sprintf("side%d", i), v, false); err != nil {
			return err
		}
		if w.cfg.lock {
			if err := w.createBucket(ctx, r, fmt.Sprintf("lock%d", i), s3model.Enabled, true); err != nil {
				return err
			}
		}
	}
	for _, r := range w.regions {
		for _, name := range names(r.model) {
			if !strings.HasPrefix(name, "side") || w.rng.IntN(4) == 0 {
				if err := w.setRules(ctx, r, r.model[name]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func names[T any](m map[string]T) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func (w *world) createBucket(ctx context.Context, r *region, name string, v s3model.Versioning, lock bool) error {
	w.uids++
	uid := s3.UID(fmt.Sprintf("%016x", w.uids))
	if _, err := r.store.CreateBucket(ctx, store.NewBucket{Name: name, UID: uid, Owner: owner, ObjectLock: lock}); err != nil {
		return w.violation("create %s: %v", name, err)
	}
	r.model[name] = s3model.NewBucket(name, uid, s3model.Off, lock)
	w.places.m[name] = store.Place{Region: r.name, UID: uid, Owner: owner}
	w.tracef("%s: bucket %s %q lock=%v", r.name, name, v, lock)
	if lock {
		r.model[name].Versioning = s3model.Enabled
		return nil
	}
	return w.setVersioning(ctx, r, r.model[name], v)
}

func (w *world) document(ctx context.Context, r *region, b *s3model.Bucket, doc, text string) error {
	err := r.store.ChangeDocument(ctx, b.Name, doc, "", func(*store.Bucket, []byte) ([]byte, error) { return []byte(text), nil })
	if err != nil {
		return w.violation("%s of %s: %v", doc, b.Name, err)
	}
	return nil
}

func (w *world) setVersioning(ctx context.Context, r *region, b *s3model.Bucket, v s3model.Versioning) error {
	if v == s3model.Off {
		return nil
	}
	b.Versioning = v
	w.tracef("%s: versioning of %s: %s", r.name, b.Name, v)
	return w.document(ctx, r, b, "versioning", "<VersioningConfiguration><Status>"+string(v)+"</Status></VersioningConfiguration>")
}

// setRules gives a bucket rules that chance makes.
func (w *world) setRules(ctx context.Context, r *region, b *s3model.Bucket) error {
	var all []string
	for _, x := range w.regions {
		for _, n := range names(x.model) {
			if n != b.Name {
				all = append(all, n)
			}
		}
	}
	if w.rng.IntN(10) == 0 {
		all = append(all, "nowhere")
	}
	b.Rules = nil
	var doc strings.Builder
	doc.WriteString("<ReplicationConfiguration><Role>arn:aws:iam::111122223333:role/r</Role>")
	priorities := w.rng.Perm(8)
	for i := range 1 + w.rng.IntN(4) {
		rule := s3model.Rule{ID: fmt.Sprintf("r%d", i), Priority: priorities[i], Enabled: w.rng.IntN(8) != 0, Markers: w.rng.IntN(3) != 0}
		rule.Bucket = all[w.rng.IntN(len(all))]
		if w.rng.IntN(2) == 0 { // towards its kind: two-way between main buckets, lock to lock
			var kin []string
			for _, n := range all {
				if n[:4] == b.Name[:4] {
					kin = append(kin, n)
				}
			}
			if len(kin) > 0 {
				rule.Bucket = kin[w.rng.IntN(len(kin))]
			}
		}
		if w.rng.IntN(4) == 0 {
			rule.Prefix = "a"
		}
		if w.rng.IntN(5) == 0 {
			rule.Tags = []s3.Tag{{Key: "t", Value: "1"}}
		}
		if w.rng.IntN(5) == 0 {
			rule.Class = s3.StandardIA
		}
		rule.KMS = w.rng.IntN(3) != 0
		b.Rules = append(b.Rules, rule)
		ruleXML(&doc, &rule)
	}
	doc.WriteString("</ReplicationConfiguration>")
	w.tracef("%s: rules of %s: %+v", r.name, b.Name, b.Rules)
	return w.document(ctx, r, b, "replication", doc.String())
}

func ruleXML(doc *strings.Builder, r *s3model.Rule) {
	status := func(on bool) string {
		if on {
			return "<Status>Enabled</Status>"
		}
		return "<Status>Disabled</Status>"
	}
	fmt.Fprintf(doc, "<Rule><ID>%s</ID><Priority>%d</Priority>%s<Filter>", r.ID, r.Priority, status(r.Enabled))
	tag := ""
	for _, t := range r.Tags {
		tag += "<Tag><Key>" + t.Key + "</Key><Value>" + t.Value + "</Value></Tag>"
	}
	if tag != "" {
		fmt.Fprintf(doc, "<And><Prefix>%s</Prefix>%s</And>", r.Prefix, tag)
	} else {
		fmt.Fprintf(doc, "<Prefix>%s</Prefix>", r.Prefix)
	}
	fmt.Fprintf(doc, "</Filter><DeleteMarkerReplication>%s</DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::%s</Bucket>", status(r.Markers), r.Bucket)
	if r.Class != "" {
		fmt.Fprintf(doc, "<StorageClass>%s</StorageClass>", r.Class)
	}
	if r.KMS {
		fmt.Fprintf(doc, "<EncryptionConfiguration><ReplicaKmsKeyID>%s</ReplicaKmsKeyID></EncryptionConfiguration>", simKey)
	}
	doc.WriteString("</Destination>")
	if r.KMS {
		doc.WriteString("<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>")
	}
	doc.WriteString("</Rule>")
}

func (w *world) someRegion() *region { return w.regions[w.rng.IntN(len(w.regions))] }

func (w *world) someBucket(r *region) *s3model.Bucket {
	list := names(r.model)
	return r.model[list[w.rng.IntN(len(list))]]
}

func (w *world) someKey() string {
	return []string{"a", "b", "a/b", "c\x00d", "a\xc3\xa9"}[w.rng.IntN(w.cfg.keys)]
}

// someVersion gives a version of a bucket, or nil.
func (w *world) someVersion(b *s3model.Bucket) *s3model.Version {
	keys := b.Names()
	if len(keys) == 0 {
		return nil
	}
	st := b.Keys[keys[w.rng.IntN(len(keys))]]
	return st[w.rng.IntN(len(st))]
}

func (w *world) bytes(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		x := w.rng.Uint64()
		for j := i; j < min(n, i+8); j++ {
			b[j] = byte(x >> (8 * (j - i)))
		}
	}
	return b
}

func (w *world) someTags() []s3.Tag {
	switch w.rng.IntN(4) {
	case 0:
		return []s3.Tag{{Key: "t", Value: "1"}}
	case 1:
		return []s3.Tag{{Key: "t", Value: "2"}, {Key: "u", Value: fmt.Sprint(w.rng.IntN(100))}}
	}
	return nil
}

func (w *world) until(r *region) time.Time {
	return r.now().Add(time.Duration(1+w.rng.IntN(60)) * time.Second).UTC().Truncate(time.Millisecond)
}

func (w *world) put(ctx context.Context, r *region) error {
	b, key := w.someBucket(r), w.someKey()
	body := w.bytes([]int{0, 1, 10, 63, 64, 65, 200}[w.rng.IntN(7)])
	if w.cfg.large && w.rng.IntN(10) == 0 {
		body = w.bytes(store.LargeMin + w.rng.IntN(2)*100)
	}
	in := &store.PutInput{
		Bucket: b.Name, Key: key, Size: int64(len(body)), Owner: owner, Tags: w.someTags(),
		Meta:      []s3.Header{{Name: "step", Value: fmt.Sprint(w.step)}},
		Algorithm: []s3.ChecksumAlgorithm{"", s3.CRC32, s3.SHA256}[w.rng.IntN(3)],
	}
	if b.Lock && w.rng.IntN(3) == 0 {
		in.Mode, in.Until = []s3.RetentionMode{s3.Governance, s3.Compliance}[w.rng.IntN(2)], w.until(r)
	}
	if b.Lock && w.rng.IntN(4) == 0 {
		in.Hold = "ON"
	}
	if w.cfg.kms && w.rng.IntN(3) == 0 {
		in.SSE = s3.SSE{Algorithm: "aws:kms", KeyID: simKey}
	}
	v, err := r.store.Put(ctx, in, bytes.NewReader(body))
	if err != nil {
		return w.violation("put %s/%s: %v", b.Name, key, err)
	}
	sum := md5.Sum(body)
	if want := hex.EncodeToString(sum[:]); v.ETag != want && in.SSE.KeyID == "" || v.Size != int64(len(body)) || !slices.Equal(v.Tags.Tags, in.Tags) ||
		v.Retention.Mode != in.Mode || !v.Retention.Until.Equal(in.Until) || v.Hold.On != (in.Hold == "ON") {
		return w.violation("put %s/%s gave %+v", b.Name, key, v)
	}
	return w.wrote(ctx, r, b, v, body)
}

// wrote takes a version that a store says it made into the model.
func (w *world) wrote(ctx context.Context, r *region, b *s3model.Bucket, v *s3.Version, body []byte) error {
	w.tracef("%s: %s/%s %s: %d bytes, marker=%v null=%v targets=%d tags=%v", r.name, b.Name, v.Key, short(v.ID), v.Size, v.Marker, v.Null, len(v.Targets), v.Tags.Tags)
	if w.versions[v.ID] != nil {
		return w.violation("the version ID %s was given twice", v.VersionID())
	}
	o := &origin{region: r, bucket: b.Name, uid: b.UID, key: v.Key, body: body, made: *v, goes: make(map[string]s3.StorageClass), taken: make(map[string]stamp.Stamp), reason: make(map[string][]string), takenBy: make(map[string]s3.UID)}
	for _, x := range b.Keys[v.Key] {
		if stamp.Compare(v.ID, x.ID) <= 0 {
			return w.violation("%s: %s/%s: version %s does not come after %s, which its writer could see", r.name, b.Name, v.Key, short(v.ID), short(x.ID))
		}
		o.past = append(o.past, x.ID)
	}
	// What was purged here may live on where it was sent, and must not hide there
	// what comes after it. Only what goes nowhere may be older.
	if len(v.Targets) > 0 {
		for id := range b.Purged {
			x := w.versions[id]
			if x.key != v.Key || x.uid == b.UID && len(x.goes) == 0 {
				continue
			}
			if stamp.Compare(v.ID, id) <= 0 {
				return w.violation("%s: %s/%s: version %s does not come after %s, which was purged before", r.name, b.Name, v.Key, short(v.ID), short(id))
			}
			o.past = append(o.past, id)
		}
	}
	w.versions[v.ID] = o
	m := &s3model.Version{Version: *v, Body: body}
	hidden := b.Current(v.Key)
	var rules []s3model.Rule
	rules = b.Goes(m, hidden)
	if len(rules) != len(v.Targets) {
		return w.violation("%s: %s/%s %s goes to %+v, want %+v", r.name, b.Name, v.Key, short(v.ID), v.Targets, rules)
	}
	for i, rule := range rules {
		t := &v.Targets[i]
		place := w.places.m[rule.Bucket]
		if w.places.away {
			place = store.Place{}
		}
		if t.Bucket != rule.Bucket || t.Rule != rule.ID || t.Class != rule.Class || t.Region != place.Region || t.Status != s3.Pending {
			return w.violation("%s: %s/%s %s goes to %+v, want %+v", r.name, b.Name, v.Key, short(v.ID), t, rule)
		}
		class := v.Class.Or()
		if rule.Class != "" {
			class = rule.Class
		}
		o.goes[t.Bucket] = class
	}
	m.Targets = nil
	b.Write(m)
	return w.compareKey(ctx, r, b, v.Key)
}

func (w *world) delete(ctx context.Context, r *region) error {
	b, key := w.someBucket(r), w.someKey()
	d, err := r.store.Delete(ctx, store.DeleteInput{Bucket: b.Name, Key: key, Owner: owner, BypassGovernance: true})
	if err != nil {
		return w.violation("delete %s/%s: %v", b.Name, key, err)
	}
	if b.Versioning == s3model.Off {
		w.tracef("%s: removed %s/%s", r.name, b.Name, key)
		if h := b.Head(key); h != nil {
			b.Purge(key, h.ID)
		}
		return w.compareKey(ctx, r, b, key)
	}
	v, err := w.look(ctx, r, b, key, d.Stamp)
	if err != nil || v == nil || !v.Marker {
		return w.violation("delete %s/%s made no marker: %+v, %+v, %v", b.Name, key, d, v, err)
	}
	return w.wrote(ctx, r, b, &v.Version, nil)
}

func (w *world) purge(ctx context.Context, r *region) error {
	b := w.someBucket(r)
	v := w.someVersion(b)
	if v == nil {
		return nil
	}
	return w.purgeVersion(ctx, r, b, v)
}

func (w *world) purgeVersion(ctx context.Context, r *region, b *s3model.Bucket, v *s3model.Version) error {
	locked := v.Hold.On || v.Retention.Mode == s3.Compliance && r.now().Before(v.Retention.Until)
	_, err := r.store.Delete(ctx, store.DeleteInput{Bucket: b.Name, Key: v.Key, VersionID: v.VersionID(), Owner: owner, BypassGovernance: true})
	w.tracef("%s: purge %s/%s %s: %v", r.name, b.Name, v.Key, short(v.ID), err)
	if locked != errors.Is(err, store.ErrLocked) || !locked && err != nil {
		return w.violation("purge %s/%s %s, locked=%v, gave %v", b.Name, v.Key, short(v.ID), locked, err)
	}
	if !locked {
		b.Purge(v.Key, v.ID)
	}
	return w.compareKey(ctx, r, b, v.Key)
}

func (w *world) tags(ctx context.Context, r *region) error {
	b := w.someBucket(r)
	v := w.someVersion(b)
	if v == nil || v.Marker {
		return nil
	}
	tags := w.someTags()
	got, err := r.store.SetTags(ctx, b.Name, v.Key, v.VersionID(), tags)
	if err != nil {
		return w.violation("tags of %s/%s %s: %v", b.Name, v.Key, short(v.ID), err)
	}
	w.tracef("%s: tags of %s/%s %s: %v", r.name, b.Name, v.Key, short(v.ID), tags)
	if stamp.Compare(got.Tags.At, v.Newest()) <= 0 {
		return w.violation("%s: tags of %s/%s %s do not come after what they replace", r.name, b.Name, v.Key, short(v.ID))
	}
	v.Tags = s3.TagRegister{At: got.Tags.At, Tags: tags}
	return w.compareKey(ctx, r, b, v.Key)
}

// lock changes a retention or a legal hold.
func (w *world) lock(ctx context.Context, r *region) error {
	b := w.someBucket(r)
	v := w.someVersion(b)
	if v == nil || v.Marker || !b.Lock {
		return nil
	}
	if w.rng.IntN(2) == 0 {
		on := w.rng.IntN(2) == 0
		got, err := r.store.SetHold(ctx, b.Name, v.Key, v.VersionID(), on)
		if err != nil {
			return w.violation("hold of %s/%s %s: %v", b.Name, v.Key, short(v.ID), err)
		}
		w.tracef("%s: hold of %s/%s %s: %v", r.name, b.Name, v.Key, short(v.ID), on)
		v.Hold = s3.HoldRegister{At: got.Hold.At, On: on, Set: true}
		return w.compareKey(ctx, r, b, v.Key)
	}
	want := s3.RetentionRegister{Mode: []s3.RetentionMode{s3.Governance, s3.Compliance}[w.rng.IntN(2)], Until: w.until(r)}
	if w.rng.IntN(4) == 0 {
		want = s3.RetentionRegister{}
	}
	held := v.Retention.Mode == s3.Compliance && v.Retention.Until.After(r.now())
	weaker := want.Mode != s3.Compliance || want.Until.Before(v.Retention.Until)
	got, err := r.store.SetRetention(ctx, b.Name, v.Key, v.VersionID(), want, true)
	w.tracef("%s: retention of %s/%s %s: %v %v: %v", r.name, b.Name, v.Key, short(v.ID), want.Mode, want.Until, err)
	if refused := held && weaker; refused != (err != nil) {
		return w.violation("retention of %s/%s %s to %+v from %+v gave %v", b.Name, v.Key, short(v.ID), want, v.Retention, err)
	}
	if err == nil {
		want.At = got.Retention.At
		v.Retention = want
	}
	return w.compareKey(ctx, r, b, v.Key)
}

// multipart begins an upload, or ends one.
func (w *world) multipart(ctx context.Context, r *region) error {
	if len(r.uploads) > 0 && w.rng.IntN(2) == 0 {
		i := w.rng.IntN(len(r.uploads))
		u := r.uploads[i]
		r.uploads = slices.Delete(r.uploads, i, i+1)
		b := r.model[u.bucket]
		if b == nil || b.UID != u.uid {
			return nil // its bucket was deleted
		}
		if w.rng.IntN(5) == 0 {
			if err := r.store.Abort(ctx, u.bucket, u.key, u.id); err != nil {
				return w.violation("abort: %v", err)
			}
			return nil
		}
		in := &store.CompleteInput{Bucket: u.bucket, Key: u.key, UploadID: u.id, Parts: u.parts, Size: -1}
		v, err := r.store.Complete(ctx, in)
		if err != nil {
			return w.violation("complete %s/%s: %v", u.bucket, u.key, err)
		}
		if v.Size != int64(len(u.body)) || v.PartsCount != len(u.parts) || !strings.HasSuffix(v.ETag, fmt.Sprintf("-%d", len(u.parts))) || !slices.Equal(v.Tags.Tags, u.tags) {
			return w.violation("complete %s/%s gave %+v", u.bucket, u.key, v)
		}
		full, err := w.look(ctx, r, b, u.key, v.ID)
		if err != nil {
			return err
		}
		if full == nil || len(full.Parts) != len(u.parts) {
			return w.violation("complete %s/%s: its parts are not there", u.bucket, u.key)
		}
		if err := w.wrote(ctx, r, b, &full.Version, u.body); err != nil {
			return err
		}
		if again, err := r.store.Complete(ctx, in); err != nil || again.ID != v.ID {
			return w.violation("a repeated complete of %s/%s gave %v, %v", u.bucket, u.key, again, err)
		}
		return nil
	}
	b := w.someBucket(r)
	u := &openUpload{bucket: b.Name, uid: b.UID, key: w.someKey(), tags: w.someTags()}
	put := &store.PutInput{Bucket: b.Name, Key: u.key, Owner: owner, Tags: u.tags}
	if w.rng.IntN(2) == 0 {
		put.Algorithm, put.ChecksumType = s3.CRC32, s3.Composite
	}
	up, err := r.store.CreateUpload(ctx, put)
	if err != nil {
		return w.violation("create upload: %v", err)
	}
	u.id = up.ID
	sizes := []int{w.rng.IntN(100)}
	if w.cfg.large && w.rng.IntN(2) == 0 {
		sizes = []int{store.PartSizeMin, store.PartSizeMin + w.rng.IntN(10), w.rng.IntN(1000)}
	}
	number := 0
	for _, n := range sizes {
		number += 1 + w.rng.IntN(3)
		body := w.bytes(n)
		p, err := r.store.UploadPart(ctx, &store.PartInput{Bucket: b.Name, Key: u.key, UploadID: u.id, Number: number, Size: int64(n)}, bytes.NewReader(body))
		if err != nil {
			return w.violation("upload part: %v", err)
		}
		u.body = append(u.body, body...)
		u.parts = append(u.parts, store.CompletedPart{Number: number, ETag: p.ETag})
	}
	r.uploads = append(r.uploads, u)
	return nil
}

// rules changes what a bucket replicates, or stops it.
func (w *world) rules(ctx context.Context, r *region) error {
	b := w.someBucket(r)
	if w.rng.IntN(4) == 0 {
		b.Rules = nil
		r.law.was[replication.SrcBucketReplicationConfigMissing] = true
		w.tracef("%s: no rules for %s", r.name, b.Name)
		err := r.store.ChangeDocument(ctx, b.Name, "replication", "", func(*store.Bucket, []byte) ([]byte, error) { return nil, nil })
		if err != nil {
			return w.violation("removing rules: %v", err)
		}
		return nil
	}
	return w.setRules(ctx, r, b)
}

func (w *world) versioning(ctx context.Context, r *region) error {
	b := w.someBucket(r)
	if b.Lock {
		return nil
	}
	v := s3model.Enabled
	if b.Versioning == s3model.Enabled && w.rng.IntN(2) == 0 {
		v = s3model.Suspended
	}
	return w.setVersioning(ctx, r, b, v)
}

// bucket deletes a bucket with all that is in it, or makes one again.
func (w *world) bucket(ctx context.Context, r *region) error {
	for i, x := range w.regions {
		if x != r {
			continue
		}
		for _, kind := range []string{"main", "side"} {
			if name := fmt.Sprint(kind, i); r.model[name] == nil && w.rng.IntN(2) == 0 {
				return w.createBucket(ctx, r, name, s3model.Enabled, false)
			}
		}
	}
	if len(r.model) == 1 {
		return nil
	}
	b := w.someBucket(r)
	full := len(b.Keys) > 0
	if !strings.HasPrefix(b.Name, "side") || full && w.rng.IntN(3) == 0 {
		err := r.store.DeleteBucket(ctx, b.Name)
		if full != errors.Is(err, store.ErrBucketNotEmpty) {
			return w.violation("delete bucket %s: %v", b.Name, err)
		}
		if err == nil {
			w.dropBucket(r, b)
		}
		return nil
	}
	for _, key := range b.Names() {
		for _, v := range slices.Clone(b.Keys[key]) {
			if err := w.purgeVersion(ctx, r, b, v); err != nil {
				return err
			}
		}
	}
	if len(b.Keys) > 0 {
		return nil // something was locked
	}
	if err := r.store.DeleteBucket(ctx, b.Name); err != nil {
		return w.violation("delete bucket %s: %v", b.Name, err)
	}
	w.dropBucket(r, b)
	return nil
}

func (w *world) dropBucket(r *region, b *s3model.Bucket) {
	w.tracef("%s: bucket %s deleted", r.name, b.Name)
	delete(r.model, b.Name)
	delete(w.places.m, b.Name)
}
