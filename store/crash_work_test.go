package store

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/crc64nvme"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// The sizes of bodies: in a row, in a pack, in a file.
const (
	crashInline = 700
	crashPack   = 30_000
	crashFile   = 120_000
)

func countFree(ctx context.Context, s *Store) (n int, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		for _, err := range snap.Scan(kv.Prefix([]byte{tableFree})) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// bucketMode is what a script made of a bucket.
type bucketMode struct {
	uid        s3.UID
	versioning string
	replicates bool
	lost       bool // to a destination that nobody knows
}

const crashReplication = `<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>arn:aws:iam::111122223333:role/r</Role>` +
	`<Rule><ID>one</ID><Priority>1</Priority><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::copy</Bucket></Destination></Rule>` +
	`<Rule><ID>two</ID><Priority>2</Priority><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::archive</Bucket></Destination></Rule>` +
	`</ReplicationConfiguration>`

func (a *actor) store() *Store { return a.c.region.Store }

// begin makes a bucket before the crashes begin.
func (a *actor) begin(name, versioning string, replicates bool) string {
	a.createBucket(name)
	name = a.prefix + name
	set := func(doc, text string) {
		err := a.store().ChangeDocument(context.Background(), name, doc, "", func(*Bucket, []byte) ([]byte, error) { return []byte(text), nil })
		if err != nil {
			a.c.t.Fatal(err)
		}
	}
	if versioning != "" {
		set("versioning", "<VersioningConfiguration><Status>"+versioning+"</Status></VersioningConfiguration>")
	}
	if replicates {
		set("replication", crashReplication)
	}
	a.buckets[name].versioning, a.buckets[name].replicates = versioning, replicates
	return name
}

func (a *actor) createBucket(name string) {
	name = a.prefix + name
	a.serial++
	uid := s3.UID(fmt.Sprintf("%08x%08x", crc32.ChecksumIEEE([]byte(a.prefix)), a.serial))
	a.do("create bucket "+name, func(st state) {
		st[name] = &seenBucket{uid: uid, versions: map[string][]*seenVersion{}, staged: map[string]string{}}
	}, func(ctx context.Context) (func(state), error) {
		_, err := a.store().CreateBucket(ctx, NewBucket{Name: name, UID: uid, Owner: "111122223333", Documents: map[string][]byte{"tagging": []byte("<Tagging/>")}})
		return nil, err
	}, func(ctx context.Context) bool {
		_, err := a.store().Bucket(ctx, name)
		return err == nil
	})
	a.buckets[name] = &bucketMode{uid: uid}
}

// deleteBucket deletes a bucket, or sees that it is not empty.
func (a *actor) deleteBucket(name string) {
	full := false
	a.do("delete bucket "+name, func(st state) {
		if full = len(st[name].versions) > 0; !full {
			delete(st, name)
		}
	}, func(ctx context.Context) (func(state), error) {
		err := a.store().DeleteBucket(ctx, name)
		if full && errors.Is(err, ErrBucketNotEmpty) {
			err = nil
		}
		return nil, err
	}, func(ctx context.Context) bool {
		_, err := a.store().Bucket(ctx, name)
		return errors.Is(err, ErrNoSuchBucket)
	})
}

// insert puts a version into a stack of a state.
func (b *seenBucket) insert(v *seenVersion) {
	stack := b.versions[v.key]
	if v.null {
		stack = slices.DeleteFunc(stack, func(w *seenVersion) bool { return w.null })
	}
	at := 0
	for !v.id.IsZero() && at < len(stack) && stamp.Compare(stack[at].id, v.id) > 0 {
		at++
	}
	b.versions[v.key] = slices.Insert(stack, at, v)
}

// told fills in the identity of the version that had none.
func told(bucket, key string, id stamp.Stamp) func(state) {
	return func(st state) {
		for _, v := range st[bucket].versions[key] {
			if v.id.IsZero() {
				v.id = id
			}
		}
	}
}

func (a *actor) goals(bucket string) (targets, tasks string) {
	if m := a.buckets[bucket]; m.lost {
		return "lost:PENDING", "lost:version:0"
	} else if m.replicates && m.versioning == versioningEnabled {
		return "archive:PENDING copy:PENDING", "archive:version:0 copy:version:0"
	}
	return "", ""
}

// body makes bytes that no other body has.
func (a *actor) body(size int) []byte {
	a.serial++
	b := random(size + a.serial)
	return append(fmt.Appendf(nil, "%s %d ", a.prefix, a.serial), b[:size]...)
}

func (a *actor) put(bucket, key string, size int, tags ...s3.Tag) []byte {
	body := a.body(size)
	a.putBody("put", bucket, key, tags, Conditions{}, body, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(body)), nil
	})
	return body
}

