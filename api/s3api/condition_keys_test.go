package s3api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/wire/sigv4"
)

// Each condition key has the value that the request gives it: a user whose only
// Allow demands it gets in with it, and not with another one or without.
func TestConditionKeys(t *testing.T) {
	w := newWorld(t)
	w.versioned("keys")
	w.do("PUT", "/keys?ownershipControls", []byte(`<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>`)).want(t, 200, "")
	w.do("PUT", "/locks", nil, "x-amz-bucket-object-lock-enabled", "true").want(t, 200, "")
	w.do("PUT", "/locks/key", []byte("bytes"), "Content-MD5", md5Of("bytes")).want(t, 200, "")
	version := w.do("PUT", "/keys/key", []byte("bytes"), "x-amz-tagging", "team=red&size=big").header.Get("X-Amz-Version-Id")
	w.do("PUT", "/keys/other", []byte("bytes"), "x-amz-tagging", "team=blue").want(t, 200, "")
	w.put("keys", "copy", "bytes")
	w.put("keys", "match", "bytes")
	etag := w.do("HEAD", "/keys/match", nil).header.Get("Etag")
	tagging := func(kv ...string) []byte {
		s := "<Tagging><TagSet>"
		for i := 0; i < len(kv); i += 2 {
			s += "<Tag><Key>" + kv[i] + "</Key><Value>" + kv[i+1] + "</Value></Tag>"
		}
		return []byte(s + "</TagSet></Tagging>")
	}
	retention := func(mode string, days int) []byte {
		return []byte("<Retention><Mode>" + mode + "</Mode><RetainUntilDate>" + time.Now().Add(time.Duration(days)*24*time.Hour).UTC().Format(time.RFC3339) + "</RetainUntilDate></Retention>")
	}
	type request struct {
		method, target string
		body           []byte
		headers        []string
	}
	get := func(target string, headers ...string) request { return request{"GET", target, nil, headers} }
	put := func(headers ...string) request { return request{"PUT", "/keys/new", []byte("bytes"), headers} }
	them, us := "id="+canonicalID(otherAccount), "id="+canonicalID(testAccount)
	for _, c := range []struct {
		condition string // operator and what it holds
		with      request
		without   []request // each is refused
	}{
		{`"StringEquals":{"s3:x-amz-acl":"public-read"}`, put("x-amz-acl", "private"), nil}, // turned round below
		{`"StringEquals":{"s3:x-amz-acl":"private"}`, put("x-amz-acl", "private"), []request{put(), put("x-amz-acl", "bucket-owner-read")}},
		{`"StringEquals":{"s3:x-amz-grant-read":"` + them + `"}`, put("x-amz-grant-read", them), []request{put(), put("x-amz-grant-read", us)}},
		{`"StringEquals":{"s3:x-amz-grant-full-control":"` + us + `"}`, put("x-amz-grant-full-control", us), []request{put()}},
		{`"StringEquals":{"s3:x-amz-storage-class":"STANDARD_IA"}`, put("x-amz-storage-class", "STANDARD_IA"), []request{put(), put("x-amz-storage-class", "GLACIER_IR")}},
		{`"StringEquals":{"s3:x-amz-server-side-encryption":"AES256"}`, put("x-amz-server-side-encryption", "AES256"), []request{put()}},
		{`"Null":{"s3:x-amz-server-side-encryption":"true"}`, put(), []request{put("x-amz-server-side-encryption", "AES256")}},
		{`"StringEquals":{"s3:RequestObjectTag/team":"red"}`, put("x-amz-tagging", "team=red"), []request{put(), put("x-amz-tagging", "team=blue"), put("x-amz-tagging", "Team=red")}},
		{`"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["team","size"]}`, put("x-amz-tagging", "team=red&size=x"), []request{put("x-amz-tagging", "team=red&more=x")}},
		{`"StringEquals":{"s3:RequestObjectTag/team":"red"}`, request{"PUT", "/keys/copy?tagging", tagging("team", "red"), nil}, []request{{"PUT", "/keys/copy?tagging", tagging("team", "blue"), nil}}},
		{`"StringEquals":{"s3:if-none-match":"*"}`, request{"PUT", "/keys/once", []byte("x"), []string{"If-None-Match", "*"}}, []request{put()}},
		{`"Null":{"s3:if-match":"false"}`, request{"PUT", "/keys/match", []byte("bytes"), []string{"If-Match", etag}}, []request{put()}},
		{`"StringLike":{"s3:x-amz-copy-source":"keys/ke*"}`, request{"PUT", "/keys/copy", nil, []string{"x-amz-copy-source", "/keys/k%65y", "x-amz-tagging-directive", "COPY"}},
			[]request{{"PUT", "/keys/copy", nil, []string{"x-amz-copy-source", "/keys/other"}}, put()}},
		{`"StringEquals":{"s3:x-amz-metadata-directive":"COPY"}`, request{"PUT", "/keys/copy", nil, []string{"x-amz-copy-source", "keys/key", "x-amz-metadata-directive", "COPY"}},
			[]request{{"PUT", "/keys/copy", nil, []string{"x-amz-copy-source", "keys/key"}}}},
		{`"StringLike":{"s3:prefix":["public/*","public"]}`, get("/keys?prefix=public/x"), []request{get("/keys"), get("/keys?prefix=private")}},
		{`"StringEquals":{"s3:prefix":"","s3:delimiter":"/"}`, get("/keys?list-type=2&prefix=&delimiter=/"), []request{get("/keys?prefix="), get("/keys?delimiter=/")}},
		{`"NumericLessThanEquals":{"s3:max-keys":"10"}`, get("/keys?max-keys=10"), []request{get("/keys?max-keys=11"), get("/keys")}},
		{`"StringEquals":{"s3:VersionId":"` + version + `"}`, get("/keys/key?versionId=" + version), []request{get("/keys/key"), get("/keys/key?versionId=null")}},
		{`"StringEquals":{"s3:ExistingObjectTag/team":"red"}`, get("/keys/key"), []request{get("/keys/other"), get("/keys/none")}},
		{`"StringEquals":{"s3:ExistingObjectTag/team":"red"}`, get("/keys/key?tagging"), []request{get("/keys/other?tagging"), get("/keys/other?acl"), put()}},
		{`"StringNotEquals":{"s3:ExistingObjectTag/team":"blue"}`, get("/keys/key"), []request{get("/keys/other")}},
		{`"StringEquals":{"s3:object-lock-mode":"GOVERNANCE"}`, request{"PUT", "/locks/key?retention", retention("GOVERNANCE", 1), nil}, []request{{"PUT", "/locks/key?retention", retention("COMPLIANCE", 1), nil}}},
		{`"NumericLessThanEquals":{"s3:object-lock-remaining-retention-days":"10"}`, request{"PUT", "/locks/key?retention", retention("GOVERNANCE", 10), nil},
			[]request{{"PUT", "/locks/key?retention", retention("GOVERNANCE", 12), nil}}},
		{`"StringEquals":{"s3:object-lock-legal-hold":"OFF"}`, request{"PUT", "/locks/key?legal-hold", []byte("<LegalHold><Status>OFF</Status></LegalHold>"), nil},
			[]request{{"PUT", "/locks/key?legal-hold", []byte("<LegalHold><Status>ON</Status></LegalHold>"), nil}}},
		{`"StringEquals":{"s3:authType":"REST-HEADER","s3:signatureversion":"AWS4-HMAC-SHA256"}`, get("/keys/key"), nil},
		{`"StringEquals":{"s3:ResourceAccount":"` + testAccount + `","aws:ResourceAccount":"` + testAccount + `"}`, get("/keys/key"), nil},
		{`"Null":{"s3:TlsVersion":"true","s3:DataAccessPointArn":"true","s3:signatureAge":"true"}`, get("/keys/key"), nil},
		{`"Bool":{"aws:SecureTransport":"false"}`, get("/keys/key"), nil},
		{`"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}`, get("/keys/key"), nil},
		{`"StringEquals":{"aws:PrincipalAccount":"` + testAccount + `","aws:RequestedRegion":"us-east-1","aws:username":"alice"}`, get("/keys/key"), nil},
		{`"StringEquals":{"s3:x-amz-content-sha256":"` + sigv4.EmptySHA256 + `"}`, get("/keys/key"), []request{put()}},
		{`"StringEquals":{"s3:x-amz-object-ownership":"BucketOwnerEnforced"}`, request{"PUT", "/keys-made", nil, []string{"x-amz-object-ownership", "BucketOwnerEnforced"}},
			[]request{{"PUT", "/keys-made", nil, nil}, {"PUT", "/keys-made", nil, []string{"x-amz-object-ownership", "ObjectWriter"}}}},
		{`"Null":{"s3:locationconstraint":"true"}`, request{"PUT", "/keys-made-here", nil, nil}, nil},
	} {
		statement := `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{` + c.condition + `}}`
		// Besides being demanded of the one action, the condition must not stand
		// in the way of the others that the request needs.
		helpers := `{"Effect":"Allow","Action":["s3:PutObjectAcl","s3:PutObjectTagging","s3:GetObjectTagging","s3:PutBucketOwnershipControls"],"Resource":"*"}`
		copies := `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`
		list := []string{statement, helpers}
		if strings.Contains(fmt.Sprint(c.with.headers), "copy-source") {
			list = append(list, copies)
		}
		if strings.Contains(c.with.target, "acl") || strings.Contains(c.with.target, "?tagging") {
			list = list[:1]
		}
		w.may(aliceARN, list...)
		name := func(r request) string { return fmt.Sprint(c.condition, ": ", r.method, " ", r.target, " ", r.headers) }
		wanted := !strings.Contains(c.condition, `"public-read"`)
		if a := w.as(alice, c.with.method, c.with.target, c.with.body, c.with.headers...); (a.status < 300) != wanted {
			t.Errorf("%s: %d %s %s", name(c.with), a.status, a.code(), a.element("Message"))
		}
		for _, r := range c.without {
			if a := w.as(alice, r.method, r.target, r.body, r.headers...); a.status != 403 {
				t.Errorf("%s: %d %s %s", name(r), a.status, a.code(), a.element("Message"))
			}
		}
	}
}

