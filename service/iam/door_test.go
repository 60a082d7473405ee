package iam

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/wire/sigv4"
)

// world is IAM behind its door, with clients of the AWS SDK.
type world struct {
	t     testing.TB
	d     *Directory
	s     *Service
	rows  *testRealm
	url   string
	root  *iam.Client
	now   time.Time
	rootC *access.Caller
}

func newWorld(t testing.TB, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, now: time.Now()}
	w.d, w.rows = newDirectory(t, change)
	w.s = New(w.d)
	_, srv := servicetest.Serve(t, w.s.Service(), service.Options{
		Region: "eu-west-1", Decider: &access.Decider{Directory: w.d},
		Verifier: &sigv4.Verifier{Credentials: w.d, Services: []string{"iam"}}, Used: func(c *access.Caller) { w.d.Used(c, "iam") },
	})
	w.url = srv.URL
	w.root = w.client("AKIAROOTROOTROOTROOT", "a secret of the root user")
	w.rootC = rootCaller(account, "AKIAROOTROOTROOTROOT")
	return w
}

func (w *world) client(key, secret string) *iam.Client {
	return iam.New(iam.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(w.url), Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: whole{http.DefaultTransport}},
	})
}

// whole reads answers to their end before it gives them on. The SDK closes a
// request's body when the head of the answer is there, which may be before the
// transport has looked behind the body's end; then the transport closes the
// connection under an answer of more than one read. With retries nobody notices.
type whole struct{ http.RoundTripper }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, err
}

// user makes a user with an inline policy, and gives a client that is it.
func (w *world) user(name, document string) *iam.Client {
	w.t.Helper()
	ctx := w.t.Context()
	if _, err := w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}); err != nil {
		w.t.Fatal(err)
	}
	if document != "" {
		if _, err := w.root.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("own"), PolicyDocument: &document}); err != nil {
			w.t.Fatal(err)
		}
	}
	k, err := w.root.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.client(*k.AccessKey.AccessKeyId, *k.AccessKey.SecretAccessKey)
}

// refused demands an error with AWS's code and text.
func refused(t testing.TB, err error, code, message string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || e.ErrorMessage() != message {
		t.Errorf("got  %v\nwant %s: %s", err, code, message)
	}
}

