package s3api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// The callers of these tests.
type who struct{ key, secret string }

var (
	ours   = who{testKey, testSecret}           // root of the account that owns the buckets
	theirs = who{"AKIAOTHER", "other secret"}   // root of another account
	alice  = who{"AKIAALICE", "alice's secret"} // a user of our account
	bob    = who{"AKIABOB", "bob's secret"}     // a user of the other account
	nobody = who{}
)

// as sends a request as somebody.
func (w *world) as(c who, method, target string, body []byte, headers ...string) answer {
	w.t.Helper()
	r := w.request(method, target, body, headers...)
	if c != nobody {
		r = w.signAs(r, body, c.key, c.secret, time.Now())
	}
	return w.send(r)
}

// open makes a bucket with ACLs on and nothing blocked.
func (w *world) open(name, ownership string) {
	w.t.Helper()
	w.do("PUT", "/"+name, nil, "x-amz-object-ownership", ownership).want(w.t, 200, "")
	w.do("DELETE", "/"+name+"?publicAccessBlock", nil).want(w.t, 204, "")
}

// policy sets a bucket's policy of statements, in which B stands for the
// bucket's ARN.
func (w *world) policy(bucket string, statements ...string) {
	w.t.Helper()
	for i := range statements {
		statements[i] = strings.ReplaceAll(statements[i], "$B", "arn:aws:s3:::"+bucket)
	}
	w.do("PUT", "/"+bucket+"?policy", []byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)).want(w.t, 204, "")
}

const (
	allowAlice = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + testAccount + `:user/alice"},`
	allowOther = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + otherAccount + `:root"},`
	allowAll   = `{"Effect":"Allow","Principal":"*",`
	denyAll    = `{"Effect":"Deny","Principal":"*",`
	anyObject  = `"Action":"s3:*","Resource":["$B","$B/*"]}`
)

// may says what a user's identity policy allows.
func (w *world) may(arn string, statements ...string) {
	w.t.Helper()
	w.bind(arn, &access.Policies{Identity: onePolicy(w.t, statements...)})
}

var aliceARN, bobARN = userOf(testAccount, "alice").ARN, userOf(otherAccount, "bob").ARN