func (a *actor) putBody(op, bucket, key string, tags []s3.Tag, cond Conditions, body []byte, open func(context.Context) (io.ReadCloser, error)) {
	in := &PutInput{Bucket: bucket, Key: key, Size: int64(len(body)), Owner: "111122223333", Tags: tags, Meta: []s3.Header{{Name: "n", Value: itoa(a.serial)}}, If: cond}
	etag := etagOf(md5.Sum(body))
	a.do(fmt.Sprintf("%s %s/%s of %d bytes", op, bucket, key, len(body)), func(st state) {
		v := &seenVersion{key: key, null: a.buckets[bucket].versioning != versioningEnabled, size: len(body), sum: crc32.ChecksumIEEE(body), meta: metaText(in.Meta), tags: tagText(tags)}
		v.targets, v.tasks = a.goals(bucket)
		st[bucket].insert(v)
	}, func(ctx context.Context) (func(state), error) {
		src, err := open(ctx)
		if err != nil {
			return nil, err
		}
		defer src.Close()
		v, err := a.store().Put(ctx, in, src)
		if err != nil {
			return nil, err
		}
		return told(bucket, key, v.ID), nil
	}, func(ctx context.Context) bool { return a.shows(ctx, bucket, key, "", etag) })
}

// shows reads an object whole and tells whether it is the one with this ETag.
func (a *actor) shows(ctx context.Context, bucket, key, version, etag string) bool {
	o, err := a.store().Open(ctx, bucket, key, version)
	if err != nil {
		return false
	}
	defer o.Close()
	return o.ETag == etag
}

// race has two clients put what must not be there. One is told so.
func (a *actor) race(bucket, key string, size int) {
	body := a.body(size)
	in := func() *PutInput {
		return &PutInput{Bucket: bucket, Key: key, Size: int64(len(body)), If: Conditions{NoneMatch: true}}
	}
	a.do("two conditional puts of "+bucket+"/"+key, func(st state) {
		v := &seenVersion{key: key, size: len(body), sum: crc32.ChecksumIEEE(body)}
		v.targets, v.tasks = a.goals(bucket)
		st[bucket].insert(v)
	}, func(ctx context.Context) (func(state), error) {
		a.c.fmu.Lock()
		n := len(a.hist) - 1
		a.c.fmu.Unlock()
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			won  []*s3.Version
			errs []error
		)
		for range 2 {
			wg.Go(func() {
				v, err := a.store().Put(ctx, in(), bytes.NewReader(body))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won = append(won, v)
				case !errors.Is(err, ErrPrecondition):
					errs = append(errs, err)
				}
				// Either answer says that it is there.
				a.c.fmu.Lock()
				a.floor = max(a.floor, n)
				a.c.fmu.Unlock()
			})
		}
		wg.Wait()
		if len(won) != 1 {
			return nil, fmt.Errorf("%d of two conditional puts won: %w", len(won), errors.Join(errs...))
		}
		return told(bucket, key, won[0].ID), errors.Join(errs...)
	}, nil)
}

func (a *actor) copy(from, key, to, newKey string, body []byte) {
	a.serial++
	a.putBody("copy to", to, newKey, nil, Conditions{}, body, func(ctx context.Context) (io.ReadCloser, error) {
		o, err := a.store().Open(ctx, from, key, "")
		if err != nil {
			return nil, err
		}
		src, err := o.Body(ctx, 0, -1)
		if err != nil {
			o.Close()
			return nil, err
		}
		return &openBody{src, o}, nil
	})
}

type openBody struct {
	io.ReadCloser
	o *Object
}

func (b *openBody) Close() error { b.o.Close(); return b.ReadCloser.Close() }

// top gives the newest version of a key as the script has it.
func (a *actor) top(bucket, key string) *seenVersion {
	if stack := a.hist[len(a.hist)-1][bucket].versions[key]; len(stack) > 0 {
		return stack[0]
	}
	return &seenVersion{}
}

// remove deletes the current object, without naming a version.
func (a *actor) remove(bucket, key string) {
	m := a.buckets[bucket]
	a.do("delete "+bucket+"/"+key, func(st state) {
		if m.versioning == "" {
			delete(st[bucket].versions, key)
			return
		}
		v := &seenVersion{key: key, marker: true, null: m.versioning == versioningSuspended}
		v.targets, v.tasks = a.goals(bucket)
		st[bucket].insert(v)
	}, func(ctx context.Context) (func(state), error) {
		_, err := a.store().Delete(ctx, DeleteInput{Bucket: bucket, Key: key, Owner: "111122223333"})
		if err != nil || m.versioning == "" {
			return nil, err
		}
		var id stamp.Stamp
		err = a.store().view(ctx, func(snap kv.Snapshot) error {
			b, err := a.store().bucket(snap, bucket)
			if err != nil {
				return err
			}
			r, err := a.store().head(snap, b.UID, key)
			if err == nil {
				id = r.ID
			}
			return err
		})
		return told(bucket, key, id), err
	}, func(ctx context.Context) bool {
		o, err := a.store().Open(ctx, bucket, key, "")
		if err == nil {
			o.Close()
		}
		return errors.Is(err, ErrNoSuchKey)
	})
}