func ok[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var s = aws.String

const user1 = "arn:aws:iam::111122223333:user/"

func TestUsers(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	made := ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("Alice"), Path: s("/team/"), Tags: []types.Tag{{Key: s("Team"), Value: s("blue")}}, PermissionsBoundary: s("arn:aws:iam::aws:policy/AmazonS3FullAccess")}))(t).User
	if *made.Arn != user1[:len(user1)-1]+"/team/Alice" || !strings.HasPrefix(*made.UserId, "AIDA") || len(*made.UserId) != 21 || made.CreateDate.IsZero() || *made.Path != "/team/" {
		t.Errorf("%+v", made)
	}
	got := ok(w.root.GetUser(ctx, &iam.GetUserInput{UserName: s("alice")}))(t).User // names are found without regard to case
	if *got.UserName != "Alice" || *got.UserId != *made.UserId || !got.CreateDate.Equal(*made.CreateDate) || *got.Tags[0].Value != "blue" || *got.PermissionsBoundary.PermissionsBoundaryArn != "arn:aws:iam::aws:policy/AmazonS3FullAccess" {
		t.Errorf("%+v", got)
	}
	root := ok(w.root.GetUser(ctx, &iam.GetUserInput{}))(t).User
	if *root.Arn != "arn:aws:iam::111122223333:root" || *root.UserId != account {
		t.Errorf("%+v", root)
	}
	_, err := w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("ALICE")})
	refused(t, err, "EntityAlreadyExists", "User with name ALICE already exists.")
	_, err = w.root.GetUser(ctx, &iam.GetUserInput{UserName: s("nobody")})
	refused(t, err, "NoSuchEntity", "The user with name nobody cannot be found.")
	_, err = w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("x"), PermissionsBoundary: s("arn:aws:iam::aws:policy/Nothing")})
	refused(t, err, "NoSuchEntity", "Scope ARN: arn:aws:iam::aws:policy/Nothing does not exist or is not attachable.")
	_, err = w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("x"), Tags: []types.Tag{{Key: s("a"), Value: s("1")}, {Key: s("A"), Value: s("2")}}})
	refused(t, err, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	_, err = w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("x"), Path: s("/aws-service-role/x/")})
	refused(t, err, "InvalidInput", "The path /aws-service-role/ is reserved for service-linked roles.")
	_, err = w.root.GetUser(ctx, &iam.GetUserInput{UserName: s("a/b")})
	refused(t, err, "ValidationError", `1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`)

	// Renaming keeps the ID and everything else.
	alice := w.user("Carol", allow("iam:GetUser", "*"))
	ok(w.root.UpdateUser(ctx, &iam.UpdateUserInput{UserName: s("Carol"), NewUserName: s("Dora"), NewPath: s("/x/")}))(t)
	self := ok(alice.GetUser(ctx, &iam.GetUserInput{}))(t).User
	if *self.Arn != user1+"x/Dora" {
		t.Errorf("%s", *self.Arn)
	}
	_, err = w.root.UpdateUser(ctx, &iam.UpdateUserInput{UserName: s("Dora"), NewUserName: s("aliCe")})
	refused(t, err, "EntityAlreadyExists", "User with name aliCe already exists.")
	ok(w.root.UpdateUser(ctx, &iam.UpdateUserInput{UserName: s("Dora"), NewUserName: s("DORA")}))(t)
	_, err = w.root.GetUser(ctx, &iam.GetUserInput{UserName: s("Carol")})
	refused(t, err, "NoSuchEntity", "The user with name Carol cannot be found.")

	_, err = w.root.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("DORA")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must delete policies first.")
	ok(w.root.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: s("DORA"), PolicyName: s("own")}))(t)
	_, err = w.root.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("DORA")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must delete access keys first.")
	ok(w.root.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("Alice")}))(t)
	_, err = w.root.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("Alice")})
	refused(t, err, "NoSuchEntity", "The user with name Alice cannot be found.")
	if ok, _ := w.d.PrincipalExists(ctx, *made.UserId); ok {
		t.Error("the ID of a deleted user is still known")
	}
	// Root asks about itself only where AWS lets it.
	_, err = w.root.ListMFADevices(ctx, &iam.ListMFADevicesInput{})
	refused(t, err, "ValidationError", "Must specify userName when calling with non-User credentials")
}

func TestListUsers(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	for _, n := range []string{"a", "B", "c", "d", "E"} {
		path := "/"
		if n == "c" || n == "d" {
			path = "/team/sub/"
		}
		ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: &n, Path: &path}))(t)
	}
	var names []string
	pages := 0
	for p := iam.NewListUsersPaginator(w.root, &iam.ListUsersInput{MaxItems: aws.Int32(2)}); p.HasMorePages(); pages++ {
		for _, u := range ok(p.NextPage(ctx))(t).Users {
			names = append(names, *u.UserName)
			if u.Tags != nil || u.PermissionsBoundary != nil {
				t.Error("lists have neither tags nor boundary")
			}
		}
	}
	if strings.Join(names, "") != "aBcdE" || pages != 3 {
		t.Errorf("%v in %d pages", names, pages)
	}
	for prefix, want := range map[string]int{"/": 5, "/team/": 2, "/team/s": 2, "/x/": 0} {
		if l := ok(w.root.ListUsers(ctx, &iam.ListUsersInput{PathPrefix: &prefix}))(t); len(l.Users) != want || l.IsTruncated {
			t.Errorf("%s: %d", prefix, len(l.Users))
		}
	}
	_, err := w.root.ListUsers(ctx, &iam.ListUsersInput{Marker: s("nonsense")})
	refused(t, err, "ValidationError", "Invalid Marker.")
}

