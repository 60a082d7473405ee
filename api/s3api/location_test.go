package s3api

import (
	"testing"
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
