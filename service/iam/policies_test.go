package iam

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

// ofSize makes a policy of so many characters that count.
func ofSize(n int) string {
	d := allow("s3:GetObject", "arn:aws:s3:::b/")
	return strings.Replace(d, "b/", "b/"+strings.Repeat("x", n-size(d)), 1)
}

const policy1 = "arn:aws:iam::111122223333:policy/"

func TestManagedPolicies(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	doc := "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"arn:aws:s3:::a%2Fb+ü*\"}]\n}"
	made := ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("P"), Path: s("/team/"), PolicyDocument: &doc, Description: s("why"), Tags: []types.Tag{{Key: s("k"), Value: s("")}}}))(t).Policy
	arn := policy1 + "team/P"
	if *made.Arn != arn || *made.DefaultVersionId != "v1" || *made.AttachmentCount != 0 || !made.IsAttachable || !strings.HasPrefix(*made.PolicyId, "ANPA") || len(*made.PolicyId) != 21 || made.Description != nil || *made.Tags[0].Value != "" {
		t.Errorf("%+v", made)
	}
	if p := ok(w.root.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn}))(t).Policy; *p.Description != "why" || *p.PolicyId != *made.PolicyId {
		t.Errorf("%+v", p)
	}
	// A policy that is asked for has a list of tags, be it empty; one that is made
	// has none: recorded at AWS.
	bare := ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("bare"), PolicyDocument: &doc}))(t).Policy
	if bare.Tags != nil || bare.Description != nil {
		t.Errorf("%+v", bare)
	}
	if p := ok(w.root.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: bare.Arn}))(t).Policy; p.Tags == nil || len(p.Tags) != 0 {
		t.Errorf("%+v", p)
	}
	ok(w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: bare.Arn}))(t)
	// Documents come back as they were given, percent-encoded.
	v := ok(w.root.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: s("v1")}))(t).PolicyVersion
	if back, err := url.PathUnescape(*v.Document); err != nil || back != doc || !v.IsDefaultVersion || strings.ContainsAny(*v.Document, "+ \n{/") {
		t.Errorf("%q", *v.Document)
	}

	_, err := w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("p"), PolicyDocument: &doc})
	refused(t, err, "EntityAlreadyExists", "A policy called p already exists. Duplicate names are not allowed.")
	for _, bad := range []struct{ doc, message string }{
		{"{", "Syntax errors in policy."},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","effect":"Deny","Action":"*","Resource":"*"}]}`, "Syntax errors in policy."},
		{strings.Replace(allow("s3:*", "*"), `"Action"`, `"Principal":"*","Action"`, 1), "Policy document should not specify a principal."},
		{allow("s3", "*"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{allow("s3:*", "bucket"), `Resource bucket must be in ARN format or "*".`},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*"}]}`, "Policy statement must contain resources."},
	} {
		_, err = w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("bad"), PolicyDocument: &bad.doc})
		refused(t, err, "MalformedPolicyDocument", bad.message)
		_, err = w.root.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &bad.doc})
		refused(t, err, "MalformedPolicyDocument", bad.message)
	}
	_, err = w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("big"), PolicyDocument: s(ofSize(6145))})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
	ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("big"), PolicyDocument: s(strings.Repeat(" \n\t", 40000) + ofSize(6144))}))(t)

	for i := 2; i <= 5; i++ {
		v := ok(w.root.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &doc, SetAsDefault: i == 3}))(t).PolicyVersion
		if *v.VersionId != fmt.Sprint("v", i) || v.IsDefaultVersion != (i == 3) {
			t.Errorf("%+v", v)
		}
	}
	_, err = w.root.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &doc})
	refused(t, err, "LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	_, err = w.root.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: s("v3")})
	refused(t, err, "DeleteConflict", "Cannot delete the default version of a policy.")
	ok(w.root.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: s("v5")}))(t)
	if v := ok(w.root.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &doc}))(t).PolicyVersion; *v.VersionId != "v6" {
		t.Errorf("numbers are given twice: %s", *v.VersionId)
	}
	ok(w.root.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: s("v1")}))(t)
	var ids []string
	for p := iam.NewListPolicyVersionsPaginator(w.root, &iam.ListPolicyVersionsInput{PolicyArn: &arn, MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		for _, v := range ok(p.NextPage(ctx))(t).Versions {
			ids = append(ids, *v.VersionId)
		}
	}
	if !slices.Equal(ids, []string{"v6", "v4", "v3", "v2", "v1"}) {
		t.Errorf("%v", ids)
	}
	_, err = w.root.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: s("v9")})
	refused(t, err, "NoSuchEntity", "Policy "+arn+" version v9 does not exist or is not attachable.")
	_, err = w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
	refused(t, err, "DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	for _, id := range ids[:4] {
		ok(w.root.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: &id}))(t)
	}
	ok(w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn}))(t)
	for _, gone := range []string{arn, policy1 + "P", policy1 + "team/none", policy1 + "team/BIG"} {
		_, err = w.root.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &gone})
		refused(t, err, "NoSuchEntity", "Policy "+gone+" was not found.")
	}
	_, err = w.root.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: s("just a name, no ARN at all")})
	refused(t, err, "ValidationError", "Invalid ARN:  Could not be parsed!")
	admin := "arn:aws:iam::aws:policy/AdministratorAccess"
	if p := ok(w.root.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &admin}))(t).Policy; *p.PolicyId != "ANPAIWMBCKSKIEE64ZLYK" {
		t.Errorf("%+v", p)
	}
	_, err = w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &admin})
	refused(t, err, "AccessDenied", "User: arn:aws:iam::111122223333:root is not authorized to perform: iam:DeletePolicy on resource: policy "+admin)
	_, err = w.root.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: &admin, Tags: []types.Tag{{Key: s("a"), Value: s("b")}}})
	refused(t, err, "AccessDenied", "User: arn:aws:iam::111122223333:root is not authorized to perform: iam:TagPolicy on resource: policy "+admin)
}