func TestAccessKeys(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	bob := w.user("bob", allow("iam:*", user1+"bob"))
	first := ok(bob.ListAccessKeys(ctx, &iam.ListAccessKeysInput{}))(t).AccessKeyMetadata
	if len(first) != 1 || *first[0].UserName != "bob" || first[0].Status != types.StatusTypeActive {
		t.Fatalf("%+v", first)
	}
	second := ok(bob.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{}))(t).AccessKey
	if len(*second.AccessKeyId) != 20 || !strings.HasPrefix(*second.AccessKeyId, "AKIA") || len(*second.SecretAccessKey) != 40 || *second.UserName != "bob" {
		t.Errorf("%+v", second)
	}
	_, err := bob.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	_, err = w.root.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})
	refused(t, err, "ValidationError", "Must specify userName when calling with non-User credentials")

	used := ok(bob.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: second.AccessKeyId}))(t)
	if *used.UserName != "bob" || *used.AccessKeyLastUsed.ServiceName != "N/A" || *used.AccessKeyLastUsed.Region != "N/A" || used.AccessKeyLastUsed.LastUsedDate != nil {
		t.Errorf("%+v", used.AccessKeyLastUsed)
	}
	again := w.client(*second.AccessKeyId, *second.SecretAccessKey)
	ok(again.GetUser(ctx, &iam.GetUserInput{}))(t)
	ok(bob.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: second.AccessKeyId, Status: types.StatusTypeInactive}))(t)
	_, err = again.GetUser(ctx, &iam.GetUserInput{})
	refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
	ok(bob.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: second.AccessKeyId, Status: types.StatusTypeActive}))(t)
	ok(again.GetUser(ctx, &iam.GetUserInput{}))(t)

	used = ok(bob.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: second.AccessKeyId}))(t)
	if *used.AccessKeyLastUsed.ServiceName != "iam" || *used.AccessKeyLastUsed.Region != "us-east-1" || used.AccessKeyLastUsed.LastUsedDate == nil {
		t.Errorf("%+v", used.AccessKeyLastUsed)
	}

	ok(bob.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: second.AccessKeyId}))(t)
	_, err = again.GetUser(ctx, &iam.GetUserInput{})
	refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
	for _, call := range []func() error{
		func() error {
			return second2(bob.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: second.AccessKeyId}))
		},
		func() error {
			return second2(w.root.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: second.AccessKeyId}))
		},
		func() error {
			return second2(bob.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: second.AccessKeyId, Status: types.StatusTypeActive}))
		},
	} {
		refused(t, call(), "NoSuchEntity", "The Access Key with id "+*second.AccessKeyId+" cannot be found.")
	}
	// A key can be changed through its own user alone.
	w.user("eve", "")
	_, err = w.root.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: first[0].AccessKeyId, UserName: s("eve")})
	refused(t, err, "NoSuchEntity", "The Access Key with id "+*first[0].AccessKeyId+" cannot be found.")
	_, err = bob.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: s("eve")})
	refused(t, err, "AccessDenied", "User: "+user1+"bob is not authorized to perform: iam:ListAccessKeys on resource: "+user1+"eve because no identity-based policy allows the iam:ListAccessKeys action")
	if l := ok(w.root.ListAccessKeys(ctx, &iam.ListAccessKeysInput{}))(t).AccessKeyMetadata; len(l) != 1 || *l[0].AccessKeyId != "AKIAROOTROOTROOTROOT" {
		t.Errorf("%+v", l)
	}
	// A wrong secret.
	_, err = w.client(*first[0].AccessKeyId, "wrong").GetUser(ctx, &iam.GetUserInput{})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "SignatureDoesNotMatch" {
		t.Error(err)
	}
}

func second2[A any](_ A, err error) error { return err }

