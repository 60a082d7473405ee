package iam

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const putAnything = `{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}`

// place is a statement of an answer in short.
func place(s types.Statement) [4]int32 {
	return [4]int32{s.StartPosition.Line, s.StartPosition.Column, s.EndPosition.Line, s.EndPosition.Column}
}

// TestSimulateRecorded is an answer of AWS that LocalStack recorded.
func TestSimulateRecorded(t *testing.T) {
	w := newWorld(t, nil)
	w.user("ann", "")
	ctx := t.Context()
	p, err := w.root.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("put"), PolicyDocument: aws.String(putAnything)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.root.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("ann"), PolicyArn: p.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	const bucket = "arn:aws:s3:::bucket"
	out, err := w.root.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: aws.String("arn:aws:iam::" + account + ":user/ann"), ActionNames: []string{"s3:PutObject", "s3:GetObjectVersion"}, ResourceArns: []string{bucket},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.IsTruncated || len(out.EvaluationResults) != 2 {
		t.Fatalf("%+v", out)
	}
	put, get := out.EvaluationResults[0], out.EvaluationResults[1]
	if *put.EvalActionName != "s3:PutObject" || put.EvalDecision != "allowed" || *put.EvalResourceName != bucket || len(put.MatchedStatements) != 1 || len(put.ResourceSpecificResults) != 1 {
		t.Fatalf("%+v", put)
	}
	for _, s := range []types.Statement{put.MatchedStatements[0], put.ResourceSpecificResults[0].MatchedStatements[0]} {
		if place(s) != [4]int32{1, 41, 1, 113} || *s.SourcePolicyId != "put" || s.SourcePolicyType != "IAM Policy" {
			t.Errorf("%v %s %s", place(s), *s.SourcePolicyId, s.SourcePolicyType)
		}
	}
	if r := put.ResourceSpecificResults[0]; *r.EvalResourceName != bucket || r.EvalResourceDecision != "allowed" || len(r.MissingContextValues) != 0 {
		t.Errorf("%+v", r)
	}
	if get.EvalDecision != "implicitDeny" || len(get.MatchedStatements) != 0 || get.ResourceSpecificResults[0].EvalResourceDecision != "implicitDeny" {
		t.Errorf("%+v", get)
	}
}

