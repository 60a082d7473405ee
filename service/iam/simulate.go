package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

// Bounds of a simulation, which are ours.
const (
	simulatedMax = 10_000 // actions times resources of one request
	simulatedAll = "*"
)

// What a simulation refuses.
var (
	errSimulateBoundary = ErrInvalidInput.Text("PermissionsBoundaryPolicyInputList must not exceed 1 items.")
	errSimulateOption   = ErrInvalidInput.Text("ResourceHandlingOption names a scenario of Amazon EC2, which is not here.")
	errSimulateCaller   = ErrInvalidInput.Text("CallerArn is required when a ResourcePolicy is given and PolicySourceArn is not the ARN of an IAM user.")
	errSimulateMany     = ErrInvalidInput.Text("The simulation would evaluate more than %d combinations of actions and resources.", simulatedMax)
)

// simulator are the operations that answer what policies would allow.
func (s *Service) simulator() []service.Operation {
	return []service.Operation{
		service.Op("SimulateCustomPolicy", "iam:SimulateCustomPolicy", service.On[iamshapes.SimulateCustomPolicyRequest]("*"), s.simulateCustom),
		service.Op("SimulatePrincipalPolicy", "iam:SimulatePrincipalPolicy",
			onSource(s, func(in *iamshapes.SimulatePrincipalPolicyRequest) *string { return in.PolicySourceArn }), s.simulatePrincipal),
		service.Op("GetContextKeysForCustomPolicy", "iam:GetContextKeysForCustomPolicy", service.On[iamshapes.GetContextKeysForCustomPolicyRequest]("*"), s.customKeys),
		service.Op("GetContextKeysForPrincipalPolicy", "iam:GetContextKeysForPrincipalPolicy",
			onSource(s, func(in *iamshapes.GetContextKeysForPrincipalPolicyRequest) *string { return in.PolicySourceArn }), s.principalKeys),
	}
}

// onSource is the target that is the entity whose policies are meant.
func onSource[I any](s *Service, source func(in *I) *string) func(context.Context, *service.Call, *I) ([]service.Target, error) {
	return targets(func(ctx context.Context, c *service.Call, in *I) (service.Target, error) {
		k, name, err := sourceOf(c, *source(in))
		if err != nil {
			return service.Target{}, err
		}
		return s.on(ctx, k, c.Caller.Account, name, nil)
	})
}

// sourceOf takes the ARN of an entity of the caller's account apart.
func sourceOf(c *service.Call, source string) (kind, string, error) {
	account, k, _, name, ok := splitEntityARN(source)
	if !ok {
		return 0, "", ErrInvalidInput.Text("Invalid Entity Arn: %s does not clearly define entity type and name.", source)
	}
	if account != c.Caller.Account {
		return 0, "", notFound(k, name)
	}
	return k, name, nil
}

// source finds the entity that an ARN names, its path included.
func (s *Service) source(ctx context.Context, c *service.Call, arn string) (*entity, error) {
	k, name, err := sourceOf(c, arn)
	if err != nil {
		return nil, err
	}
	e, err := s.find(ctx, k, c.Caller.Account, name)
	if err != nil {
		return nil, err
	}
	if e.arn() != arn {
		return nil, notFound(k, name)
	}
	return e, nil
}

// input is what a policy of a simulation came as.
type input struct{ id, kind string }

// simulation is what actions are tried on.
type simulation struct {
	in policy.Input // without action and resource
	// from tells where a document came from; each document of a simulation was
	// parsed for itself.
	from         map[*policy.Document]input
	entries      policy.Values
	owner        string // of resources whose ARN does not say
	organisation bool   // its policies bind what is simulated
	resourceRule bool   // there is a policy of the resource
}

// add parses a document of the simulation.
func (m *simulation) add(document string, k policy.Kind, id, what string) (*policy.Document, error) {
	d, err := policy.Parse([]byte(document), k)
	if err != nil {
		var e *policy.Error
		if errors.As(err, &e) {
			return nil, ErrInvalidInput.Text("%s: %s", id, e.Text()).Because(err)
		}
		return nil, err
	}
	m.from[d] = input{id, what}
	return d, nil
}