func TestAttachments(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	bob := w.user("bob", "")
	ok(w.root.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: s("g")}))(t)
	ok(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("r"), AssumeRolePolicyDocument: s(trustS3)}))(t)
	p := *ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("P"), PolicyDocument: s(allow("iam:ListUsers", "*"))}))(t).Policy.Arn

	for range 2 { // attaching again changes nothing
		ok(w.root.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: s("bob"), PolicyArn: &p}))(t)
		ok(w.root.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: s("g"), PolicyArn: &p}))(t)
		ok(w.root.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: s("r"), PolicyArn: &p}))(t)
	}
	ok(w.root.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: s("r"), PermissionsBoundary: &p}))(t)
	ok(bob.ListUsers(ctx, &iam.ListUsersInput{}))(t)
	if got := ok(w.root.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &p}))(t).Policy; *got.AttachmentCount != 3 || *got.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("%d %d", *got.AttachmentCount, *got.PermissionsBoundaryUsageCount)
	}
	who := ok(w.root.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &p}))(t)
	if len(who.PolicyUsers) != 1 || len(who.PolicyGroups) != 1 || len(who.PolicyRoles) != 1 || *who.PolicyUsers[0].UserName != "bob" {
		t.Errorf("%+v", who)
	}
	pages, names := 0, ""
	for pg := iam.NewListEntitiesForPolicyPaginator(w.root, &iam.ListEntitiesForPolicyInput{PolicyArn: &p, MaxItems: aws.Int32(1)}); pg.HasMorePages(); pages++ {
		l := ok(pg.NextPage(ctx))(t)
		for _, x := range l.PolicyGroups {
			names += *x.GroupName
		}
		for _, x := range l.PolicyRoles {
			names += *x.RoleName
		}
		for _, x := range l.PolicyUsers {
			names += *x.UserName
		}
	}
	if pages != 3 || names != "grbob" {
		t.Errorf("%d pages: %s", pages, names)
	}
	if l := ok(w.root.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &p, PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}))(t); len(l.PolicyRoles) != 1 || len(l.PolicyUsers) != 0 {
		t.Errorf("%+v", l)
	}
	if l := ok(w.root.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: &p, EntityFilter: types.EntityTypeUser}))(t); len(l.PolicyRoles) != 0 || len(l.PolicyUsers) != 1 {
		t.Errorf("%+v", l)
	}
	_, err := w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &p})
	refused(t, err, "DeleteConflict", "Cannot delete a policy attached to entities.")

	for _, bad := range []struct{ arn, code, message string }{
		{"not an arn but long enough", "ValidationError", "Invalid ARN:  Could not be parsed!"},
		{policy1 + "none", "NoSuchEntity", "Policy " + policy1 + "none does not exist or is not attachable."},
		{"arn:aws:iam::444455556666:policy/P", "NoSuchEntity", "Policy arn:aws:iam::444455556666:policy/P does not exist or is not attachable."},
		{"arn:aws:iam::aws:policy/none", "NoSuchEntity", "Policy arn:aws:iam::aws:policy/none does not exist or is not attachable."},
		{"arn:aws:iam::111122223333:role/r", "NoSuchEntity", "Policy arn:aws:iam::111122223333:role/r does not exist or is not attachable."},
	} {
		_, err = w.root.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: s("bob"), PolicyArn: &bad.arn})
		refused(t, err, bad.code, bad.message)
	}
	_, err = w.root.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: s("none"), PolicyArn: &p})
	refused(t, err, "NoSuchEntity", "The user with name none cannot be found.")
	_, err = w.root.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: s("bob"), PolicyArn: s(policy1 + "none")})
	refused(t, err, "NoSuchEntity", "Policy "+policy1+"none was not found.")

	for i := range 10 {
		q := ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s(fmt.Sprint("q", i)), Path: s("/q/"), PolicyDocument: s(allow("s3:*", "*"))}))(t).Policy.Arn
		_, err = w.root.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: s("bob"), PolicyArn: q})
		_, err2 := w.root.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: s("g"), PolicyArn: q})
		_, err3 := w.root.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: s("r"), PolicyArn: q})
		if i == 9 {
			refused(t, err, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
			refused(t, err2, "LimitExceeded", "Cannot exceed quota for PoliciesPerGroup: 10")
			refused(t, err3, "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
		}
	}
	if l := ok(w.root.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: s("bob")}))(t).AttachedPolicies; len(l) != 10 || *l[0].PolicyName != "P" || *l[0].PolicyArn != p {
		t.Errorf("%+v", l)
	}
	if l := ok(w.root.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: s("g")}))(t).AttachedPolicies; len(l) != 10 {
		t.Errorf("%+v", l)
	}
	n := 0
	for pg := iam.NewListAttachedRolePoliciesPaginator(w.root, &iam.ListAttachedRolePoliciesInput{RoleName: s("r"), PathPrefix: s("/q/"), MaxItems: aws.Int32(4)}); pg.HasMorePages(); {
		n += len(ok(pg.NextPage(ctx))(t).AttachedPolicies)
	}
	if n != 9 {
		t.Errorf("%d under /q/", n)
	}
	if l := ok(w.root.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, OnlyAttached: true}))(t).Policies; len(l) != 10 {
		t.Errorf("%d attached", len(l))
	}
	_, err = w.root.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: s("r")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must detach all policies first.")

	ok(w.root.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: s("r")}))(t)
	ok(w.root.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: s("bob"), PolicyArn: &p}))(t)
	ok(w.root.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: s("g"), PolicyArn: &p}))(t)
	ok(w.root.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: s("r"), PolicyArn: &p}))(t)
	if _, err := bob.ListUsers(ctx, &iam.ListUsersInput{}); err == nil {
		t.Error("a policy that was detached counts")
	}
	ok(w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &p}))(t)
}