func TestGroups(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	bob := w.user("bob", "")
	g := ok(w.root.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: s("Admins"), Path: s("/g/")}))(t).Group
	if *g.Arn != "arn:aws:iam::111122223333:group/g/Admins" || !strings.HasPrefix(*g.GroupId, "AGPA") || len(*g.GroupId) != 21 {
		t.Errorf("%+v", g)
	}
	_, err := w.root.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: s("admins")})
	refused(t, err, "EntityAlreadyExists", "Group with name admins already exists.")
	_, err = bob.ListUsers(ctx, &iam.ListUsersInput{})
	refused(t, err, "AccessDenied", "User: "+user1+"bob is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::111122223333:user/ because no identity-based policy allows the iam:ListUsers action")
	ok(w.root.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: s("Admins"), PolicyArn: s("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	ok(w.root.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: s("Admins"), UserName: s("Bob")}))(t)
	ok(w.root.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: s("Admins"), UserName: s("bob")}))(t)
	ok(bob.ListUsers(ctx, &iam.ListUsersInput{}))(t)

	w.user("amy", "")
	ok(w.root.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: s("Admins"), UserName: s("amy")}))(t)
	ok(w.root.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: s("Admins"), NewGroupName: s("Readers"), NewPath: s("/")}))(t)
	members := 0
	for p := iam.NewGetGroupPaginator(w.root, &iam.GetGroupInput{GroupName: s("readers"), MaxItems: aws.Int32(1)}); p.HasMorePages(); {
		page := ok(p.NextPage(ctx))(t)
		if *page.Group.GroupId != *g.GroupId || *page.Group.Arn != "arn:aws:iam::111122223333:group/Readers" {
			t.Errorf("%+v", page.Group)
		}
		members += len(page.Users)
	}
	if members != 2 {
		t.Errorf("%d members", members)
	}
	if l := ok(w.root.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: s("bob")}))(t).Groups; len(l) != 1 || *l[0].GroupName != "Readers" {
		t.Errorf("%+v", l)
	}
	ok(bob.ListUsers(ctx, &iam.ListUsersInput{}))(t)
	if l := ok(w.root.ListGroups(ctx, &iam.ListGroupsInput{}))(t).Groups; len(l) != 1 {
		t.Errorf("%+v", l)
	}
	_, err = w.root.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: s("Readers")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must remove users from group first.")
	_, err = w.root.DeleteUser(ctx, &iam.DeleteUserInput{UserName: s("amy")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must remove users from group first.")
	for _, n := range []string{"amy", "bob"} {
		ok(w.root.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: s("Readers"), UserName: &n}))(t)
	}
	_, err = bob.ListUsers(ctx, &iam.ListUsersInput{})
	if err == nil {
		t.Error("who left a group has its policies still")
	}
	_, err = w.root.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: s("Readers"), UserName: s("amy")})
	refused(t, err, "NoSuchEntity", "The user with name amy cannot be found.")
	_, err = w.root.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: s("none"), UserName: s("amy")})
	refused(t, err, "NoSuchEntity", "The group with name none cannot be found.")
	_, err = w.root.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: s("Readers")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	ok(w.root.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: s("Readers"), PolicyArn: s("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}))(t)
	ok(w.root.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: s("Readers")}))(t)

	for i := range 11 {
		n := string(rune('a' + i))
		ok(w.root.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &n}))(t)
		_, err = w.root.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: &n, UserName: s("amy")})
	}
	refused(t, err, "LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
}