// Kinds of policies in the simulator's answers.
const (
	fromIdentity     = "IAM Policy"
	fromResource     = "Resource Policy"
	fromBoundary     = "IAM Permissions Boundary"
	fromOrganisation = "Organizations Policy"
)

// addInputs adds documents that came with the request.
func (m *simulation) addInputs(documents []string) error {
	for i, text := range documents {
		d, err := m.add(text, policy.Identity, fmt.Sprintf("PolicyInputList.%d", i+1), fromIdentity)
		if err != nil {
			return err
		}
		m.in.Identity = append(m.in.Identity, d)
	}
	return nil
}

// addEntity adds the policies of a user, group or role, and those of a user's
// groups, but for the excluded.
func (s *Service) addEntity(r *reader, m *simulation, e *entity, out excluded) error {
	for _, p := range e.inline {
		if out.inline(e, p.name) {
			continue
		}
		d, err := m.add(p.document, policy.Identity, e.kind.String()+"_"+e.name+"_"+p.name, fromIdentity)
		if err != nil {
			return err
		}
		m.in.Identity = append(m.in.Identity, d)
	}
	for _, a := range e.attached {
		if out.managed(a) {
			continue
		}
		d, err := s.addManaged(r, m, a, fromIdentity)
		if err != nil {
			return err
		}
		m.in.Identity = append(m.in.Identity, d)
	}
	for _, id := range e.groups {
		g, err := r.byID(id)
		if err != nil {
			return err
		}
		if g == nil {
			return fmt.Errorf("iam: group %s is not there", id)
		}
		if err := s.addEntity(r, m, g, out); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) addManaged(r *reader, m *simulation, arn, what string) (*policy.Document, error) {
	p, err := s.d.readPolicy(r, arn)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("iam: %s is not there", arn)
	}
	return m.add(p.current().document, policy.Identity, p.name, what)
}

// excluded are policies that a simulation leaves out.
type excluded []iamshapes.PolicyIdentifier

func (x excluded) managed(arn string) bool {
	return slices.ContainsFunc(x, func(p iamshapes.PolicyIdentifier) bool { return value(p.PolicyArn) == arn })
}

func (x excluded) inline(e *entity, name string) bool {
	return slices.ContainsFunc(x, func(p iamshapes.PolicyIdentifier) bool {
		i := p.InlinePolicyIdentifier
		return i != nil && strings.EqualFold(value(i.AttachmentType), e.kind.String()) && value(i.AttachmentName) == e.name && value(i.PolicyName) == name
	})
}

// options are what both simulations take.
type options struct {
	actions, resources, boundary []string
	organisation                 []iamshapes.OrderedOrganizationPolicyType
	resourcePolicy               *string
	owner, caller, handling      *string
	entries                      []iamshapes.ContextEntry
}

func (s *Service) simulateCustom(_ context.Context, c *service.Call, in *iamshapes.SimulateCustomPolicyRequest) (*iamshapes.SimulatePolicyResponse, error) {
	m := &simulation{from: map[*policy.Document]input{}}
	if err := m.addInputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	o := options{in.ActionNames, in.ResourceArns, in.PermissionsBoundaryPolicyInputList, in.OrderedOrganizationPolicyInputList, in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ResourceHandlingOption, in.ContextEntries}
	if in.ResourcePolicy != nil && in.CallerArn == nil {
		return nil, errSimulateCaller
	}
	if err := m.prepare(c, o); err != nil {
		return nil, err
	}
	return m.run(o, in.Marker, in.MaxItems)
}

