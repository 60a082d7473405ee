package s3api

import (
	"strings"
	"testing"
)

// TestBucketRegionWhenAsked: as AWS documents it, the region of a bucket is told
// where the request has a parameter.
func TestBucketRegionWhenAsked(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for query, told := range map[string]bool{
		"":                         false,
		"?x-id=ListBuckets":        false,
		"?prefix=buck":             true,
		"?max-buckets=5":           true,
		"?bucket-region=us-east-1": true,
	} {
		a := w.do("GET", "/"+query, nil)
		if a.status != 200 || strings.Contains(a.body, "<BucketRegion>us-east-1</BucketRegion>") != told || !strings.Contains(a.body, "<BucketArn>arn:aws:s3:::bucket</BucketArn>") {
			t.Errorf("%q: %d %s", query, a.status, a.body)
		}
	}
}
