package rule

import (
	"slices"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
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

// checkPolicy checks the form of a bucket policy, member by member, with names
// to the letter: what a laxer reader takes for a statement must not be skipped
// by this one. The stored bytes are what was checked.
func checkPolicy(ctx *Context, raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, ErrPolicyMalformed
	}
	doc, err := parseJSON(raw)
	if err != nil {
		return nil, ErrPolicyMalformed.Because(err)
	}
	if err := onlyMembers(doc, "Version", "Id", "Statement"); err != nil {
		return nil, err
	}
	statements := doc.member("Statement")
	if statements == nil {
		return nil, missing("Statement")
	}
	if v := doc.member("Version"); v != nil && (v.kind != nodeString || v.text != "2012-10-17" && v.text != "2008-10-17") {
		return nil, ErrPolicyVersion
	}
	if id := doc.member("Id"); id != nil && id.kind != nodeString {
		return nil, ErrPolicyMalformed.Text("Invalid policy syntax.")
	}
	list := []*node{statements}
	if statements.kind == nodeArray {
		list = statements.items
	}
	if len(list) == 0 {
		return nil, ErrPolicyMalformed.Text("Could not parse the policy: Statement is empty!")
	}
	sids := map[string]bool{}
	public := false
	for _, s := range list {
		if err := checkStatement(ctx, s, sids); err != nil {
			return nil, err
		}
		public = public || statementPublic(s)
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
		if block.BlockPublicPolicy {
			return nil, awserr.ErrAccessDenied.Text("User: %s is not authorized to perform: s3:PutBucketPolicy on resource: \"%s\" because public policies are blocked by the BlockPublicPolicy block public access setting.", ctx.Caller, arn.Bucket(ctx.Bucket))
		}
	}
	canonical := doc.append(nil)
	if len(canonical) > policyMax {
		return nil, ErrPolicySize
	}
	return canonical, nil
}

func missing(name string) error { return ErrPolicyMalformed.Text("Missing required field %s", name) }

func onlyMembers(n *node, names ...string) error {
	if n.kind != nodeObject {
		return ErrPolicyMalformed.Text("Invalid policy syntax.")
	}
	for _, m := range n.members {
		if !slices.Contains(names, m) {
			return ErrPolicyMalformed.Text("Unknown field %s", m)
		}
	}
	return nil
}

func checkStatement(ctx *Context, s *node, sids map[string]bool) error {
	if err := onlyMembers(s, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"); err != nil {
		return err
	}
	if sid := s.member("Sid"); sid != nil {
		if sid.kind != nodeString {
			return ErrPolicyMalformed.Text("Invalid policy syntax.")
		}
		if sids[sid.text] && sid.text != "" {
			return ErrPolicyMalformed.Text("Statement IDs (SID) in a single policy must be unique.")
		}
		sids[sid.text] = true
	}
	effect := s.member("Effect")
	if effect == nil {
		return missing("Effect")
	}
	if effect.kind != nodeString || effect.text != "Allow" && effect.text != "Deny" {
		return ErrPolicyMalformed.Text("Invalid effect: %s", effect.text)
	}
	for _, name := range []string{"Principal", "Action", "Resource"} {
		yes, no := s.member(name), s.member("Not"+name)
		if yes == nil && no == nil {
			return missing(name)
		}
		if yes != nil && no != nil {
			return ErrPolicyConfirm
		}
	}
	for _, name := range []string{"Principal", "NotPrincipal"} {
		if p := s.member(name); p != nil {
			if err := checkPrincipal(p); err != nil {
				return err
			}
		}
	}
	actions, err := checkActions(s)
	if err != nil {
		return err
	}
	if err := checkResources(ctx, s, actions); err != nil {
		return err
	}
	if c := s.member("Condition"); c != nil {
		return checkCondition(c)
	}
	return nil
}

// checkPrincipal checks "*" or {"AWS": …, "Service": …, …} and turns account
// IDs into the ARNs of their roots, as AWS shows them.
func checkPrincipal(p *node) error {
	if p.kind == nodeString && p.text == "*" {
		return nil
	}
	if p.kind != nodeObject || len(p.members) == 0 {
		return ErrPolicyPrincipal
	}
	for i, kind := range p.members {
		names, ok := p.items[i].strings()
		if !ok {
			return ErrPolicyPrincipal
		}
		for _, n := range names {
			good := n.text != ""
			switch kind {
			case "AWS":
				if arn.ValidAccount(n.text) {
					n.text = "arn:aws:iam::" + n.text + ":root"
				}
				good = awsPrincipal(n.text)
			case "CanonicalUser":
				good = canonicalID.MatchString(n.text)
			case "Service":
				good = strings.HasSuffix(n.text, ".amazonaws.com")
			case "Federated":
			default:
				return ErrPolicyMalformed.Text("Unknown field %s", kind)
			}
			if !good {
				return ErrPolicyPrincipal.With("Detail", `"`+kind+`" : "`+n.text+`"`)
			}
		}
	}
	return nil
}

