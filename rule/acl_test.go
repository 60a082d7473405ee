package rule

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
)

var (
	owner     = strings.Repeat("a", 64)
	other     = strings.Repeat("b", 64)
	testUsers = Principals{Owner: owner, BucketOwner: other}
)

func TestCannedACL(t *testing.T) {
	full := Grant{ID: owner, Permission: "FULL_CONTROL"}
	for name, want := range map[string][]Grant{
		"":                          {full},
		"private":                   {full},
		"aws-exec-read":             {full},
		"public-read":               {full, {Group: AllUsers, Permission: "READ"}},
		"public-read-write":         {full, {Group: AllUsers, Permission: "READ"}, {Group: AllUsers, Permission: "WRITE"}},
		"authenticated-read":        {full, {Group: AuthenticatedUsers, Permission: "READ"}},
		"bucket-owner-read":         {full, {ID: other, Permission: "READ"}},
		"bucket-owner-full-control": {full, {ID: other, Permission: "FULL_CONTROL"}},
		"log-delivery-write":        {full, {Group: LogDelivery, Permission: "WRITE"}, {Group: LogDelivery, Permission: "READ_ACP"}},
	} {
		a, err := CannedACL(name, testUsers)
		if err != nil || a.Owner != owner || !reflect.DeepEqual(a.Grants, want) {
			t.Errorf("%q: %+v, %v", name, a, err)
			continue
		}
		body, err := a.Render(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseACL(body, testUsers); err != nil || !reflect.DeepEqual(again, a) {
			t.Errorf("%q: %+v, %v from %s", name, again, err, body)
		}
		if again, err := StoredACL(body); err != nil || !reflect.DeepEqual(again, a) {
			t.Errorf("%q: %+v, %v from %s", name, again, err, body)
		}
	}
	if _, err := CannedACL("fake-acl", testUsers); describe(err) != "InvalidArgument 400  ArgumentName=x-amz-acl ArgumentValue=fake-acl" {
		t.Error(describe(err))
	}
	if a, err := CannedACL("bucket-owner-full-control", Principals{Owner: owner, BucketOwner: owner}); err != nil || len(a.Grants) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestParseACL(t *testing.T) {
	grant := func(kind, who, permission string) string {
		return `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="` + kind + `">` + who + `</Grantee><Permission>` + permission + `</Permission></Grant>`
	}
	doc := func(ownerID string, grants ...string) string {
		o := ""
		if ownerID != "" {
			o = "<Owner><ID>" + ownerID + "</ID><DisplayName>somebody</DisplayName></Owner>"
		}
		return `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + o + `<AccessControlList>` + strings.Join(grants, "") + `</AccessControlList></AccessControlPolicy>`
	}
	user := grant("CanonicalUser", "<ID>"+owner+"</ID>", "FULL_CONTROL")
	logs := grant("Group", "<URI>"+LogDelivery+"</URI>", "WRITE")
	const malformedACL = "MalformedACLError 400 The XML you provided was not well-formed or did not validate against our published schema"
	many := make([]string, 101)
	for i := range many {
		many[i] = user
	}
	for _, c := range []struct{ name, body, want string }{
		{"good", doc(owner, user, logs), ""},
		{"no grants", doc(owner), ""},
		{"no owner", doc("", logs), malformedACL},
		{"wrong permission", doc(owner, strings.Replace(logs, "WRITE", "WRONG-PERMISSION", 1)), malformedACL},
		{"wrong owner", doc("wrong-id", logs), "InvalidArgument 400 Invalid id ArgumentName=CanonicalUser/ID ArgumentValue=wrong-id"},
		{"another owner", doc(other, logs), "AccessDenied 403 Access Denied"},
		{"wrong group", doc(owner, strings.Replace(logs, "LogDelivery", "FakeGroup", 1)), "InvalidArgument 400 Invalid group uri ArgumentName=Group/URI ArgumentValue=http://acs.amazonaws.com/groups/s3/FakeGroup"},
		{"wrong user", doc(owner, grant("CanonicalUser", "<ID>wrong-id</ID>", "READ")), "InvalidArgument 400 Invalid id ArgumentName=CanonicalUser/ID ArgumentValue=wrong-id"},
		{"wrong type", doc(owner, grant("BadType", "<ID>"+owner+"</ID>", "READ")), malformedACL},
		{"type and member disagree", doc(owner, grant("Group", "<ID>"+owner+"</ID>", "READ")), malformedACL},
		{"no grantee", doc(owner, "<Grant><Permission>READ</Permission></Grant>"), malformedACL},
		{"mail", doc(owner, grant("AmazonCustomerByEmail", "<EmailAddress>a@b.c</EmailAddress>", "READ")), "UnresolvableGrantByEmailAddress 400 The e-mail address you provided does not match any account on record."},
		{"empty", "<AccessControlPolicy/>", malformedACL},
		{"no list", "<AccessControlPolicy><Owner><ID>" + owner + "</ID></Owner></AccessControlPolicy>", malformedACL},
		{"no XML", "x", malformedACL},
		{"101 grants", doc(owner, many...), malformedACL},
	} {
		if a, err := ParseACL([]byte(c.body), testUsers); describe(err) != c.want {
			t.Errorf("%s: %+v\ngot  %s\nwant %s", c.name, a, describe(err), c.want)
		}
	}
	known := Principals{Owner: owner, BucketOwner: owner, Known: func(id string) bool { return false }}
	if _, err := ParseACL([]byte(doc(owner, grant("CanonicalUser", "<ID>"+other+"</ID>", "READ"))), known); !errors.Is(err, ErrACLID) {
		t.Error(err)
	}
}

func TestACLHeaders(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers map[string]string
		grants  []Grant
		canned  string
		want    string
	}{
		{"none", nil, nil, "", ""},
		{"canned", map[string]string{"x-amz-acl": "public-read"}, []Grant{{ID: owner, Permission: "FULL_CONTROL"}, {Group: AllUsers, Permission: "READ"}}, "public-read", ""},
		{"grants", map[string]string{"x-amz-grant-read": `uri="` + LogDelivery + `", id=` + other, "x-amz-grant-write-acp": `id="` + owner + `"`},
			[]Grant{{Group: LogDelivery, Permission: "READ"}, {ID: other, Permission: "READ"}, {ID: owner, Permission: "WRITE_ACP"}}, "", ""},
		{"both", map[string]string{"x-amz-acl": "private", "x-amz-grant-read": `uri="` + LogDelivery + `"`}, nil, "", "InvalidRequest 400 Specifying both Canned ACLs and Header Grants is not allowed"},
		{"fake canned", map[string]string{"x-amz-acl": "fake-acl"}, nil, "", "InvalidArgument 400  ArgumentName=x-amz-acl ArgumentValue=fake-acl"},
		{"fake URI", map[string]string{"x-amz-grant-write": `uri="http://acs.amazonaws.com/groups/s3/FakeGroup"`}, nil, "", "InvalidArgument 400 Invalid group uri ArgumentName=uri ArgumentValue=http://acs.amazonaws.com/groups/s3/FakeGroup"},
		{"fake key", map[string]string{"x-amz-grant-write": `fakekey="1234"`}, nil, "", `InvalidArgument 400 Argument format not recognized ArgumentName=x-amz-grant-write ArgumentValue=fakekey="1234"`},
		{"no key", map[string]string{"x-amz-grant-write": `1234`}, nil, "", `InvalidArgument 400 Argument format not recognized ArgumentName=x-amz-grant-write ArgumentValue=1234`},
		{"wrong ID", map[string]string{"x-amz-grant-write": `id="wrong-id"`}, nil, "", "InvalidArgument 400 Invalid id ArgumentName=id ArgumentValue=wrong-id"},
		{"mail", map[string]string{"x-amz-grant-write": `emailAddress="a@b.c"`}, nil, "", "UnresolvableGrantByEmailAddress 400 "},
	} {
		a, canned, given, err := ACLHeaders(func(n string) string { return c.headers[n] }, testUsers)
		if got := describe(err); !strings.HasPrefix(got, c.want) || (c.want == "") != (err == nil) {
			t.Errorf("%s\ngot  %s\nwant %s", c.name, got, c.want)
			continue
		}
		if given != (len(c.headers) > 0) || err == nil && (!reflect.DeepEqual(a.Grants, c.grants) || canned != c.canned) {
			t.Errorf("%s: %+v %q %v", c.name, a, canned, given)
		}
	}
}

func TestCheckACL(t *testing.T) {
	private, _ := CannedACL("private", testUsers)
	public, _ := CannedACL("public-read", testUsers)
	full, _ := CannedACL("bucket-owner-full-control", testUsers)
	blocked := PublicAccessBlock{BlockPublicACLs: true}
	for i, c := range []struct {
		a         ACL
		canned    string
		setting   bool
		ownership string
		block     PublicAccessBlock
		want      error
	}{
		{full, "bucket-owner-full-control", false, BucketOwnerEnforced, PublicAccessBlock{}, nil},
		{private, "private", false, BucketOwnerEnforced, PublicAccessBlock{}, ErrACLNotSupported},
		{full, "bucket-owner-full-control", true, BucketOwnerEnforced, PublicAccessBlock{}, ErrACLNotSupported},
		{private, "private", true, ObjectWriter, blocked, nil},
		{public, "public-read", false, ObjectWriter, PublicAccessBlock{}, nil},
		{public, "public-read", false, ObjectWriter, blocked, awserr.ErrAccessDenied},
		{public, "public-read", true, "", blocked, awserr.ErrAccessDenied},
	} {
		if err := CheckACL(c.a, c.canned, c.setting, c.ownership, c.block); fmt.Sprint(err) != fmt.Sprint(c.want) {
			t.Errorf("%d: %v, want %v", i, err, c.want)
		}
	}
}

// What an ACL gives, to whom, and what is left of it when public grants are
// ignored.
func TestGives(t *testing.T) {
	const us, them, others = "us", "them", "others"
	list := ACL{Owner: us, Grants: []Grant{
		{ID: us, Permission: "FULL_CONTROL"}, {ID: them, Permission: "READ"}, {Group: AllUsers, Permission: "READ_ACP"},
		{Group: AuthenticatedUsers, Permission: "WRITE"}, {Group: LogDelivery, Permission: "WRITE_ACP"},
	}}
	logs := Grantee{Service: "logging.s3.amazonaws.com"}
	for _, c := range []struct {
		permission string
		to         Grantee
		want       Reach
		ignored    Reach // with public grants ignored
	}{
		{"READ", Grantee{ID: us}, ToID, ToID},
		{"WRITE_ACP", Grantee{ID: us}, ToID, ToID},
		{"READ", Grantee{ID: them}, ToID, ToID},
		{"READ", Grantee{ID: others}, Nothing, Nothing},
		{"READ", Grantee{}, Nothing, Nothing},
		{"READ_ACP", Grantee{}, ToGroup, Nothing},
		{"READ_ACP", Grantee{ID: others}, ToGroup, Nothing},
		{"READ_ACP", Grantee{ID: us}, ToGroup, ToID},
		{"WRITE", Grantee{ID: others}, ToGroup, Nothing},
		{"WRITE", Grantee{}, Nothing, Nothing},
		{"WRITE_ACP", Grantee{ID: others}, Nothing, Nothing},
		{"WRITE_ACP", logs, ToGroup, ToGroup},
		{"WRITE", logs, Nothing, Nothing},
		{"READ_ACP", logs, Nothing, Nothing},
		{"WRITE_ACP", Grantee{Service: "s3.amazonaws.com"}, Nothing, Nothing},
	} {
		if got := list.Gives(c.permission, c.to, false); got != c.want {
			t.Errorf("%s to %+v: %v", c.permission, c.to, got)
		}
		if got := list.Gives(c.permission, c.to, true); got != c.ignored {
			t.Errorf("%s to %+v, public grants ignored: %v", c.permission, c.to, got)
		}
	}
}

func TestBlocksTogether(t *testing.T) {
	a, b := PublicAccessBlock{BlockPublicACLs: true, BlockPublicPolicy: true}, PublicAccessBlock{IgnorePublicACLs: true, BlockPublicPolicy: true}
	if got := a.With(b); got != (PublicAccessBlock{true, true, true, false}) || got != b.With(a) {
		t.Errorf("%+v", got)
	}
	if got := a.With(PublicAccessBlock{RestrictPublicBuckets: true}); got != (PublicAccessBlock{true, false, true, true}) {
		t.Errorf("%+v", got)
	}
}

// With names, groups stand first; what is kept stays as it was given.
func TestRenderWithNames(t *testing.T) {
	list := ACL{Owner: "us", Grants: []Grant{{ID: "us", Permission: "FULL_CONTROL"}, {Group: AllUsers, Permission: "READ"}, {ID: "them", Permission: "READ"}, {Group: LogDelivery, Permission: "WRITE"}}}
	plain, err := list.Render(nil)
	if err != nil {
		t.Fatal(err)
	}
	named, err := list.Render(func(id string) string {
		if id == "them" {
			return ""
		}
		return "the " + id
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(plain), "DisplayName") || strings.Count(string(named), "<DisplayName>the us</DisplayName>") != 2 {
		t.Errorf("%s\n%s", plain, named)
	}
	a, err := StoredACL(named)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Grant{list.Grants[1], list.Grants[3], list.Grants[0], list.Grants[2]}; !reflect.DeepEqual(a.Grants, want) {
		t.Errorf("%+v", a.Grants)
	}
	if a, err = StoredACL(plain); err != nil || !reflect.DeepEqual(a, list) {
		t.Errorf("%+v, %v", a, err)
	}
}