func TestInlinePolicies(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("Bob")}))(t)
	ok(w.root.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: s("g")}))(t)
	ok(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("r"), AssumeRolePolicyDocument: s(trustS3)}))(t)

	put := func(kind, name, doc string) (err error) {
		switch kind {
		case "user":
			_, err = w.root.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: s("bob"), PolicyName: &name, PolicyDocument: &doc})
		case "group":
			_, err = w.root.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: s("g"), PolicyName: &name, PolicyDocument: &doc})
		case "role":
			_, err = w.root.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: s("r"), PolicyName: &name, PolicyDocument: &doc})
		}
		return err
	}
	for _, c := range []struct {
		kind, name string
		max        int
	}{{"user", "Bob", 2048}, {"group", "g", 5120}, {"role", "r", 10240}} {
		// The limit is of all policies together, white space apart.
		if err := put(c.kind, "b", ofSize(1000)+strings.Repeat("\n", 5000)); err != nil {
			t.Error(err)
		}
		if err := put(c.kind, "a", ofSize(c.max-1000)); err != nil {
			t.Error(err)
		}
		refused(t, put(c.kind, "c", ofSize(120)), "LimitExceeded", fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s %s", c.max, c.kind, c.name))
		refused(t, put(c.kind, "a", ofSize(c.max-999)), "LimitExceeded", fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s %s", c.max, c.kind, c.name))
		if err := put(c.kind, "a", ofSize(500)); err != nil {
			t.Error(err)
		}
		refused(t, put(c.kind, "a", "{"), "MalformedPolicyDocument", "Syntax errors in policy.")
	}
	doc := allow("s3:GetObject", "arn:aws:s3:::b/%2F+ü")
	for _, k := range []string{"user", "group", "role"} {
		if err := put(k, "a", doc); err != nil {
			t.Fatal(err)
		}
	}
	u := ok(w.root.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: s("bob"), PolicyName: s("a")}))(t)
	g := ok(w.root.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: s("G"), PolicyName: s("a")}))(t)
	r := ok(w.root.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: s("R"), PolicyName: s("a")}))(t)
	for _, got := range []string{*u.PolicyDocument, *g.PolicyDocument, *r.PolicyDocument} {
		if back, err := url.PathUnescape(got); err != nil || back != doc {
			t.Errorf("%q", got)
		}
	}
	if *u.UserName != "Bob" || *g.GroupName != "g" || *r.RoleName != "r" {
		t.Error("names are not as they were given")
	}
	names := ok(w.root.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: s("bob"), MaxItems: aws.Int32(1)}))(t)
	if !slices.Equal(names.PolicyNames, []string{"a"}) || !names.IsTruncated {
		t.Errorf("%v", names.PolicyNames)
	}
	names = ok(w.root.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: s("bob"), Marker: names.Marker}))(t)
	if !slices.Equal(names.PolicyNames, []string{"b"}) || names.IsTruncated {
		t.Errorf("%v", names.PolicyNames)
	}
	if l := ok(w.root.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: s("g")}))(t).PolicyNames; len(l) != 2 {
		t.Errorf("%v", l)
	}
	if l := ok(w.root.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: s("r")}))(t).PolicyNames; len(l) != 2 {
		t.Errorf("%v", l)
	}
	_, err := w.root.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: s("bob"), PolicyName: s("none")})
	refused(t, err, "NoSuchEntity", "The user policy with name none cannot be found.")
	_, err = w.root.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: s("r"), PolicyName: s("none")})
	refused(t, err, "NoSuchEntity", "The role policy with name none cannot be found.")
	_, err = w.root.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: s("g"), PolicyName: s("none")})
	refused(t, err, "NoSuchEntity", "The group policy with name none cannot be found.")
	ok(w.root.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: s("g"), PolicyName: s("a")}))(t)
}

