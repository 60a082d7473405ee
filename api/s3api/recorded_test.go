package s3api

import (
	"bytes"
	"strings"
	"testing"

	"github.com/farhold/farhold/realm"
)

// TestMarkersUnderPrefixes: a marker that lies under a common prefix is past the
// whole of it, in each listing that has markers, as recorded of AWS.
func TestMarkersUnderPrefixes(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	for _, key := range []string{"folder/sub/1", "folder/sub/2", "folder/x", "folder/y"} {
		w.put("bucket", key, "x")
		w.upload("/bucket/" + key)
	}
	for _, c := range []struct{ query, marker, next string }{
		{"marker=", "Marker", "NextMarker"},
		{"versions&key-marker=", "KeyMarker", "NextKeyMarker"},
		{"uploads&key-marker=", "KeyMarker", "NextKeyMarker"},
	} {
		const under = "folder/sub/1"
		size := "max-keys"
		if strings.HasPrefix(c.query, "uploads") {
			size = "max-uploads"
		}
		a := w.do("GET", "/bucket?prefix=folder/&delimiter=/&"+size+"=1&"+c.query+under, nil)
		a.want(t, 200, "")
		if a.element("Key") != "folder/x" || a.element(c.marker) != under || a.element(c.next) != "folder/x" || strings.Contains(a.body, "CommonPrefixes") {
			t.Errorf("%s: %s", c.query, a.body)
		}
		// Without a delimiter the marker is a key like any other.
		a = w.do("GET", "/bucket?prefix=folder/&"+size+"=1&"+c.query+under, nil)
		if a.element("Key") != "folder/sub/2" {
			t.Errorf("%s without a delimiter: %s", c.query, a.body)
		}
	}
	// The marker of a version belongs to a key that is passed over.
	version := w.do("HEAD", "/bucket/folder/sub/1", nil).header.Get("X-Amz-Version-Id")
	a := w.do("GET", "/bucket?versions&prefix=folder/&delimiter=/&key-marker=folder/sub/1&version-id-marker="+version, nil)
	if a.element("Key") != "folder/x" || a.element("VersionIdMarker") != version {
		t.Errorf("%s", a.body)
	}
}

// TestListingMembers: what AWS leaves away, and what it tells beyond need.
func TestListingMembers(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for _, key := range []string{"a", "b", "c"} {
		w.put("bucket", key, "x")
	}
	first := w.do("GET", "/bucket?list-type=2&max-keys=1&start-after=a", nil)
	if first.element("StartAfter") != "a" || first.element("Key") != "b" {
		t.Errorf("%s", first.body)
	}
	rest := w.do("GET", "/bucket?list-type=2&start-after=a&continuation-token="+first.element("NextContinuationToken"), nil)
	if strings.Contains(rest.body, "StartAfter") || rest.element("Key") != "c" {
		t.Errorf("a token and start-after: %s", rest.body)
	}
	none := w.do("GET", "/bucket?uploads", nil)
	if strings.Contains(none.body, "<Prefix") || none.element("NextKeyMarker") != "" {
		t.Errorf("%s", none.body)
	}
	id := w.upload("/bucket/key")
	one := w.do("GET", "/bucket?uploads&prefix=k", nil)
	if one.element("Prefix") != "k" || one.element("IsTruncated") != "false" || one.element("NextKeyMarker") != "key" || one.element("NextUploadIdMarker") != id {
		t.Errorf("%s", one.body)
	}
	// A checksum that the client sent with a part is told of an upload that has
	// an algorithm alone.
	summed := w.upload("/bucket/summed", "x-amz-checksum-algorithm", "CRC32")
	for key, up := range map[string]string{"key": id, "summed": summed} {
		w.part("/bucket/"+key, up, 1, []byte("123456789"), "x-amz-checksum-crc32", "y/Q5Jg==")
		parts := w.do("GET", "/bucket/"+key+"?uploadId="+up, nil)
		if told := strings.Contains(parts.body, "<ChecksumCRC32>y/Q5Jg==<"); told != (key == "summed") {
			t.Errorf("%s: %s", key, parts.body)
		}
	}
}

// TestTagsAndACLOfMarkers: a delete marker has no tags and takes no ACL.
func TestTagsAndACLOfMarkers(t *testing.T) {
	w := newWorld(t)
	w.do("PUT", "/bucket", nil, "x-amz-object-ownership", "ObjectWriter").want(t, 200, "")
	w.versioning("bucket", "Enabled")
	w.put("bucket", "key", "x")
	marker := w.do("DELETE", "/bucket/key", nil).header.Get("X-Amz-Version-Id")
	tags := []byte(`<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`)
	for _, version := range []string{"", "&versionId=" + marker} {
		for _, c := range []struct {
			method, sub string
			body        []byte
			headers     []string
		}{
			{"GET", "tagging", nil, nil},
			{"PUT", "tagging", tags, nil},
			{"DELETE", "tagging", nil, nil},
			{"PUT", "acl", nil, []string{"x-amz-acl", "private"}},
		} {
			a := w.do(c.method, "/bucket/key?"+c.sub+version, c.body, c.headers...)
			a.want(t, 405, "MethodNotAllowed")
			if a.element("Method") != c.method || a.element("ResourceType") != "DeleteMarker" || a.header.Get("X-Amz-Version-Id") != marker {
				t.Errorf("%s %s%s: %s", c.method, c.sub, version, a.body)
			}
		}
	}
	w.do("GET", "/bucket/key?acl", nil).want(t, 404, "NoSuchKey")
	w.do("GET", "/bucket/other?tagging", nil).want(t, 404, "NoSuchKey")
}

