package store

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"testing"

	"github.com/minio/crc64nvme"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/objectkey/fakekms"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
)

// wants gives each way to seal an object.
func wants(r *region, b *Bucket, key string) map[string]objectkey.Want {
	customer := bytes.Repeat([]byte{'k', 'y'}, 16)
	sum := md5.Sum(customer)
	base := objectkey.Want{Bucket: b.Name, Key: key, UID: b.UID, By: access.Actor{Caller: &access.Caller{Kind: access.User, Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/u"}}}
	m := map[string]objectkey.Want{}
	add := func(name string, sse s3.SSE, c *objectkey.Customer) {
		w := base
		w.SSE, w.Customer = sse, c
		m[name] = w
	}
	add("SSE-KMS", s3.SSE{Algorithm: "aws:kms"}, nil)
	add("bucket key", s3.SSE{Algorithm: "aws:kms", BucketKey: true}, nil)
	add("DSSE", s3.SSE{Algorithm: "aws:kms:dsse"}, nil)
	add("SSE-C", s3.SSE{}, &objectkey.Customer{Key: customer, MD5: base64.StdEncoding.EncodeToString(sum[:])})
	return m
}

func (r *region) objectKeys() *objectkey.Keys {
	return objectkey.New(objectkey.Options{Region: r.opt.Keeper, KMS: fakekms.New(r.opt.Region)})
}

// putAs writes an object under other keys than the region's: whole, or in parts.
func (r *region) putAs(keys *objectkey.Keys, w objectkey.Want, parts ...[]byte) *s3.Version {
	r.t.Helper()
	k, sse, err := keys.Seal(r.t.Context(), &w)
	if err != nil {
		r.t.Fatal(err)
	}
	in := &PutInput{Bucket: w.Bucket, Key: w.Key, Size: -1, Owner: "111122223333", Keeper: k, SSE: sse}
	if len(parts) == 1 {
		v, err := r.Put(r.t.Context(), in, bytes.NewReader(parts[0]))
		if err != nil {
			r.t.Fatal(err)
		}
		return v
	}
	u, err := r.CreateUpload(r.t.Context(), in)
	if err != nil {
		r.t.Fatal(err)
	}
	w.SSE = u.Input.SSE
	done := &CompleteInput{Bucket: w.Bucket, Key: w.Key, UploadID: u.ID, Size: -1}
	for i, p := range parts {
		part, err := r.UploadPart(r.t.Context(), &PartInput{Bucket: w.Bucket, Key: w.Key, UploadID: u.ID, Number: i + 1, Size: int64(len(p)), Keeper: keys.Open(&w)}, bytes.NewReader(p))
		if err != nil {
			r.t.Fatal(err)
		}
		done.Parts = append(done.Parts, CompletedPart{Number: i + 1, ETag: part.ETag})
	}
	v, err := r.Complete(r.t.Context(), done)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// openAs opens an object for somebody.
func (r *region) openAs(keys *objectkey.Keys, w objectkey.Want, v *s3.Version) *Object {
	r.t.Helper()
	o, err := r.Open(r.t.Context(), w.Bucket, w.Key, v.VersionID())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(o.Close)
	w.SSE = o.SSE
	o.Use(keys.Open(&w))
	return o
}

// readAll makes what reads a body to its end.
func readAll(t testing.TB) func(b io.ReadCloser, err error) []byte {
	return func(b io.ReadCloser, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		return all
	}
}

// bodies are one of each place where bodies lie.
func bodies() map[string][][]byte {
	return map[string][][]byte{
		"empty": {{}},
		"row":   {random(1000)},
		"blob":  {random(3*seal.FrameSize + 11)},
		"parts": {random(PartSizeMin + 5), random(PartSizeMin), random(9)},
	}
}

func TestKeepers(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	keys := r.objectKeys()
	b := r.bucket_("bucket", "Enabled")
	for place, parts := range bodies() {
		whole := bytes.Join(parts, nil)
		for name, w := range wants(r, b, "key") {
			v := r.putAs(keys, w, parts...)
			o := r.openAs(keys, w, v)
			if got := readAll(t)(o.Body(t.Context(), 0, -1)); !bytes.Equal(got, whole) {
				t.Fatalf("%s, %s: %d other bytes", name, place, len(got))
			}
			for _, at := range []int64{0, 1, seal.FrameSize - 1, PartSizeMin, PartSizeMin + 5} {
				if at+7 > int64(len(whole)) {
					continue
				}
				if got := readAll(t)(o.Body(t.Context(), at, 7)); !bytes.Equal(got, whole[at:at+7]) {
					t.Fatalf("%s, %s: other bytes at %d", name, place, at)
				}
			}
			if v.Digest != crc64nvme.Checksum(whole) {
				t.Errorf("%s, %s: digest", name, place)
			}
			if sum := md5.Sum(whole); v.ETag == etagOf(sum) {
				t.Errorf("%s, %s: the ETag is the MD5", name, place)
			}
			// The region alone can't open it.
			bare, err := r.Open(t.Context(), "bucket", "key", v.VersionID())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bare.Body(t.Context(), 0, -1); !errors.Is(err, seal.ErrKeyUnavailable) {
				t.Errorf("%s, %s: without its keeper: %v", name, place, err)
			}
			bare.Close()
		}
	}
}

// TestHeadersOfKeepers: an index can be rebuilt from blobs with the region's key
// alone, whoever has the objects' keys; and the blob has all that reading it
// takes.
func TestHeadersOfKeepers(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	keys := r.objectKeys()
	b := r.bucket_("bucket", "Enabled")
	for name, w := range wants(r, b, "key") {
		seen := map[blob.ID]bool{}
		for info, err := range r.blobs.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			seen[info.ID] = true
		}
		body := random(100_000)
		v := r.putAs(keys, w, body)
		for info, err := range r.blobs.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if seen[info.ID] {
				continue
			}
			src, err := r.blobs.Open(t.Context(), info.ID, 0, info.Size)
			if err != nil {
				t.Fatal(err)
			}
			h, err := seal.ReadHeader(src)
			if err != nil {
				t.Fatal(err)
			}
			hw, ow, err := seal.SplitHeaderKey(h.Wrapped)
			if err != nil || seal.KindOf(h.Wrapped) != seal.KindHeader {
				t.Fatal(err)
			}
			bound := about(b.UID, "key")
			hk, err := r.opt.Keeper.Unwrap(t.Context(), hw, bound)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			payload, err := h.Open(hk)
			if err != nil || !bytes.Contains(payload, []byte(b.UID)) {
				t.Fatalf("%s: payload %q, %v", name, payload, err)
			}
			w.SSE = v.SSE
			key, err := keys.Open(&w).Unwrap(t.Context(), ow, bound)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			sealed, err := io.ReadAll(src)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := seal.Key(key).Open(nil, h.ID, sealed); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// arrive ships a version as it lies.
func (r *region) arrive(to *region, keys *objectkey.Keys, w objectkey.Want, v *s3.Version, change func(*Arrival, []byte) []byte) (Receipt, []byte, error) {
	r.t.Helper()
	o := r.openAs(keys, w, v)
	if _, err := o.LoadParts(r.t.Context(), 0, PartsMax); err != nil {
		r.t.Fatal(err)
	}
	desc, err := o.Sealed(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	sealed := readAll(r.t)(o.SealedBody(r.t.Context(), 0, -1))
	if int64(len(sealed)) != desc.Length() {
		r.t.Fatalf("%d sealed bytes, not %d", len(sealed), desc.Length())
	}
	for _, at := range []int64{0, 5, desc.Length() / 2, desc.Length()} {
		n := min(9, desc.Length()-at)
		if got := readAll(r.t)(o.SealedBody(r.t.Context(), at, n)); !bytes.Equal(got, sealed[at:at+n]) {
			r.t.Fatalf("other sealed bytes at %d", at)
		}
	}
	a := &Arrival{From: "us-east-1", Bucket: "there", Version: o.Version, Sealed: desc}
	a.Version.Targets = nil
	want := crc64nvme.Checksum(sealed)
	desc.Verify = func(digest uint64) error {
		if digest != want {
			return errOther
		}
		return nil
	}
	body := sealed
	if change != nil {
		body = change(a, bytes.Clone(sealed))
	}
	rc, err := to.Receive(r.t.Context(), a, bytes.NewReader(body))
	return rc, sealed, err
}

var errOther = errors.New("other sealed bytes")

func TestSealedArrivals(t *testing.T) {
	here, there := newRegion(t, "us-east-1", nil), newRegion(t, "eu-west-1", nil)
	there.now = here.now
	keys := here.objectKeys()
	b := here.bucket_("here", "Enabled")
	there.bucket_("there", "Enabled")
	w := wants(here, b, "key")["SSE-C"]
	for place, parts := range bodies() {
		whole := bytes.Join(parts, nil)
		v := here.putAs(keys, w, parts...)
		for name, change := range map[string]func(*Arrival, []byte) []byte{
			"a byte changed": func(_ *Arrival, b []byte) []byte { b[len(b)/2] ^= 1; return b },
			"cut short":      func(_ *Arrival, b []byte) []byte { return b[:len(b)-1] },
			"a byte more":    func(_ *Arrival, b []byte) []byte { return append(b, 0) },
			"another size":   func(a *Arrival, b []byte) []byte { a.Sealed.Runs[0].Size++; return b },
			"no runs":        func(a *Arrival, b []byte) []byte { a.Sealed.Runs = nil; return b },
			"a run less": func(a *Arrival, b []byte) []byte {
				last := len(a.Sealed.Runs) - 1
				n := a.Sealed.Runs[last].Length()
				a.Sealed.Runs, a.Sealed.Verify = a.Sealed.Runs[:last], nil
				return b[:int64(len(b))-n]
			},
			"part of a run": func(a *Arrival, b []byte) []byte {
				last := &a.Sealed.Runs[len(a.Sealed.Runs)-1]
				n := last.Length()
				last.Size /= 2
				a.Sealed.Verify = nil
				if last.Size == 0 {
					last.Size = -1
				}
				return b[:int64(len(b))-n+max(0, last.Length())]
			},
			"region's key":     func(a *Arrival, b []byte) []byte { a.Sealed.Wrapped = []byte{1, 2}; return b },
			"another part":     func(a *Arrival, b []byte) []byte { a.Sealed.Runs[0].Part += 7; return b },
			"another run":      func(a *Arrival, b []byte) []byte { a.Sealed.Runs[0].Seq++; return b },
			"not a customer's": func(a *Arrival, b []byte) []byte { a.Version.SSE.CustomerKeyMD5 = ""; return b },
		} {
			if rc, _, err := here.arrive(there, keys, w, v, change); err == nil {
				t.Errorf("%s, %s: taken: %+v", place, name, rc)
			}
		}
		if n := there.blobCount(); n != 0 {
			t.Fatalf("%s: refused arrivals left %d blobs", place, n)
		}
		rc, sealed, err := here.arrive(there, keys, w, v, nil)
		if err != nil || rc.Size != v.Size || rc.Digest != v.Digest || rc.Already {
			t.Fatalf("%s: %+v, %v", place, rc, err)
		}
		if rc, _, err := here.arrive(there, keys, w, v, nil); err != nil || !rc.Already {
			t.Fatalf("%s, again: %+v, %v", place, rc, err)
		}
		far := w
		far.Bucket = "there"
		o := there.openAs(keys, far, v)
		if got := readAll(t)(o.Body(t.Context(), 0, -1)); !bytes.Equal(got, whole) || o.ETag != v.ETag || !o.Replica {
			t.Fatalf("%s: arrived as %d other bytes, %+v", place, len(got), o.Version)
		}
		if got := readAll(t)(o.SealedBody(t.Context(), 0, -1)); !bytes.Equal(got, sealed) {
			t.Fatalf("%s: sealed anew", place)
		}
		if o.PartsCount > 0 {
			at, n, ok, err := o.PartRange(t.Context(), 2)
			if err != nil || !ok || at != int64(len(parts[0])) || n != int64(len(parts[1])) {
				t.Errorf("part 2 at %d, %d bytes, %v", at, n, err)
			}
		}
		if _, err := there.Delete(t.Context(), DeleteInput{Bucket: "there", Key: "key", VersionID: v.VersionID()}); err != nil {
			t.Fatal(err)
		}
		o.Close()
		there.sweepAll()
		if n := there.blobCount(); n != 0 {
			t.Fatalf("%s: %d blobs after the purge", place, n)
		}
	}
	// Others are not shipped so: their keys open in their own bucket only.
	for name, w := range wants(here, b, "other") {
		if name == "SSE-C" {
			continue
		}
		o := here.openAs(keys, w, here.putAs(keys, w, []byte("x")))
		if _, err := o.Sealed(t.Context()); !errors.Is(err, ErrNotSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestArrivalKeeper: a replica is sealed under the key that it is given, also
// when it comes in segments.
func TestArrivalKeeper(t *testing.T) {
	there := newRegion(t, "eu-west-1", nil)
	here := newRegion(t, "us-east-1", nil)
	keys := there.objectKeys()
	b := there.bucket_("there", "Enabled")
	here.bucket_("here", "Enabled")
	for name, w := range wants(there, b, "key") {
		if name == "SSE-C" {
			continue // it comes sealed
		}
		body := random(2*SegmentSize + 5)
		v := *here.put("here", "key", body)
		v.Targets = nil
		k, sse, err := keys.Seal(t.Context(), &w)
		if err != nil {
			t.Fatal(err)
		}
		v.SSE = sse
		a := &Arrival{From: "us-east-1", Bucket: "there", Version: v, Keeper: makes{k}}
		for _, s := range Segments(&v) {
			if err := there.Stage(t.Context(), a, s, bytes.NewReader(body[s.Offset:s.Offset+s.Length])); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		a.Staged = true
		a.Version.SSE.KeyID = "the key that a rule names by now"
		if _, err := there.Receive(t.Context(), a, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		o := there.openAs(keys, w, &v)
		if got := readAll(t)(o.Body(t.Context(), 0, -1)); !bytes.Equal(got, body) || o.SSE != sse {
			t.Errorf("%s: %+v", name, o.SSE)
		}
	}
}

// makes is a Keeper of somebody who may make keys and not open them.
type makes struct{ seal.Keeper }

func (makes) Unwrap(context.Context, []byte, map[string]string) ([]byte, error) {
	return nil, errOther
}

// blobCount tells how many blobs there are.
func (r *region) blobCount() int { return r.blobs.Len() }