func TestTags(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("bob")}))(t)
	ok(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("r"), AssumeRolePolicyDocument: s(trustS3)}))(t)
	p := ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("P"), PolicyDocument: s(allow("s3:*", "*"))}))(t).Policy.Arn
	put := []func([]types.Tag) error{
		func(l []types.Tag) error {
			return second2(w.root.TagUser(ctx, &iam.TagUserInput{UserName: s("bob"), Tags: l}))
		},
		func(l []types.Tag) error {
			return second2(w.root.TagRole(ctx, &iam.TagRoleInput{RoleName: s("r"), Tags: l}))
		},
		func(l []types.Tag) error {
			return second2(w.root.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: p, Tags: l}))
		},
	}
	remove := []func(...string) error{
		func(k ...string) error {
			return second2(w.root.UntagUser(ctx, &iam.UntagUserInput{UserName: s("bob"), TagKeys: k}))
		},
		func(k ...string) error {
			return second2(w.root.UntagRole(ctx, &iam.UntagRoleInput{RoleName: s("r"), TagKeys: k}))
		},
		func(k ...string) error {
			return second2(w.root.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: p, TagKeys: k}))
		},
	}
	list := []func() []types.Tag{
		func() []types.Tag {
			return ok(w.root.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: s("bob")}))(t).Tags
		},
		func() []types.Tag {
			return ok(w.root.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: s("r")}))(t).Tags
		},
		func() []types.Tag {
			return ok(w.root.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: p}))(t).Tags
		},
	}
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	for i := range put {
		if err := put[i]([]types.Tag{tag("Team", "blue"), tag("x", "")}); err != nil {
			t.Error(err)
		}
		if err := put[i]([]types.Tag{tag("team", "red")}); err != nil {
			t.Error(err)
		}
		if l := list[i](); len(l) != 2 || *l[0].Key != "team" || *l[0].Value != "red" {
			t.Errorf("%+v", l)
		}
		refused(t, put[i]([]types.Tag{tag("a", ""), tag("A", "")}), "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		refused(t, put[i]([]types.Tag{tag("AWS:x", "")}), "InvalidInput", "Tag keys that start with aws: are reserved for system use.")
		var many []types.Tag
		for j := range 49 {
			many = append(many, tag(fmt.Sprint("k", j), "v"))
		}
		refused(t, put[i](many), "LimitExceeded", "The number of tags has reached the maximum limit.")
		if err := put[i](many[:48]); err != nil {
			t.Error(err)
		}
		if err := remove[i]("TEAM", "k0", "none"); err != nil {
			t.Error(err)
		}
		if l := list[i](); len(l) != 48 {
			t.Errorf("%d tags", len(l))
		}
	}
	l := ok(w.root.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: s("bob"), MaxItems: aws.Int32(40)}))(t)
	l2 := ok(w.root.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: s("bob"), Marker: l.Marker}))(t)
	if len(l.Tags) != 40 || !l.IsTruncated || len(l2.Tags) != 8 || l2.IsTruncated {
		t.Errorf("%d, %d", len(l.Tags), len(l2.Tags))
	}
	// The longest tags that AWS allows can be kept.
	var longest []types.Tag
	for i := range 50 {
		longest = append(longest, tag(fmt.Sprintf("%03d%s", i, strings.Repeat("鍵", 125)), strings.Repeat("値", 256)))
	}
	ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("tagged"), Tags: longest}))(t)
	if l := ok(w.root.GetUser(ctx, &iam.GetUserInput{UserName: s("tagged")}))(t).User.Tags; len(l) != 50 || *l[49].Value != *longest[49].Value {
		t.Errorf("%d tags", len(l))
	}
}