// TestWhatIsWrongComesFirst: an ACL that is no good is refused for that, also
// where ACLs are off; an upload that is not there, also without parts.
func TestWhatIsWrongComesFirst(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "x")
	for _, target := range []string{"/bucket?acl", "/bucket/key?acl"} {
		w.do("PUT", target, nil, "x-amz-acl", "fake").want(t, 400, "InvalidArgument")
		w.do("PUT", target, nil).want(t, 400, "MissingSecurityHeader")
		w.do("PUT", target, nil, "x-amz-acl", "private", "x-amz-grant-read", `id="1"`).want(t, 400, "InvalidRequest")
		w.do("PUT", target, []byte("<AccessControlPolicy/>")).want(t, 400, "MalformedACLError")
		w.do("PUT", target, nil, "x-amz-acl", "public-read").want(t, 400, "AccessControlListNotSupported")
	}
	w.do("POST", "/bucket/key?uploadId=fake", nil).want(t, 404, "NoSuchUpload")
	w.do("POST", "/bucket/key?uploadId="+w.upload("/bucket/key"), nil).want(t, 400, "InvalidRequest")
}

// TestNullSources: a copy does not name the null version as its source.
func TestNullSources(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "x")
	w.versioning("bucket", "Enabled")
	null := w.do("PUT", "/bucket/copy", nil, "x-amz-copy-source", "bucket/key")
	if v, ok := null.header["X-Amz-Copy-Source-Version-Id"]; ok || null.status != 200 {
		t.Errorf("%d %q", null.status, v)
	}
	again := w.do("PUT", "/bucket/again", nil, "x-amz-copy-source", "bucket/copy")
	if again.header.Get("X-Amz-Copy-Source-Version-Id") != null.header.Get("X-Amz-Version-Id") {
		t.Errorf("%v", again.header)
	}
}

// TestPartChecksums: parts of an object whose checksum is that of the whole show
// none of their own.
func TestPartChecksums(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	id := w.upload("/bucket/key", "x-amz-checksum-algorithm", "CRC32", "x-amz-checksum-type", "FULL_OBJECT")
	etags := []string{w.part("/bucket/key", id, 1, bytes.Repeat([]byte("1"), partMin)), w.part("/bucket/key", id, 2, []byte("two"))}
	w.do("POST", "/bucket/key?uploadId="+id, completion(etags)).want(t, 200, "")
	mode := []string{"x-amz-checksum-mode", "ENABLED"}
	if h := w.do("HEAD", "/bucket/key?partNumber=2", nil, mode...).header; h.Get("X-Amz-Checksum-Crc32") != "" || h.Get("X-Amz-Mp-Parts-Count") != "2" {
		t.Errorf("%v", h)
	}
	if h := w.do("HEAD", "/bucket/key", nil, mode...).header; h.Get("X-Amz-Checksum-Crc32") == "" || h.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
		t.Errorf("%v", h)
	}
}

// TestPreflightNamesTheBucket where the bucket has no CORS configuration.
func TestPreflightNamesTheBucket(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for _, target := range []string{"/bucket/key", "/nobucket/key"} {
		a := w.send(w.request("OPTIONS", target, nil, "Origin", "https://a.example", "Access-Control-Request-Method", "PUT"))
		a.want(t, 403, "AccessForbidden")
		if a.element("ResourceType") != "BUCKET" {
			t.Errorf("%s: %s", target, a.body)
		}
	}
}

// TestCompositeCompletion: what is wrong with the checksums of a completion, in
// the order in which AWS finds it.
func TestCompositeCompletion(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	id := w.upload("/bucket/key", "x-amz-checksum-algorithm", "CRC32", "x-amz-checksum-type", "COMPOSITE")
	etags := []string{w.part("/bucket/key", id, 1, []byte("abc"), "x-amz-checksum-crc32", "NSRBwg==")}
	target := "/bucket/key?uploadId=" + id
	for _, c := range []struct {
		body           []byte
		headers        []string
		code, contains string
	}{
		{completion(etags), []string{"x-amz-checksum-type", "FULL_OBJECT"}, "InvalidRequest", "created using the COMPOSITE checksum mode"},
		{completion(etags, "<ChecksumSHA256>ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=</ChecksumSHA256>"), nil, "BadDigest", "The sha256 you specified for part 1 did not match what we received."},
		{completion(etags), nil, "InvalidRequest", "It was missing for part 1"},
	} {
		a := w.do("POST", target, c.body, c.headers...)
		a.want(t, 400, c.code)
		if !strings.Contains(a.element("Message"), c.contains) {
			t.Errorf("%s", a.body)
		}
	}
}

// TestRepeatedCreation: us-east-1 takes the creation of a bucket that one has,
// and resets its ACL; other regions refuse it and leave the ACL.
func TestRepeatedCreation(t *testing.T) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	for region, status := range map[string]int{"us-east-1": 200, "us-west-2": 409} {
		w := newRegion(t, f, region)
		target := "/again-" + region
		create := []byte(`<CreateBucketConfiguration><LocationConstraint>` + region + `</LocationConstraint></CreateBucketConfiguration>`)
		if region == "us-east-1" {
			create = nil
		}
		w.do("PUT", target, create, "x-amz-object-ownership", "ObjectWriter").want(t, 200, "")
		w.do("PUT", target+"?acl", nil, "x-amz-acl", "log-delivery-write").want(t, 200, "")
		if a := w.do("PUT", target, create); a.status != status {
			t.Errorf("%s: %d %s", region, a.status, a.body)
		}
		if a := w.do("GET", target+"?acl", nil); strings.Contains(a.body, "LogDelivery") != (status == 409) {
			t.Errorf("%s: %s", region, a.body)
		}
	}
}