func (s *Service) simulatePrincipal(ctx context.Context, c *service.Call, in *iamshapes.SimulatePrincipalPolicyRequest) (*iamshapes.SimulatePolicyResponse, error) {
	e, err := s.source(ctx, c, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	m := &simulation{from: map[*policy.Document]input{}}
	r := &reader{ctx: ctx, rows: s.d.opt.Rows}
	if err := s.addEntity(r, m, e, in.PolicyExclusionList); err != nil {
		return nil, err
	}
	if err := m.addInputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	if e.boundary != "" && !excluded(in.PolicyExclusionList).managed(e.boundary) {
		if m.in.Boundary, err = s.addManaged(r, m, e.boundary, fromBoundary); err != nil {
			return nil, err
		}
	}
	o := options{in.ActionNames, in.ResourceArns, in.PermissionsBoundaryPolicyInputList, nil, in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ResourceHandlingOption, in.ContextEntries}
	if o.caller == nil && e.kind == userKind {
		o.caller = in.PolicySourceArn
	}
	if in.ResourcePolicy != nil && o.caller == nil {
		return nil, errSimulateCaller
	}
	if m.in.ServiceControl, err = s.d.serviceControl(ctx, e.account); err != nil {
		return nil, err
	}
	m.organisation = s.d.opt.Accounts != nil
	for _, level := range m.in.ServiceControl {
		for _, d := range level {
			m.from[d] = input{d.ID(), fromOrganisation}
		}
	}
	m.entries = policy.Values{}
	for _, t := range e.tags {
		if e.kind != groupKind {
			m.entries["aws:principaltag/"+t.key] = []string{t.value}
		}
	}
	if e.kind == roleKind {
		m.in.Principal.ARN = e.arn()
		m.entries["aws:principalarn"] = []string{e.arn()}
		m.entries["aws:principaltype"] = []string{"AssumedRole"}
	}
	if o.caller != nil && *o.caller == e.arn() {
		m.in.Principal.UserID = e.id
		m.entries["aws:userid"] = []string{e.id}
	}
	if err := m.prepare(c, o); err != nil {
		return nil, err
	}
	return m.run(o, in.Marker, in.MaxItems)
}

// prepare adds what the request says besides the policies of who is simulated.
func (m *simulation) prepare(c *service.Call, o options) error {
	if o.handling != nil {
		return errSimulateOption
	}
	if len(o.actions)*max(1, len(o.resources)) > simulatedMax {
		return errSimulateMany
	}
	for _, a := range o.actions {
		if vendor, name, ok := strings.Cut(a, ":"); !ok || vendor == "" || name == "" {
			return ErrInvalidInput.Text("ActionNames are not in a valid format: %s.", a)
		}
	}
	for _, r := range o.resources {
		if _, err := arn.Parse(r); err != nil && r != simulatedAll {
			return ErrInvalidInput.Text("ResourceNames are not in a valid ARN format: %s.", r)
		}
	}
	if err := m.prepareCaller(c, o.caller); err != nil {
		return err
	}
	m.owner = m.in.Principal.Account
	if o.owner != nil {
		m.owner = strings.TrimSuffix(strings.TrimPrefix(*o.owner, "arn:aws:iam::"), ":root")
		if !arn.ValidAccount(m.owner) {
			return ErrInvalidInput.Text("'%s' is not a valid as a Resource Owner.", *o.owner)
		}
	}
	if len(o.boundary) > 1 {
		return errSimulateBoundary
	}
	var err error
	if len(o.boundary) == 1 {
		if m.in.Boundary, err = m.add(o.boundary[0], policy.Identity, "PermissionsBoundaryPolicyInputList.1", fromBoundary); err != nil {
			return err
		}
	}
	for i, level := range o.organisation {
		m.organisation = true
		docs := []*policy.Document{}
		for j, text := range level.ServiceControlPolicyInputList {
			d, err := m.add(text, policy.Organization, fmt.Sprintf("OrderedOrganizationPolicyInputList.%d.ServiceControlPolicyInputList.%d", i+1, j+1), fromOrganisation)
			if err != nil {
				return err
			}
			docs = append(docs, d)
		}
		m.in.ServiceControl = append(m.in.ServiceControl, docs)
	}
	if o.resourcePolicy != nil {
		d, err := m.add(*o.resourcePolicy, policy.Resource, "ResourcePolicy", fromResource)
		if err != nil {
			return err
		}
		m.in.ResourcePolicies, m.resourceRule = []*policy.Document{d}, true
	}
	return m.addEntries(o.entries)
}

// prepareCaller says who asks: a user, or for want of one somebody of the
// account.
func (m *simulation) prepareCaller(c *service.Call, caller *string) error {
	if m.entries == nil {
		m.entries = policy.Values{}
	}
	who := &m.in.Principal
	who.Account = c.Caller.Account
	if caller != nil {
		account, k, _, name, ok := splitEntityARN(*caller)
		if !ok || k != userKind {
			return ErrInvalidInput.Text("%s is not a valid CallerArn: it must be the ARN of an IAM user.", *caller)
		}
		who.Account, who.ARN = account, *caller
		m.entries["aws:username"] = []string{name}
		m.entries["aws:principalarn"] = []string{*caller}
		m.entries["aws:principaltype"] = []string{"User"}
	}
	m.entries["aws:principalaccount"] = []string{who.Account}
	m.entries["aws:principalisawsservice"] = []string{"false"}
	return nil
}

// run tries the actions of one page.
func (m *simulation) run(o options, marker *string, most *int32) (*iamshapes.SimulatePolicyResponse, error) {
	order := make([]int, len(o.actions))
	for i := range order {
		order[i] = i
	}
	out := new(iamshapes.SimulatePolicyResponse)
	var err error
	out.EvaluationResults, out.IsTruncated, out.Marker, err = pageOf(order, func(i int) string { return fmt.Sprintf("%08d", i) },
		func(i int) iamshapes.EvaluationResult { return m.action(o.actions[i], o.resources) }, marker, most)
	return out, err
}

// action tries one action on each resource.
func (m *simulation) action(action string, resources []string) iamshapes.EvaluationResult {
	out := iamshapes.EvaluationResult{EvalActionName: &action, EvalResourceName: ptr(simulatedAll)}
	if m.organisation {
		out.OrganizationsDecisionDetail = &iamshapes.OrganizationsDecisionDetail{AllowedByOrganizations: ptr(true)}
	}
	if len(resources) == 0 || slices.Contains(resources, simulatedAll) {
		t := m.try(action, simulatedAll)
		out.EvalDecision, out.MatchedStatements, out.MissingContextValues, out.PermissionsBoundaryDecisionDetail = &t.decision, t.matched, t.missing, t.boundary
		m.detail(&out, t)
		return out
	}
	decision := "allowed"
	for _, r := range resources {
		t := m.try(action, r)
		out.ResourceSpecificResults = append(out.ResourceSpecificResults, iamshapes.ResourceSpecificResult{
			EvalResourceName: &r, EvalResourceDecision: &t.decision, MatchedStatements: t.matched, MissingContextValues: t.missing,
			EvalDecisionDetails: t.details, PermissionsBoundaryDecisionDetail: t.boundary,
		})
		m.detail(&out, t)
		if t.decision == "explicitDeny" || t.decision == "implicitDeny" && decision == "allowed" {
			decision = t.decision
		}
		if len(resources) == 1 {
			out.EvalResourceName, out.MatchedStatements, out.PermissionsBoundaryDecisionDetail, out.EvalDecisionDetails = &r, t.matched, t.boundary, t.details
		}
	}
	out.EvalDecision, out.MissingContextValues = &decision, []string{}
	if out.MatchedStatements == nil {
		out.MatchedStatements = []iamshapes.Statement{}
	}
	if out.EvalDecisionDetails == nil {
		out.EvalDecisionDetails = map[string]string{}
	}
	return out
}

func (m *simulation) detail(out *iamshapes.EvaluationResult, t trial) {
	if d := out.OrganizationsDecisionDetail; d != nil && !t.organisation {
		d.AllowedByOrganizations = ptr(false)
	}
}

// trial is what one action on one resource came to.
type trial struct {
	decision     string
	matched      []iamshapes.Statement
	missing      []string
	details      map[string]string // across accounts only
	boundary     *iamshapes.PermissionsBoundaryDecisionDetail
	organisation bool
}

func (m *simulation) try(action, resource string) trial {
	in := m.in
	asked := &asked{values: m.entries}
	in.Action, in.Resource, in.Context, in.Explain = action, resource, asked, true
	in.ResourceAccount = m.owner
	if a, err := arn.Parse(resource); err == nil && arn.ValidAccount(a.Account) {
		in.ResourceAccount = a.Account
	}
	vendor, _, _ := strings.Cut(action, ":")
	in.ResourceRules = m.resourceRule && strings.EqualFold(vendor, "kms")
	asked.owner = in.ResourceAccount
	d := policy.Evaluate(&in)
	t := trial{decision: decisionOf(d), matched: []iamshapes.Statement{}, missing: []string{}, organisation: d.By != policy.FromServiceControl}
	for _, x := range d.Matched {
		from := m.from[x.Document]
		start, end := x.Document.Span(x.Statement)
		t.matched = append(t.matched, iamshapes.Statement{SourcePolicyId: ptr(from.id), SourcePolicyType: ptr(from.kind), StartPosition: position(start), EndPosition: position(end)})
	}
	for doc := range m.from {
		for _, k := range doc.Keys() {
			if asked.missed[k.Name] && !slices.ContainsFunc(t.missing, func(s string) bool { return strings.EqualFold(s, k.Written) }) {
				t.missing = append(t.missing, k.Written)
			}
		}
	}
	slices.Sort(t.missing)
	if in.Boundary != nil {
		alone := policy.Input{Principal: in.Principal, Action: action, Resource: resource, Context: asked, Identity: []*policy.Document{in.Boundary}}
		t.boundary = &iamshapes.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: ptr(policy.Evaluate(&alone).Allowed)}
	}
	if in.ResourceAccount != in.Principal.Account {
		own, theirs := in, in
		own.ResourcePolicies, own.ResourceRules, own.ResourceAccount = nil, false, in.Principal.Account
		theirs.Identity, theirs.Boundary, theirs.ServiceControl = []*policy.Document{everything()}, nil, nil
		t.details = map[string]string{fromIdentity: decisionOf(policy.Evaluate(&own)), fromResource: decisionOf(policy.Evaluate(&theirs))}
	}
	return t
}

