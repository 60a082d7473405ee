package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/farhold/farhold/s3"
)

// An ACL that was decided for one account's object does not land on another's.
func TestACLOfAnotherOwner(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("bucket", "")
	write := func(owner string) {
		if _, err := r.Put(t.Context(), &PutInput{Bucket: "bucket", Key: "key", Size: 1, Owner: owner}, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	write("111122223333")
	if _, err := r.SetOwnACL(t.Context(), "bucket", "key", "", "111122223333", s3.ACLRegister{Canned: "public-read"}); err != nil {
		t.Fatal(err)
	}
	write("999999999999")
	if _, err := r.SetOwnACL(t.Context(), "bucket", "key", "", "111122223333", s3.ACLRegister{Canned: "public-read"}); !errors.Is(err, ErrOperationAborted) {
		t.Errorf("%v", err)
	}
	o, err := r.Open(t.Context(), "bucket", "key", "")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.ACL.Canned != "" {
		t.Errorf("the other account's object has %+v", o.ACL)
	}
}

// What is derived from a bucket is made once, and anew after each change of a
// document.
func TestDerived(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("bucket", "")
	made := 0
	derive := func() any {
		b, err := r.Bucket(t.Context(), "bucket")
		if err != nil {
			t.Fatal(err)
		}
		v, err := b.Derived("policy", func() (any, error) {
			made++
			raw, err := r.Document(t.Context(), b, "policy", "")
			return string(raw), err
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for range 3 {
		if v := derive(); v != "" {
			t.Errorf("%q", v)
		}
	}
	r.document("policy", "bucket", "one")
	if derive() != "one" || derive() != "one" {
		t.Error("the old policy goes on")
	}
	r.document("policy", "bucket", "two")
	if derive() != "two" {
		t.Error("the old policy goes on")
	}
	if made != 3 {
		t.Errorf("made %d times", made)
	}
	b, err := r.Bucket(t.Context(), "bucket")
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("not now")
	if _, err := b.Derived("other", func() (any, error) { return nil, failed }); err != failed {
		t.Errorf("%v", err)
	}
	if v, err := b.Derived("other", func() (any, error) { return 1, nil }); err != nil || v != 1 {
		t.Errorf("an error was kept: %v, %v", v, err)
	}
}
