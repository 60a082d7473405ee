package sts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/iam"
	shapes "github.com/farhold/farhold/wire/shapes/sts"
)

// Bounds of AssumeRole.
const (
	durationDefault = time.Hour
	durationChained = time.Hour // the longest of a session that a session makes
	tagsMax         = 50
	policyTextMax   = 2048 // characters of the session policies given as text
	policyARNsMax   = 10
)

// assumption is what one request for a role comes to.
type assumption struct {
	role       *iam.Role
	tags       map[string]string // asked for
	inherited  map[string]string // from the caller's session
	transitive []string
	identity   string // source identity
	target     service.Target
}

// assumeRoleTargets finds the role. That there is none is no other answer than
// that the caller may not.
func (i *Issuer) assumeRoleTargets(ctx context.Context, c *service.Call, in *shapes.AssumeRoleRequest) ([]service.Target, error) {
	a, err := i.prepare(ctx, c, in)
	if err != nil {
		return nil, err
	}
	return []service.Target{a.target}, nil
}

// prepare checks what a request asks for and finds the role.
func (i *Issuer) prepare(ctx context.Context, c *service.Call, in *shapes.AssumeRoleRequest) (*assumption, error) {
	switch {
	case in.MinimumSessionTokenSize != nil:
		return nil, errNoPadding
	case len(in.ProvidedContexts) > 0:
		return nil, errNoContexts
	case !isRole(*in.RoleArn):
		return nil, invalid(*in.RoleArn)
	case c.Caller.Kind == access.Root:
		return nil, errRoot
	}
	a := &assumption{}
	if err := a.tag(c.Caller, in); err != nil {
		return nil, err
	}
	if in.SourceIdentity != nil {
		a.identity = *in.SourceIdentity
	}
	if s := c.Caller.Session; s != nil && s.SourceIdentity != "" {
		if a.identity != "" && a.identity != s.SourceIdentity {
			return nil, errIdentity
		}
		a.identity = s.SourceIdentity
	}
	if err := factors(in.SerialNumber, in.TokenCode); err != nil {
		return nil, err
	}
	role, ok, err := i.opt.Roles.Role(ctx, *in.RoleArn)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noRole(c.Caller, *in.RoleArn)
	}
	a.role = role
	a.target = service.Target{
		ARN: role.ARN, Account: role.Account, Policies: []*policy.Document{role.Trust}, Rules: true, Keys: a.keys(in),
	}
	return a, nil
}

// noRole is the error for a role that does not exist: that of one that the
// caller may not assume.
func noRole(c *access.Caller, roleARN string) error {
	return access.Refusal(&access.Request{Caller: c, Action: "sts:AssumeRole", Resource: roleARN}, policy.Decision{By: policy.FromIdentity})
}

// isRole tells whether an ARN is a role's.
func isRole(s string) bool {
	a, err := arn.Parse(s)
	if err != nil || a.Partition != "aws" || a.Service != "iam" || a.Region != "" || !arn.ValidAccount(a.Account) {
		return false
	}
	name, ok := strings.CutPrefix(a.Resource, "role/")
	return ok && name != "" && !strings.HasSuffix(name, "/")
}

// tag reads the tags of a request and adds those that the caller's session
// hands on.
func (a *assumption) tag(c *access.Caller, in *shapes.AssumeRoleRequest) error {
	a.tags = map[string]string{}
	seen := map[string]bool{} // keys in lower case
	for _, t := range in.Tags {
		k := strings.ToLower(*t.Key)
		if seen[k] {
			return errSameTag
		}
		if strings.HasPrefix(k, "aws:") {
			return errReserved
		}
		seen[k] = true
		a.tags[*t.Key] = *t.Value
	}
	for _, key := range in.TransitiveTagKeys {
		if !seen[strings.ToLower(key)] {
			return errNotTagged
		}
		// The tag's own case is kept, whatever that of the list.
		for name := range a.tags {
			if strings.EqualFold(name, key) && !slices.Contains(a.transitive, name) {
				a.transitive = append(a.transitive, name)
			}
		}
	}
	a.inherited = map[string]string{}
	if s := c.Session; s != nil {
		for _, key := range s.Transitive {
			if seen[strings.ToLower(key)] {
				return errInherited
			}
			a.inherited[key] = s.Tags[key]
			a.transitive = append(a.transitive, key)
		}
	}
	if len(a.tags)+len(a.inherited) > tagsMax {
		return errManyTags
	}
	slices.Sort(a.transitive)
	return nil
}

