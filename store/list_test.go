package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
)

// TestLatestBehindMarker: a page that begins behind a version which was deleted
// since shows as the latest what is the latest now.
func TestLatestBehindMarker(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("b", "Enabled")
	var ids []string
	for i := range 3 {
		ids = append(ids, r.put("b", "k", []byte{byte(i)}).VersionID())
	}
	latest := func(marker string) (out string) {
		t.Helper()
		page, err := r.ListVersions(t.Context(), ListVersionsInput{Bucket: "b", KeyMarker: "k", VersionMarker: marker, Max: ListMax})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			for i, id := range ids {
				if e.VersionID == id {
					out += fmt.Sprint(i, " ", e.Latest, ";")
				}
			}
		}
		return out
	}
	if got := latest(ids[2]); got != "1 false;0 false;" {
		t.Errorf("behind the latest: %s", got)
	}
	r.delete_("b", "k", ids[2])
	if got := latest(ids[2]); got != "1 true;0 false;" {
		t.Errorf("behind what was the latest: %s", got)
	}
	if got := latest(ids[1]); got != "0 false;" {
		t.Errorf("behind the latest: %s", got)
	}
	r.delete_("b", "k", ids[0])
	r.delete_("b", "k", ids[1])
	if got := latest(ids[2]); got != "" {
		t.Errorf("of a key that is gone: %s", got)
	}
}

// TestUploadMarker: behind the ID of an upload, open or gone, its younger ones
// follow; what is no ID at all is refused.
func TestUploadMarker(t *testing.T) {
	r := newRegion(t, "us-east-1", nil)
	r.bucket_("b", "")
	var ids []string
	for range 3 {
		u, err := r.CreateUpload(t.Context(), &PutInput{Bucket: "b", Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	in := ListUploadsInput{Bucket: "b", KeyMarker: "k", UploadMarker: ids[0], Max: ListMax}
	for _, state := range []string{"open", "gone"} {
		page, err := r.ListUploads(t.Context(), in)
		if err != nil || len(page.Uploads) != 2 || page.Uploads[0].ID != ids[1] {
			t.Errorf("behind an upload that is %s: %+v, %v", state, page, err)
		}
		if state == "open" {
			if err := r.Abort(t.Context(), "b", "k", ids[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	in.UploadMarker = strings.Repeat("x", 9)
	_, err := r.ListUploads(t.Context(), in)
	e := awserr.From(err)
	if e == nil || e.Code != "InvalidArgument" || e.Status != 400 || e.Message != "Invalid uploadId marker" ||
		fmt.Sprint(e.Extra) != "[{ArgumentName upload-id-marker} {ArgumentValue xxxxxxxxx}]" {
		t.Errorf("a marker that is no ID: %v %+v", err, e)
	}
}