func TestSimulatePrincipal(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	w.user("bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"},{"Effect":"Deny","Action":"s3:DeleteObject","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}]}`)
	if _, err := w.root.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("team")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.root.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: aws.String("team"), PolicyName: aws.String("list"), PolicyDocument: aws.String(allow("s3:ListBucket", "*"))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.root.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("team"), UserName: aws.String("bob")}); err != nil {
		t.Fatal(err)
	}
	source := aws.String("arn:aws:iam::" + account + ":user/bob")
	one := func(change func(*iam.SimulatePrincipalPolicyInput)) types.EvaluationResult {
		t.Helper()
		in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: source, ActionNames: []string{"s3:GetObject"}, ResourceArns: []string{"arn:aws:s3:::home/bob/x"}}
		change(in)
		out, err := w.root.SimulatePrincipalPolicy(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return out.EvaluationResults[0]
	}
	entry := func(kind types.ContextKeyTypeEnum, name string, values ...string) []types.ContextEntry {
		return []types.ContextEntry{{ContextKeyName: &name, ContextKeyType: kind, ContextKeyValues: values}}
	}

	r := one(func(*iam.SimulatePrincipalPolicyInput) {})
	if r.EvalDecision != "allowed" || *r.MatchedStatements[0].SourcePolicyId != "user_bob_own" {
		t.Errorf("%+v", r)
	}
	if r := one(func(in *iam.SimulatePrincipalPolicyInput) { in.ResourceArns[0] = "arn:aws:s3:::home/eve/x" }); r.EvalDecision != "implicitDeny" {
		t.Errorf("%+v", r)
	}
	r = one(func(in *iam.SimulatePrincipalPolicyInput) { in.ActionNames[0], in.ResourceArns = "s3:ListBucket", nil })
	if r.EvalDecision != "allowed" || *r.EvalResourceName != "*" || *r.MatchedStatements[0].SourcePolicyId != "group_team_list" || len(r.ResourceSpecificResults) != 0 {
		t.Errorf("%+v", r)
	}
	r = one(func(in *iam.SimulatePrincipalPolicyInput) { in.ActionNames[0] = "s3:DeleteObject" })
	if r.EvalDecision != "allowed" || !slices.Equal(r.ResourceSpecificResults[0].MissingContextValues, []string{"aws:MultiFactorAuthPresent"}) {
		t.Errorf("%+v", r)
	}
	r = one(func(in *iam.SimulatePrincipalPolicyInput) {
		in.ActionNames[0], in.ContextEntries = "s3:DeleteObject", entry("boolean", "aws:MultiFactorAuthPresent", "false")
	})
	if s := r.MatchedStatements; r.EvalDecision != "explicitDeny" || len(s) != 1 || s[0].StartPosition.Column < 50 || len(r.ResourceSpecificResults[0].MissingContextValues) != 0 {
		t.Errorf("%+v", r)
	}

	// A boundary of the request narrows, and says so.
	r = one(func(in *iam.SimulatePrincipalPolicyInput) {
		in.PermissionsBoundaryPolicyInputList = []string{allow("s3:PutObject", "*")}
	})
	if r.EvalDecision != "implicitDeny" || r.PermissionsBoundaryDecisionDetail == nil || r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary {
		t.Errorf("%+v", r)
	}

	// A policy of the resource, in this account and in another one.
	closed := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"` + *source + `"},"Action":"s3:*","Resource":"arn:aws:s3:::home/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	r = one(func(in *iam.SimulatePrincipalPolicyInput) {
		in.ResourcePolicy, in.ContextEntries = &closed, entry("boolean", "aws:SecureTransport", "false")
	})
	if s := r.MatchedStatements; r.EvalDecision != "explicitDeny" || len(s) != 1 || *s[0].SourcePolicyId != "ResourcePolicy" || s[0].SourcePolicyType != "Resource Policy" || place(s[0]) != [4]int32{1, 38, 1, int32(len(closed)) - 1} {
		t.Errorf("%+v", r)
	}
	r = one(func(in *iam.SimulatePrincipalPolicyInput) {
		in.ResourcePolicy, in.ResourceOwner = &closed, aws.String(other)
	})
	if r.EvalDecision != "implicitDeny" || r.EvalDecisionDetails["IAM Policy"] != "allowed" || r.EvalDecisionDetails["Resource Policy"] != "implicitDeny" {
		t.Errorf("%+v", r)
	}

	// Pages, and what is not one resource.
	first, err := w.root.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: source, ActionNames: []string{"s3:GetObject", "s3:ListBucket", "iam:GetUser"}, MaxItems: aws.Int32(2),
		ResourceArns: []string{"arn:aws:s3:::home/bob/x", "arn:aws:s3:::home/eve/x"}})
	if err != nil || !first.IsTruncated || len(first.EvaluationResults) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	if r := first.EvaluationResults; r[0].EvalDecision != "implicitDeny" || r[0].ResourceSpecificResults[0].EvalResourceDecision != "allowed" || r[0].ResourceSpecificResults[1].EvalResourceDecision != "implicitDeny" || r[1].EvalDecision != "allowed" {
		t.Errorf("%+v", r)
	}
	rest, err := w.root.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: source, ActionNames: []string{"s3:GetObject", "s3:ListBucket", "iam:GetUser"}, Marker: first.Marker})
	if err != nil || rest.IsTruncated || len(rest.EvaluationResults) != 1 || *rest.EvaluationResults[0].EvalActionName != "iam:GetUser" {
		t.Fatalf("%+v, %v", rest, err)
	}

	keys, err := w.root.GetContextKeysForPrincipalPolicy(ctx, &iam.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: source, PolicyInputList: []string{strings.Replace(allow("s3:GetObject", "*"), `"*"}`, `"*","Condition":{"StringLike":{"s3:Prefix":"x","AWS:username":"y"}}}`, 1)}})
	if err != nil || !slices.Equal(keys.ContextKeyNames, []string{"aws:username", "aws:MultiFactorAuthPresent", "s3:Prefix"}) {
		t.Errorf("%+v, %v", keys, err)
	}

	// There is no such user under another path.
	elsewhere := aws.String(strings.Replace(*source, ":user/", ":user/elsewhere/", 1))
	_, err = w.root.GetContextKeysForPrincipalPolicy(ctx, &iam.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: elsewhere})
	refused(t, err, "NoSuchEntity", "The user with name bob cannot be found.")
	_, err = w.root.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: elsewhere, ActionNames: []string{"s3:GetObject"}})
	refused(t, err, "NoSuchEntity", "The user with name bob cannot be found.")
}