func TestAccount(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	if l := ok(w.root.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}))(t).AccountAliases; len(l) != 0 {
		t.Errorf("%v", l)
	}
	ok(w.root.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: s("first")}))(t)
	ok(w.root.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: s("second")}))(t)
	if l := ok(w.root.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}))(t).AccountAliases; !slices.Equal(l, []string{"second"}) {
		t.Errorf("%v", l)
	}
	_, err := w.root.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: s("second")})
	refused(t, err, "EntityAlreadyExists", "The account alias second already exists.")
	_, err = w.root.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: s("first")})
	refused(t, err, "NoSuchEntity", "The Account Alias with name first cannot be found.")
	ok(w.root.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: s("second")}))(t)
	ok(w.root.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: s("second")}))(t)

	for _, n := range []string{"a", "b", "c"} {
		ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: &n}))(t)
		ok(w.root.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &n}))(t)
		ok(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &n, AssumeRolePolicyDocument: s(trustS3)}))(t)
		ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &n, PolicyDocument: s(allow("s3:*", "*"))}))(t)
	}
	ok(w.root.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: s("a"), UserName: s("a")}))(t)
	ok(w.root.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: s("a"), PolicyName: s("p"), PolicyDocument: s(allow("s3:*", "*"))}))(t)
	ok(w.root.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: s("a"), PolicyArn: s("arn:aws:iam::aws:policy/AmazonS3FullAccess")}))(t)
	sum := ok(w.root.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{}))(t).SummaryMap
	for k, want := range map[string]int32{"Users": 3, "Groups": 3, "Roles": 3, "Policies": 3, "PolicyVersionsInUse": 3, "UsersQuota": 5000, "AttachedPoliciesPerUserQuota": 10} {
		if sum[k] != want {
			t.Errorf("%s: %d", k, sum[k])
		}
	}

	type seen struct{ users, groups, roles, policies int }
	walk := func(in *iam.GetAccountAuthorizationDetailsInput) (n seen, pages int) {
		for p := iam.NewGetAccountAuthorizationDetailsPaginator(w.root, in); p.HasMorePages(); pages++ {
			l := ok(p.NextPage(ctx))(t)
			n.users += len(l.UserDetailList)
			n.groups += len(l.GroupDetailList)
			n.roles += len(l.RoleDetailList)
			n.policies += len(l.Policies)
			for _, u := range l.UserDetailList {
				if *u.UserName == "a" && (!slices.Equal(u.GroupList, []string{"a"}) || len(u.UserPolicyList) != 1) {
					t.Errorf("%+v", u)
				}
			}
			for _, p := range l.Policies {
				if *p.PolicyName == "AmazonS3FullAccess" && (*p.AttachmentCount != 1 || len(p.PolicyVersionList) != 1 || p.PolicyVersionList[0].Document == nil) {
					t.Errorf("%+v", p)
				}
			}
		}
		return n, pages
	}
	if n, _ := walk(&iam.GetAccountAuthorizationDetailsInput{}); n != (seen{3, 3, 3, 4}) {
		t.Errorf("%+v", n)
	}
	for max := range int32(13) {
		if n, pages := walk(&iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(max + 1)}); n != (seen{3, 3, 3, 4}) || pages != (13+int(max))/(int(max)+1) {
			t.Errorf("%d at a time: %+v in %d pages", max+1, n, pages)
		}
	}
	if n, _ := walk(&iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(2), Filter: []types.EntityType{types.EntityTypeRole, types.EntityTypeLocalManagedPolicy}}); n != (seen{0, 0, 3, 3}) {
		t.Errorf("%+v", n)
	}
	n := 0
	for p := iam.NewListPoliciesPaginator(w.root, &iam.ListPoliciesInput{MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		n += len(ok(p.NextPage(ctx))(t).Policies)
	}
	if want := 3 + len(w.d.aws); n != want {
		t.Errorf("%d policies, want %d", n, want)
	}
	if l := ok(w.root.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, OnlyAttached: true}))(t).Policies; len(l) != 1 || *l[0].AttachmentCount != 1 {
		t.Errorf("%+v", l)
	}
}

// TestEmpty: what tools ask before they delete users and roles.
func TestEmpty(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("bob")}))(t)
	ok(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("r"), AssumeRolePolicyDocument: s(trustS3)}))(t)
	ok(w.root.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: s("bob")}))(t)
	ok(w.root.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: s("bob")}))(t)
	ok(w.root.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: s("bob")}))(t)
	ok(w.root.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: s("bob")}))(t)
	ok(w.root.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)}))(t)
	ok(w.root.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: s("bob"), ServiceName: s("cassandra.amazonaws.com")}))(t)
	for _, name := range []string{"nonexistentservice.amazonaws.com", "lambda.amazonaws.com"} {
		_, err := w.root.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: s("bob"), ServiceName: &name})
		refused(t, err, "NoSuchEntity", "No such service "+name+" is supported for Service Specific Credentials")
		_, err = w.root.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: s("no"), ServiceName: &name})
		refused(t, err, "NoSuchEntity", "The user with name no cannot be found.")
	}
	ok(w.root.ListVirtualMFADevices(ctx, &iam.ListVirtualMFADevicesInput{}))(t)
	ok(w.root.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: s("r")}))(t)
	ok(w.root.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{}))(t)
	ok(w.root.ListServerCertificates(ctx, &iam.ListServerCertificatesInput{}))(t)
	ok(w.root.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}))(t)
	ok(w.root.ListSAMLProviders(ctx, &iam.ListSAMLProvidersInput{}))(t)
	_, err := w.root.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: s("bob")})
	refused(t, err, "NoSuchEntity", "Login Profile for User bob cannot be found.")
	_, err = w.root.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: s("bob")})
	refused(t, err, "NoSuchEntity", "Login Profile for User bob cannot be found.")
	_, err = w.root.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})
	refused(t, err, "NoSuchEntity", "The Password Policy with domain name 111122223333 cannot be found.")
	for _, call := range []func() error{
		func() error {
			return second2(w.root.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: s("no")}))
		},
		func() error {
			return second2(w.root.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: s("no")}))
		},
		func() error {
			return second2(w.root.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: s("no")}))
		},
		func() error {
			return second2(w.root.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: s("no")}))
		},
	} {
		refused(t, call(), "NoSuchEntity", "The user with name no cannot be found.")
	}
	_, err = w.root.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: s("no")})
	refused(t, err, "NoSuchEntity", "The role with name no cannot be found.")
	_, err = w.root.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: s("x")})
	refused(t, err, "NotImplemented", "The operation CreateInstanceProfile is not implemented. There are no instances.")
}

