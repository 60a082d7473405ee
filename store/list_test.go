package store

import (
	"fmt"
	"testing"
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