// TestSimulateCustom: AWS's example of the CLI's documentation, organisations'
// policies, and who may not.
func TestSimulateCustom(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	doc := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}`
	in := &iam.SimulateCustomPolicyInput{PolicyInputList: []string{doc}, ActionNames: []string{"dynamodb:CreateBackup"}}
	out, err := w.root.SimulateCustomPolicy(ctx, in)
	if err != nil || out.EvaluationResults[0].EvalDecision != "implicitDeny" || !slices.Equal(out.EvaluationResults[0].MissingContextValues, []string{"aws:CurrentTime"}) {
		t.Fatalf("%+v, %v", out, err)
	}
	in.ContextEntries = []types.ContextEntry{{ContextKeyName: aws.String("aws:CurrentTime"), ContextKeyType: "date", ContextKeyValues: []string{"2019-04-25T11:00:00Z"}}}
	out, err = w.root.SimulateCustomPolicy(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	r := out.EvaluationResults[0]
	if r.EvalDecision != "allowed" || *r.EvalResourceName != "*" || *r.MatchedStatements[0].SourcePolicyId != "PolicyInputList.1" || place(r.MatchedStatements[0]) != [4]int32{1, 38, 1, 167} || len(r.MissingContextValues) != 0 || r.OrganizationsDecisionDetail != nil {
		t.Errorf("%+v", r)
	}
	keys, err := w.root.GetContextKeysForCustomPolicy(ctx, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{doc, doc}})
	if err != nil || !slices.Equal(keys.ContextKeyNames, []string{"aws:CurrentTime"}) {
		t.Errorf("%+v, %v", keys, err)
	}

	for name, change := range map[string]func(*iam.SimulateCustomPolicyInput){
		"Syntax errors":                      func(in *iam.SimulateCustomPolicyInput) { in.PolicyInputList = []string{"{}x"} },
		"ActionNames":                        func(in *iam.SimulateCustomPolicyInput) { in.ActionNames = []string{"CreateBackup"} },
		"ResourceNames are not in a valid":   func(in *iam.SimulateCustomPolicyInput) { in.ResourceArns = []string{"14a050d4"} },
		"is not a valid as a Resource Owner": func(in *iam.SimulateCustomPolicyInput) { in.ResourceOwner = aws.String("me") },
		"CallerArn":                          func(in *iam.SimulateCustomPolicyInput) { in.CallerArn = aws.String("arn:aws:iam::111122223333:role/x") },
		"CallerArn is required":              func(in *iam.SimulateCustomPolicyInput) { in.ResourcePolicy = aws.String(allow("s3:*", "*")) },
		"must not exceed 1":                  func(in *iam.SimulateCustomPolicyInput) { in.PermissionsBoundaryPolicyInputList = []string{doc, doc} },
		"is not of type numeric": func(in *iam.SimulateCustomPolicyInput) {
			in.ContextEntries = []types.ContextEntry{{ContextKeyName: aws.String("s3:max-keys"), ContextKeyType: "numeric", ContextKeyValues: []string{"x"}}}
		},
		"more than one value": func(in *iam.SimulateCustomPolicyInput) {
			in.ContextEntries = []types.ContextEntry{{ContextKeyName: aws.String("aws:TagKeys"), ContextKeyType: "string", ContextKeyValues: []string{"x", "y"}}}
		},
	} {
		bad := *in
		change(&bad)
		if _, err := w.root.SimulateCustomPolicy(ctx, &bad); err == nil || !strings.Contains(err.Error(), "InvalidInput") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Sources that are none, or another account's.
	for source, code := range map[string]string{
		"arn:aws:iam::" + account + ":root": "InvalidInput", "arn:aws:iam::" + account + ":user/nobody": "NoSuchEntity", "arn:aws:iam::" + other + ":user/nobody": "NoSuchEntity",
	} {
		_, err := w.root.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: []string{"s3:GetObject"}})
		if err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v", source, err)
		}
	}
	none := w.user("none", "")
	if _, err := none.SimulateCustomPolicy(ctx, in); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Error(err)
	}
	if _, err := none.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String("arn:aws:iam::" + account + ":user/none"), ActionNames: []string{"s3:GetObject"}}); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Error(err)
	}
}