// A condition that can't be known is no reason to allow, whatever the operator.
func TestConditionThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.bucket("keys")
	w.may(aliceARN, `{"Effect":"Allow","Action":"s3:PutObject*","Resource":"*","Condition":{"StringNotEquals":{"s3:RequestObjectTag/team":"red"}}}`)
	if a := w.as(alice, "PUT", "/keys/key", []byte("x"), "x-amz-tagging", "a=1&a=2"); a.status < 400 {
		t.Errorf("taken: %d", a.status)
	}
	w.as(alice, "PUT", "/keys/key", []byte("x"), "x-amz-tagging", "a=1").want(t, 200, "")
	if a := w.as(alice, "PUT", "/keys/key?tagging", []byte("<Tagging>")); a.status < 400 {
		t.Errorf("taken: %d", a.status)
	}
	w.as(alice, "PUT", "/keys/key?tagging", []byte("<Tagging><TagSet/></Tagging>"), "Content-MD5", md5Of("another document")).want(t, 400, "BadDigest")
	w.as(alice, "PUT", "/keys/key?tagging", []byte("<Tagging><TagSet/></Tagging>")).want(t, 200, "")
}

// What only presigned requests and forms have.
func TestConditionsOfPresignedRequestsAndForms(t *testing.T) {
	w := newWorld(t)
	w.bucket("keys")
	w.put("keys", "key", "bytes")
	w.policy("keys", denyAll+`"Action":"s3:*","Resource":"$B/*","Condition":{"NumericGreaterThan":{"s3:signatureAge":"60000"}}}`)
	w.send(w.presign(w.request("GET", "/keys/key", nil), time.Hour, time.Now().Add(-30*time.Second))).want(t, 200, "")
	w.send(w.presign(w.request("GET", "/keys/key", nil), time.Hour, time.Now().Add(-90*time.Second))).want(t, 403, "AccessDenied")
	w.policy("keys", denyAll+`"Action":"s3:*","Resource":"$B/*","Condition":{"StringEquals":{"s3:authType":"REST-QUERY-STRING"}}}`)
	w.send(w.presign(w.request("GET", "/keys/key", nil), time.Hour, time.Now())).want(t, 403, "AccessDenied")
	w.do("GET", "/keys/key", nil).want(t, 200, "")
	// A header that was moved into a presigned query counts as one.
	w.policy("keys", denyAll+`"Action":"s3:PutObject","Resource":"$B/*","Condition":{"StringNotEquals":{"s3:x-amz-storage-class":"STANDARD_IA"}}}`)
	w.send(w.presign(w.request("PUT", "/keys/new?x-amz-storage-class=STANDARD_IA", []byte("x")), time.Hour, time.Now())).want(t, 200, "")
	w.send(w.presign(w.request("PUT", "/keys/new", []byte("x")), time.Hour, time.Now())).want(t, 403, "AccessDenied")
	// Signed with SigV4, and denied to the old signature.
	w.policy("keys", denyAll+`"Action":"s3:*","Resource":"$B/*","Condition":{"StringEquals":{"s3:signatureversion":"AWS"}}}`)
	w.do("GET", "/keys/key", nil).want(t, 200, "")
}

