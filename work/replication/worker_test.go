package replication_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/farhold/farhold/blob/memblob"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work/replication"
)

// places is a directory that knows some buckets.
type places map[string]store.Place

func (p places) Locate(_ context.Context, name string) (store.Place, bool, error) {
	l, ok := p[name]
	return l, ok, nil
}

// pair is a source and a destination region, the workers between them, and the
// line, which is the Transport and does what its test says.
type pair struct {
	testing.TB
	now      time.Time
	dir      places
	src, dst *store.Store
	link     *replication.Link
	workers  []*replication.Worker
	srcLaw   *law
	dstLaw   *law
	from, to *replication.Identity

	mu      sync.Mutex
	down    bool
	probes  int
	shipped []string // "key", "key marker", "key tags", in order
	staged  []int    // segments that arrived
	// before, if any, is asked before a shipment is applied; an error breaks the
	// line, and what it does to sh stands when it sets Answered.
	before func(sh *replication.Shipment) error
	stage  func(seg store.Segment) error
	flip   bool // bodies are changed on the way
}

func open(t testing.TB, p *pair, name string) *store.Store {
	t.Helper()
	keeper, err := seal.NewRegionKeeper([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{
		Region: name, KV: memkv.New(memkv.Seed(1)), Blobs: memblob.New(memblob.Options{}), Keeper: keeper,
		Clock: stamp.NewClock(name, func() time.Time { return p.now }, nil), Directory: p.dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const configuration = `<ReplicationConfiguration><Role>arn:aws:iam::111122223333:role/r</Role><Rule><ID>r</ID><Priority>1</Priority>` +
	`<Status>Enabled</Status><Filter><Prefix></Prefix></Filter><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication>` +
	`<Destination><Bucket>arn:aws:s3:::copy</Bucket></Destination></Rule></ReplicationConfiguration>`

func newPair(t testing.TB, lock bool) *pair {
	t.Helper()
	p := &pair{TB: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), dir: places{}, link: new(replication.Link)}
	p.src, p.dst = open(t, p, "us-east-1"), open(t, p, "us-west-2")
	p.create(p.src, "us-east-1", "source", "0000000000000001", lock)
	p.create(p.dst, "us-west-2", "copy", "0000000000000002", lock)
	p.versioning(p.src, "source", "Enabled")
	p.versioning(p.dst, "copy", "Enabled")
	p.document(p.src, "source", "replication", configuration)
	p.srcLaw, p.dstLaw = new(law), new(law)
	p.from = &replication.Identity{Region: "us-east-1", Store: p.src, Roles: p.srcLaw, Decider: p.srcLaw, Now: func() time.Time { return p.now }}
	p.to = &replication.Identity{Region: "us-west-2", Store: p.dst, Roles: p.dstLaw, Decider: p.dstLaw, Now: func() time.Time { return p.now }}
	p.workers = p.crew(p)
	return p
}

// crew makes the workers of a transport.
func (p *pair) crew(line replication.Transport) (workers []*replication.Worker) {
	clock := stamp.NewClock("us-east-1", func() time.Time { return p.now }, nil)
	for _, lane := range []store.Lane{store.LaneSmall, store.LaneLarge} {
		for shard := range uint8(store.Shards) {
			workers = append(workers, replication.NewWorker(replication.Options{
				Region: "us-west-2", Lane: lane, Shard: shard, Store: p.src, Transport: line, Identity: p.from, Clock: clock, Link: p.link,
			}))
		}
	}
	return workers
}

func (p *pair) create(s *store.Store, region, name string, uid s3.UID, lock bool) {
	p.Helper()
	if _, err := s.CreateBucket(p.Context(), store.NewBucket{Name: name, UID: uid, Owner: "111122223333", ObjectLock: lock}); err != nil {
		p.Fatal(err)
	}
	p.dir[name] = store.Place{Region: region, UID: uid}
}

func (p *pair) document(s *store.Store, bucket, doc, text string) {
	p.Helper()
	err := s.ChangeDocument(p.Context(), bucket, doc, "", func(*store.Bucket, []byte) ([]byte, error) { return []byte(text), nil })
	if err != nil {
		p.Fatal(err)
	}
}

func (p *pair) versioning(s *store.Store, bucket, status string) {
	p.Helper()
	p.document(s, bucket, "versioning", "<VersioningConfiguration><Status>"+status+"</Status></VersioningConfiguration>")
}

func (p *pair) put(key string, body []byte) *s3.Version {
	p.Helper()
	v, err := p.src.Put(p.Context(), &store.PutInput{Bucket: "source", Key: key, Size: int64(len(body))}, bytes.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	return v
}

// step lets every worker take one step.
func (p *pair) step() {
	p.Helper()
	for _, w := range p.workers {
		if _, err := w.Step(p.Context()); err != nil {
			p.Fatal(err)
		}
	}
}

func (p *pair) wantStatus(key string, want s3.Status, reason string) {
	p.Helper()
	o, err := p.src.Open(p.Context(), "source", key, "")
	if err != nil {
		p.Fatal(err)
	}
	defer o.Close()
	if got := o.ReplicationStatus(); got != want || reason != "" && o.Targets[0].Reason != reason {
		p.Errorf("%s is %s %q, want %s %q", key, got, o.Targets[0].Reason, want, reason)
	}
}

func (p *pair) wantThere(key string, want []byte) *s3.Version {
	p.Helper()
	o, err := p.dst.Open(p.Context(), "copy", key, "")
	if err != nil {
		p.Errorf("%s at the destination: %v", key, err)
		return &s3.Version{}
	}
	defer o.Close()
	body, err := o.Body(p.Context(), 0, -1)
	if err != nil {
		p.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
		p.Errorf("%s at the destination: %d bytes, %v; want %d", key, len(got), err, len(want))
	}
	return &o.Version
}

func (p *pair) wantAbsent(key string) {
	p.Helper()
	if o, err := p.dst.Open(p.Context(), "copy", key, ""); !errors.Is(err, store.ErrNoSuchKey) && !errors.Is(err, store.ErrNoSuchBucket) {
		p.Errorf("%s at the destination: %v, %v", key, o, err)
	}
}

func (p *pair) broken() error { return fmt.Errorf("%w: the test says so", replication.ErrLink) }

// Probe counts.
func (p *pair) Probe(context.Context, string) error {
	p.probes++
	if p.down {
		return p.broken()
	}
	return nil
}

// Ship applies shipments unless the line is down or before says otherwise.
func (p *pair) Ship(ctx context.Context, _ string, batch []*replication.Shipment) error {
	for _, sh := range batch {
		if p.down {
			return p.broken()
		}
		if p.before != nil {
			if err := p.before(sh); err != nil {
				return err
			}
			if sh.Answered {
				continue
			}
		}
		var body io.Reader
		if sh.Body != nil {
			rd, err := sh.Body(ctx)
			if err != nil {
				return err
			}
			all, err := io.ReadAll(rd)
			rd.Close()
			if err != nil {
				return err
			}
			if p.flip && len(all) > 0 {
				all[0] ^= 1
			}
			body = bytes.NewReader(all)
		}
		if sh.Ask {
			p.shipped = append(p.shipped, sh.Arrival.Version.Key+" asked")
		} else if sh.Side != nil {
			p.shipped = append(p.shipped, sh.Side.Key+" tags")
		} else if sh.Arrival.Version.Marker {
			p.shipped = append(p.shipped, sh.Arrival.Version.Key+" marker")
		} else {
			p.shipped = append(p.shipped, sh.Arrival.Version.Key)
		}
		replication.Apply(ctx, p.to, "us-east-1", sh, body)
	}
	return nil
}

// Staged asks the destination.
func (p *pair) Staged(ctx context.Context, _ string, sh *replication.Shipment) ([]store.Segment, error) {
	if p.down {
		return nil, p.broken()
	}
	there := *sh
	return replication.Staged(ctx, p.to, "us-east-1", &there)
}

// Stage hands segments on.
func (p *pair) Stage(ctx context.Context, _ string, sh *replication.Shipment, seg store.Segment, body io.Reader) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage != nil {
		if err := p.stage(seg); err != nil {
			return err
		}
	}
	p.staged = append(p.staged, seg.Index)
	there := *sh
	return replication.Stage(ctx, p.to, "us-east-1", &there, seg, body)
}

func TestLinkDownAndBack(t *testing.T) {
	p := newPair(t, false)
	p.down = true
	for i := range 20 {
		p.put(fmt.Sprint("k", i), []byte{byte(i)})
	}
	p.step()
	if !p.link.Down() {
		t.Fatal("the link counts as up")
	}
	for i := range 20 {
		p.wantStatus(fmt.Sprint("k", i), s3.Pending, "")
	}
	// A worker that finds the link down asks again in a second, and no sooner.
	p.probes = 0
	again, err := p.workers[0].Step(t.Context())
	if err != nil || p.probes != 1 || !again.Equal(p.now.Add(time.Second)) {
		t.Errorf("%d probes, again at %v, %v; want one, and another in 1 s", p.probes, again, err)
	}
	p.now = p.now.Add(time.Second)
	p.down = false
	p.step()
	for i := range 20 {
		p.wantStatus(fmt.Sprint("k", i), s3.Completed, "")
		p.wantThere(fmt.Sprint("k", i), []byte{byte(i)})
	}
	if len(p.shipped) != 20 {
		t.Errorf("%d shipments for 20 objects: %v", len(p.shipped), p.shipped)
	}
}

func TestAFailingKeyParksAlone(t *testing.T) {
	p := newPair(t, false)
	trouble := errors.New("the disk there is full")
	p.before = func(sh *replication.Shipment) error {
		if sh.Arrival.Version.Key == "bad" {
			sh.Answered, sh.Err = true, trouble
		}
		return nil
	}
	p.put("bad", []byte("bad"))
	for i := range 10 {
		p.put(fmt.Sprint("good", i), []byte("good"))
	}
	p.step()
	for i := range 10 {
		p.wantStatus(fmt.Sprint("good", i), s3.Completed, "")
	}
	p.wantStatus("bad", s3.Pending, "")
	if p.link.Down() {
		t.Error("one object's trouble counts as the region's")
	}
	// It waits twice as long each time, and is tried when it is due.
	p.before = nil
	p.now = p.now.Add(999 * time.Millisecond)
	p.step()
	p.wantAbsent("bad")
	p.now = p.now.Add(time.Millisecond)
	p.step()
	p.wantStatus("bad", s3.Completed, "")
	p.wantThere("bad", []byte("bad"))
}

func TestFailedWithAWSsReason(t *testing.T) {
	for reason, spoil := range map[string]func(p *pair){
		"DstBucketNotFound": func(p *pair) {
			if err := p.dst.DeleteBucket(p.Context(), "copy"); err != nil {
				p.Fatal(err)
			}
		},
		"DstBucketUnversioned": func(p *pair) { p.versioning(p.dst, "copy", "Suspended") },
		"DstBucketObjectLockConfigMissing": func(p *pair) {
			if err := p.dst.DeleteBucket(p.Context(), "copy"); err != nil {
				p.Fatal(err)
			}
			p.create(p.dst, "us-west-2", "copy", "0000000000000002", false)
			p.versioning(p.dst, "copy", "Enabled")
		},
	} {
		for _, size := range []int{1, store.LargeMin} {
			t.Run(fmt.Sprint(reason, size), func(t *testing.T) {
				p := newPair(t, reason == "DstBucketObjectLockConfigMissing")
				p.put("k", make([]byte, size))
				if reason == "DstBucketObjectLockConfigMissing" {
					if _, err := p.src.SetHold(t.Context(), "source", "k", "", true); err != nil {
						t.Fatal(err)
					}
				}
				spoil(p)
				p.step()
				p.wantStatus("k", s3.Failed, reason)
				p.wantAbsent("k")
				p.now = p.now.Add(time.Hour)
				p.shipped = nil
				p.step()
				p.wantStatus("k", s3.Failed, reason)
				left, _, err := p.src.Backlog(t.Context(), "us-west-2", 10)
				if err != nil || (left == 0) != (reason == "DstBucketNotFound") {
					t.Errorf("%d tasks are left, %v: what can be mended is tried again, and nothing else", left, err)
				}
				if reason == "DstBucketUnversioned" {
					p.versioning(p.dst, "copy", "Enabled")
					p.now = p.now.Add(time.Hour)
					p.step()
					p.wantStatus("k", s3.Completed, "")
					p.wantThere("k", make([]byte, size))
				}
			})
		}
	}
}

func TestAWrongDigestNeverCompletes(t *testing.T) {
	p := newPair(t, false)
	p.put("k", []byte("body"))
	p.flip = true
	p.step()
	p.wantStatus("k", s3.Pending, "")
	p.wantAbsent("k")
	p.flip = false
	// A destination that confirms other bytes than were sent is not believed.
	p.before = func(sh *replication.Shipment) error {
		sh.Answered, sh.Receipt = true, store.Receipt{Size: sh.Arrival.Version.Size, Digest: sh.Arrival.Version.Digest ^ 1}
		return nil
	}
	p.now = p.now.Add(time.Second)
	p.step()
	p.wantStatus("k", s3.Pending, "")
	p.before = nil
	p.now = p.now.Add(time.Minute)
	p.step()
	p.wantStatus("k", s3.Completed, "")
	p.wantThere("k", []byte("body"))
}

func TestSideDataWaitsForItsVersion(t *testing.T) {
	p := newPair(t, false)
	trouble := errors.New("not now")
	p.before = func(sh *replication.Shipment) error {
		if sh.Side == nil {
			sh.Answered, sh.Err = true, trouble
		}
		return nil
	}
	p.put("k", []byte("body"))
	p.step()
	tags := []s3.Tag{{Key: "a", Value: "b"}}
	if _, err := p.src.SetTags(t.Context(), "source", "k", "", tags); err != nil {
		t.Fatal(err)
	}
	p.step()
	p.wantStatus("k", s3.Pending, "")
	p.wantAbsent("k")
	p.before = nil
	for range 3 {
		p.now = p.now.Add(time.Minute)
		p.step()
	}
	p.wantStatus("k", s3.Completed, "")
	if v := p.wantThere("k", []byte("body")); len(v.Tags.Tags) != 1 || v.Tags.Tags[0] != tags[0] {
		t.Errorf("tags at the destination: %v", v.Tags.Tags)
	}
}

func TestTagsChangedWhileTheVersionTravels(t *testing.T) {
	p := newPair(t, false)
	p.put("k", []byte("body"))
	tags := []s3.Tag{{Key: "a", Value: "b"}}
	p.before = func(sh *replication.Shipment) error {
		p.before = nil
		_, err := p.src.SetTags(t.Context(), "source", "k", "", tags)
		return err
	}
	p.step()
	p.wantStatus("k", s3.Pending, "")
	if v := p.wantThere("k", []byte("body")); len(v.Tags.Tags) != 0 {
		t.Errorf("tags at the destination: %v", v.Tags.Tags)
	}
	p.step()
	p.wantStatus("k", s3.Completed, "")
	if v := p.wantThere("k", []byte("body")); len(v.Tags.Tags) != 1 {
		t.Errorf("tags at the destination: %v", v.Tags.Tags)
	}
	if len(p.shipped) != 2 {
		t.Errorf("shipped %v", p.shipped)
	}
}

func TestALargeBodyResumes(t *testing.T) {
	p := newPair(t, false)
	body := make([]byte, 3*store.SegmentSize+5)
	for i := range body {
		body[i] = byte(i >> 13)
	}
	p.put("k", body)
	p.stage = func(seg store.Segment) error {
		if seg.Index == 2 {
			return p.broken()
		}
		return nil
	}
	p.step()
	p.wantStatus("k", s3.Pending, "")
	p.wantAbsent("k")
	first := map[int]bool{}
	o, err := p.src.Open(t.Context(), "source", "k", "")
	if err != nil {
		t.Fatal(err)
	}
	has, err := p.dst.Staged(t.Context(), &store.Arrival{Bucket: "copy", Version: o.Version})
	o.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, seg := range has {
		first[seg.Index] = true
	}
	p.stage, p.staged = nil, nil
	p.now = p.now.Add(time.Second)
	p.step()
	p.step()
	p.wantStatus("k", s3.Completed, "")
	p.wantThere("k", body)
	for _, i := range p.staged {
		if first[i] {
			t.Errorf("segment %d was sent again", i)
		}
		first[i] = true
	}
	if len(first) != 4 {
		t.Errorf("%d segments were sent, want 4", len(first))
	}
}

func TestAClockSetBackHidesNothing(t *testing.T) {
	p := newPair(t, false)
	p.now = p.now.Add(time.Hour) // a clock that goes wrong, while nothing is written
	p.step()
	p.now = p.now.Add(-time.Hour)
	p.put("k", []byte("body"))
	p.step()
	p.wantStatus("k", s3.Completed, "")
}

func TestDeleteMarkersArrive(t *testing.T) {
	p := newPair(t, false)
	p.put("k", []byte("body"))
	if _, err := p.src.Delete(t.Context(), store.DeleteInput{Bucket: "source", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	p.step()
	p.wantAbsent("k")
	if len(p.shipped) != 2 || p.shipped[1] != "k marker" {
		t.Errorf("shipped %v", p.shipped)
	}
}