// keys are the condition keys of the question whether the caller may assume the
// role.
func (a *assumption) keys(in *shapes.AssumeRoleRequest) policy.Values {
	v := policy.Values{"sts:rolesessionname": {*in.RoleSessionName}}
	if in.ExternalId != nil {
		v["sts:externalid"] = []string{*in.ExternalId}
	}
	if a.identity != "" {
		v["sts:sourceidentity"] = []string{a.identity}
	}
	if in.DurationSeconds != nil {
		v["sts:durationseconds"] = []string{itoa(*in.DurationSeconds)}
	}
	for _, tags := range []map[string]string{a.tags, a.inherited} {
		for k, value := range tags {
			v.RequestTag(k, value)
		}
	}
	if len(a.transitive) > 0 {
		v["sts:transitivetagkeys"] = a.transitive
	}
	for k, value := range a.role.Tags {
		v["iam:resourcetag/"+k], v["aws:resourcetag/"+k] = []string{value}, []string{value}
	}
	return v
}

// assumeRole makes a session of the role. That the caller may assume it has been
// decided.
func (i *Issuer) assumeRole(ctx context.Context, c *service.Call, in *shapes.AssumeRoleRequest) (*shapes.AssumeRoleResponse, error) {
	a, err := i.prepare(ctx, c, in)
	if err != nil {
		return nil, err
	}
	// The role may be another one by now, or its trust policy.
	if err := c.May(ctx, "sts:AssumeRole", a.target); err != nil {
		return nil, err
	}
	if len(a.tags)+len(a.inherited) > 0 {
		if err := brief(c.May(ctx, "sts:TagSession", a.target)); err != nil {
			return nil, err
		}
	}
	if a.identity != "" {
		if err := brief(c.May(ctx, "sts:SetSourceIdentity", a.target)); err != nil {
			return nil, err
		}
	}
	length, err := a.length(c.Caller, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	s := &access.Session{
		Name: *in.RoleSessionName, Issued: i.now(), Expiry: i.now().Add(length), Transitive: a.transitive,
		SourceIdentity: a.identity, Chained: c.Caller.Kind == access.Role,
	}
	if in.ExternalId != nil {
		s.ExternalID = *in.ExternalId
	}
	for _, tags := range []map[string]string{a.tags, a.inherited} {
		for k, v := range tags {
			if s.Tags == nil {
				s.Tags = map[string]string{}
			}
			s.Tags[k] = v
		}
	}
	if s.Policies, s.PolicyARNs, err = sessionPolicies(a.role.Account, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	caller := sessionOf(a.role, s)
	cred, err := i.opt.Tokens.Issue(caller)
	if err != nil {
		return nil, packedError(err)
	}
	out := &shapes.AssumeRoleResponse{
		Credentials:     shown(cred),
		AssumedRoleUser: &shapes.AssumedRoleUser{Arn: &caller.ARN, AssumedRoleId: &caller.UserID},
	}
	if a.identity != "" {
		out.SourceIdentity = &a.identity
	}
	if cred.Packed > 0 {
		packed := int32(cred.Packed)
		out.PackedPolicySize = &packed
	}
	return out, nil
}

// brief takes from a refusal why: AWS does not tell whoever asks for a role.
func brief(err error) error {
	e := awserr.From(err)
	if e == nil || !errors.Is(e, awserr.ErrAccessDenied) {
		return err
	}
	text, _, _ := strings.Cut(e.Message, " because no ")
	return e.Text("%s", text)
}

// length gives how long the session lasts.
func (a *assumption) length(c *access.Caller, seconds *int32) (time.Duration, error) {
	if seconds == nil {
		return durationDefault, nil
	}
	d := time.Duration(*seconds) * time.Second
	switch {
	case c.Kind == access.Role && d > durationChained:
		return 0, errChained
	case d > max(a.role.MaxSession, durationDefault):
		return 0, errDuration
	}
	return d, nil
}

// sessionPolicies checks the policies that bound a session further.
func sessionPolicies(account string, text *string, arns []shapes.PolicyDescriptorType) (texts, list []string, err error) {
	if text != nil {
		if utf8.RuneCountInString(*text) > policyTextMax {
			return nil, nil, errLong
		}
		if _, err := policy.Parse([]byte(*text), policy.Identity); err != nil {
			return nil, nil, errPolicy.Because(err)
		}
		texts = []string{*text}
	}
	if len(arns) > policyARNsMax {
		return nil, nil, errManyARNs
	}
	for _, p := range arns {
		if p.Arn == nil {
			continue
		}
		a, err := arn.Parse(*p.Arn)
		if err != nil || a.Partition != "aws" || a.Service != "iam" || a.Region != "" || a.Account != account && a.Account != "aws" || !strings.HasPrefix(a.Resource, "policy/") {
			return nil, nil, invalid(*p.Arn)
		}
		if !slices.Contains(list, *p.Arn) {
			list = append(list, *p.Arn)
		}
	}
	return texts, list, nil
}

// sessionOf gives the caller that a session of a role is.
func sessionOf(role *iam.Role, s *access.Session) *access.Caller {
	return &access.Caller{
		Kind: access.Role, Account: role.Account, Name: role.Name, RoleARN: role.ARN, Session: s,
		ARN:    "arn:aws:sts::" + role.Account + ":assumed-role/" + role.Name + "/" + s.Name,
		UserID: role.ID + ":" + s.Name,
	}
}

// AssumeForService gives a session of a role for a service that does work in a
// customer's name, such as s3.amazonaws.com for replication: the role must
// exist and its trust policy allow the service. It lasts an hour; no token is
// made. keys are the condition keys of the question, such as aws:SourceArn; nil
// means none.
//
// An *awserr.Error is a refusal: there is no such role, or it does not trust the
// service. Any other error says that the tables could not be read.
func (i *Issuer) AssumeForService(ctx context.Context, roleARN, serviceName, sessionName string, keys policy.Context) (*access.Caller, error) {
	if !isRole(roleARN) {
		return nil, invalid(roleARN)
	}
	asking := &access.Caller{Kind: access.Service, Service: serviceName}
	role, ok, err := i.opt.Roles.Role(ctx, roleARN)
	if err != nil {
		return nil, hidden(err)
	}
	if !ok {
		return nil, noRole(asking, roleARN)
	}
	now := i.now()
	named := policy.Values{"sts:rolesessionname": {sessionName}, "aws:epochtime": {itoa(now.Unix())}, "aws:currenttime": {now.Format(time.RFC3339)}, "aws:securetransport": {"true"}}
	q := &access.Request{
		Caller: asking, Action: "sts:AssumeRole", Resource: role.ARN, Account: role.Account,
		Context: policy.Contexts{keys, named}, ResourcePolicies: []*policy.Document{role.Trust}, ResourceRules: true,
	}
	d, err := i.opt.Decider.Evaluate(ctx, q)
	if err != nil {
		return nil, hidden(err)
	}
	if !d.Allowed {
		return nil, access.Refusal(q, d)
	}
	return sessionOf(role, &access.Session{Name: sessionName, Issued: now, Expiry: now.Add(durationDefault)}), nil
}

// hidden takes the AWS error out of an error's chain, so that trouble with the
// tables is not taken for a refusal.
func hidden(err error) error {
	if awserr.From(err) == nil {
		return err
	}
	return errors.New(err.Error())
}