// TestTable: each operation that is served names its action, and each that AWS
// has is in the table.
func TestTable(t *testing.T) {
	d, _ := newDirectory(t, nil)
	seen := map[string]bool{}
	for _, o := range New(d).Operations() {
		if seen[o.Name] || o.Open || o.Action != "iam:"+o.Name {
			t.Errorf("%+v", o)
		}
		seen[o.Name] = true
		if o.Why != "" && (!strings.HasSuffix(o.Why, ".") || o.Do != nil) {
			t.Errorf("%s: %q", o.Name, o.Why)
		}
	}
	for _, name := range iamshapes.Operations() {
		if !seen[name] {
			t.Errorf("no %s", name)
		}
	}
}

// TestConditions: what policies can ask about IAM's requests.
func TestConditions(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	p := *ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("Limit"), PolicyDocument: s(allow("s3:*", "*"))}))(t).Policy.Arn
	bob := w.user("bob", statements(t,
		`{"Effect":"Allow","Action":["iam:CreateUser","iam:CreateRole"],"Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"`+p+`"}}}`,
		`{"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AmazonS3FullAccess"}}}`,
		`{"Effect":"Allow","Action":"iam:DeleteUser","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Team":"blue"}}}`,
		`{"Effect":"Allow","Action":"iam:TagUser","Resource":"arn:aws:iam::*:user/team/*","Condition":{"StringEquals":{"aws:RequestTag/Team":"blue"},"ForAllValues:StringEquals":{"aws:TagKeys":["Team"]}}}`,
		`{"Effect":"Allow","Action":"iam:UpdateUser","Resource":"arn:aws:iam::*:user/team/*"}`,
	))
	denied := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("got %v", err)
		}
	}
	_, err := bob.CreateUser(ctx, &iam.CreateUserInput{UserName: s("free")})
	denied(err)
	ok(bob.CreateUser(ctx, &iam.CreateUserInput{UserName: s("bound"), Path: s("/team/"), PermissionsBoundary: &p}))(t)
	_, err = bob.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: s("bound"), PolicyArn: s("arn:aws:iam::aws:policy/AdministratorAccess")})
	denied(err)
	ok(bob.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: s("bound"), PolicyArn: s("arn:aws:iam::aws:policy/AmazonS3FullAccess")}))(t)
	_, err = bob.TagUser(ctx, &iam.TagUserInput{UserName: s("bound"), Tags: []types.Tag{{Key: s("Team"), Value: s("red")}}})
	denied(err)
	_, err = bob.TagUser(ctx, &iam.TagUserInput{UserName: s("bound"), Tags: []types.Tag{{Key: s("Team"), Value: s("blue")}, {Key: s("x"), Value: s("")}}})
	denied(err)
	ok(bob.TagUser(ctx, &iam.TagUserInput{UserName: s("bound"), Tags: []types.Tag{{Key: s("Team"), Value: s("blue")}}}))(t)
	// A user can't be moved to where the caller has no permission.
	_, err = bob.UpdateUser(ctx, &iam.UpdateUserInput{UserName: s("bound"), NewPath: s("/admins/")})
	denied(err)
	ok(bob.UpdateUser(ctx, &iam.UpdateUserInput{UserName: s("bound"), NewUserName: s("bound2")}))(t)
	_, err = bob.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("nobody")})
	denied(err) // who may not, doesn't learn whether it exists
	_, err = bob.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("bound2")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
}

func statements(t testing.TB, list ...string) string {
	doc := `{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`
	if !json.Valid([]byte(doc)) {
		t.Fatal(doc)
	}
	return doc
}

// TestPassRole: a role is passed by who may, to the service that it may be
// passed to, within its account.
func TestPassRole(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	ok(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("Replica"), Path: s("/s/"), AssumeRolePolicyDocument: s(trustS3)}))(t)
	role := "arn:aws:iam::" + account + ":role/s/Replica"
	w.user("bob", statements(t, `{"Effect":"Allow","Action":"iam:PassRole","Resource":"`+role+`","Condition":{"StringEquals":{"iam:PassedToService":"s3.amazonaws.com"}}}`))
	u, err := w.s.find(ctx, userKind, account, "bob")
	if err != nil {
		t.Fatal(err)
	}
	bob := callerOf(u)
	decider := &access.Decider{Directory: w.d}
	for _, c := range []struct {
		caller   *access.Caller
		role, to string
		want     bool
	}{
		{bob, role, "s3.amazonaws.com", true},
		{bob, role, "lambda.amazonaws.com", false},
		{bob, "arn:aws:iam::" + account + ":role/Replica", "s3.amazonaws.com", false},
		{bob, "arn:aws:iam::" + other + ":role/s/Replica", "s3.amazonaws.com", false},
		{w.rootC, role, "s3.amazonaws.com", true},
		{w.rootC, "arn:aws:iam::" + other + ":role/s/Replica", "s3.amazonaws.com", false},
	} {
		err := w.s.PassRole(ctx, decider, c.caller, policy.Values{}, c.role, c.to, "")
		if (err == nil) != c.want || err != nil && awserr.From(err).Code != "AccessDenied" {
			t.Errorf("%s to %s: %v", c.role, c.to, err)
		}
	}
}