// purge removes the n-th newest version of a key for good.
func (a *actor) purge(bucket, key string, n int) {
	if a.c.enough() {
		return
	}
	v := a.hist[len(a.hist)-1][bucket].versions[key][n]
	name := v.id.String()
	if v.null {
		name = s3.NullVersion
	}
	a.c.fmu.Lock()
	a.c.purging[string(versionKey(a.buckets[bucket].uid, key, v.id))] = true
	a.c.fmu.Unlock()
	a.do("purge "+bucket+"/"+key+" version "+name, func(st state) {
		b := st[bucket]
		if b.versions[key] = slices.Delete(b.versions[key], n, n+1); len(b.versions[key]) == 0 {
			delete(b.versions, key)
		}
	}, func(ctx context.Context) (func(state), error) {
		_, err := a.store().Delete(ctx, DeleteInput{Bucket: bucket, Key: key, VersionID: name})
		return nil, err
	}, func(ctx context.Context) bool {
		o, err := a.store().Open(ctx, bucket, key, name)
		if err == nil {
			o.Close()
		}
		return errors.Is(err, ErrNoSuchVersion)
	})
}

// words changes a list of words.
func words(list string, out, in string) string {
	w := strings.Fields(list)
	if i := slices.Index(w, out); i >= 0 {
		w = slices.Delete(w, i, i+1)
	}
	if in != "" {
		w = append(w, in)
	}
	slices.Sort(w)
	return strings.Join(w, " ")
}

// settled notes in a state that a task for a destination ended: the status
// changes with the last of them, and while one of them was refused it is FAILED.
func (v *seenVersion) settled(dest, status string) {
	for _, t := range strings.Fields(v.tasks) {
		if strings.HasPrefix(t, dest+":") {
			if status = "PENDING"; strings.HasSuffix(t, "!") {
				status = "FAILED"
				break
			}
		}
	}
	for _, was := range []string{"PENDING", "FAILED", "COMPLETED"} {
		v.targets = words(v.targets, dest+":"+was, "")
	}
	v.targets = words(v.targets, "", dest+":"+status)
}

// side notes in a state that a register of a version changed.
func (v *seenVersion) side() {
	for _, t := range strings.Fields(v.targets) {
		dest, status, _ := strings.Cut(t, ":")
		if status == string(s3.Failed) && !strings.Contains(v.tasks, "!") {
			continue
		}
		v.tasks = words(v.tasks, "", dest+":side:0")
		v.settled(dest, "")
	}
}

func (a *actor) tag(bucket, key string, tags ...s3.Tag) {
	a.do("tag "+bucket+"/"+key, func(st state) {
		v := st[bucket].versions[key][0]
		v.tags = tagText(tags)
		v.side()
	}, func(ctx context.Context) (func(state), error) {
		_, err := a.store().SetTags(ctx, bucket, key, "", tags)
		return nil, err
	}, func(ctx context.Context) bool {
		o, err := a.store().Open(ctx, bucket, key, "")
		if err != nil {
			return false
		}
		defer o.Close()
		return tagText(o.Tags.Tags) == tagText(tags)
	})
}

func (a *actor) acl(bucket, key, canned string) {
	a.do("acl of "+bucket+"/"+key, func(st state) {
		st[bucket].versions[key][0].side()
	}, func(ctx context.Context) (func(state), error) {
		_, err := a.store().SetACL(ctx, bucket, key, "", s3.ACLRegister{Canned: canned})
		return nil, err
	}, nil)
}

// upload opens an upload and gives its ID.
func (a *actor) upload(bucket, key string) (id string) {
	a.do("create upload of "+bucket+"/"+key, func(st state) {
		st[bucket].uploads = append(st[bucket].uploads, &seenUpload{key: key, parts: map[int]string{}})
	}, func(ctx context.Context) (func(state), error) {
		u, err := a.store().CreateUpload(ctx, &PutInput{Bucket: bucket, Key: key, Meta: []s3.Header{{Name: "m", Value: "u"}}, Tags: []s3.Tag{{Key: "t", Value: "u"}}})
		if err != nil {
			return nil, err
		}
		id = u.ID
		return func(st state) {
			for _, x := range st[bucket].uploads {
				if x.id == "" {
					x.id = id
				}
			}
		}, nil
	}, nil)
	return id
}

func (st state) upload(bucket, id string) *seenUpload {
	for _, u := range st[bucket].uploads {
		if u.id == id {
			return u
		}
	}
	return &seenUpload{parts: map[int]string{}}
}

func (a *actor) part(bucket, key, id string, number, size int) (CompletedPart, []byte) {
	body := a.body(size)
	etag := etagOf(md5.Sum(body))
	a.do(fmt.Sprintf("part %d of %s/%s, %d bytes", number, bucket, key, len(body)), func(st state) {
		st.upload(bucket, id).parts[number] = fmt.Sprintf("%d/%s", len(body), etag)
	}, func(ctx context.Context) (func(state), error) {
		_, err := a.store().UploadPart(ctx, &PartInput{Bucket: bucket, Key: key, UploadID: id, Number: number, Size: int64(len(body))}, bytes.NewReader(body))
		return nil, err
	}, func(ctx context.Context) bool {
		_, parts, _, err := a.store().Parts(ctx, bucket, key, id, number-1, 1)
		return err == nil && len(parts) == 1 && parts[0].ETag == etag
	})
	return CompletedPart{Number: number, ETag: etag}, body
}