// aws:SourceIp and aws:SecureTransport are what a trusted proxy says, and no
// other client.
func TestProxiesAreTrustedByName(t *testing.T) {
	w := newWorld(t)
	w.bucket("keys")
	w.put("keys", "key", "bytes")
	w.policy("keys", denyAll+`"Action":"s3:*","Resource":"$B/*","Condition":{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`)
	from := []string{"X-Forwarded-For", "203.0.113.7"}
	w.as(ours, "GET", "/keys/key", nil, from...).want(t, 403, "AccessDenied")
	w.door.opt.Proxies = access.Proxies{loopback}
	w.as(ours, "GET", "/keys/key", nil, from...).want(t, 200, "")
	w.as(ours, "GET", "/keys/key", nil).want(t, 403, "AccessDenied")
	w.policy("keys", denyAll+`"Action":"s3:*","Resource":"$B/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`)
	w.as(ours, "GET", "/keys/key", nil, "X-Forwarded-Proto", "https").want(t, 200, "")
	w.as(ours, "GET", "/keys/key", nil).want(t, 403, "AccessDenied")
}

// The policy that AWS publishes for a bucket that others upload to.
func TestUploadsFromOthersMustHandOver(t *testing.T) {
	w := newWorld(t)
	w.open("inbox", rule.BucketOwnerPreferred)
	w.policy("inbox", allowOther+`"Action":"s3:PutObject","Resource":"$B/*","Condition":{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}}`)
	w.as(theirs, "PUT", "/inbox/a", []byte("x")).want(t, 403, "AccessDenied")
	w.as(theirs, "PUT", "/inbox/a", []byte("x"), "x-amz-acl", "public-read").want(t, 403, "AccessDenied")
	w.as(theirs, "PUT", "/inbox/a", []byte("x"), "x-amz-acl", "bucket-owner-full-control").want(t, 200, "")
	w.do("GET", "/inbox/a", nil).want(t, 200, "")
	// A user of theirs needs leave for the ACL at home.
	w.may(bobARN, `{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}`)
	w.as(bob, "PUT", "/inbox/b", []byte("x"), "x-amz-acl", "bucket-owner-full-control").want(t, 403, "AccessDenied")
	w.may(bobARN, `{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"*"}`)
	w.as(bob, "PUT", "/inbox/b", []byte("x"), "x-amz-acl", "bucket-owner-full-control").want(t, 200, "")
}

// The Deny statements of a policy, alone: what counts for objects of others.
func TestOnlyDenials(t *testing.T) {
	allow, deny := `{"Sid":"a","Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}`, `{"Sid":"d","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}`
	for _, c := range []struct {
		statements string
		want       int // statements left, -1 for none at all
	}{
		{allow, -1}, {"[" + allow + "]", -1}, {deny, 1}, {"[" + deny + "," + allow + "," + strings.Replace(deny, `"d"`, `"e"`, 1) + "]", 2},
	} {
		raw, err := onlyDenials([]byte(`{"Version":"2012-10-17","Statement":` + c.statements + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if raw == nil {
			if c.want != -1 {
				t.Errorf("%s: nothing left", c.statements)
			}
			continue
		}
		var doc struct{ Statement []struct{ Effect string } }
		if err := json.Unmarshal(raw, &doc); err != nil || len(doc.Statement) != c.want || strings.Contains(string(raw), "Allow") {
			t.Errorf("%s: %s", c.statements, raw)
		}
	}
}
