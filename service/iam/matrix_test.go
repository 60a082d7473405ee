package iam

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/access/accesstest"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/servicetest"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	allowsAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	trustsUs  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`
)

// TestMatrix tries every operation of IAM with every form of credentials and
// with callers who may not, and sees that who may has it performed. Each request
// is about entities of its own.
func TestMatrix(t *testing.T) {
	w := newWorld(t, nil)
	table := w.s.Service()
	performed := servicetest.Count(table)
	door, srv := servicetest.Serve(t, table, service.Options{
		Region: "eu-west-1", Decider: &access.Decider{Directory: w.d}, Verifier: &sigv4.Verifier{Credentials: w.d, Services: []string{"iam"}},
	})

	m := &accesstest.Matrix{
		Service: "iam", Region: "us-east-1", Performed: performed,
		Good: []accesstest.Keys{{ID: "AKIAROOTROOTROOTROOT", Secret: "a secret of the root user"}, w.keys("good", allowsAll, "")},
		Bad: []accesstest.Caller{
			{Name: "without policies", Keys: w.keys("nothing", "", "")},
			{Name: "denied by an identity policy", Keys: w.keys("denied", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}`, "")},
			{Name: "beyond a permissions boundary", Keys: w.keys("bounded", allowsAll, "arn:aws:iam::aws:policy/AmazonS3FullAccess")},
		},
		Codes: accesstest.QueryCodes(), Send: accesstest.Send(accesstest.XMLCode),
	}
	inputs := w.inputs()
	for _, op := range door.Operations() {
		if op.Do == nil {
			continue // TestIAMPage and the door's own tests: it is known and refused
		}
		input, ok := inputs[op.Name]
		if !ok {
			t.Errorf("%s has no row: say what a request for it looks like", op.Name)
			continue
		}
		delete(inputs, op.Name)
		o := accesstest.Operation{Name: op.Name, Open: op.Open, Presigned: true, Request: func() *http.Request {
			form := url.Values{"Action": {op.Name}, "Version": {"2010-05-08"}}
			maps.Copy(form, input())
			r, err := http.NewRequest("POST", srv.URL+"/", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		}}
		switch op.Name {
		case "GetLoginProfile", "DeleteLoginProfile", "GetAccountPasswordPolicy":
			o.Unserved = 404 // there is none, and who may is told so
		}
		m.Operations = append(m.Operations, o)
	}
	for name := range inputs {
		t.Errorf("there is no operation %s", name)
	}
	if cells := m.Run(t); cells < 12*len(m.Operations) {
		t.Errorf("only %d cells", cells)
	}
}

