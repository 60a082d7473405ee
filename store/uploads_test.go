package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
)

// TestCustomerUploadKeepsNoChecksum: of an object under a customer's key that was
// uploaded in parts AWS keeps no checksum that nobody asked for. The one that a
// client says is the whole's is compared all the same.
func TestCustomerUploadKeepsNoChecksum(t *testing.T) {
	for _, c := range []struct {
		sse       s3.SSE
		algorithm s3.ChecksumAlgorithm
		kept      s3.ChecksumAlgorithm
	}{
		{s3.SSE{}, "", s3.CRC64NVME},
		{s3.SSE{Algorithm: "AES256", CustomerKeyMD5: "1B2M2Y8AsgTpgAmY7PhCfg=="}, "", ""},
		{s3.SSE{Algorithm: "AES256", CustomerKeyMD5: "1B2M2Y8AsgTpgAmY7PhCfg=="}, s3.CRC64NVME, s3.CRC64NVME},
	} {
		u := &upload{algorithm: c.algorithm}
		u.SSE = c.sse
		if c.algorithm != "" {
			u.checksumType = s3.FullObject
		}
		x := &run{size: 5, digest: 7, part: s3.Part{Number: 1, Size: 5, ETag: strings.Repeat("0", 32)}}
		var r record
		r.SSE = c.sse
		err := (&chosen{used: []*run{x}}).assemble(&r, u, &CompleteInput{Size: -1})
		if err != nil || r.Checksum.Algorithm != c.kept {
			t.Errorf("%+v with %q: %+v, %v", c.sse, c.algorithm, r.Checksum, err)
		}
		err = (&chosen{used: []*run{x}}).assemble(&r, u, &CompleteInput{Size: -1, Checksum: s3.Checksum{Algorithm: s3.CRC64NVME, Value: "AAAAAAAAAAA="}})
		if e := awserr.From(err); e == nil || e.Code != "BadDigest" {
			t.Errorf("%+v with %q and another checksum: %v", c.sse, c.algorithm, err)
		}
	}
}

// TestConditionalComplete: a conditional Complete answers by its condition, and
// where that holds by whether the key was written or deleted since the upload
// began. So AWS answers.
func TestConditionalComplete(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	for _, versioning := range []string{"", "Enabled", "Suspended"} {
		bucket := "b" + strings.ToLower(versioning)
		r.bucket_(bucket, versioning)
		begin := func() (complete func(c Conditions) error) {
			t.Helper()
			u, err := r.CreateUpload(t.Context(), &PutInput{Bucket: bucket, Key: "k"})
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.UploadPart(t.Context(), &PartInput{Bucket: bucket, Key: "k", UploadID: u.ID, Number: 1, Size: 1}, strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			return func(c Conditions) error {
				_, err := r.Complete(t.Context(), &CompleteInput{Bucket: bucket, Key: "k", UploadID: u.ID, Size: -1, If: c, Parts: []CompletedPart{{Number: 1, ETag: p.ETag}}})
				return err
			}
		}
		want := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%q, %s: %v, want %v", versioning, what, err, want)
			}
		}
		none := Conditions{NoneMatch: true}

		one := Conditions{Match: r.put(bucket, "k", []byte("one")).ETag}
		complete := begin()
		want("over an object", complete(none), ErrPrecondition)
		r.delete_(bucket, "k", "")
		want("deleted meanwhile", complete(none), ErrConflict)
		want("of what was deleted meanwhile", complete(one), ErrNoSuchKey)
		r.put(bucket, "k", []byte("one"))
		want("written meanwhile", complete(none), ErrPrecondition)
		want("deleted and written again meanwhile", complete(one), ErrConflict)
		begin()
		want("begun anew", begin()(one), nil)

		r.delete_(bucket, "k", "")
		complete = begin()
		want("deleted before", complete(none), nil)

		r.put(bucket, "k", []byte("one"))
		complete = begin()
		two := Conditions{Match: r.put(bucket, "k", []byte("two")).ETag}
		want("of what was replaced meanwhile", complete(one), ErrPrecondition)
		want("of what came meanwhile", complete(two), ErrConflict)
		want("without a condition", complete(Conditions{}), nil)

		// A part that comes after the key was deleted changes nothing about that.
		u, err := r.CreateUpload(t.Context(), &PutInput{Bucket: bucket, Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		r.delete_(bucket, "k", "")
		p, err := r.UploadPart(t.Context(), &PartInput{Bucket: bucket, Key: "k", UploadID: u.ID, Number: 1, Size: 1}, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Complete(t.Context(), &CompleteInput{Bucket: bucket, Key: "k", UploadID: u.ID, Size: -1, If: none, Parts: []CompletedPart{{Number: 1, ETag: p.ETag}}})
		want("deleted before a part", err, ErrConflict)
	}
}
