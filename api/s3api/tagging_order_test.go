package s3api

import (
	"strings"
	"testing"
)

// GetObjectTagging answers in the order of keys, however they were given.
func TestTagsAreInOrder(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "bytes", "x-amz-tagging", "foo=bar&bar")
	const want = "<Key>bar</Key><Value/></Tag><Tag><Key>foo</Key><Value>bar</Value>"
	if a := w.do("GET", "/bucket/key?tagging", nil); !strings.Contains(a.body, want) {
		t.Errorf("answered\n%s", a.body)
	}
}