func awsPrincipal(s string) bool {
	if s == "*" {
		return true
	}
	a, err := arn.Parse(s)
	if err != nil || a.Region != "" || !arn.ValidAccount(a.Account) || strings.Contains(a.Resource, "*") {
		return false
	}
	kind, name, _ := strings.Cut(a.Resource, "/")
	switch a.Service {
	case "iam":
		return a.Resource == "root" || (kind == "user" || kind == "role") && name != ""
	case "sts":
		return (kind == "assumed-role" || kind == "federated-user") && name != ""
	}
	return false
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

// conditionOperators are the operators of the policy language, without the
// prefixes for sets and the suffix IfExists.
var conditionOperators = []string{
	"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
	"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
	"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
	"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike", "Null",
}

func checkCondition(c *node) error {
	if c.kind != nodeObject {
		return ErrPolicyMalformed.Text("Invalid policy syntax.")
	}
	for i, operator := range c.members {
		name := strings.TrimPrefix(strings.TrimPrefix(operator, "ForAllValues:"), "ForAnyValue:")
		name = strings.TrimSuffix(name, "IfExists")
		if !slices.Contains(conditionOperators, name) {
			return ErrPolicyMalformed.Text("Invalid Condition type : %s", operator)
		}
		keys := c.items[i]
		if keys.kind != nodeObject {
			return ErrPolicyMalformed.Text("Invalid policy syntax.")
		}
		for _, v := range keys.items {
			values := []*node{v}
			if v.kind == nodeArray {
				values = v.items
			}
			for _, x := range values {
				if x.kind == nodeArray || x.kind == nodeObject || x.kind == nodeNull {
					return ErrPolicyMalformed.Text("Invalid policy syntax.")
				}
			}
		}
	}
	return nil
}

// fixedKeys are condition keys that, with values without wildcards, make a
// statement speak about somebody in particular.
var fixedKeys = []string{
	"aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount", "aws:sourceip", "aws:userid", "aws:principalorgid",
	"aws:principalorgpaths", "aws:principalarn", "aws:principalaccount", "aws:sourceorgid", "aws:sourceorgpaths",
	"s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:dataaccesspointarn", "s3:dataaccesspointaccount",
}

// PolicyPublic tells whether a policy, as Check returned it, gives something
// to everybody, as GetBucketPolicyStatus reports.
func PolicyPublic(raw []byte) (bool, error) {
	doc, err := parseJSON(raw)
	if err != nil {
		return false, err
	}
	statements := doc.member("Statement")
	if statements == nil {
		return false, nil
	}
	list := []*node{statements}
	if statements.kind == nodeArray {
		list = statements.items
	}
	return slices.ContainsFunc(list, statementPublic), nil
}

// RenderPolicyStatus writes the answer of GetBucketPolicyStatus.
func RenderPolicyStatus(public bool) ([]byte, error) {
	return encode(&s3shapes.PolicyStatus{IsPublic: &public})
}

// statementPublic tells whether a statement allows something to everybody
// without a condition that narrows that to somebody in particular.
func statementPublic(s *node) bool {
	effect := s.member("Effect")
	if effect == nil || effect.text != "Allow" {
		return false
	}
	everybody := s.member("NotPrincipal") != nil
	if p := s.member("Principal"); p != nil {
		everybody = p.kind == nodeString && p.text == "*"
		if aws := p.member("AWS"); aws != nil {
			names, _ := aws.strings()
			everybody = everybody || slices.ContainsFunc(names, func(n *node) bool { return n.text == "*" })
		}
	}
	if !everybody {
		return false
	}
	c := s.member("Condition")
	if c == nil {
		return true
	}
	for i, operator := range c.members {
		if !narrows(operator) {
			continue
		}
		for j, key := range c.items[i].members {
			if slices.Contains(fixedKeys, strings.ToLower(key)) && fixed(strings.ToLower(key), c.items[i].items[j]) {
				return false
			}
		}
	}
	return true
}

// narrows tells whether an operator demands a value, rather than excluding one
// or being satisfied by a key that is absent.
func narrows(operator string) bool {
	if strings.HasPrefix(operator, "ForAllValues:") || strings.HasSuffix(operator, "IfExists") {
		return false
	}
	switch strings.TrimPrefix(operator, "ForAnyValue:") {
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "IpAddress":
		return true
	}
	return false
}

// fixed tells whether the values of a condition have no wildcards. An address
// range is fixed unless it is everything, or nearly.
func fixed(key string, v *node) bool {
	values, ok := v.strings()
	if !ok {
		return false
	}
	for _, n := range values {
		if strings.ContainsAny(n.text, "*?$") {
			return false
		}
		if key != "aws:sourceip" {
			continue
		}
		if _, bits, ok := strings.Cut(n.text, "/"); ok {
			wide := []string{"0", "1", "2", "3", "4", "5", "6", "7"}
			if slices.Contains(wide, bits) {
				return false
			}
		}
	}
	return true
}
