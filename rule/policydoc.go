package rule

import (
	"errors"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a bucket policy.
var (
	ErrPolicyNotFound  = awserr.New("NoSuchBucketPolicy", 404, "The bucket policy does not exist")
	ErrPolicyMalformed = awserr.New("MalformedPolicy", 400, "Policies must be valid JSON and the first byte must be '{'")
	ErrPolicyPrincipal = ErrPolicyMalformed.Text("Invalid principal in policy")
	ErrPolicyAction    = ErrPolicyMalformed.Text("Policy has invalid action")
	ErrPolicyResource  = ErrPolicyMalformed.Text("Policy has invalid resource")
	ErrPolicyApply     = ErrPolicyMalformed.Text("Action does not apply to any resource(s) in statement")
	ErrPolicyVersion   = ErrPolicyMalformed.Text("The policy must contain a valid version string")
	ErrPolicySize      = ErrPolicyMalformed.Text("Normalized policy document exceeds the maximum allowed size of 20480 bytes")
	ErrPolicyConfirm   = ErrPolicyMalformed.Text("The policy's statements must have exactly one of each of Principal and NotPrincipal, Action and NotAction, Resource and NotResource")
)

// policyMax is the longest policy after normalisation, in bytes.
const policyMax = 20480

// checkPolicy checks a bucket policy: its form by the parser whose documents are
// evaluated, so that the stored bytes mean what was checked, and then what S3
// demands besides.
func checkPolicy(ctx *Context, raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, ErrPolicyMalformed
	}
	if _, err := policy.Parse(raw, policy.Resource); err != nil {
		return nil, policyFault(err)
	}
	doc, err := parseJSON(raw)
	if err != nil {
		return nil, ErrPolicyMalformed.Because(err)
	}
	for _, s := range statements(doc) {
		if err := checkStatement(ctx, s); err != nil {
			return nil, err
		}
	}
	canonical := doc.append(nil)
	if len(canonical) > policyMax {
		return nil, ErrPolicySize
	}
	public, err := PolicyPublic(canonical)
	if err != nil {
		return nil, err
	}
	if public {
		stored, err := ctx.current("publicAccessBlock")
		if err != nil {
			return nil, err
		}
		block, err := ParsePublicAccessBlock(stored)
		if err != nil {
			return nil, err
		}
		if block.With(ctx.AccountBlock).BlockPublicPolicy {
			return nil, awserr.ErrAccessDenied.Text("User: %s is not authorized to perform: s3:PutBucketPolicy on resource: \"%s\" because public policies are blocked by the BlockPublicPolicy block public access setting.", ctx.Caller, arn.Bucket(ctx.Bucket))
		}
	}
	return canonical, nil
}

// policyFault gives S3's text for what the parser found.
func policyFault(err error) error {
	var e *policy.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Fault {
	case policy.NotJSON:
		return ErrPolicyMalformed.Because(err)
	case policy.UnknownMember:
		return ErrPolicyMalformed.Text("Unknown field %s", e.Member)
	case policy.MissingMember:
		return ErrPolicyMalformed.Text("Missing required field %s", e.Member)
	case policy.BadVersion:
		return ErrPolicyVersion
	case policy.NoStatement:
		return ErrPolicyMalformed.Text("Could not parse the policy: Statement is empty!")
	case policy.DuplicateSid:
		return ErrPolicyMalformed.Text("Statement IDs (SID) in a single policy must be unique.")
	case policy.BadEffect:
		return ErrPolicyMalformed.Text("Invalid effect: %s", e.Value)
	case policy.BothMembers:
		return ErrPolicyConfirm
	case policy.BadPrincipal:
		if e.Member == "" {
			return ErrPolicyPrincipal
		}
		return badPrincipal(e.Member, e.Value)
	case policy.UnknownOperator:
		return ErrPolicyMalformed.Text("Invalid Condition type : %s", e.Value)
	}
	switch e.Member {
	case "Action":
		return ErrPolicyAction
	case "Resource":
		return ErrPolicyResource
	}
	return ErrPolicyMalformed.Text("Invalid policy syntax.").Because(err)
}

