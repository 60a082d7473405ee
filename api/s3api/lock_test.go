package s3api

import (
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
)

func retention(mode string, until time.Time) []byte {
	return []byte("<Retention><Mode>" + mode + "</Mode><RetainUntilDate>" + until.UTC().Format(restxml.TimeFormat) + "</RetainUntilDate></Retention>")
}

func TestObjectLock(t *testing.T) {
	w := newWorld(t)
	w.locked("locked")
	until := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Millisecond)
	crc := []string{"x-amz-checksum-crc32", sumOf(s3.CRC32, "hello")}
	put := w.put("locked", "key", "hello", append(crc, "x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", until.Format(time.RFC3339Nano), "x-amz-object-lock-legal-hold", "ON")...)
	id := put.header.Get("X-Amz-Version-Id")
	head := w.do("HEAD", "/locked/key", nil)
	for name, want := range map[string]string{"X-Amz-Object-Lock-Mode": "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date": until.Format(restxml.TimeFormat), "X-Amz-Object-Lock-Legal-Hold": "ON"} {
		if got := head.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	locked := func(a answer) {
		t.Helper()
		a.want(t, 403, "AccessDenied")
		if a.element("Message") != "Access Denied because object protected by object lock." {
			t.Errorf("%s", a.body)
		}
	}
	version := "/locked/key?versionId=" + id
	locked(w.do("DELETE", version, nil))
	locked(w.do("DELETE", version, nil, "x-amz-bypass-governance-retention", "true")) // the hold is still on
	hold := w.do("GET", "/locked/key?legal-hold", nil)
	if hold.status != 200 || hold.element("Status") != "ON" {
		t.Errorf("%s", hold.body)
	}
	w.do("PUT", "/locked/key?legal-hold", []byte("<LegalHold><Status>OFF</Status></LegalHold>")).want(t, 200, "")
	if a := w.do("HEAD", "/locked/key", nil); a.header.Get("X-Amz-Object-Lock-Legal-Hold") != "OFF" {
		t.Errorf("%v", a.header)
	}
	kept := w.do("GET", "/locked/key?retention", nil)
	if kept.status != 200 || kept.element("Mode") != "GOVERNANCE" || kept.element("RetainUntilDate") != until.Format(restxml.TimeFormat) {
		t.Errorf("%s", kept.body)
	}
	locked(w.do("DELETE", version, nil))
	locked(w.do("PUT", "/locked/key?retention", retention("GOVERNANCE", until.Add(-time.Hour))))
	w.do("PUT", "/locked/key?retention", retention("GOVERNANCE", until.Add(time.Hour))).want(t, 200, "")
	w.do("PUT", "/locked/key?retention", retention("GOVERNANCE", until), "x-amz-bypass-governance-retention", "true").want(t, 200, "")
	// A delete marker can always be placed.
	w.do("DELETE", "/locked/key", nil).want(t, 204, "")
	w.do("DELETE", version, nil, "x-amz-bypass-governance-retention", "true").want(t, 204, "")

	// COMPLIANCE is lengthened and never shortened, whoever asks.
	id = w.put("locked", "strict", "hello", append(crc, "x-amz-object-lock-mode", "COMPLIANCE", "x-amz-object-lock-retain-until-date", until.Format(time.RFC3339))...).header.Get("X-Amz-Version-Id")
	version = "/locked/strict?versionId=" + id
	locked(w.do("PUT", "/locked/strict?retention", retention("COMPLIANCE", until.Add(-time.Hour)), "x-amz-bypass-governance-retention", "true"))
	locked(w.do("PUT", "/locked/strict?retention", retention("GOVERNANCE", until.Add(time.Hour)), "x-amz-bypass-governance-retention", "true"))
	w.do("PUT", "/locked/strict?retention", retention("COMPLIANCE", until.Add(time.Hour))).want(t, 200, "")
	locked(w.do("DELETE", version, nil, "x-amz-bypass-governance-retention", "true"))
	body := "<Delete><Object><Key>strict</Key><VersionId>" + id + "</VersionId></Object></Delete>"
	several := w.do("POST", "/locked?delete", []byte(body), "x-amz-checksum-crc32", sumOf(s3.CRC32, body), "x-amz-bypass-governance-retention", "true")
	if several.status != 200 || several.code() != "AccessDenied" || several.element("Message") != "Access Denied because object protected by object lock." {
		t.Errorf("%s", several.body)
	}
}