// keys makes a user and gives an access key of theirs.
func (w *world) keys(name, document, boundary string) accesstest.Keys {
	w.t.Helper()
	w.user(name, document)
	if boundary != "" {
		if _, err := w.root.PutUserPermissionsBoundary(w.t.Context(), &iam.PutUserPermissionsBoundaryInput{UserName: &name, PermissionsBoundary: &boundary}); err != nil {
			w.t.Fatal(err)
		}
	}
	k, err := w.root.CreateAccessKey(w.t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	return accesstest.Keys{ID: *k.AccessKey.AccessKeyId, Secret: *k.AccessKey.SecretAccessKey}
}

// inputs gives, for each operation, what makes a request for it complete: the
// entities that it is about are there.
func (w *world) inputs() map[string]func() url.Values {
	ctx, n := w.t.Context(), 0
	fresh := func(kind string) string { n++; return fmt.Sprintf("%s-%d", kind, n) }
	done := func(_ any, err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	user := func() string {
		name := fresh("user")
		done(w.root.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}))
		return name
	}
	group := func() string {
		name := fresh("group")
		done(w.root.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &name}))
		return name
	}
	role := func() string {
		name := fresh("role")
		done(w.root.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: s(trustsUs)}))
		return name
	}
	managed := func() string {
		name := fresh("policy")
		done(w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: s(allowsAll)}))
		return "arn:aws:iam::" + account + ":policy/" + name
	}
	versioned := func() string {
		arn := managed()
		done(w.root.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: s(allowsAll)}))
		return arn
	}
	key := func(of string) string {
		k, err := w.root.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &of})
		done(k, err)
		return *k.AccessKey.AccessKeyId
	}
	const s3Full = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	none := func() url.Values { return url.Values{} }
	of := func(param string, make func() string, more ...string) func() url.Values {
		return func() url.Values { return form(append([]string{param, make()}, more...)...) }
	}
	tag := []string{"Tags.member.1.Key", "team", "Tags.member.1.Value", "blue"}
	in := map[string]func() url.Values{
		"CreateAccountAlias": func() url.Values { return form("AccountAlias", fresh("alias")) },
		"DeleteAccountAlias": func() url.Values {
			alias := fresh("alias")
			done(w.root.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: &alias}))
			return form("AccountAlias", alias)
		},
		"CreateGroup": func() url.Values { return form("GroupName", fresh("group")) },
		"CreateUser":  func() url.Values { return form("UserName", fresh("user")) },
		"CreateRole":  func() url.Values { return form("RoleName", fresh("role"), "AssumeRolePolicyDocument", trustsUs) },
		"CreatePolicy": func() url.Values {
			return form("PolicyName", fresh("policy"), "PolicyDocument", allowsAll)
		},
		"UpdateGroup":            func() url.Values { return form("GroupName", group(), "NewGroupName", fresh("group")) },
		"UpdateUser":             func() url.Values { return form("UserName", user(), "NewUserName", fresh("user")) },
		"UpdateRole":             of("RoleName", role, "Description", "d"),
		"UpdateRoleDescription":  of("RoleName", role, "Description", "d"),
		"UpdateAssumeRolePolicy": of("RoleName", role, "PolicyDocument", trustsUs),
		"AddUserToGroup":         func() url.Values { return form("GroupName", group(), "UserName", user()) },
		"RemoveUserFromGroup": func() url.Values {
			g, u := group(), user()
			done(w.root.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: &g, UserName: &u}))
			return form("GroupName", g, "UserName", u)
		},
		"UpdateAccessKey": func() url.Values {
			u := user()
			return form("UserName", u, "AccessKeyId", key(u), "Status", "Inactive")
		},
		"DeleteAccessKey": func() url.Values {
			u := user()
			return form("UserName", u, "AccessKeyId", key(u))
		},
		"GetAccessKeyLastUsed":    func() url.Values { return form("AccessKeyId", key(user())) },
		"CreatePolicyVersion":     of("PolicyArn", managed, "PolicyDocument", allowsAll),
		"GetPolicyVersion":        of("PolicyArn", managed, "VersionId", "v1"),
		"SetDefaultPolicyVersion": of("PolicyArn", versioned, "VersionId", "v2"),
		"DeletePolicyVersion":     of("PolicyArn", versioned, "VersionId", "v2"),
		"TagPolicy":               of("PolicyArn", managed, tag...),
		"UntagPolicy":             of("PolicyArn", managed, "TagKeys.member.1", "team"),
		"SimulateCustomPolicy": func() url.Values {
			return form("PolicyInputList.member.1", allowsAll, "ActionNames.member.1", "s3:GetObject")
		},
		"SimulatePrincipalPolicy": func() url.Values {
			return form("PolicySourceArn", user1+user(), "ActionNames.member.1", "s3:GetObject")
		},
		"GetContextKeysForCustomPolicy":    func() url.Values { return form("PolicyInputList.member.1", allowsAll) },
		"GetContextKeysForPrincipalPolicy": func() url.Values { return form("PolicySourceArn", user1+user()) },
	}
	for _, name := range []string{
		"ListAccountAliases", "GetAccountSummary", "GetAccountAuthorizationDetails", "GetAccountPasswordPolicy", "ListVirtualMFADevices", "ListInstanceProfiles",
		"ListServerCertificates", "ListOpenIDConnectProviders", "ListSAMLProviders", "ListGroups", "ListPolicies", "ListRoles", "ListUsers",
	} {
		in[name] = none
	}
	for _, name := range []string{
		"GetLoginProfile", "DeleteLoginProfile", "ListMFADevices", "ListSSHPublicKeys", "ListSigningCertificates", "ListServiceSpecificCredentials", "ListGroupsForUser",
		"CreateAccessKey", "ListAccessKeys", "GetUser", "DeleteUser", "ListUserTags",
	} {
		in[name] = of("UserName", user)
	}
	for _, name := range []string{"ListInstanceProfilesForRole", "GetRole", "DeleteRole", "ListRoleTags"} {
		in[name] = of("RoleName", role)
	}
	for _, name := range []string{"GetGroup", "DeleteGroup"} {
		in[name] = of("GroupName", group)
	}
	for _, name := range []string{"GetPolicy", "DeletePolicy", "ListPolicyVersions", "ListPolicyTags", "ListEntitiesForPolicy"} {
		in[name] = of("PolicyArn", managed)
	}
	for _, k := range []struct {
		kind        string
		make        func() string
		put, attach func(name string)
	}{
		{"User", user, func(name string) {
			done(w.root.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: s("p"), PolicyDocument: s(allowsAll)}))
		}, func(name string) {
			done(w.root.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: s(s3Full)}))
		}},
		{"Group", group, func(name string) {
			done(w.root.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: &name, PolicyName: s("p"), PolicyDocument: s(allowsAll)}))
		}, func(name string) {
			done(w.root.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: &name, PolicyArn: s(s3Full)}))
		}},
		{"Role", role, func(name string) {
			done(w.root.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: s("p"), PolicyDocument: s(allowsAll)}))
		}, func(name string) {
			done(w.root.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: s(s3Full)}))
		}},
	} {
		param := k.kind + "Name"
		with := func(set func(string)) func() string {
			return func() string { name := k.make(); set(name); return name }
		}
		in["Attach"+k.kind+"Policy"] = of(param, k.make, "PolicyArn", s3Full)
		in["Detach"+k.kind+"Policy"] = of(param, with(k.attach), "PolicyArn", s3Full)
		in["ListAttached"+k.kind+"Policies"] = of(param, k.make)
		in["Put"+k.kind+"Policy"] = of(param, k.make, "PolicyName", "p", "PolicyDocument", allowsAll)
		in["Get"+k.kind+"Policy"] = of(param, with(k.put), "PolicyName", "p")
		in["Delete"+k.kind+"Policy"] = of(param, with(k.put), "PolicyName", "p")
		in["List"+k.kind+"Policies"] = of(param, k.make)
		if k.kind == "Group" {
			continue
		}
		in["Tag"+k.kind] = of(param, k.make, tag...)
		in["Untag"+k.kind] = of(param, k.make, "TagKeys.member.1", "team")
		in["Put"+k.kind+"PermissionsBoundary"] = of(param, k.make, "PermissionsBoundary", s3Full)
		in["Delete"+k.kind+"PermissionsBoundary"] = of(param, func() string {
			name := k.make()
			if k.kind == "User" {
				done(w.root.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: &name, PermissionsBoundary: s(s3Full)}))
			} else {
				done(w.root.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: s(s3Full)}))
			}
			return name
		})
	}
	return in
}