func (a *actor) complete(bucket, key, id string, whole []byte, parts ...CompletedPart) {
	in := &CompleteInput{Bucket: bucket, Key: key, UploadID: id, Parts: parts, Size: -1}
	a.do("complete "+bucket+"/"+key, func(st state) {
		st[bucket].uploads = slices.DeleteFunc(st[bucket].uploads, func(u *seenUpload) bool { return u.id == id })
		v := &seenVersion{key: key, size: len(whole), sum: crc32.ChecksumIEEE(whole), parts: len(parts), meta: "m=u", tags: "t=u", null: a.buckets[bucket].versioning != versioningEnabled}
		v.targets, v.tasks = a.goals(bucket)
		st[bucket].insert(v)
	}, func(ctx context.Context) (func(state), error) {
		v, err := a.store().Complete(ctx, in)
		if err != nil {
			return nil, err
		}
		return told(bucket, key, v.ID), nil
	}, func(ctx context.Context) bool {
		o, err := a.store().Open(ctx, bucket, key, "")
		if err != nil {
			return false
		}
		defer o.Close()
		return o.PartsCount == len(parts) && o.Size == int64(len(whole))
	})
	a.do("complete "+bucket+"/"+key+" again", func(state) {}, func(ctx context.Context) (func(state), error) {
		v, err := a.store().Complete(ctx, in)
		if err == nil && v.ID != a.top(bucket, key).id {
			err = errors.New("another answer than the first")
		}
		return nil, err
	}, nil)
}

func (a *actor) abort(bucket, key, id string) {
	a.do("abort "+bucket+"/"+key, func(st state) {
		st[bucket].uploads = slices.DeleteFunc(st[bucket].uploads, func(u *seenUpload) bool { return u.id == id })
	}, func(ctx context.Context) (func(state), error) {
		return nil, a.store().Abort(ctx, bucket, key, id)
	}, func(ctx context.Context) bool {
		_, err := a.store().Upload(ctx, bucket, key, id)
		return errors.Is(err, ErrNoSuchUpload)
	})
}

// arrival makes a replica of another region, in parts if any are given.
func (a *actor) arrival(bucket, key string, at stamp.Stamp, marker bool, sizes ...int) (*Arrival, []byte) {
	v := s3.Version{Key: key, ID: at, Marker: marker, Modified: at.Time().Wall(), Class: s3.Standard, Owner: "111122223333", Origin: "us-west-2"}
	var whole []byte
	if !marker {
		for i, n := range sizes {
			b := a.body(n)
			whole = append(whole, b...)
			if len(sizes) > 1 {
				v.Parts = append(v.Parts, s3.Part{Number: i + 1, Size: int64(len(b)), ETag: etagOf(md5.Sum(b))})
			}
		}
		v.PartsCount = len(v.Parts)
		v.Size, v.Digest, v.ETag = int64(len(whole)), crc64nvme.Checksum(whole), etagOf(md5.Sum(whole))
		if v.PartsCount > 0 {
			v.ETag += "-" + itoa(v.PartsCount)
		}
		v.Meta = []s3.Header{{Name: "r", Value: key}}
		v.Tags = s3.TagRegister{At: at, Tags: []s3.Tag{{Key: "r", Value: "1"}}}
	}
	ar := &Arrival{From: "us-west-2", Bucket: bucket, Version: v}
	a.c.fmu.Lock()
	a.c.arrivals = append(a.c.arrivals, ar)
	a.c.fmu.Unlock()
	return ar, whole
}

// receive applies a replica that is new.
func (a *actor) receive(ar *Arrival, body []byte) {
	v := &ar.Version
	in := *ar
	a.do(fmt.Sprintf("receive %s/%s of %d bytes", ar.Bucket, v.Key, v.Size), func(st state) {
		b := st[ar.Bucket]
		delete(b.staged, v.Key)
		w := &seenVersion{key: v.Key, id: v.ID, marker: v.Marker, replica: true, size: len(body), parts: v.PartsCount, meta: metaText(v.Meta), tags: tagText(v.Tags.Tags)}
		if !v.Marker {
			w.sum = crc32.ChecksumIEEE(body)
		}
		b.insert(w)
	}, func(ctx context.Context) (func(state), error) {
		rc, err := a.store().Receive(ctx, &in, bytes.NewReader(body))
		if err == nil && (rc.Already || rc.Discarded || rc.Digest != v.Digest) {
			err = fmt.Errorf("received as %+v", rc)
		}
		return nil, err
	}, func(ctx context.Context) bool {
		if v.Marker {
			return false
		}
		return a.shows(ctx, ar.Bucket, v.Key, v.ID.String(), v.ETag)
	})
}