func TestAnonymous(t *testing.T) {
	w := newWorld(t)
	w.bucket("shut")
	w.put("shut", "key", "bytes")
	w.as(nobody, "GET", "/shut/key", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/shut", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "PUT", "/fresh", nil).want(t, 403, "AccessDenied")

	// The policy of an owner who has public access blocked.
	public := []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::shut/*"}]}`)
	w.do("PUT", "/shut?policy", public).want(t, 403, "AccessDenied")
	w.do("DELETE", "/shut?publicAccessBlock", nil).want(t, 204, "")
	w.do("PUT", "/shut?policy", public).want(t, 204, "")
	if a := w.as(nobody, "GET", "/shut/key", nil); a.status != 200 || a.body != "bytes" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.as(nobody, "HEAD", "/shut/key", nil).want(t, 200, "")
	w.as(nobody, "PUT", "/shut/new", []byte("more")).want(t, 200, "")
	w.as(nobody, "PUT", "/shut/trailer", []byte("4\r\nmore\r\n0\r\n\r\n"), "X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"X-Amz-Decoded-Content-Length", "4", "Content-Encoding", "aws-chunked").want(t, 200, "")
	if a := w.do("GET", "/shut/trailer", nil); a.body != "more" {
		t.Errorf("stored with its framing: %q", a.body)
	}
	w.as(nobody, "PUT", "/shut/hash", []byte("more"), "X-Amz-Content-Sha256", strings.Repeat("0", 64)).want(t, 400, "XAmzContentSHA256Mismatch")
	w.as(nobody, "PUT", "/shut/chain", []byte("4;chunk-signature=0\r\nmore\r\n0\r\n\r\n"), "X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
		"X-Amz-Decoded-Content-Length", "4").want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/shut", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "DELETE", "/shut/key", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/shut/key?acl", nil).want(t, 403, "AccessDenied")
	// Who may not list may not know that it is not there.
	w.as(nobody, "GET", "/shut/none", nil).want(t, 403, "AccessDenied")
	// What nobody wrote is the owner's.
	if a := w.do("GET", "/shut?list-type=2&fetch-owner=true", nil); strings.Count(a.body, canonicalID(testAccount)) != 3 {
		t.Errorf("owners:\n%s", a.body)
	}
	// Blocking takes hold at once, whatever the policy says.
	w.do("PUT", "/shut?publicAccessBlock", []byte(`<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`)).want(t, 200, "")
	w.as(nobody, "GET", "/shut/key", nil).want(t, 403, "AccessDenied")
	w.as(theirs, "GET", "/shut/key", nil).want(t, 403, "AccessDenied")
	w.do("GET", "/shut/key", nil).want(t, 200, "")
	w.as(alice, "GET", "/shut/key", nil).want(t, 200, "") // within the account the policy goes on
	w.do("DELETE", "/shut?publicAccessBlock", nil).want(t, 204, "")
	w.as(nobody, "GET", "/shut/key", nil).want(t, 200, "")

	// The account's block counts beside the bucket's.
	block := rule.PublicAccessBlock{}
	w.door.opt.AccountBlock = func(account string) rule.PublicAccessBlock {
		if account != testAccount {
			t.Errorf("asked for the block of %q", account)
		}
		return block
	}
	block.RestrictPublicBuckets = true
	w.as(nobody, "GET", "/shut/key", nil).want(t, 403, "AccessDenied")
	block = rule.PublicAccessBlock{BlockPublicPolicy: true}
	w.do("PUT", "/shut?policy", public).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/shut/key", nil).want(t, 200, "") // what was public stays so
}

func TestPublicACLs(t *testing.T) {
	w := newWorld(t)
	w.open("acls", rule.ObjectWriter)
	w.put("acls", "private", "p")
	w.put("acls", "public", "bytes", "x-amz-acl", "public-read")
	w.put("acls", "members", "bytes", "x-amz-acl", "authenticated-read")
	w.as(nobody, "GET", "/acls/public", nil).want(t, 200, "")
	w.as(nobody, "GET", "/acls/private", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/acls/members", nil).want(t, 403, "AccessDenied")
	w.as(theirs, "GET", "/acls/members", nil).want(t, 200, "")
	w.as(nobody, "GET", "/acls/public?acl", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/acls/none", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/acls", nil).want(t, 403, "AccessDenied")

	w.do("PUT", "/acls?acl", nil, "x-amz-acl", "public-read").want(t, 200, "")
	w.as(nobody, "GET", "/acls", nil).want(t, 200, "")
	w.as(nobody, "GET", "/acls?uploads", nil).want(t, 200, "")
	w.as(nobody, "GET", "/acls/none", nil).want(t, 404, "NoSuchKey") // they could list it
	w.as(nobody, "GET", "/acls/private", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "PUT", "/acls/new", []byte("x")).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/acls?acl", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/acls?policy", nil).want(t, 403, "AccessDenied")

	w.do("PUT", "/acls?acl", nil, "x-amz-acl", "public-read-write").want(t, 200, "")
	w.as(nobody, "PUT", "/acls/new", []byte("x")).want(t, 200, "")
	if a := w.do("GET", "/acls?prefix=new", nil); !strings.Contains(a.body, "<Owner><ID>"+canonicalID(testAccount)) {
		t.Errorf("what nobody wrote is not the owner's:\n%s", a.body)
	}
	w.as(nobody, "DELETE", "/acls/new", nil).want(t, 204, "")
	w.as(nobody, "PUT", "/acls?acl", nil, "x-amz-acl", "private").want(t, 403, "AccessDenied")

	// What is ignored is as if it were not there; what is blocked can't be set.
	block := func(what string) {
		w.do("PUT", "/acls?publicAccessBlock", []byte(`<PublicAccessBlockConfiguration><`+what+`>true</`+what+`></PublicAccessBlockConfiguration>`)).want(t, 200, "")
	}
	block("IgnorePublicAcls")
	w.as(nobody, "GET", "/acls/public", nil).want(t, 403, "AccessDenied")
	w.as(theirs, "GET", "/acls/members", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/acls", nil).want(t, 403, "AccessDenied")
	w.as(nobody, "PUT", "/acls/new", []byte("x")).want(t, 403, "AccessDenied")
	w.do("PUT", "/acls/public?acl", nil, "x-amz-acl", "public-read").want(t, 200, "")
	block("BlockPublicAcls")
	w.do("PUT", "/acls/public?acl", nil, "x-amz-acl", "public-read").want(t, 403, "AccessDenied")
	w.do("PUT", "/acls/other", []byte("x"), "x-amz-acl", "public-read").want(t, 403, "AccessDenied")
	w.do("PUT", "/acls?acl", nil, "x-amz-grant-read", `uri="`+rule.AuthenticatedUsers+`"`).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/acls/public", nil).want(t, 200, "") // what was there goes on

	// Where ACLs are off, they say nothing.
	w.do("PUT", "/acls?acl", nil, "x-amz-acl", "private").want(t, 200, "")
	w.do("PUT", "/acls?ownershipControls", []byte(`<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`)).want(t, 200, "")
	w.as(nobody, "GET", "/acls/public", nil).want(t, 403, "AccessDenied")
}

func TestGrantsToAccounts(t *testing.T) {
	w := newWorld(t)
	w.open("granted", rule.ObjectWriter)
	w.put("granted", "key", "bytes")
	them := "id=" + canonicalID(otherAccount)
	type try struct {
		method, target string
		permission     string // that lets them
	}
	tries := []try{
		{"GET", "/granted", "READ"}, {"HEAD", "/granted", "READ"}, {"GET", "/granted?versions", "READ"},
		{"PUT", "/granted/theirs", "WRITE"}, {"DELETE", "/granted/theirs", "WRITE"},
		{"GET", "/granted?acl", "READ_ACP"}, {"GET", "/granted?cors", ""}, {"GET", "/granted/key", ""}, {"GET", "/granted?policy", ""},
	}
	for _, p := range []struct{ permission, header string }{
		{"READ", "x-amz-grant-read"}, {"WRITE", "x-amz-grant-write"}, {"READ_ACP", "x-amz-grant-read-acp"}, {"WRITE_ACP", "x-amz-grant-write-acp"}, {"FULL_CONTROL", "x-amz-grant-full-control"},
	} {
		w.do("PUT", "/granted?acl", nil, p.header, them).want(t, 200, "")
		for _, c := range tries {
			want := c.permission != "" && (p.permission == "FULL_CONTROL" || p.permission == c.permission)
			if a := w.as(theirs, c.method, c.target, nil); (a.status < 400) != want || !want && a.status != 403 {
				t.Errorf("%s: %s %s: %d %s", p.permission, c.method, c.target, a.status, a.code())
			}
		}
		// The grant is to the account, whose users need its leave besides.
		w.bind(bobARN, nil)
		if a := w.as(bob, "GET", "/granted", nil); a.status != 403 {
			t.Errorf("%s: a user without policies lists: %d", p.permission, a.status)
		}
		w.may(bobARN, `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::granted"}`)
		want := p.permission == "READ" || p.permission == "FULL_CONTROL"
		if a := w.as(bob, "GET", "/granted", nil); (a.status == 200) != want {
			t.Errorf("%s: a user who may lists: %d", p.permission, a.status)
		}
		if a := w.as(theirs, "PUT", "/granted?acl", nil, "x-amz-grant-full-control", "id="+canonicalID(testAccount)); (a.status == 200) != (p.permission == "WRITE_ACP" || p.permission == "FULL_CONTROL") {
			t.Errorf("%s: the ACL is set: %d", p.permission, a.status)
		}
	}
	// What an owner's ACL gives its own account it does not give the account's users.
	w.do("PUT", "/granted?acl", nil, "x-amz-acl", "private").want(t, 200, "")
	w.as(alice, "GET", "/granted", nil).want(t, 403, "AccessDenied")
	w.as(alice, "GET", "/granted/key", nil).want(t, 403, "AccessDenied")

	for _, p := range []struct {
		header string
		reads  bool
		shows  bool
		sets   bool
	}{
		{"x-amz-grant-read", true, false, false}, {"x-amz-grant-read-acp", false, true, false}, {"x-amz-grant-write-acp", false, false, true},
		{"x-amz-grant-write", false, false, false}, {"x-amz-grant-full-control", true, true, true},
	} {
		w.do("PUT", "/granted/key?acl", nil, p.header, them).want(t, 200, "")
		for _, c := range []struct {
			want           bool
			method, target string
			headers        []string
		}{
			{p.reads, "GET", "/granted/key", nil}, {p.reads, "HEAD", "/granted/key?versionId=null", nil}, {p.shows, "GET", "/granted/key?acl", nil},
			{false, "GET", "/granted/key?tagging", nil}, {false, "PUT", "/granted/key", nil}, {false, "DELETE", "/granted/key", nil},
			{p.sets, "PUT", "/granted/key?acl", []string{"x-amz-acl", "private"}},
		} {
			if a := w.as(theirs, c.method, c.target, nil, c.headers...); (a.status < 400) != c.want || !c.want && a.status != 403 {
				t.Errorf("%s: %s %s: %d %s", p.header, c.method, c.target, a.status, a.code())
			}
		}
	}
}

// An object in a bucket of another account is its writer's, where ACLs are on.
func TestObjectsOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	full := []string{"x-amz-acl", "bucket-owner-full-control"}
	write := allowOther + `"Action":"s3:PutObject","Resource":"$B/*"}`
	for _, ownership := range []string{rule.ObjectWriter, rule.BucketOwnerPreferred, rule.BucketOwnerEnforced} {
		bucket := "b" + strings.ToLower(ownership)
		w.open(bucket, ownership)
		w.policy(bucket, write)
		w.as(theirs, "PUT", "/"+bucket+"/plain", []byte("bytes")).want(t, 200, "")
		w.as(theirs, "PUT", "/"+bucket+"/handed", []byte("bytes"), full...).want(t, 200, "")
		enforced := ownership == rule.BucketOwnerEnforced
		owners := map[string]string{"plain": otherAccount, "handed": otherAccount}
		if enforced {
			owners["plain"] = testAccount
		}
		if ownership != rule.ObjectWriter {
			owners["handed"] = testAccount
		}
		listed := w.do("GET", "/"+bucket+"?list-type=2&fetch-owner=true", nil)
		for key, owner := range owners {
			ours := owner == testAccount
			if got := ours || key == "handed"; (w.do("GET", "/"+bucket+"/"+key, nil).status == 200) != got {
				t.Errorf("%s, %s: the bucket's owner reads: %v", ownership, key, !got)
			}
			if a := w.as(theirs, "GET", "/"+bucket+"/"+key, nil); (a.status == 200) == ours {
				t.Errorf("%s, %s: its writer reads: %d", ownership, key, a.status)
			}
			from := w.do
			if !ours {
				from = func(method, target string, body []byte, headers ...string) answer {
					return w.as(theirs, method, target, body, headers...)
				}
			}
			acl := from("GET", "/"+bucket+"/"+key+"?acl", nil)
			if acl.status != 200 || acl.element("ID") != canonicalID(owner) {
				t.Errorf("%s, %s: owner in its ACL: %d %s", ownership, key, acl.status, acl.body)
			}
			if strings.Contains(acl.body, canonicalID(testAccount)) != (ours || key == "handed") {
				t.Errorf("%s, %s: %s", ownership, key, acl.body)
			}
			_, row, _ := strings.Cut(listed.body, "<Key>"+key+"</Key>")
			row, _, _ = strings.Cut(row, "</Contents>")
			if !strings.Contains(row, canonicalID(owner)) {
				t.Errorf("%s, %s: listed as %s", ownership, key, row)
			}
		}
		if ownership != rule.ObjectWriter {
			continue
		}
		// The bucket's policy gives nothing of what is not its owner's, …
		w.policy(bucket, write, allowAlice+anyObject)
		w.may(aliceARN, everything)
		w.as(alice, "GET", "/"+bucket+"/plain", nil).want(t, 403, "AccessDenied")
		// … and denies all the same.
		w.policy(bucket, write, denyAll+`"Action":"s3:GetObject","Resource":"$B/*"}`)
		w.as(theirs, "GET", "/"+bucket+"/plain", nil).want(t, 403, "AccessDenied")
		w.policy(bucket, write)
		w.as(theirs, "GET", "/"+bucket+"/plain", nil).want(t, 200, "")
		// Its owner may give it away, and not the bucket's.
		w.do("PUT", "/"+bucket+"/plain?acl", nil, "x-amz-acl", "public-read").want(t, 403, "AccessDenied")
		w.as(theirs, "PUT", "/"+bucket+"/plain?acl", nil, "x-amz-acl", "public-read").want(t, 200, "")
		w.as(nobody, "GET", "/"+bucket+"/plain", nil).want(t, 200, "")
		// The bucket's owner can delete it, and its writer can't.
		w.as(theirs, "DELETE", "/"+bucket+"/plain", nil).want(t, 403, "AccessDenied")
		w.do("DELETE", "/"+bucket+"/plain", nil).want(t, 204, "")
		// Once ACLs are off everything is the bucket owner's.
		w.do("PUT", "/"+bucket+"?ownershipControls", []byte(`<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`)).want(t, 200, "")
		w.as(theirs, "GET", "/"+bucket+"/handed", nil).want(t, 403, "AccessDenied")
		if a := w.do("GET", "/"+bucket+"/handed?acl", nil); strings.Contains(a.body, canonicalID(otherAccount)) {
			t.Errorf("the ACL of old shows:\n%s", a.body)
		}
	}
}

func TestAcrossAccounts(t *testing.T) {
	w := newWorld(t)
	w.bucket("shared")
	w.put("shared", "key", "bytes")
	w.as(theirs, "GET", "/shared/key", nil).want(t, 403, "AccessDenied")
	w.as(theirs, "GET", "/shared?policy", nil).want(t, 403, "AccessDenied")
	w.policy("shared", allowOther+anyObject)
	w.as(theirs, "GET", "/shared/key", nil).want(t, 200, "")
	// The other account's users need their account's leave as well.
	w.as(bob, "GET", "/shared/key", nil).want(t, 403, "AccessDenied")
	w.may(bobARN, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::shared/*"}`)
	w.as(bob, "GET", "/shared/key", nil).want(t, 200, "")
	w.as(bob, "PUT", "/shared/key", []byte("x")).want(t, 403, "AccessDenied")
	// Policies are for the owner's account alone.
	for _, method := range []string{"GET", "DELETE"} {
		w.as(theirs, method, "/shared?policy", nil).want(t, 405, "MethodNotAllowed")
	}
	w.as(theirs, "PUT", "/shared?policy", []byte("{}")).want(t, 405, "MethodNotAllowed")
	// What they make is theirs, and what they see.
	w.as(theirs, "PUT", "/elsewhere", nil).want(t, 200, "")
	w.do("PUT", "/elsewhere", nil).want(t, 409, "BucketAlreadyExists")
	if a := w.as(theirs, "GET", "/", nil); strings.Contains(a.body, "shared") || !strings.Contains(a.body, "<Name>elsewhere</Name>") || a.element("ID") != canonicalID(otherAccount) {
		t.Errorf("the other account's buckets:\n%s", a.body)
	}
	w.as(theirs, "GET", "/shared/key", nil, "x-amz-expected-bucket-owner", otherAccount).want(t, 403, "AccessDenied")
	w.as(theirs, "GET", "/shared/key", nil, "x-amz-expected-bucket-owner", testAccount).want(t, 200, "")
}

// The owner's root can always mend the policy, and nothing else that it denies.
func TestNobodyLocksTheRootOut(t *testing.T) {
	w := newWorld(t)
	w.bucket("locked")
	w.put("locked", "key", "bytes")
	w.may(aliceARN, everything)
	w.policy("locked", denyAll+anyObject)
	w.do("GET", "/locked/key", nil).want(t, 403, "AccessDenied")
	w.do("DELETE", "/locked", nil).want(t, 403, "AccessDenied")
	w.as(alice, "GET", "/locked?policy", nil).want(t, 403, "AccessDenied")
	w.as(alice, "DELETE", "/locked?policy", nil).want(t, 403, "AccessDenied")
	w.do("GET", "/locked?policy", nil).want(t, 200, "")
	w.do("DELETE", "/locked?policy", nil).want(t, 204, "")
	w.do("GET", "/locked/key", nil).want(t, 200, "")
	w.as(alice, "GET", "/locked/key", nil).want(t, 200, "")
}

// Each request needs the action that AWS names for it, no more and no less.
func TestActions(t *testing.T) {
	w := newWorld(t)
	w.versioned("acts")
	w.do("PUT", "/acts?ownershipControls", []byte(`<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>`)).want(t, 200, "")
	w.do("PUT", "/locks", nil, "x-amz-bucket-object-lock-enabled", "true").want(t, 200, "")
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	sum := []string{"Content-MD5", md5Of("bytes")}
	version := w.do("PUT", "/acts/key", []byte("bytes")).header.Get("X-Amz-Version-Id")
	tags := []byte(`<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`)
	for _, c := range []struct {
		method, target string
		body           []byte
		headers        []string
		actions        []string
	}{
		{"GET", "/acts/key", nil, nil, []string{"GetObject"}},
		{"HEAD", "/acts/key", nil, nil, []string{"GetObject"}},
		{"GET", "/acts/key?versionId=" + version, nil, nil, []string{"GetObjectVersion"}},
		{"HEAD", "/acts/key?versionId=" + version, nil, nil, []string{"GetObjectVersion"}},
		{"GET", "/acts/key?attributes", nil, []string{"x-amz-object-attributes", "ETag"}, []string{"GetObject", "GetObjectAttributes"}},
		{"GET", "/acts/key?attributes&versionId=" + version, nil, []string{"x-amz-object-attributes", "ETag"}, []string{"GetObjectVersion", "GetObjectVersionAttributes"}},
		{"GET", "/acts/key?tagging", nil, nil, []string{"GetObjectTagging"}},
		{"GET", "/acts/key?tagging&versionId=" + version, nil, nil, []string{"GetObjectVersionTagging"}},
		{"PUT", "/acts/key?tagging", tags, nil, []string{"PutObjectTagging"}},
		{"PUT", "/acts/key?tagging&versionId=" + version, tags, nil, []string{"PutObjectVersionTagging"}},
		{"DELETE", "/acts/key?tagging", nil, nil, []string{"DeleteObjectTagging"}},
		{"DELETE", "/acts/key?tagging&versionId=" + version, nil, nil, []string{"DeleteObjectVersionTagging"}},
		{"GET", "/acts/key?acl", nil, nil, []string{"GetObjectAcl"}},
		{"GET", "/acts/key?acl&versionId=" + version, nil, nil, []string{"GetObjectVersionAcl"}},
		{"PUT", "/acts/key?acl", nil, []string{"x-amz-acl", "private"}, []string{"PutObjectAcl"}},
		{"PUT", "/acts/key?acl&versionId=" + version, nil, []string{"x-amz-acl", "private"}, []string{"PutObjectVersionAcl"}},
		{"PUT", "/acts/new", []byte("bytes"), nil, []string{"PutObject"}},
		{"PUT", "/acts/new", []byte("bytes"), []string{"x-amz-tagging", "a=b"}, []string{"PutObject", "PutObjectTagging"}},
		{"PUT", "/acts/new", []byte("bytes"), []string{"x-amz-acl", "private"}, []string{"PutObject", "PutObjectAcl"}},
		{"PUT", "/acts/new", []byte("bytes"), []string{"x-amz-grant-read", "id=" + canonicalID(testAccount)}, []string{"PutObject", "PutObjectAcl"}},
		{"PUT", "/locks/new", []byte("bytes"), append([]string{"x-amz-object-lock-mode", "GOVERNANCE", "x-amz-object-lock-retain-until-date", until}, sum...), []string{"PutObject", "PutObjectRetention"}},
		{"PUT", "/locks/new", []byte("bytes"), append([]string{"x-amz-object-lock-legal-hold", "OFF"}, sum...), []string{"PutObject", "PutObjectLegalHold"}},
		{"PUT", "/acts/copy", nil, []string{"x-amz-copy-source", "/acts/key"}, []string{"PutObject", "GetObject"}},
		{"PUT", "/acts/copy", nil, []string{"x-amz-copy-source", "/acts/key?versionId=" + version}, []string{"PutObject", "GetObjectVersion"}},
		{"POST", "/acts/key?uploads", nil, nil, []string{"PutObject"}},
		{"GET", "/acts", nil, nil, []string{"ListBucket"}},
		{"HEAD", "/acts", nil, nil, []string{"ListBucket"}},
		{"GET", "/acts?list-type=2", nil, nil, []string{"ListBucket"}},
		{"GET", "/acts?versions", nil, nil, []string{"ListBucketVersions"}},
		{"GET", "/acts?uploads", nil, nil, []string{"ListBucketMultipartUploads"}},
		{"GET", "/acts?location", nil, nil, []string{"GetBucketLocation"}},
		{"GET", "/", nil, nil, []string{"ListAllMyBuckets"}},
		{"PUT", "/acts-made", nil, nil, []string{"CreateBucket"}},
		{"PUT", "/acts-made-2", nil, []string{"x-amz-object-ownership", "ObjectWriter", "x-amz-acl", "private"}, []string{"CreateBucket", "PutBucketAcl", "PutBucketOwnershipControls"}},
		{"PUT", "/acts-made-3", nil, []string{"x-amz-bucket-object-lock-enabled", "true"}, []string{"CreateBucket", "PutBucketObjectLockConfiguration", "PutBucketVersioning"}},
		{"DELETE", "/acts/gone?versionId=null", nil, nil, []string{"DeleteObjectVersion"}},
		{"DELETE", "/acts/gone", nil, nil, []string{"DeleteObject"}},
		{"DELETE", "/locks/gone", nil, []string{"x-amz-bypass-governance-retention", "true"}, []string{"DeleteObject", "BypassGovernanceRetention"}},
	} {
		name := fmt.Sprint(c.method, " ", c.target, " ", c.headers)
		grant := func(actions []string) {
			w.may(aliceARN, `{"Effect":"Allow","Action":["s3:`+strings.Join(actions, `","s3:`)+`"],"Resource":"*"}`)
		}
		for i := range c.actions {
			missing := append(append([]string{"Nothing"}, c.actions[:i]...), c.actions[i+1:]...)
			grant(missing)
			if a := w.as(alice, c.method, c.target, c.body, c.headers...); a.status != 403 {
				t.Errorf("%s without %s: %d %s", name, c.actions[i], a.status, a.code())
			} else if text := "is not authorized to perform: s3:" + c.actions[i]; c.method != "HEAD" && !strings.Contains(a.body, text) {
				t.Errorf("%s without %s says %s", name, c.actions[i], a.element("Message"))
			}
		}
		grant(c.actions)
		if a := w.as(alice, c.method, c.target, c.body, c.headers...); a.status >= 300 {
			t.Errorf("%s with %v: %d %s %s", name, c.actions, a.status, a.code(), a.element("Message"))
		}
	}
}

func TestRefusalTexts(t *testing.T) {
	w := newWorld(t)
	w.bucket("texts")
	w.put("texts", "key", "bytes")
	w.as(nobody, "GET", "/texts/key", nil).want(t, 403, "AccessDenied")
	for _, c := range []struct {
		by        who
		target    string
		text      string
		statement string
	}{
		{nobody, "/texts/key", "Access Denied", ""},
		{theirs, "/texts/key", "Access Denied", ""},
		{alice, "/texts/key", "User: " + aliceARN + ` is not authorized to perform: s3:GetObject on resource: &quot;arn:aws:s3:::texts/key&quot; because no identity-based policy allows the s3:GetObject action`, ""},
		{alice, "/texts", "User: " + aliceARN + ` is not authorized to perform: s3:ListBucket on resource: &quot;arn:aws:s3:::texts&quot; because no identity-based policy allows the s3:ListBucket action`, ""},
		{alice, "/", "User: " + aliceARN + ` is not authorized to perform: s3:ListAllMyBuckets because no identity-based policy allows the s3:ListAllMyBuckets action`, ""},
		{ours, "/texts/key", "User: arn:aws:iam::" + testAccount + `:root is not authorized to perform: s3:GetObject on resource: &quot;arn:aws:s3:::texts/key&quot; with an explicit deny in a resource-based policy`,
			denyAll + `"Action":"s3:GetObject","Resource":"$B/*"}`},
	} {
		if c.statement != "" {
			w.policy("texts", c.statement)
		}
		a := w.as(c.by, "GET", c.target, nil)
		a.want(t, 403, "AccessDenied")
		if got := strings.ReplaceAll(a.element("Message"), `"`, "&quot;"); got != c.text {
			t.Errorf("%s: %s", c.target, got)
		}
	}
	// Who signs is looked at first, then whether the bucket is there, then whose it is.
	w.as(who{testKey, "wrong"}, "GET", "/none/key", nil).want(t, 403, "SignatureDoesNotMatch")
	w.as(alice, "GET", "/none/key", nil).want(t, 404, "NoSuchBucket")
	w.as(nobody, "GET", "/none/key", nil).want(t, 404, "NoSuchBucket")
	w.as(alice, "GET", "/texts/key", nil, "x-amz-expected-bucket-owner", "1").want(t, 400, "InvalidBucketOwnerAWSAccountID")
}

// That a key is not there is for those to know who may list it.
func TestAbsence(t *testing.T) {
	w := newWorld(t)
	w.bucket("absent")
	w.put("absent", "public/there", "bytes")
	get := `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`
	list := `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{"StringLike":{"s3:prefix":"public/*"}}}`
	for _, c := range []struct {
		statements []string
		public     int // status for a missing key under public/
		private    int
	}{
		{[]string{get}, 403, 403},
		{[]string{get, list}, 404, 403},
		{[]string{list}, 404, 403}, // AWS tells those who may list even if they may not read
	} {
		w.may(aliceARN, c.statements...)
		for target, want := range map[string]int{"/absent/public/none": c.public, "/absent/private/none": c.private} {
			code := map[int]string{403: "AccessDenied", 404: "NoSuchKey"}[want]
			w.as(alice, "GET", target, nil).want(t, want, code)
			w.as(alice, "HEAD", target, nil).want(t, want, "")
		}
	}
	w.as(alice, "GET", "/absent/public/there", nil).want(t, 403, "AccessDenied")
	// A label in the query of a read is no parameter of a listing.
	w.may(aliceARN, get, `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{"StringEquals":{"s3:delimiter":"/"}}}`)
	w.as(alice, "GET", "/absent/none?delimiter=/", nil).want(t, 403, "AccessDenied")
	w.may(aliceARN, get, `{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}`)
	w.as(alice, "PUT", "/absent/copy", nil, "x-amz-copy-source", "absent/none").want(t, 403, "AccessDenied")
	w.do("PUT", "/absent/copy", nil, "x-amz-copy-source", "absent/none").want(t, 404, "NoSuchKey")
}

// Credentials that stand for nobody in particular prove nothing.
func TestCallersWithoutAName(t *testing.T) {
	w := newWorld(t)
	w.bucket("named")
	w.do("DELETE", "/named?publicAccessBlock", nil).want(t, 204, "")
	w.policy("named", allowAll+anyObject)
	for id, c := range map[string]any{
		"AKIANIL": (*access.Caller)(nil), "AKIAZERO": &access.Caller{}, "AKIAKIND": &access.Caller{Account: testAccount}, "AKIAUSER": &access.Caller{Kind: access.User, ARN: aliceARN}, "AKIATEXT": "root",
	} {
		w.keys[id] = credential{"secret", c}
		if a := w.as(who{id, "secret"}, "GET", "/named", nil); a.status != 403 || a.code() != "AccessDenied" {
			t.Errorf("%s: %d %s", id, a.status, a.code())
		}
	}
}

// A tag that can't be read is no reason to allow.
func TestTagsThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.bucket("tags")
	w.put("tags", "key", "bytes")
	w.may(aliceARN, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringNotEquals":{"s3:ExistingObjectTag/secret":"yes"}}}`)
	w.as(alice, "GET", "/tags/key", nil).want(t, 200, "")
	ctx, cancel := context.WithCancel(t.Context())
	rq := w.door.begin(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/tags/key", nil))
	rq.Target, rq.Caller, rq.Op = Target{Bucket: "tags", Key: "key", HasKey: true}, userOf(testAccount, "alice"), "GetObjectTagging"
	rq.Place.Region, rq.Place.Owner = w.region, testAccount
	if _, err := rq.LoadBucket(); err != nil {
		t.Fatal(err)
	}
	rq.Ctx = ctx // as a handler has it
	cancel()
	if err := rq.may("s3:GetObject"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCopySourceIsARead(t *testing.T) {
	w := newWorld(t)
	w.bucket("from")
	w.put("from", "public/a", "bytes")
	w.put("from", "private/a", "bytes")
	w.as(theirs, "PUT", "/their-own", nil).want(t, 200, "")
	put := func(source string) answer {
		return w.as(theirs, "PUT", "/their-own/copy", nil, "x-amz-copy-source", source)
	}
	upload := w.as(theirs, "POST", "/their-own/parts?uploads", nil).element("UploadId")
	part := func(source string) answer {
		return w.as(theirs, "PUT", "/their-own/parts?partNumber=1&uploadId="+upload, nil, "x-amz-copy-source", source)
	}
	put("from/public/a").want(t, 403, "AccessDenied")
	part("from/public/a").want(t, 403, "AccessDenied")
	w.policy("from", allowOther+`"Action":"s3:GetObject","Resource":"$B/public/*"}`)
	put("from/public/a").want(t, 200, "")
	part("from/public/a").want(t, 200, "")
	put("from/private/a").want(t, 403, "AccessDenied")
	put("from/public/none").want(t, 403, "AccessDenied")
	part("/from/private/a").want(t, 403, "AccessDenied")
	put("from/public/a?versionId=null").want(t, 403, "AccessDenied") // another action
	// The conditions on a source are about the source.
	w.do("PUT", "/from/public/a?tagging", []byte(`<Tagging><TagSet><Tag><Key>share</Key><Value>yes</Value></Tag></TagSet></Tagging>`)).want(t, 200, "")
	w.policy("from", allowOther+`"Action":["s3:GetObject","s3:GetObjectTagging"],"Resource":"$B/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/share":"yes"}}}`)
	put("from/public/a").want(t, 200, "")
	put("from/private/a").want(t, 403, "AccessDenied")
}

// Tags that a copy takes along are read and written, which are permissions of
// their own.
func TestCopiedTagsArePermissions(t *testing.T) {
	w := newWorld(t)
	w.versioned("from")
	w.bucket("copies")
	version := w.put("from", "key", "bytes", "x-amz-tagging", "secret=yes").header.Get("X-Amz-Version-Id")
	w.put("from", "plain", "bytes")
	copied := func(source string, headers ...string) answer {
		return w.as(alice, "PUT", "/copies/copy", nil, append(headers, "x-amz-copy-source", source)...)
	}
	const objects = `{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion","s3:PutObject"],"Resource":"*"}`
	const read = `{"Effect":"Allow","Action":"s3:GetObjectTagging","Resource":"arn:aws:s3:::from/*"}`
	const readVersion = `{"Effect":"Allow","Action":"s3:GetObjectVersionTagging","Resource":"arn:aws:s3:::from/*"}`
	const write = `{"Effect":"Allow","Action":"s3:PutObjectTagging","Resource":"arn:aws:s3:::copies/*"}`
	w.may(aliceARN, objects)
	copied("from/plain").want(t, 200, "")
	copied("from/key").want(t, 403, "AccessDenied")
	copied("from/key", "x-amz-tagging-directive", "REPLACE").want(t, 200, "")
	w.may(aliceARN, objects, read)
	copied("from/key").want(t, 403, "AccessDenied")
	w.may(aliceARN, objects, write)
	copied("from/key").want(t, 403, "AccessDenied")
	w.may(aliceARN, objects, read, write)
	copied("from/key").want(t, 200, "")
	copied("from/key?versionId="+version).want(t, 403, "AccessDenied")
	w.may(aliceARN, objects, readVersion, write)
	copied("from/key?versionId="+version).want(t, 200, "")
	// The tags are those that the request brings, for conditions.
	const kept = `,"Condition":{"StringNotEquals":{"s3:RequestObjectTag/secret":"yes"}}}`
	w.may(aliceARN, objects, read, strings.TrimSuffix(write, "}")+kept)
	copied("from/key", "x-amz-tagging", "secret=no").want(t, 403, "AccessDenied")
}

// The resource control policies of a bucket's account bind what lies in it, also
// where another account owns an object.
func TestResourceControlOfTheBucket(t *testing.T) {
	w := newWorld(t)
	w.open("controlled", rule.ObjectWriter)
	w.policy("controlled", allowOther+`"Action":"s3:PutObject","Resource":"$B/*"}`)
	w.as(theirs, "PUT", "/controlled/key", []byte("bytes")).want(t, 200, "")
	w.as(theirs, "GET", "/controlled/key", nil).want(t, 200, "")
	control := func(action, condition string) {
		w.directory.mu.Lock()
		defer w.directory.mu.Unlock()
		w.directory.controls = map[string][]*policy.Document{testAccount: nil}
		for _, s := range []string{`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`,
			`{"Effect":"Deny","Principal":"*","Action":"` + action + `","Resource":"*"` + condition + `}`} {
			doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[`+s+`]}`), policy.Organization)
			if err != nil {
				t.Fatal(err)
			}
			w.directory.controls[testAccount] = append(w.directory.controls[testAccount], doc)
		}
	}
	control("s3:GetObject", "")
	w.as(theirs, "GET", "/controlled/key", nil).want(t, 403, "AccessDenied")
	control("s3:GetObject", `,"Condition":{"StringEquals":{"aws:ResourceAccount":"`+testAccount+`"}}`)
	w.as(theirs, "GET", "/controlled/key", nil).want(t, 403, "AccessDenied")
	w.as(theirs, "PUT", "/controlled/key", []byte("bytes"), "x-amz-acl", "private").want(t, 200, "")
	control("s3:PutObjectAcl", "")
	w.as(theirs, "GET", "/controlled/key", nil).want(t, 200, "")
	w.as(theirs, "PUT", "/controlled/key", []byte("bytes"), "x-amz-acl", "private").want(t, 403, "AccessDenied")
}

// TestInitiators: who began an upload in parts may list its parts and give it up,
// whether ACLs are on or off, unless a policy denies it. Others of its account
// need leave of their own account, and strangers get nothing.
func TestInitiators(t *testing.T) {
	for _, ownership := range []string{rule.BucketOwnerEnforced, rule.BucketOwnerPreferred, rule.ObjectWriter} {
		t.Run(ownership, func(t *testing.T) {
			w := newWorld(t)
			w.open("uploads", ownership)
			allow := allowAll + `"Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"$B/*"}`
			w.policy("uploads", allow)
			may := `{"Effect":"Allow","Action":["s3:PutObject","s3:AbortMultipartUpload","s3:ListMultipartUploadParts"],"Resource":"*"}`
			w.may(bobARN, may, `{"Effect":"Allow","Action":"s3:PutObjectAcl","Resource":"*"}`)
			begin := func(c who) string {
				t.Helper()
				a := w.as(c, "POST", "/uploads/key?uploads", nil, "x-amz-acl", "bucket-owner-full-control")
				a.want(t, 200, "")
				return "/uploads/key?uploadId=" + a.element("UploadId")
			}
			for _, c := range []struct {
				by   who
				id   string // of the initiator
				may  []who  // in this order
				not  []who
				name string
			}{
				{by: theirs, id: canonicalID(otherAccount), may: []who{theirs, bob, ours}, not: []who{nobody, alice}, name: "their root"},
				{by: bob, id: bobARN, may: []who{bob, theirs, ours}, not: []who{nobody, alice}, name: "their user"},
				{by: ours, id: canonicalID(testAccount), may: []who{ours}, not: []who{nobody, theirs, bob, alice}, name: "the bucket's owner"},
			} {
				for _, by := range c.may {
					upload := begin(c.by)
					for _, other := range c.not {
						w.as(other, "GET", upload, nil).want(t, 403, "AccessDenied")
						w.as(other, "DELETE", upload, nil).want(t, 403, "AccessDenied")
					}
					w.policy("uploads", allow, denyAll+`"Action":["s3:AbortMultipartUpload","s3:ListMultipartUploadParts"],"Resource":"$B/*"}`)
					w.as(by, "GET", upload, nil).want(t, 403, "AccessDenied")
					w.as(by, "DELETE", upload, nil).want(t, 403, "AccessDenied")
					w.policy("uploads", allow)
					a := w.as(by, "GET", upload, nil)
					a.want(t, 200, "")
					for _, x := range []answer{a, w.do("GET", "/uploads?uploads", nil)} {
						if !strings.Contains(x.body, "<Initiator><ID>"+c.id+"</ID></Initiator>") {
							t.Errorf("begun by %s:\n%s", c.name, x.body)
						}
					}
					w.as(by, "DELETE", upload, nil).want(t, 204, "")
				}
			}
			// A user of their account whom its policies do not let.
			w.may(bobARN, `{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"*"}`)
			upload := begin(bob)
			w.as(bob, "GET", upload, nil).want(t, 403, "AccessDenied")
			w.as(bob, "DELETE", upload, nil).want(t, 403, "AccessDenied")
			w.as(theirs, "DELETE", upload, nil).want(t, 204, "")
			// Nobody's uploads are the bucket's owner's.
			upload = begin(nobody)
			w.as(nobody, "GET", upload, nil).want(t, 403, "AccessDenied")
			w.as(theirs, "DELETE", upload, nil).want(t, 403, "AccessDenied")
			w.do("DELETE", upload, nil).want(t, 204, "")
		})
	}
}

// TestSuspendedAccounts: nobody uses what a suspended account owns, whatever its
// policies and ACLs say, until it is back.
func TestSuspendedAccounts(t *testing.T) {
	w := newWorld(t)
	w.open("disabled", rule.ObjectWriter)
	w.policy("disabled", allowAll+anyObject)
	w.do("PUT", "/disabled/key", []byte("bytes"), "x-amz-acl", "public-read").want(t, 200, "")
	w.as(theirs, "PUT", "/disabled/foreign", []byte("bytes"), "x-amz-acl", "public-read").want(t, 200, "")
	w.open("other", rule.ObjectWriter)
	w.policy("other", allowAll+anyObject)
	suspend := func(accounts ...string) {
		w.directory.mu.Lock()
		defer w.directory.mu.Unlock()
		w.directory.controls = map[string][]*policy.Document{}
		for _, a := range accounts {
			w.directory.controls[a] = []*policy.Document{}
		}
	}
	type request struct{ method, target, body string }
	open := []request{
		{"GET", "/disabled/key", ""}, {"HEAD", "/disabled/key", ""}, {"GET", "/disabled/foreign", ""}, {"GET", "/disabled?list-type=2", ""}, {"HEAD", "/disabled", ""},
		{"PUT", "/disabled/new", "bytes"}, {"GET", "/disabled/key?acl", ""}, {"GET", "/disabled?versioning", ""}, {"DELETE", "/disabled/none", ""},
	}
	try := func(c who, r request, status int, code string) {
		t.Helper()
		if r.method == "HEAD" {
			code = ""
		}
		w.as(c, r.method, r.target, []byte(r.body)).want(t, status, code)
	}
	for _, c := range []who{nobody, theirs} {
		for _, r := range open {
			suspend()
			if a := w.as(c, r.method, r.target, []byte(r.body)); a.status >= 300 {
				t.Errorf("%s %s: %d %s", r.method, r.target, a.status, a.body)
			}
			suspend(testAccount)
			try(c, r, 403, "AllAccessDisabled")
		}
	}
	suspend(testAccount)
	try(ours, request{"GET", "/disabled/key", ""}, 403, "AllAccessDisabled")
	try(nobody, request{"GET", "/disabled/none", ""}, 403, "AllAccessDisabled")
	if a := w.as(theirs, "GET", "/disabled/key", nil); !strings.Contains(a.body, "<Message>All access to this object has been disabled</Message>") {
		t.Error(a.body)
	}
	// A copy is a read of its source.
	w.as(theirs, "PUT", "/other/copy", nil, "x-amz-copy-source", "disabled/key").want(t, 403, "AllAccessDisabled")
	if a := w.as(theirs, "POST", "/disabled?delete", []byte(`<Delete><Object><Key>key</Key></Object></Delete>`)); strings.Contains(a.body, "<Deleted>") || !strings.Contains(a.body, "<Code>AllAccessDisabled</Code>") {
		t.Error(a.status, a.body)
	}
	// An object of a suspended account in another one's bucket. The bucket's owner
	// may still throw it away.
	suspend(otherAccount)
	for _, c := range []who{nobody, ours} {
		try(c, request{"GET", "/disabled/foreign", ""}, 403, "AllAccessDisabled")
		try(c, request{"GET", "/disabled/key", ""}, 200, "")
	}
	try(ours, request{"DELETE", "/disabled/foreign", ""}, 204, "")
	suspend()
	try(nobody, request{"GET", "/disabled/key", ""}, 200, "")
}

// TestSuspendedMatrix: of all that S3 does with a bucket that lets everybody in,
// nothing runs while the bucket's account is suspended, for whoever asks.
func TestSuspendedMatrix(t *testing.T) {
	w := newWorld(t)
	w.open("matrix", rule.ObjectWriter)
	w.put("matrix", "key", "bytes")
	w.policy("matrix", allowAll+anyObject)
	var ran int
	rows := routes()
	for i := range rows {
		if rows[i].Handler != nil {
			rows[i].Handler = func(_ *Door, rq *Request) error {
				ran++
				return rq.Empty(http.StatusOK)
			}
		}
	}
	w.door.table = newTable(rows)
	let := 0
	for i := range rows {
		route := &rows[i]
		if route.Handler == nil || route.Op == "ListBuckets" || route.Op == opCreateBucket {
			continue
		}
		target, headers := route.target("matrix", "key")
		for name, c := range map[string]who{"the owner": ours, "another account": theirs, "nobody": nobody} {
			w.directory.mu.Lock()
			w.directory.controls = nil
			w.directory.mu.Unlock()
			ran = 0
			w.as(c, route.Method, target, nil, headers...)
			let += ran
			if c == ours && ran != 1 {
				t.Errorf("%s is not for the owner", route.Op)
			}
			w.directory.mu.Lock()
			w.directory.controls = map[string][]*policy.Document{testAccount: {}}
			w.directory.mu.Unlock()
			ran = 0
			a := w.as(c, route.Method, target, nil, headers...)
			if ran != 0 || a.status < 400 || c == ours && (a.status != 403 || route.Method != "HEAD" && a.code() != "AllAccessDisabled") {
				t.Errorf("%s by %s while the account is suspended: ran %d, %d %s", route.Op, name, ran, a.status, a.code())
			}
		}
	}
	if let < 200 {
		t.Errorf("only %d requests were let in before", let)
	}
}

// A bucket whose owner is not known is nobody's, and not whoever's asks.
func TestBucketWithoutOwner(t *testing.T) {
	w := newWorld(t)
	w.open("orphan", rule.BucketOwnerEnforced)
	if err := w.realm.Create(t.Context(), w.region, "foundling", "", func(uid s3.UID) error {
		_, err := w.store.CreateBucket(t.Context(), store.NewBucket{Name: "foundling", UID: uid})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	w.policy("orphan", allowAll+`"Action":"s3:PutObject","Resource":"$B/*"}`)
	for _, caller := range []who{ours, theirs, alice, nobody} {
		w.as(caller, "GET", "/foundling", nil).want(t, 403, "AccessDenied")
		w.as(caller, "PUT", "/foundling/key", []byte("bytes")).want(t, 403, "AccessDenied")
		w.as(caller, "PUT", "/orphan/copy", nil, "x-amz-copy-source", "foundling/key").want(t, 403, "AccessDenied")
	}
}

func TestDeleteObjectsAsksForEach(t *testing.T) {
	w := newWorld(t)
	w.bucket("many")
	w.put("many", "mine/a", "x")
	w.put("many", "yours/a", "x")
	w.may(aliceARN, `{"Effect":"Allow","Action":"s3:DeleteObject","Resource":["arn:aws:s3:::many","arn:aws:s3:::many/mine/*"]}`)
	doc := []byte(`<Delete><Object><Key>mine/a</Key></Object><Object><Key>yours/a</Key></Object><Object><Key>mine/a</Key><VersionId>null</VersionId></Object></Delete>`)
	a := w.as(alice, "POST", "/many?delete", doc, "Content-MD5", md5Of(string(doc)))
	if a.status != 200 || strings.Count(a.body, "<Deleted>") != 1 || strings.Count(a.body, "<Code>AccessDenied</Code>") != 2 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.do("GET", "/many/mine/a", nil).want(t, 404, "NoSuchKey")
	w.do("GET", "/many/yours/a", nil).want(t, 200, "")
}

func TestPassRole(t *testing.T) {
	w := newWorld(t)
	w.versioned("source")
	w.versioned("destination")
	w.may(aliceARN, everything)
	doc := []byte(`<ReplicationConfiguration><Role>arn:aws:iam::` + testAccount + `:role/replication</Role><Rule><Status>Enabled</Status><Priority>1</Priority><Filter/>` +
		`<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::destination</Bucket></Destination></Rule></ReplicationConfiguration>`)
	sum := []string{"Content-MD5", md5Of(string(doc))}
	w.as(alice, "PUT", "/source?replication", doc, sum...).want(t, 403, "AccessDenied")
	w.do("PUT", "/source?replication", doc, sum...).want(t, 200, "")
	w.door.opt.PassRole = nil
	w.do("PUT", "/source?replication", doc, sum...).want(t, 403, "AccessDenied")
}

// New buckets of a region that is told so begin as they did before 2023.
func TestOpenBuckets(t *testing.T) {
	w := newWorld(t)
	w.door.opt.OpenBuckets = true
	w.door.opt.DisplayName = func(id string) string {
		if id == canonicalID(testAccount) {
			return "ours"
		}
		return ""
	}
	w.bucket("old")
	w.do("GET", "/old?publicAccessBlock", nil).want(t, 404, "NoSuchPublicAccessBlockConfiguration")
	w.put("old", "key", "bytes", "x-amz-acl", "public-read")
	w.as(nobody, "GET", "/old/key", nil).want(t, 200, "")
	if a := w.do("GET", "/old/key?acl", nil); strings.Count(a.body, "<DisplayName>ours</DisplayName>") != 2 {
		t.Errorf("no names:\n%s", a.body)
	}
	w.do("PUT", "/public", nil, "x-amz-acl", "public-read").want(t, 200, "")
	w.as(nobody, "GET", "/public", nil).want(t, 200, "")
	w.do("PUT", "/enforced", nil, "x-amz-object-ownership", "BucketOwnerEnforced", "x-amz-acl", "public-read").want(t, 400, "InvalidBucketAclWithObjectOwnership")
	if e := w.do("GET", "/old?encryption", nil); !strings.Contains(e.body, "<EncryptionType>NONE</EncryptionType>") {
		t.Errorf("SSE-C is blocked:\n%s", e.body)
	}
	w.do("PUT", "/old/key", nil, "x-amz-copy-source", "old/key").want(t, 400, "InvalidRequest") // nobody set a default encryption
	w.door.opt.AccountBlock = func(string) rule.PublicAccessBlock { return rule.PublicAccessBlock{BlockPublicACLs: true} }
	w.do("PUT", "/blocked", nil, "x-amz-acl", "public-read").want(t, 400, "InvalidBucketAclWithBlockPublicAccessError")
}

// Nothing in a public request can claim to be a replica, or anything else that
// only Farhold says of itself.
func TestReservedHeadersChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.versioned("plain")
	reserved := []string{"x-amz-replication-status", "REPLICA", "x-amz-version-id", strings.Repeat("0", 32), "x-amz-meta-keep", "1",
		"x-farhold-owner", otherAccount, "x-amz-source-region", "eu-west-1", "x-amz-delete-marker", "true", "x-amz-account-id", otherAccount}
	a := w.do("PUT", "/plain/key", []byte("bytes"), reserved...)
	a.want(t, 200, "")
	if a.header.Get("X-Amz-Version-Id") == strings.Repeat("0", 32) {
		t.Error("the client chose the version's ID")
	}
	h := w.do("HEAD", "/plain/key", nil).header
	if h.Get("X-Amz-Replication-Status") != "" || h.Get("X-Amz-Delete-Marker") != "" || h.Get("X-Amz-Meta-Keep") != "1" {
		t.Errorf("%v", h)
	}
	w.as(alice, "GET", "/plain/key", nil, reserved...).want(t, 403, "AccessDenied")
	w.as(nobody, "GET", "/plain/key", nil, reserved...).want(t, 403, "AccessDenied")
}

// A form without credentials, to a bucket that lets everybody write.
func TestAnonymousForm(t *testing.T) {
	w := newWorld(t)
	w.open("forms", rule.ObjectWriter)
	body := "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nposted\r\n--x\r\nContent-Disposition: form-data; name=\"tagging\"\r\n\r\n" +
		"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>\r\n--x\r\nContent-Disposition: form-data; name=\"acl\"\r\n\r\npublic-read\r\n" +
		"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nbytes\r\n--x--\r\n"
	post := func() answer {
		return w.as(nobody, "POST", "/forms", []byte(body), "Content-Type", "multipart/form-data; boundary=x")
	}
	post().want(t, 403, "AccessDenied")
	w.do("PUT", "/forms?acl", nil, "x-amz-acl", "public-read-write").want(t, 200, "")
	post().want(t, 204, "")
	if a := w.as(nobody, "GET", "/forms/posted", nil); a.status != 200 || a.body != "bytes" || a.header.Get("X-Amz-Tagging-Count") != "1" {
		t.Errorf("%d %q %v", a.status, a.body, a.header)
	}
	// The form's fields are its conditions.
	w.do("PUT", "/forms?acl", nil, "x-amz-acl", "private").want(t, 200, "")
	w.policy("forms", allowAll+`"Action":["s3:PutObject","s3:PutObjectAcl","s3:PutObjectTagging"],"Resource":"$B/*","Condition":{"StringEquals":{"s3:x-amz-acl":"public-read","s3:RequestObjectTag/a":"b"}}}`)
	post().want(t, 204, "")
	w.policy("forms", allowAll+`"Action":["s3:PutObject","s3:PutObjectAcl","s3:PutObjectTagging"],"Resource":"$B/*","Condition":{"StringEquals":{"s3:x-amz-acl":"private"}}}`)
	post().want(t, 403, "AccessDenied")
}
