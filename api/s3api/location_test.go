package s3api

import (
	"strings"
	"testing"

	"github.com/farhold/farhold/realm"
)

// TestLocationOfConstrained: with a location constraint CreateBucket answers with
// the bucket's URL, without one with its path.
func TestLocationOfConstrained(t *testing.T) {
	east, _ := eastAndWest(t)
	for _, c := range []struct {
		bucket string
		body   []byte
		want   string
	}{
		{"plain", nil, "/plain"},
		{"empty", []byte("<CreateBucketConfiguration/>"), "/empty"},
		{"located", located("us-west-2"), east.server.URL + "/located/"},
	} {
		a := east.do("PUT", "/"+c.bucket, c.body)
		a.want(t, 200, "")
		if got := a.header.Get("Location"); got != c.want {
			t.Errorf("%s: Location %q, want %q", c.bucket, got, c.want)
		}
	}
}

// TestOldEurope: a bucket that was made with the constraint EU lies in eu-west-1
// and is said to lie in EU, as on AWS.
func TestOldEurope(t *testing.T) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	w := newRegion(t, f, "eu-west-1")
	for bucket, constraint := range map[string]string{"old": "EU", "young": "eu-west-1"} {
		w.do("PUT", "/"+bucket, located(constraint)).want(t, 200, "")
		if a := w.do("GET", "/"+bucket+"?location", nil); !strings.Contains(a.body, ">"+constraint+"</LocationConstraint>") {
			t.Errorf("%s: %s", constraint, a.body)
		}
		if a := w.do("HEAD", "/"+bucket, nil); a.header.Get("X-Amz-Bucket-Region") != "eu-west-1" {
			t.Errorf("%s: %v", constraint, a.header)
		}
	}
}
