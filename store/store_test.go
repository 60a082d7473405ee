package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/blob/memblob"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
)

// place is a directory that knows some buckets.
type places map[string]Place

func (p places) Locate(_ context.Context, name string) (Place, bool, error) {
	l, ok := p[name]
	return l, ok, nil
}

// region is a store over memory, with what its tests look at.
type region struct {
	*Store
	t     testing.TB
	kv    *memkv.Store
	blobs *memblob.Store
	now   time.Time
}

func newRegion(t testing.TB, name string, dir Directory) *region {
	t.Helper()
	key, err := seal.NewRegionKeeper(random(seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	r := &region{t: t, kv: memkv.New(), blobs: memblob.New(memblob.Options{}), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	clock := stamp.NewClock(name, func() time.Time { return r.now }, nil)
	r.Store, err = Open(t.Context(), Options{Region: name, KV: r.kv, Blobs: r.blobs, Keeper: key, Clock: clock, Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var lastUID = 0

func (r *region) bucket_(name, versioning string) *Bucket {
	r.t.Helper()
	lastUID++
	b, err := r.CreateBucket(r.t.Context(), NewBucket{Name: name, UID: s3.UID(fmt.Sprintf("%016x", lastUID)), Owner: "111122223333"})
	if err != nil {
		r.t.Fatal(err)
	}
	if versioning != "" {
		r.document("versioning", name, "<VersioningConfiguration><Status>"+versioning+"</Status></VersioningConfiguration>")
	}
	return b
}

func (r *region) document(doc, bucket, text string) {
	r.t.Helper()
	if err := r.ChangeDocument(r.t.Context(), bucket, doc, "", func(*Bucket, []byte) ([]byte, error) { return []byte(text), nil }); err != nil {
		r.t.Fatal(err)
	}
}

func (r *region) put(bucket, key string, body []byte) *s3.Version {
	r.t.Helper()
	v, err := r.Put(r.t.Context(), &PutInput{Bucket: bucket, Key: key, Size: int64(len(body)), Owner: "111122223333"}, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *region) get(bucket, key, version string) ([]byte, error) {
	o, err := r.Open(r.t.Context(), bucket, key, version)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	body, err := o.Body(r.t.Context(), 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

func (r *region) wantBody(bucket, key, version string, want []byte) {
	r.t.Helper()
	got, err := r.get(bucket, key, version)
	if err != nil {
		r.t.Errorf("get %s %s: %v", key, version, err)
	} else if !bytes.Equal(got, want) {
		r.t.Errorf("get %s %s: %d bytes, want %d", key, version, len(got), len(want))
	}
}

func (r *region) wantErr(bucket, key, version string, want error) {
	r.t.Helper()
	if _, err := r.get(bucket, key, version); !errors.Is(err, want) {
		r.t.Errorf("get %s %s: %v, want %v", key, version, err, want)
	}
}

func (r *region) delete_(bucket, key, version string) Deletion {
	r.t.Helper()
	d, err := r.Delete(r.t.Context(), DeleteInput{Bucket: bucket, Key: key, VersionID: version, Owner: "111122223333"})
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func (r *region) sweepAll() {
	r.t.Helper()
	for range 100 {
		more, err := r.SweepStep(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if !more {
			return
		}
	}
	r.t.Fatal("sweep does not end")
}

func random(n int) []byte {
	b := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	c.Read(b)
	return b
}

func TestObjectsOfAllSizes(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("b", "Enabled")
	for _, n := range []int{0, 1, 4096, inlineMax - 1, inlineMax, inlineMax + 1, 65535, 65536, 65537, 1 << 20} {
		key := fmt.Sprintf("size/%d", n)
		body := random(n)
		v := r.put("b", key, body)
		r.wantBody("b", key, "", body)
		r.wantBody("b", key, v.VersionID(), body)
		o, err := r.Open(t.Context(), "b", key, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range [][2]int{{0, n}, {n / 2, n - n/2}, {n / 3, n / 3}, {n, 0}} {
			rd, err := o.Body(t.Context(), int64(at[0]), int64(at[1]))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(rd)
			rd.Close()
			if err != nil || !bytes.Equal(got, body[at[0]:at[0]+at[1]]) {
				t.Errorf("range %v of %d: %d bytes, %v", at, n, len(got), err)
			}
		}
		o.Close()
	}
}

func TestVersionsMarkersAndPurges(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("b", "Enabled")
	v1 := r.put("b", "k", []byte("one"))
	v2 := r.put("b", "k", []byte("two"))
	d := r.delete_("b", "k", "")
	if !d.Marker || d.VersionID == "" {
		t.Fatalf("delete made %+v", d)
	}
	r.wantErr("b", "k", "", ErrNoSuchKey)
	r.wantErr("b", "k", d.VersionID, isMarker(&record{}, "GET"))
	r.wantBody("b", "k", v1.VersionID(), []byte("one"))

	r.delete_("b", "k", d.VersionID) // the marker goes: the object is back
	r.wantBody("b", "k", "", []byte("two"))
	r.delete_("b", "k", v2.VersionID())
	r.wantBody("b", "k", "", []byte("one"))
	r.delete_("b", "k", v1.VersionID())
	r.wantErr("b", "k", "", ErrNoSuchKey)
	r.wantErr("b", "k", v1.VersionID(), ErrNoSuchVersion)
	if err := r.DeleteBucket(t.Context(), "b"); err != nil {
		t.Errorf("the bucket is empty, and yet: %v", err)
	}
	r.sweepAll()
	if n := r.kv.Len(); n != 0 {
		t.Errorf("%d rows are left of a deleted bucket", n)
	}
}

func TestNullVersions(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("b", "")
	r.put("b", "k", []byte("first"))
	v := r.put("b", "k", random(100_000))
	if v.VersionID() != "null" {
		t.Errorf("version ID %s in an unversioned bucket", v.VersionID())
	}
	r.document("versioning", "b", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
	e := r.put("b", "k", []byte("enabled"))
	r.wantBody("b", "k", "null", random(100_000))
	r.document("versioning", "b", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>")
	r.put("b", "k", []byte("suspended"))
	r.wantBody("b", "k", "null", []byte("suspended"))
	r.wantBody("b", "k", e.VersionID(), []byte("enabled"))
	d := r.delete_("b", "k", "")
	if !d.Marker || d.VersionID != "null" {
		t.Errorf("deleting under suspension gave %+v", d)
	}
	r.wantErr("b", "k", "", ErrNoSuchKey)
	r.delete_("b", "k", "null")
	r.wantBody("b", "k", "", []byte("enabled"))
	r.sweepAll()
	if n := r.blobs.Len(); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
	for range 10 {
		if more, err := r.FoldStep(t.Context()); err != nil {
			t.Fatal(err)
		} else if !more {
			break
		}
	}
	b, _ := r.Bucket(t.Context(), "b")
	if bytes, versions, err := r.Usage(t.Context(), b.UID); err != nil || bytes != 7 || versions != 1 {
		t.Errorf("usage %d bytes, %d versions, %v; want 7 and 1", bytes, versions, err)
	}
}

func TestConditions(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("b", "Enabled")
	put := func(c Conditions) error {
		_, err := r.Put(t.Context(), &PutInput{Bucket: "b", Key: "k", Size: 1, If: c}, strings.NewReader("x"))
		return err
	}
	if err := put(Conditions{Match: "abc"}); !errors.Is(err, ErrNoSuchKey) {
		t.Errorf("If-Match on nothing: %v", err)
	}
	if err := put(Conditions{NoneMatch: true}); err != nil {
		t.Errorf("If-None-Match on nothing: %v", err)
	}
	if err := put(Conditions{NoneMatch: true}); !errors.Is(err, ErrPrecondition) {
		t.Errorf("If-None-Match on something: %v", err)
	}
	if err := put(Conditions{Match: `"9dd4e461268c8034f5c8564e155c67a6"`}); err != nil {
		t.Errorf("If-Match: %v", err)
	}
	if err := put(Conditions{Match: "other"}); !errors.Is(err, ErrPrecondition) {
		t.Errorf("If-Match of another: %v", err)
	}
	r.delete_("b", "k", "")
	if err := put(Conditions{NoneMatch: true}); err != nil {
		t.Errorf("a delete marker counts as nothing: %v", err)
	}
}

func TestMultipart(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("b", "Enabled")
	u, err := r.CreateUpload(t.Context(), &PutInput{Bucket: "b", Key: "big"})
	if err != nil {
		t.Fatal(err)
	}
	var whole []byte
	in := &CompleteInput{Bucket: "b", Key: "big", UploadID: u.ID, Size: -1}
	for n, size := range []int{5 << 20, 5 << 20, 100} {
		if n == 1 { // uploaded twice: the last counts
			if _, err := r.UploadPart(t.Context(), &PartInput{Bucket: "b", Key: "big", UploadID: u.ID, Number: 2, Size: 10}, bytes.NewReader(random(10))); err != nil {
				t.Fatal(err)
			}
		}
		body := random(size + n)
		whole = append(whole, body...)
		p, err := r.UploadPart(t.Context(), &PartInput{Bucket: "b", Key: "big", UploadID: u.ID, Number: n + 1, Size: int64(len(body))}, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		in.Parts = append(in.Parts, CompletedPart{Number: n + 1, ETag: p.ETag})
	}
	if _, err := r.UploadPart(t.Context(), &PartInput{Bucket: "b", Key: "big", UploadID: u.ID, Number: 9, Size: 10}, bytes.NewReader(random(10))); err != nil {
		t.Fatal(err)
	}
	v, err := r.Complete(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(v.ETag, "-3") || v.Size != int64(len(whole)) {
		t.Errorf("completed as %s of %d bytes", v.ETag, v.Size)
	}
	again, err := r.Complete(t.Context(), in)
	if err != nil || again.ID != v.ID {
		t.Errorf("a repeated Complete gave %v, %v", again, err)
	}
	r.wantBody("b", "big", "", whole)
	o, err := r.Open(t.Context(), "b", "big", "")
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int][2]int64{1: {0, 5 << 20}, 2: {5 << 20, 5<<20 + 1}, 3: {10<<20 + 1, 102}} {
		off, length, ok, err := o.PartRange(t.Context(), n)
		if err != nil || !ok || off != want[0] || length != want[1] {
			t.Errorf("part %d: %d+%d %v %v, want %v", n, off, length, ok, err, want)
		}
	}
	rd, err := o.Body(t.Context(), 5<<20-5, 20)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(rd)
	if err != nil || !bytes.Equal(got, whole[5<<20-5:5<<20+15]) {
		t.Errorf("a range over two parts: %d bytes, %v", len(got), err)
	}
	o.Close()
	if more, err := o.LoadParts(t.Context(), 0, 2); err != nil || !more || len(o.Parts) != 2 {
		t.Errorf("LoadParts: %v %v %v", o.Parts, more, err)
	}
	r.sweepAll()
	if n := r.blobs.Len(); n != 3 {
		t.Errorf("%d blobs after the sweep, want those of 3 parts", n)
	}
	r.delete_("b", "big", v.VersionID())
	r.sweepAll()
	if n := r.blobs.Len(); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}