// everything is a policy that allows all.
func everything() *policy.Document {
	d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), policy.Identity)
	if err != nil {
		return nil // which the evaluator refuses
	}
	return d
}

func decisionOf(d policy.Decision) string {
	switch {
	case d.Allowed:
		return "allowed"
	case d.Explicit:
		return "explicitDeny"
	}
	return "implicitDeny"
}

func position(p policy.Position) *iamshapes.Position {
	return &iamshapes.Position{Line: ptr(int32(p.Line)), Column: ptr(int32(p.Column))}
}

// asked is the context of a simulation: it remembers what it did not have.
type asked struct {
	values policy.Values
	owner  string
	missed map[string]bool
}

// Value implements policy.Context.
func (a *asked) Value(key string) ([]string, bool) {
	if v, ok := a.values[key]; ok {
		return v, true
	}
	if key == "aws:resourceaccount" || key == "s3:resourceaccount" {
		return []string{a.owner}, true
	}
	if a.missed == nil {
		a.missed = map[string]bool{}
	}
	a.missed[key] = true
	return nil, false
}

// customKeys names the condition keys of given policies.
func (s *Service) customKeys(_ context.Context, _ *service.Call, in *iamshapes.GetContextKeysForCustomPolicyRequest) (*iamshapes.GetContextKeysForPolicyResponse, error) {
	m := &simulation{from: map[*policy.Document]input{}}
	if err := m.addInputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	return m.keys(), nil
}

// principalKeys names the condition keys of an entity's policies.
func (s *Service) principalKeys(ctx context.Context, c *service.Call, in *iamshapes.GetContextKeysForPrincipalPolicyRequest) (*iamshapes.GetContextKeysForPolicyResponse, error) {
	e, err := s.source(ctx, c, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	m := &simulation{from: map[*policy.Document]input{}}
	if err := s.addEntity(&reader{ctx: ctx, rows: s.d.opt.Rows}, m, e, nil); err != nil {
		return nil, err
	}
	if err := m.addInputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	return m.keys(), nil
}

func (m *simulation) keys() *iamshapes.GetContextKeysForPolicyResponse {
	out := &iamshapes.GetContextKeysForPolicyResponse{ContextKeyNames: []string{}}
	seen := map[string]bool{}
	for _, d := range m.in.Identity {
		for _, k := range d.Keys() {
			if !seen[k.Name] {
				seen[k.Name] = true
				out.ContextKeyNames = append(out.ContextKeyNames, k.Written)
			}
		}
	}
	return out
}