// repeat delivers a replica again, which changes nothing.
func (a *actor) repeat(ar *Arrival, body []byte) {
	a.do(fmt.Sprintf("receive %s/%s again", ar.Bucket, ar.Version.Key), func(state) {}, func(ctx context.Context) (func(state), error) {
		rc, err := a.store().Receive(ctx, ar, bytes.NewReader(body))
		if err == nil && !rc.Already && !rc.Discarded {
			err = fmt.Errorf("received as %+v", rc)
		}
		return nil, err
	}, nil)
}

func (a *actor) stage(ar *Arrival, body []byte) {
	for _, seg := range Segments(&ar.Version) {
		for range 2 { // the second time it is there
			a.do(fmt.Sprintf("stage %s/%s segment %d", ar.Bucket, ar.Version.Key, seg.Index), func(st state) {
				b := st[ar.Bucket]
				if s := fmt.Sprintf("%d ", seg.Index); !strings.Contains(b.staged[ar.Version.Key], s) {
					b.staged[ar.Version.Key] += s
				}
			}, func(ctx context.Context) (func(state), error) {
				return nil, a.store().Stage(ctx, ar, seg, bytes.NewReader(body[seg.Offset:seg.Offset+seg.Length]))
			}, nil)
		}
	}
}

func (a *actor) receiveSide(ar *Arrival, at stamp.Stamp, tags ...s3.Tag) {
	v := &ar.Version
	a.do("receive tags of "+ar.Bucket+"/"+v.Key, func(st state) {
		for _, w := range st[ar.Bucket].versions[v.Key] {
			if w.id == v.ID {
				w.tags = tagText(tags)
			}
		}
	}, func(ctx context.Context) (func(state), error) {
		return nil, a.store().ReceiveSide(ctx, &SideArrival{From: "us-west-2", Bucket: ar.Bucket, Key: v.Key, ID: v.ID, Tags: s3.TagRegister{At: at, Tags: tags}})
	}, nil)
}

// outcome is how a task of the newest version of a key is to end.
type outcome struct {
	key, dest string
	kind      Kind
	result    Result
}

// settle ends tasks, all in one call, and so in one transaction.
func (a *actor) settle(bucket string, list ...outcome) {
	if a.c.enough() {
		return
	}
	ctx := context.Background()
	uid := a.buckets[bucket].uid
	var ends []Outcome
	for _, o := range list {
		n := len(ends)
		id := a.top(bucket, o.key).id
		err := a.store().view(ctx, func(snap kv.Snapshot) error {
			for _, table := range []byte{tableOutbox, tableParked} {
				for p, err := range snap.Scan(kv.Prefix([]byte{table})) {
					if err != nil {
						return err
					}
					t, err := readTask(string(p.Key), bytes.Clone(p.Value))
					if err != nil {
						return err
					}
					if t.UID == uid && t.Key == o.key && t.ID == id && t.Target == o.dest && t.Kind == o.kind && len(ends) == n {
						ends = append(ends, Outcome{Task: t, Result: o.result, Reason: "SomeReason", Due: time.Now().Add(-time.Second)})
					}
				}
			}
			return nil
		})
		if err != nil || len(ends) == n {
			a.c.t.Errorf("no task for %+v: %v", o, err)
			return
		}
		if r, err := a.store().Open(ctx, bucket, o.key, id.String()); err == nil {
			if o.result == ResultDone {
				ends[n].Shipped = r.Newest()
			}
			r.Close()
		}
	}
	a.do(fmt.Sprintf("settle %+v", list), func(st state) {
		for i, o := range list {
			v := st[bucket].versions[o.key][0]
			name := map[Kind]string{KindVersion: "version", KindSide: "side"}[o.kind]
			row := func(attempts int, failed bool) string {
				if failed {
					return fmt.Sprintf("%s:%s:%d!", o.dest, name, attempts)
				}
				return fmt.Sprintf("%s:%s:%d", o.dest, name, attempts)
			}
			switch n, was := ends[i].Task.Attempts, ends[i].Task.Failed; o.result {
			case ResultRetry:
				v.tasks = words(v.tasks, row(n, was), row(n+1, was))
			case ResultRefused:
				v.tasks = words(v.tasks, row(n, was), row(n+1, true))
				v.settled(o.dest, "")
			case ResultDone:
				v.tasks = words(v.tasks, row(n, was), "")
				v.settled(o.dest, "COMPLETED")
			case ResultFail:
				v.tasks = words(v.tasks, row(n, was), "")
				v.settled(o.dest, "FAILED")
			}
		}
	}, func(ctx context.Context) (func(state), error) {
		return nil, a.store().Settle(ctx, ends)
	}, func(ctx context.Context) bool {
		o := list[0]
		r, err := a.store().Open(ctx, bucket, o.key, "")
		if err != nil || o.result == ResultRetry {
			return false
		}
		defer r.Close()
		i := slices.IndexFunc(r.Targets, func(t s3.Target) bool { return t.Bucket == o.dest })
		return i >= 0 && r.Targets[i].Status != s3.Pending
	})
}