// TestRaces: of things that exclude each other one is done, whatever the order.
func TestRaces(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	call := func() *service.Call { return &service.Call{Caller: w.rootC, Now: w.now} }
	both := func(a, b func() error) (error, error) {
		var ea, eb error
		var g sync.WaitGroup
		g.Go(func() { ea = a() })
		g.Go(func() { eb = b() })
		g.Wait()
		return ea, eb
	}
	for i := range 30 {
		name := fmt.Sprint("u", i)
		create := func() error {
			return second2(w.s.createUser(ctx, call(), &iamshapes.CreateUserRequest{UserName: &name}))
		}
		if a, b := both(create, create); (a == nil) == (b == nil) {
			t.Fatalf("two of one name: %v, %v", a, b)
		}
		p := ptr(policy1 + name)
		if _, err := w.s.createPolicy(ctx, call(), &iamshapes.CreatePolicyRequest{PolicyName: &name, PolicyDocument: ptr(allow("s3:*", "*"))}); err != nil {
			t.Fatal(err)
		}
		attach := func() error {
			return w.s.change(ctx, userKind, account, name, func(tx Tx, e *entity) error { return w.s.attach(tx, e, *p) })
		}
		a, b := both(attach, func() error {
			return second2(w.s.deletePolicy(ctx, call(), &iamshapes.DeletePolicyRequest{PolicyArn: p}))
		})
		if (a == nil) == (b == nil) {
			t.Fatalf("attached and deleted: %v, %v", a, b)
		}
		if a == nil {
			if err := w.s.change(ctx, userKind, account, name, func(tx Tx, e *entity) error { return w.s.detach(tx, e, *p) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.s.create(ctx, &entity{kind: groupKind, account: account, name: name, path: "/"}, groupsMax, "", ""); err != nil {
			t.Fatal(err)
		}
		add := func() error {
			return second2(w.s.addUser(ctx, call(), &iamshapes.AddUserToGroupRequest{GroupName: &name, UserName: &name}))
		}
		doomed := []kind{userKind, groupKind}[i%2]
		if a, b := both(add, func() error { return w.s.remove(ctx, call(), doomed, name) }); (a == nil) == (b == nil) {
			t.Fatalf("a member of what is deleted: %v, %v", a, b)
		}
		// Both attach, both count.
		q := ptr(policy1 + "q" + name)
		if _, err := w.s.createPolicy(ctx, call(), &iamshapes.CreatePolicyRequest{PolicyName: ptr("q" + name), PolicyDocument: ptr(allow("s3:*", "*"))}); err != nil {
			t.Fatal(err)
		}
		for _, n := range []string{"x", "y"} {
			if err := w.s.create(ctx, &entity{kind: userKind, account: account, name: n + name, path: "/"}, usersMax, "", ""); err != nil {
				t.Fatal(err)
			}
		}
		attachTo := func(n string) func() error {
			return func() error {
				return w.s.change(ctx, userKind, account, n+name, func(tx Tx, e *entity) error { return w.s.attach(tx, e, *q) })
			}
		}
		if a, b := both(attachTo("x"), attachTo("y")); a != nil || b != nil {
			t.Fatal(a, b)
		}
		if got, err := w.s.findPolicy(ctx, *q); err != nil || got.attachments != 2 {
			t.Fatalf("%+v %v", got, err)
		}
	}
}

// TestHomeDown: reading goes on, writing says that it can't.
func TestHomeDown(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	bob := w.user("bob", allow("iam:*", "*"))
	w.rows.down.Store(true)
	ok(bob.GetUser(ctx, &iam.GetUserInput{}))(t)
	ok(bob.ListUsers(ctx, &iam.ListUsersInput{}))(t)
	_, err := bob.CreateUser(ctx, &iam.CreateUserInput{UserName: s("x")})
	refused(t, err, "ServiceUnavailable", "Service is unable to handle request.")
	_, err = bob.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("bob")})
	refused(t, err, "ServiceUnavailable", "Service is unable to handle request.")
}

// TestOtherAccount: accounts do not see each other's entities.
func TestOtherAccount(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("bob")}))(t)
	foreign := &service.Call{Caller: rootCaller(other, "k"), Now: w.now}
	if _, err := w.s.getUser(ctx, foreign, &iamshapes.GetUserRequest{UserName: s("bob")}); awserr.From(err).Code != "NoSuchEntity" {
		t.Error(err)
	}
	if l, err := w.s.listUsers(ctx, foreign, &iamshapes.ListUsersRequest{}); err != nil || len(l.Users) != 0 {
		t.Errorf("%+v %v", l, err)
	}
	if _, err := w.s.createUser(ctx, foreign, &iamshapes.CreateUserRequest{UserName: s("bob")}); err != nil {
		t.Error(err)
	}
	p := ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("P"), PolicyDocument: s(allow("s3:*", "*"))}))(t).Policy.Arn
	for _, o := range w.s.Operations() {
		if o.Name != "GetPolicy" {
			continue
		}
		list, err := o.Targets(ctx, foreign, &iamshapes.GetPolicyRequest{PolicyArn: p})
		if err != nil || len(list) != 1 || list[0].Account != account {
			t.Errorf("%+v %v", list, err)
		}
	}
}