func badPrincipal(kind, name string) error {
	return ErrPolicyPrincipal.With("Detail", `"`+kind+`" : "`+name+`"`)
}

func checkStatement(ctx *Context, s *node) error {
	for _, name := range []string{"Principal", "NotPrincipal"} {
		if p := s.member(name); p != nil {
			if err := checkPrincipal(ctx, p); err != nil {
				return err
			}
		}
	}
	actions, err := checkActions(s)
	if err != nil {
		return err
	}
	return checkResources(ctx, s, actions)
}

// checkPrincipal checks whom a statement names, and turns account IDs into the
// ARNs of their roots, as AWS shows them.
func checkPrincipal(ctx *Context, p *node) error {
	for i, kind := range p.members {
		names, _ := p.items[i].strings()
		for _, n := range names {
			switch {
			case kind == "AWS":
				name, err := namePrincipal(ctx, n.text)
				if err != nil {
					return err
				}
				n.text = name
			case kind == "Service" && !strings.HasSuffix(n.text, ".amazonaws.com"):
				return badPrincipal(kind, n.text)
			}
		}
	}
	return nil
}

// checkActions gives the actions of a statement, or nil with NotAction.
func checkActions(s *node) ([]string, error) {
	field := s.member("Action")
	if field == nil {
		field = s.member("NotAction")
	}
	list, ok := field.strings()
	if !ok {
		return nil, ErrPolicyAction
	}
	var actions []string
	for _, n := range list {
		service, name, ok := strings.Cut(n.text, ":")
		if n.text != "*" && (!ok || !strings.EqualFold(service, "s3") || name == "") {
			return nil, ErrPolicyAction
		}
		if s.member("Action") != nil {
			actions = append(actions, name)
		}
	}
	return actions, nil
}

// checkResources checks that a statement speaks about this bucket and its
// objects alone, and that each action applies to one of what it names.
func checkResources(ctx *Context, s *node, actions []string) error {
	field := s.member("Resource")
	if field == nil {
		field = s.member("NotResource")
	}
	list, ok := field.strings()
	if !ok {
		return ErrPolicyResource
	}
	buckets, objects := false, false
	for _, n := range list {
		a, err := arn.Parse(n.text)
		if err != nil || a.Service != "s3" || a.Region != "" || a.Account != "" {
			return ErrPolicyResource
		}
		bucket, _, object := strings.Cut(a.Resource, "/")
		if !glob(bucket, ctx.Bucket) {
			return ErrPolicyResource
		}
		// A * in the bucket's part reaches over the slash.
		objects = objects || object || strings.Contains(bucket, "*")
		buckets = buckets || !object
	}
	if s.member("Resource") == nil {
		return nil
	}
	for _, action := range actions {
		if action == "" || strings.ContainsAny(action, "*?") {
			continue
		}
		if objectAction(action) && !objects || !objectAction(action) && !buckets {
			return ErrPolicyApply
		}
	}
	return nil
}

// objectAction tells whether an action, without its s3:, is on objects.
func objectAction(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"getobject", "putobject", "deleteobject", "restoreobject", "replicate", "updateobject", "listobjectannotations"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "abortmultipartupload", "listmultipartuploadparts", "bypassgovernanceretention", "objectowneroverridetobucketowner", "initiatereplication":
		return true
	}
	return false
}

// glob matches s against a pattern of * and ?, in time linear in their
// product.
func glob(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// PolicyPublic tells whether a policy, as Check returned it, gives something
// to everybody, as GetBucketPolicyStatus reports.
func PolicyPublic(raw []byte) (bool, error) {
	doc, err := policy.Parse(raw, policy.Resource)
	if err != nil {
		return false, err
	}
	return policy.Public(doc), nil
}

// RenderPolicyStatus writes the answer of GetBucketPolicyStatus.
func RenderPolicyStatus(public bool) ([]byte, error) {
	return encode(&s3shapes.PolicyStatus{IsPublic: &public})
}