// resolve gives the tasks of the newest version of a key, whose destination
// nobody knew, a place.
func (a *actor) resolve(bucket, key string) {
	a.do("resolve "+bucket+"/"+key, func(state) {}, func(ctx context.Context) (func(state), error) {
		for _, lane := range []Lane{LaneSmall, LaneLarge} {
			for shard := range uint8(Shards) {
				tasks, err := a.store().Tasks(ctx, "", lane, shard, 0, 100)
				if err != nil {
					return nil, err
				}
				for i := range tasks {
					if t := &tasks[i]; t.UID == a.buckets[bucket].uid && t.Key == key {
						if done, err := a.store().Resolve(ctx, t, Place{Region: "eu-west-1", UID: "00000000000000aa"}); err != nil || !done {
							return nil, fmt.Errorf("resolved: %v, %w", done, err)
						}
					}
				}
			}
		}
		return nil, nil
	}, nil)
}

// sweep runs the collector to its end.
func (a *actor) sweep() {
	a.do("sweep", func(state) {}, func(ctx context.Context) (func(state), error) {
		for range 3 {
			if _, err := a.store().FoldStep(ctx); err != nil {
				return nil, err
			}
			if _, err := a.store().SweepStep(ctx); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}, nil)
}

// sweepAlone sweeps if no collector does at the same time.
func (a *actor) sweepAlone() {
	if strings.HasSuffix(a.c.name, "/alone") {
		a.sweep()
	}
}

// crashScripts are the scripts, and how many of their steps are passed over
// for each that is crashed, unless the run is thorough.
var crashScripts = []struct {
	name   string
	stride int
	run    func(c *crasher)
}{
	{"buckets", 1, scriptBuckets},
	{"put", 2, scriptPut},
	{"multipart", 3, scriptMultipart},
	{"copy", 2, scriptCopy},
	{"delete", 2, scriptDelete},
	{"tagging", 1, scriptTagging},
	{"receive", 2, scriptReceive},
	{"settle", 1, scriptSettle},
	{"resolve", 1, scriptResolve},
	{"together", 5, scriptTogether},
}

func scriptBuckets(c *crasher) {
	a := c.newActor("a-")
	a.begin("kept", "Enabled", false)
	c.on.Store(true)
	a.createBucket("one")
	a.put("a-one", "k", crashPack)
	a.deleteBucket("a-one") // it is not empty
	a.remove("a-one", "k")
	id := a.upload("a-one", "u")
	a.part("a-one", "u", id, 1, crashPack)
	a.deleteBucket("a-one") // it is empty: the upload is given up
	a.sweepAlone()
	a.createBucket("one")
	a.put("a-one", "k", crashInline)
	a.sweepAlone()
}

func scriptPut(c *crasher) {
	a := c.newActor("a-")
	en, un, su := a.begin("en", "Enabled", true), a.begin("un", "", false), a.begin("su", "Suspended", false)
	c.on.Store(true)
	for _, size := range []int{crashInline, crashPack, crashFile, 0} {
		a.put(en, fmt.Sprintf("k%d", size), size, s3.Tag{Key: "size", Value: itoa(size)})
		a.put(en, "same", size)
		a.put(un, "same", size)
		a.put(su, "same", size)
		a.sweepAlone()
	}
	a.race(en, "race", crashInline)
	a.race(en, "race2", crashPack)
	a.sweepAlone()
}

func scriptMultipart(c *crasher) {
	a := c.newActor("a-")
	b := a.begin("b", "Enabled", true)
	c.on.Store(true)
	id := a.upload(b, "k")
	a.part(b, "k", id, 3, crashPack)
	p, body := a.part(b, "k", id, 3, crashFile) // again
	a.part(b, "k", id, 5, crashPack)            // not named by the completion
	a.sweepAlone()
	a.complete(b, "k", id, body, p)
	a.sweepAlone()
	id = a.upload(b, "given up")
	a.part(b, "given up", id, 1, crashPack)
	a.part(b, "given up", id, 2, crashFile)
	a.abort(b, "given up", id)
	a.sweepAlone()
	id = a.upload(b, "two")
	p1, body1 := a.part(b, "two", id, 1, PartSizeMin)
	p2, body2 := a.part(b, "two", id, 2, crashInline)
	a.complete(b, "two", id, append(body1, body2...), p1, p2)
	a.purge(b, "two", 0)
	a.purge(b, "k", 0)
	a.sweepAlone()
}

func scriptCopy(c *crasher) {
	a := c.newActor("a-")
	en, un := a.begin("en", "Enabled", true), a.begin("un", "", false)
	c.on.Store(true)
	for _, size := range []int{crashInline, crashPack, crashFile} {
		body := a.put(en, fmt.Sprintf("k%d", size), size)
		a.copy(en, fmt.Sprintf("k%d", size), un, "copy", body)
		a.copy(un, "copy", en, "back", body)
		a.copy(en, "back", en, "back", body)
		a.sweepAlone()
	}
}

func scriptDelete(c *crasher) {
	a := c.newActor("a-")
	en, un, su := a.begin("en", "Enabled", true), a.begin("un", "", false), a.begin("su", "Suspended", false)
	for _, size := range []int{crashInline, crashPack, crashFile} {
		a.put(en, "k", size)
		a.put(un, fmt.Sprintf("k%d", size), size)
		a.put(su, fmt.Sprintf("k%d", size), size)
	}
	c.on.Store(true)
	a.remove(en, "k")
	a.remove(en, "k")
	a.purge(en, "k", 0)
	a.sweepAlone()
	a.purge(en, "k", 1) // the newest object, under a marker
	a.purge(en, "k", 0) // the marker: the next object is current
	a.purge(en, "k", 1)
	a.sweepAlone()
	for _, size := range []int{crashInline, crashPack, crashFile} {
		key := fmt.Sprintf("k%d", size)
		a.remove(un, key)
		a.remove(su, key)   // the null version becomes a marker
		a.purge(su, key, 0) // and goes
		a.sweepAlone()
	}
	a.purge(en, "k", 0)
	a.remove(en, "never was")
	a.sweepAlone()
}

func scriptTagging(c *crasher) {
	a := c.newActor("a-")
	b, plain := a.begin("b", "Enabled", true), a.begin("plain", "", false)
	a.put(b, "k", crashInline)
	a.put(b, "k2", crashPack)
	a.put(plain, "k", crashPack, s3.Tag{Key: "old", Value: "1"})
	c.on.Store(true)
	a.tag(b, "k", s3.Tag{Key: "a", Value: "1"})
	a.tag(b, "k", s3.Tag{Key: "a", Value: "2"}, s3.Tag{Key: "b", Value: ""})
	a.tag(b, "k")
	a.settle(b, outcome{"k2", "copy", KindVersion, ResultDone}, outcome{"k2", "archive", KindVersion, ResultFail})
	a.tag(b, "k2", s3.Tag{Key: "c", Value: "3"}) // PENDING again, where it did not fail
	a.acl(b, "k2", "public-read")
	a.tag(plain, "k", s3.Tag{Key: "new", Value: "1"})
	a.sweepAlone()
}

func scriptReceive(c *crasher) {
	a := c.newActor("a-")
	b := a.begin("b", "Enabled", true)
	there := stamp.NewClock("us-west-2", time.Now, nil)
	at := func() stamp.Stamp { return there.Next(stamp.Stamp{}) }
	early := at()
	c.on.Store(true)
	small, smallBody := a.arrival(b, "k", at(), false, crashInline)
	a.receive(small, smallBody)
	a.repeat(small, smallBody)
	mid, midBody := a.arrival(b, "k", at(), false, crashPack)
	a.receive(mid, midBody)
	late, lateBody := a.arrival(b, "k", early, false, crashFile) // not the newest
	a.receive(late, lateBody)
	parts, partsBody := a.arrival(b, "parts", at(), false, crashPack, crashFile, crashInline)
	a.receive(parts, partsBody)
	a.repeat(parts, partsBody)
	marker, _ := a.arrival(b, "k", at(), true)
	a.receive(marker, nil)
	a.receiveSide(small, at(), s3.Tag{Key: "r", Value: "2"})
	a.put(b, "k", crashInline)
	a.sweepAlone()
	big, bigBody := a.arrival(b, "staged", at(), false, crashFile)
	a.stage(big, bigBody)
	big.Staged = true
	a.receive(big, bigBody)
	several, severalBody := a.arrival(b, "staged", at(), false, crashPack, crashFile)
	a.stage(several, severalBody)
	several.Staged = true
	a.receive(several, severalBody)
	a.sweepAlone()
	a.purge(b, "staged", 0)
	a.purge(b, "staged", 0)
	a.purge(b, "parts", 0)
	a.sweepAlone()
	a.repeat(parts, partsBody) // purged here: discarded
	a.repeat(big, bigBody)
	half, halfBody := a.arrival(b, "half", at(), false, crashPack, crashFile)
	half.Version.Parts = slices.Clone(half.Version.Parts)
	a.stage(half, halfBody) // never received
	a.sweepAlone()
}

func scriptSettle(c *crasher) {
	a := c.newActor("a-")
	b := a.begin("b", "Enabled", true)
	for _, k := range []string{"k1", "k2", "k3"} {
		a.put(b, k, crashInline)
	}
	a.put(b, "k4", crashPack)
	c.on.Store(true)
	a.settle(b, outcome{"k1", "copy", KindVersion, ResultDone})
	a.settle(b, outcome{"k1", "archive", KindVersion, ResultRetry})
	a.settle(b, outcome{"k1", "archive", KindVersion, ResultRetry})
	a.settle(b, outcome{"k1", "archive", KindVersion, ResultDone})
	a.settle(b, outcome{"k2", "copy", KindVersion, ResultFail}, outcome{"k2", "archive", KindVersion, ResultRetry}, outcome{"k3", "copy", KindVersion, ResultDone})
	a.settle(b, outcome{"k2", "archive", KindVersion, ResultFail}, outcome{"k3", "archive", KindVersion, ResultDone})
	a.tag(b, "k3", s3.Tag{Key: "a", Value: "1"})
	a.settle(b, outcome{"k3", "copy", KindSide, ResultDone}, outcome{"k3", "archive", KindSide, ResultRetry})
	a.settle(b, outcome{"k3", "archive", KindSide, ResultDone})
	a.remove(b, "k3")
	a.settle(b, outcome{"k3", "copy", KindVersion, ResultDone}, outcome{"k3", "archive", KindVersion, ResultFail})
	a.tag(b, "k4", s3.Tag{Key: "a", Value: "1"})
	a.settle(b, outcome{"k4", "archive", KindVersion, ResultDone})
	a.settle(b, outcome{"k4", "copy", KindVersion, ResultRetry})
	a.purge(b, "k4", 0) // with a task that is parked
	a.put(b, "k5", crashInline)
	a.settle(b, outcome{"k5", "copy", KindVersion, ResultRefused}, outcome{"k5", "archive", KindVersion, ResultDone})
	a.settle(b, outcome{"k5", "copy", KindVersion, ResultRefused}) // and again: only its next try changes
	a.tag(b, "k5", s3.Tag{Key: "a", Value: "1"})                   // FAILED stays, with a task more
	a.settle(b, outcome{"k5", "copy", KindSide, ResultRefused}, outcome{"k5", "archive", KindSide, ResultDone})
	a.settle(b, outcome{"k5", "copy", KindVersion, ResultRetry}) // FAILED until there is another answer
	a.settle(b, outcome{"k5", "copy", KindVersion, ResultDone})  // mended, and the tags with it
	a.settle(b, outcome{"k5", "copy", KindSide, ResultDone})
	a.put(b, "k6", crashPack)
	a.settle(b, outcome{"k6", "copy", KindVersion, ResultRefused}, outcome{"k6", "archive", KindVersion, ResultRefused})
	a.settle(b, outcome{"k6", "copy", KindVersion, ResultFail})
	a.purge(b, "k6", 0) // with a task that was refused
	a.sweepAlone()
}

func scriptResolve(c *crasher) {
	a := c.newActor("a-")
	b := a.begin("b", "Enabled", false)
	err := a.store().ChangeDocument(context.Background(), b, "replication", "", func(*Bucket, []byte) ([]byte, error) {
		return []byte(strings.ReplaceAll(strings.ReplaceAll(crashReplication, "copy", "lost"), "archive", "lost")), nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	a.buckets[b].lost = true
	c.on.Store(true)
	a.put(b, "k1", crashInline)
	a.put(b, "k2", crashPack)
	a.tag(b, "k1", s3.Tag{Key: "a", Value: "1"})
	a.settle(b, outcome{"k2", "lost", KindVersion, ResultRetry}) // home is away
	a.resolve(b, "k1")
	a.tag(b, "k1", s3.Tag{Key: "a", Value: "2"})
	a.settle(b, outcome{"k1", "lost", KindVersion, ResultRefused}, outcome{"k2", "lost", KindVersion, ResultFail})
	a.settle(b, outcome{"k1", "lost", KindVersion, ResultDone})
	a.settle(b, outcome{"k1", "lost", KindSide, ResultDone})
	a.settle(b, outcome{"k1", "lost", KindSide, ResultDone})
	a.put(b, "k3", crashInline)
	a.resolve(b, "k3")
	a.purge(b, "k3", 0)
	a.sweepAlone()
}

// scriptTogether has several clients at work at once.
func scriptTogether(c *crasher) {
	var wg sync.WaitGroup
	var runs []func()
	for n := range 3 {
		a := c.newActor(fmt.Sprintf("%c-", 'a'+n))
		en, un := a.begin("en", "Enabled", true), a.begin("un", "", false)
		sizes := []int{crashInline, crashPack, crashFile}
		size := func(i int) int { return sizes[(n+i)%3] }
		runs = append(runs, func() {
			a.put(en, "k", size(0))
			a.put(un, "k", size(1))
			a.tag(en, "k", s3.Tag{Key: "n", Value: itoa(n)})
			a.put(en, "k", size(1))
			a.settle(en, outcome{"k", "copy", KindVersion, ResultDone}, outcome{"k", "archive", KindVersion, ResultRetry})
			id := a.upload(en, "up")
			p, body := a.part(en, "up", id, 1, size(2))
			a.put(un, "k", size(2))
			a.complete(en, "up", id, body, p)
			a.remove(en, "k")
			a.purge(en, "k", 1)
			a.remove(un, "k")
			a.deleteBucket(un)
			a.purge(en, "k", 0)
		})
	}
	c.on.Store(true)
	for _, run := range runs {
		wg.Go(run)
	}
	wg.Wait()
}