func TestObjectLockErrors(t *testing.T) {
	w := newWorld(t)
	w.locked("locked")
	w.bucket("plain")
	w.put("plain", "key", "x")
	crc := []string{"x-amz-checksum-crc32", sumOf(s3.CRC32, "hello")}
	future, past := time.Now().Add(time.Hour).UTC().Format(time.RFC3339), time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		name          string
		headers       []string
		code, message string
		argument      string
	}{
		{"mode alone", []string{"x-amz-object-lock-mode", "GOVERNANCE"}, "InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied", "x-amz-object-lock-retain-until-date"},
		{"date alone", []string{"x-amz-object-lock-retain-until-date", future}, "InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied", "x-amz-object-lock-mode"},
		{"another mode", []string{"x-amz-object-lock-mode", "governance", "x-amz-object-lock-retain-until-date", future}, "InvalidArgument", "Unknown wormMode directive.", "x-amz-object-lock-mode"},
		{"the past", []string{"x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", past}, "InvalidArgument", "The retain until date must be in the future!", "x-amz-object-lock-retain-until-date"},
		{"no date", []string{"x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", "soon"}, "InvalidArgument", "The retain until date must be provided in ISO 8601 format", "x-amz-object-lock-retain-until-date"},
		{"a hold that is neither", []string{"x-amz-object-lock-legal-hold", "MAYBE"}, "InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold"},
	} {
		a := w.do("PUT", "/locked/key", []byte("hello"), append(crc, c.headers...)...)
		if a.status != 400 || a.code() != c.code || a.element("Message") != c.message || a.element("ArgumentName") != c.argument {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	a := w.do("PUT", "/locked/key", []byte("hello"), "x-amz-object-lock-legal-hold", "ON")
	a.want(t, 400, "InvalidRequest")
	if a.element("Message") != "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters" {
		t.Errorf("%s", a.body)
	}
	w.put("locked", "key", "hello")
	for _, sub := range []string{"retention", "legal-hold"} {
		w.do("GET", "/locked/key?"+sub, nil).want(t, 404, "NoSuchObjectLockConfiguration")
		a := w.do("GET", "/plain/key?"+sub, nil)
		a.want(t, 400, "InvalidRequest")
		if a.element("Message") != "Bucket is missing Object Lock Configuration" {
			t.Errorf("%s", a.body)
		}
		w.do("PUT", "/plain/key?"+sub, []byte("<X/>")).want(t, 400, "InvalidRequest")
		w.do("PUT", "/locked/key?"+sub, []byte("<X/>")).want(t, 400, "MalformedXML")
		w.do("GET", "/locked/nokey?"+sub, nil).want(t, 404, "NoSuchKey")
	}
	w.do("PUT", "/locked/nokey?legal-hold", []byte("<LegalHold><Status>ON</Status></LegalHold>")).want(t, 404, "NoSuchKey")
	a = w.do("PUT", "/locked/key?retention", retention("GOVERNANCE", time.Now().Add(-time.Hour)))
	a.want(t, 400, "InvalidArgument")
	if a.element("Message") != "The retain until date must be in the future!" {
		t.Errorf("%s", a.body)
	}
	a = w.do("DELETE", "/plain/key", nil, "x-amz-bypass-governance-retention", "true")
	a.want(t, 400, "InvalidArgument")
	if a.element("Message") != "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets." {
		t.Errorf("%s", a.body)
	}
	// A default retention asks for digests as well, and is what an upload gets.
	w.do("PUT", "/locked?object-lock", []byte("<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>")).want(t, 200, "")
	w.do("PUT", "/locked/key", []byte("hello")).want(t, 400, "InvalidRequest")
	w.put("locked", "key", "hello", crc...)
	if a := w.do("HEAD", "/locked/key", nil); a.header.Get("X-Amz-Object-Lock-Mode") != "GOVERNANCE" {
		t.Errorf("%v", a.header)
	}
}

func TestObjectTagging(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	one := w.put("bucket", "key", "1", "x-amz-tagging", "a=1").header.Get("X-Amz-Version-Id")
	two := w.put("bucket", "key", "2").header.Get("X-Amz-Version-Id")
	a := w.do("GET", "/bucket/key?tagging&versionId="+one, nil)
	if a.status != 200 || a.element("Key") != "a" || a.element("Value") != "1" || a.header.Get("X-Amz-Version-Id") != one {
		t.Errorf("%v %s", a.header, a.body)
	}
	if a := w.do("GET", "/bucket/key?tagging", nil); a.status != 200 || strings.Contains(a.body, "<Tag>") || a.header.Get("X-Amz-Version-Id") != two {
		t.Errorf("%s", a.body)
	}
	body := []byte("<Tagging><TagSet><Tag><Key>k</Key><Value>v &amp; w</Value></Tag></TagSet></Tagging>")
	w.do("PUT", "/bucket/key?tagging", []byte("<Tagging><TagSet><Tag><Key>k</Key><Value>&amp;</Value></Tag></TagSet></Tagging>")).want(t, 400, "InvalidTag")
	body = []byte("<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>")
	if a := w.do("PUT", "/bucket/key?tagging", body); a.status != 200 || a.header.Get("X-Amz-Version-Id") != two {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if a := w.do("HEAD", "/bucket/key", nil); a.header.Get("X-Amz-Tagging-Count") != "1" {
		t.Errorf("%v", a.header)
	}
	if a := w.do("DELETE", "/bucket/key?tagging", nil); a.status != 204 || a.header.Get("X-Amz-Version-Id") != two {
		t.Errorf("%d %v", a.status, a.header)
	}
	w.do("GET", "/bucket/nokey?tagging", nil).want(t, 404, "NoSuchKey")
	w.do("PUT", "/bucket/nokey?tagging", body).want(t, 404, "NoSuchKey")
	for doc, want := range map[string][2]string{
		"<Tagging><TagSet>" + strings.Repeat("<Tag><Key>k</Key><Value>v</Value></Tag>", 2) + "</TagSet></Tagging>":   {"InvalidTag", "Cannot provide multiple Tags with the same key"},
		"<Tagging><TagSet><Tag><Key>" + strings.Repeat("k", 129) + "</Key><Value>v</Value></Tag></TagSet></Tagging>": {"InvalidTag", "The TagKey you have provided is invalid"},
		"<Tagging><TagSet><Tag><Key>k</Key><Value>" + strings.Repeat("v", 257) + "</Value></Tag></TagSet></Tagging>": {"InvalidTag", "The TagValue you have provided is invalid"},
		"<Tagging><TagSet>" + strings.Repeat("<Tag><Key>k</Key><Value>v</Value></Tag>", 11) + "</TagSet></Tagging>":  {"BadRequest", "Object tags cannot be greater than 10"},
		"<Tagging><Tags/></Tagging>": {"MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"},
	} {
		a := w.do("PUT", "/bucket/key?tagging", []byte(doc))
		if a.status != 400 || a.code() != want[0] || a.element("Message") != want[1] {
			t.Errorf("%.60s: %d %s %s", doc, a.status, a.code(), a.element("Message"))
		}
	}
}

func TestObjectACL(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	w.put("bucket", "key", "x", "x-amz-acl", "bucket-owner-full-control")
	a := w.do("GET", "/bucket/key?acl", nil)
	if a.status != 200 || a.element("ID") != canonicalID(testAccount) || a.element("Permission") != "FULL_CONTROL" || strings.Count(a.body, "<Grant>") != 1 {
		t.Errorf("%s", a.body)
	}
	a = w.do("PUT", "/bucket/key?acl", nil, "x-amz-acl", "public-read")
	a.want(t, 400, "AccessControlListNotSupported")
	if a.element("Message") != "The bucket does not allow ACLs" {
		t.Errorf("%s", a.body)
	}
	w.do("PUT", "/bucket?ownershipControls", []byte("<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>")).want(t, 200, "")
	w.do("DELETE", "/bucket?publicAccessBlock", nil).want(t, 204, "")
	w.do("PUT", "/bucket/key?acl", nil, "x-amz-acl", "public-read").want(t, 200, "")
	a = w.do("GET", "/bucket/key?acl", nil)
	if strings.Count(a.body, "<Grant>") != 2 || a.element("URI") != rule.AllUsers {
		t.Errorf("%s", a.body)
	}
	id := canonicalID(testAccount)
	w.do("PUT", "/bucket/key?acl", nil, "x-amz-grant-read", `id="`+id+`"`).want(t, 200, "")
	if a = w.do("GET", "/bucket/key?acl", nil); strings.Count(a.body, "<Grant>") != 1 || a.element("Permission") != "READ" {
		t.Errorf("%s", a.body)
	}
	w.do("PUT", "/bucket/key?acl", nil).want(t, 400, "MissingSecurityHeader")
	w.do("PUT", "/bucket/key?acl", nil, "x-amz-acl", "everyone").want(t, 400, "InvalidArgument")
	w.do("PUT", "/bucket/key?acl", []byte("<AccessControlPolicy/>")).want(t, 400, "MalformedACLError")
	w.do("GET", "/bucket/nokey?acl", nil).want(t, 404, "NoSuchKey")
	w.do("PUT", "/bucket/nokey?acl", nil, "x-amz-acl", "private").want(t, 404, "NoSuchKey")
	w.put("bucket", "public", "x", "x-amz-acl", "public-read-write")
	if a = w.do("GET", "/bucket/public?acl", nil); strings.Count(a.body, "<Grant>") != 3 {
		t.Errorf("%s", a.body)
	}
	w.do("PUT", "/bucket?publicAccessBlock", []byte("<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>")).want(t, 200, "")
	w.do("PUT", "/bucket/key", []byte("x"), "x-amz-acl", "public-read").want(t, 403, "AccessDenied")
	w.do("PUT", "/bucket/key?acl", nil, "x-amz-acl", "public-read").want(t, 403, "AccessDenied")
}

func TestAttributeErrors(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	w.put("bucket", "key", "x")
	w.do("GET", "/bucket/key?attributes", nil).want(t, 400, "InvalidRequest")
	w.do("GET", "/bucket/key?attributes", nil, "x-amz-object-attributes", "ETag,Color").want(t, 400, "InvalidArgument")
	w.do("GET", "/bucket/nokey?attributes", nil, "x-amz-object-attributes", "ETag").want(t, 404, "NoSuchKey")
	a := w.do("GET", "/bucket/key?attributes", nil, "x-amz-object-attributes", "ETag,ObjectParts,Checksum")
	if a.element("ETag") != "9dd4e461268c8034f5c8564e155c67a6" || strings.Contains(a.body, "ObjectParts") || a.element("ChecksumCRC64NVME") == "" || a.header.Get("Last-Modified") == "" || a.header.Get("X-Amz-Version-Id") == "" {
		t.Errorf("%v %s", a.header, a.body)
	}
	w.do("DELETE", "/bucket/key", nil)
	gone := w.do("GET", "/bucket/key?attributes", nil, "x-amz-object-attributes", "ETag")
	gone.want(t, 404, "NoSuchKey")
	if gone.header.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("%v", gone.header)
	}
}