// TestUnknownFields: what a later version wrote stays when this one writes.
func TestUnknownFields(t *testing.T) {
	d, r := newDirectory(t, nil)
	e := bob(func(e *entity) { e.unknown = []byte{0xc2, 0x3e, 3, 'n', 'e', 'w'} }) // field 1000
	putEntity(t, r, e)
	sv := New(d)
	if err := sv.change(t.Context(), userKind, account, "bob", func(_ Tx, e *entity) error { e.path = "/x/"; return nil }); err != nil {
		t.Fatal(err)
	}
	got, err := sv.find(t.Context(), userKind, account, "bob")
	if err != nil || string(got.unknown) != string(e.unknown) || got.path != "/x/" {
		t.Errorf("%+v %v", got, err)
	}
}

// TestBoundary: a user's boundary bounds it, and is counted.
func TestBoundary(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	bob := w.user("bob", allow("iam:*", "*"))
	p := *ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("P"), PolicyDocument: s(allow("iam:ListUsers", "*"))}))(t).Policy.Arn
	ok(bob.ListGroups(ctx, &iam.ListGroupsInput{}))(t)
	ok(w.root.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: s("bob"), PermissionsBoundary: &p}))(t)
	if u := ok(w.root.GetUser(ctx, &iam.GetUserInput{UserName: s("bob")}))(t).User.PermissionsBoundary; *u.PermissionsBoundaryArn != p || u.PermissionsBoundaryType != "Policy" {
		t.Errorf("%+v", u)
	}
	ok(bob.ListUsers(ctx, &iam.ListUsersInput{}))(t)
	if _, err := bob.ListGroups(ctx, &iam.ListGroupsInput{}); err == nil {
		t.Error("the boundary does not bound")
	}
	_, err := w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &p})
	refused(t, err, "DeleteConflict", "Cannot delete a policy attached to entities.")
	_, err = w.root.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: s("bob"), PermissionsBoundary: s(policy1 + "none")})
	refused(t, err, "NoSuchEntity", "Scope ARN: "+policy1+"none does not exist or is not attachable.")
	// Another boundary takes the place of the first.
	ok(w.root.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: s("bob"), PermissionsBoundary: s("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	ok(bob.ListGroups(ctx, &iam.ListGroupsInput{}))(t)
	ok(w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &p}))(t)
	ok(w.root.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: s("bob")}))(t)
	ok(w.root.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: s("bob")}))(t)
	ok(bob.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: s("g")}))(t)
	// A user who is deleted gives its boundary back.
	ok(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: s("P"), PolicyDocument: s(allow("iam:ListUsers", "*"))}))(t)
	ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("eve"), PermissionsBoundary: &p}))(t)
	ok(w.root.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("eve")}))(t)
	ok(w.root.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &p}))(t)
}

// TestTrustOfTheDeleted: a trust policy trusts who was meant when it was
// written, under whatever name, and no namesake.
func TestTrustOfTheDeleted(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	made := ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("bob")}))(t).User
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + *made.Arn + `"]},"Action":"sts:AssumeRole"}]}`
	ok(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("r"), AssumeRolePolicyDocument: &doc}))(t)
	trusts := func(c *access.Caller) bool {
		t.Helper()
		r, found, err := w.d.Role(ctx, "arn:aws:iam::"+account+":role/r")
		if err != nil || !found {
			t.Fatal(err)
		}
		return policy.Evaluate(&policy.Input{
			Principal: c.Principal(), Action: "sts:AssumeRole", Resource: r.ARN, Context: policy.Values{}, ResourcePolicies: []*policy.Document{r.Trust}, ResourceRules: true,
		}).Allowed
	}
	shown := func() string {
		t.Helper()
		d, err := url.PathUnescape(*ok(w.root.GetRole(ctx, &iam.GetRoleInput{RoleName: s("r")}))(t).Role.AssumeRolePolicyDocument)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	caller := func() *access.Caller {
		e, err := w.s.find(ctx, userKind, account, "bob")
		if err != nil {
			e, err = w.s.find(ctx, userKind, account, "robert")
		}
		if err != nil {
			t.Fatal(err)
		}
		return callerOf(e)
	}
	if !trusts(caller()) || shown() != doc {
		t.Error("the user is not trusted")
	}
	ok(w.root.UpdateUser(ctx, &iam.UpdateUserInput{UserName: s("bob"), NewUserName: s("robert")}))(t)
	if !trusts(caller()) || shown() != strings.Replace(doc, "user/bob", "user/robert", 1) {
		t.Errorf("the user is not trusted under another name: %s", shown())
	}
	ok(w.root.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("robert")}))(t)
	ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("bob")}))(t)
	if trusts(caller()) || shown() != strings.Replace(doc, *made.Arn, *made.UserId, 1) {
		t.Errorf("a namesake is trusted: %s", shown())
	}
	ok(w.root.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: s("r"), PolicyDocument: &doc}))(t)
	if !trusts(caller()) {
		t.Error("the new user is not trusted although the policy was written for it")
	}
}
