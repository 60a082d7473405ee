package s3api

import (
	"testing"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// Between the word that the name is the caller's own and the reset of its ACL
// the bucket may go, and another account may take the name.
func TestCreateAgainMeetsADeletion(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.do("PUT", "/bucket", nil).want(t, 200, "")
	if err := w.store.DeleteBucket(ctx, "bucket"); err != nil {
		t.Fatal(err)
	}
	w.do("PUT", "/bucket", nil).want(t, 409, "OperationAborted")
	if _, err := w.store.CreateBucket(ctx, store.NewBucket{
		Name: "bucket", UID: s3.UID("00000000000000aa"), Owner: "999999999999", Documents: map[string][]byte{"acl": []byte("theirs")},
	}); err != nil {
		t.Fatal(err)
	}
	w.do("PUT", "/bucket", nil).want(t, 409, "BucketAlreadyExists")
	b, err := w.store.Bucket(ctx, "bucket")
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := w.store.Document(ctx, b, "acl", ""); err != nil || string(doc) != "theirs" {
		t.Errorf("their ACL is now %q, %v", doc, err)
	}
}