func TestRoles(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	made := ok(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("R"), Path: s("/s/"), AssumeRolePolicyDocument: s(trustS3), Description: s("what it is for"), MaxSessionDuration: aws.Int32(7200), Tags: []types.Tag{{Key: s("a"), Value: s("b")}}}))(t).Role
	if *made.Arn != "arn:aws:iam::111122223333:role/s/R" || !strings.HasPrefix(*made.RoleId, "AROA") || len(*made.RoleId) != 21 || made.MaxSessionDuration != nil || *made.Tags[0].Key != "a" {
		t.Errorf("%+v", made)
	}
	got := ok(w.root.GetRole(ctx, &iam.GetRoleInput{RoleName: s("R")}))(t).Role
	doc, err := url.PathUnescape(*got.AssumeRolePolicyDocument)
	if err != nil || doc != trustS3 || strings.ContainsAny(*got.AssumeRolePolicyDocument, `{": /`) {
		t.Errorf("%s", *got.AssumeRolePolicyDocument)
	}
	if *got.MaxSessionDuration != 7200 || *got.Description != "what it is for" || got.RoleLastUsed == nil || got.RoleLastUsed.LastUsedDate != nil {
		t.Errorf("%+v", got)
	}
	ok(w.root.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: s("R"), MaxSessionDuration: aws.Int32(3600), Description: s("")}))(t)
	if r := ok(w.root.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: s("R"), Description: s("new")}))(t).Role; *r.Description != "new" || *r.MaxSessionDuration != 3600 {
		t.Errorf("%+v", r)
	}
	if l := ok(w.root.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: s("/s/")}))(t).Roles; len(l) != 1 || l[0].Tags != nil || l[0].RoleLastUsed != nil || *l[0].MaxSessionDuration != 3600 {
		t.Errorf("%+v", l)
	}
	ok(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: s("bob")}))(t)
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["` + user1 + `bob","111122223333"]},"Action":["sts:AssumeRole","sts:TagSession"]}}`
	ok(w.root.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: s("R"), PolicyDocument: &trust}))(t)
	for _, bad := range []struct{ doc, message string }{
		{"{", "This policy contains invalid Json"},
		{`[]`, "This policy contains invalid Json"},
		{allow("sts:AssumeRole", "*"), "Missing required field Principal"},
		{strings.Replace(trustS3, `"Action"`, `"Resource":"*","Action"`, 1), "Has prohibited field Resource"},
		{strings.Replace(trustS3, "sts:AssumeRole", "s3:GetObject", 1), "AssumeRole policy may only specify STS AssumeRole actions."},
		{strings.Replace(trust, "bob", "nobody", 1), `Invalid principal in policy: "AWS":"` + user1 + `nobody"`},
		{strings.Replace(trust, `"111122223333"`, `"999999999999"`, 1), `Invalid principal in policy: "AWS":"999999999999"`},
		{strings.Replace(trustS3, "2012-10-17", "2020-01-01", 1), "Policy document must be version 2012-10-17 or greater."},
	} {
		_, err := w.root.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: s("R"), PolicyDocument: &bad.doc})
		refused(t, err, "MalformedPolicyDocument", bad.message)
		_, err = w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("new"), AssumeRolePolicyDocument: &bad.doc})
		refused(t, err, "MalformedPolicyDocument", bad.message)
	}
	long := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + strings.Repeat(account+`","`, 200) + account + `"]},"Action":"sts:AssumeRole"}]}`
	_, err = w.root.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: s("R"), PolicyDocument: &long})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
	_, err = w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("r"), AssumeRolePolicyDocument: s(trustS3)})
	refused(t, err, "EntityAlreadyExists", "Role with name r already exists.")
	_, err = w.root.GetRole(ctx, &iam.GetRoleInput{RoleName: s("none")})
	refused(t, err, "NoSuchEntity", "The role with name none cannot be found.")
	_, err = w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: s("x"), AssumeRolePolicyDocument: s(trustS3), MaxSessionDuration: aws.Int32(3599)})
	refused(t, err, "ValidationError", "1 validation error detected: Value at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600")

	// The role was used.
	w.d.Used(&access.Caller{Kind: access.Role, UserID: *made.RoleId + ":s"}, "s3")
	if u := ok(w.root.GetRole(ctx, &iam.GetRoleInput{RoleName: s("R")}))(t).Role.RoleLastUsed; u.LastUsedDate == nil || *u.Region != "us-east-1" {
		t.Errorf("%+v", u)
	}
	ok(w.root.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: s("R"), PolicyName: s("p"), PolicyDocument: s(allow("*", "*"))}))(t)
	_, err = w.root.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: s("R")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must delete policies first.")
	ok(w.root.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: s("R"), PolicyName: s("p")}))(t)
	ok(w.root.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: s("R")}))(t)
}

// TestSessionToken: credentials of GetSessionToken can't call IAM, those of a
// role can.
func TestSessionToken(t *testing.T) {
	w := newWorld(t, nil)
	for _, o := range w.s.Operations() {
		if o.Name != "ListUsers" {
			continue
		}
		for _, x := range []struct {
			kind access.Kind
			s    *access.Session
			want bool
		}{
			{access.User, nil, true},
			{access.User, &access.Session{}, false},
			{access.User, &access.Session{MFA: true}, true},
			{access.Root, &access.Session{}, false},
			{access.Role, &access.Session{}, true},
		} {
			_, err := o.Targets(t.Context(), &service.Call{Caller: &access.Caller{Kind: x.kind, Account: account, Session: x.s}}, o.New())
			if (err == nil) != x.want || err != nil && awserr.From(err).Code != "InvalidClientTokenId" {
				t.Errorf("%+v: %v", x, err)
			}
		}
	}
}
