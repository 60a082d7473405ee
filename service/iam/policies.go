package iam

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

func (s *Service) policies() []service.Operation {
	return []service.Operation{
		service.Op("CreatePolicy", "iam:CreatePolicy", targets(func(_ context.Context, c *service.Call, in *iamshapes.CreatePolicyRequest) (service.Target, error) {
			p := &managed{account: c.Caller.Account, path: pathOf(in.Path), name: value(in.PolicyName)}
			return service.Target{ARN: p.arn(), Account: p.account, Keys: requestTags(new(conditions), in.Tags)}, nil
		}), s.createPolicy),
		service.Op("GetPolicy", "iam:GetPolicy", onPolicy(s, func(in *iamshapes.GetPolicyRequest) *string { return in.PolicyArn }, nil), s.getPolicy),
		service.Op("ListPolicies", "iam:ListPolicies", listed[iamshapes.ListPoliciesRequest]("policy", func(in *iamshapes.ListPoliciesRequest) *string { return in.PathPrefix }), s.listPolicies),
		service.Op("DeletePolicy", "iam:DeletePolicy", onPolicy(s, func(in *iamshapes.DeletePolicyRequest) *string { return in.PolicyArn }, nil), s.deletePolicy),
		service.Op("CreatePolicyVersion", "iam:CreatePolicyVersion", onPolicy(s, func(in *iamshapes.CreatePolicyVersionRequest) *string { return in.PolicyArn }, nil), s.createVersion),
		service.Op("GetPolicyVersion", "iam:GetPolicyVersion", onPolicy(s, func(in *iamshapes.GetPolicyVersionRequest) *string { return in.PolicyArn }, nil), s.getVersion),
		service.Op("ListPolicyVersions", "iam:ListPolicyVersions", onPolicy(s, func(in *iamshapes.ListPolicyVersionsRequest) *string { return in.PolicyArn }, nil), s.listVersions),
		service.Op("SetDefaultPolicyVersion", "iam:SetDefaultPolicyVersion", onPolicy(s, func(in *iamshapes.SetDefaultPolicyVersionRequest) *string { return in.PolicyArn }, nil), s.setDefault),
		service.Op("DeletePolicyVersion", "iam:DeletePolicyVersion", onPolicy(s, func(in *iamshapes.DeletePolicyVersionRequest) *string { return in.PolicyArn }, nil), s.deleteVersion),
		service.Op("TagPolicy", "iam:TagPolicy", onPolicy(s, func(in *iamshapes.TagPolicyRequest) *string { return in.PolicyArn },
			func(in *iamshapes.TagPolicyRequest) *conditions { return requestTags(new(conditions), in.Tags) }),
			func(ctx context.Context, c *service.Call, in *iamshapes.TagPolicyRequest) (*iamshapes.TagPolicyResponse, error) {
				return nil, s.changePolicy(ctx, c, "iam:TagPolicy", *in.PolicyArn, func(p *managed) (err error) {
					p.tags, err = withTags(p.tags, in.Tags)
					return err
				})
			}),
		service.Op("UntagPolicy", "iam:UntagPolicy", onPolicy(s, func(in *iamshapes.UntagPolicyRequest) *string { return in.PolicyArn },
			func(in *iamshapes.UntagPolicyRequest) *conditions { return &conditions{tagKeys: in.TagKeys} }),
			func(ctx context.Context, c *service.Call, in *iamshapes.UntagPolicyRequest) (*iamshapes.UntagPolicyResponse, error) {
				return nil, s.changePolicy(ctx, c, "iam:UntagPolicy", *in.PolicyArn, func(p *managed) error {
					p.tags = withoutTags(p.tags, in.TagKeys)
					return nil
				})
			}),
		service.Op("ListPolicyTags", "iam:ListPolicyTags", onPolicy(s, func(in *iamshapes.ListPolicyTagsRequest) *string { return in.PolicyArn }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListPolicyTagsRequest) (*iamshapes.ListPolicyTagsResponse, error) {
				p, err := s.findPolicy(ctx, *in.PolicyArn)
				if err != nil {
					return nil, err
				}
				out := new(iamshapes.ListPolicyTagsResponse)
				out.Tags, out.IsTruncated, out.Marker, err = pageTags(p.tags, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("ListEntitiesForPolicy", "iam:ListEntitiesForPolicy", onPolicy(s, func(in *iamshapes.ListEntitiesForPolicyRequest) *string { return in.PolicyArn }, nil), s.entitiesFor),
	}
}

// onPolicy is the target of operations on a managed policy that the request
// names by its ARN. One of another account is that account's.
func onPolicy[I any](s *Service, of func(in *I) *string, keys func(in *I) *conditions) func(context.Context, *service.Call, *I) ([]service.Target, error) {
	return targets(func(ctx context.Context, c *service.Call, in *I) (service.Target, error) {
		q := new(conditions)
		if keys != nil {
			q = keys(in)
		}
		policyARN := *of(in)
		owner, _, _, ok := splitPolicyARN(policyARN)
		if !ok {
			if _, err := arn.Parse(policyARN); err != nil {
				return service.Target{}, errARN
			}
		}
		t := service.Target{ARN: policyARN, Account: owner, Keys: q}
		if owner == awsAccount {
			t.Account = c.Caller.Account // AWS's policies are everybody's
		}
		r := &reader{ctx: ctx, rows: s.d.opt.Rows}
		p, err := s.d.readPolicy(r, policyARN)
		if err != nil {
			return service.Target{}, err
		}
		if p != nil {
			q.tags = p.tags
		}
		return t, nil
	})
}

// findPolicy reads a managed policy.
func (s *Service) findPolicy(ctx context.Context, policyARN string) (*managed, error) {
	r := &reader{ctx: ctx, rows: s.d.opt.Rows}
	p, err := s.d.readPolicy(r, policyARN)
	if err == nil && p == nil {
		err = policyNotFound(policyARN)
	}
	return p, err
}

// changePolicy changes a customer's policy in a transaction.
func (s *Service) changePolicy(ctx context.Context, c *service.Call, action, policyARN string, fn func(p *managed) error) error {
	if owner, _, _, _ := splitPolicyARN(policyARN); owner == awsAccount {
		return notYours(c.Caller.ARN, action, policyARN)
	}
	return s.d.update(ctx, func(tx Tx) error {
		p, err := getPolicy(tx, policyARN)
		if err != nil {
			return err
		}
		if p == nil {
			return policyNotFound(policyARN)
		}
		if err := fn(p); err != nil {
			return err
		}
		return putManaged(tx, p)
	})
}

// checkManaged checks the document of a managed policy.
func (s *Service) checkManaged(document string) error {
	if err := s.checkIdentity(document); err != nil {
		return err
	}
	if size(document) > managedMax {
		return quota("PolicySize", managedMax)
	}
	return nil
}

func (s *Service) createPolicy(ctx context.Context, c *service.Call, in *iamshapes.CreatePolicyRequest) (*iamshapes.CreatePolicyResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := s.checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	now := c.Now.UTC().Truncate(1e9)
	p := managed{
		account: c.Caller.Account, name: *in.PolicyName, path: pathOf(in.Path), id: newID(policyID), description: value(in.Description),
		created: now, updated: now, standard: 1, last: 1, versions: []version{{1, *in.PolicyDocument, now}}, tags: tags,
	}
	err = s.d.update(ctx, func(tx Tx) error {
		if _, taken := tx.Get(p.key()); taken {
			return ErrExists.Text("A policy called %s already exists. Duplicate names are not allowed.", p.name)
		}
		if err := room(tx, policiesPrefix(p.account), policiesMax, "PoliciesPerAccount"); err != nil {
			return err
		}
		return putManaged(tx, &p)
	})
	if err != nil {
		return nil, err
	}
	shape := s.shapePolicy(&p, p.attachments, p.boundaries)
	shape.Tags = shapeTags(p.tags)
	return &iamshapes.CreatePolicyResponse{Policy: &shape}, nil
}

func (s *Service) getPolicy(ctx context.Context, c *service.Call, in *iamshapes.GetPolicyRequest) (*iamshapes.GetPolicyResponse, error) {
	p, err := s.findPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	attachments, boundaries := p.attachments, p.boundaries
	if p.account == awsAccount {
		used, err := s.usage(c.Caller.Account)
		if err != nil {
			return nil, err
		}
		attachments, boundaries = used.attached[p.arn()], used.boundary[p.arn()]
	}
	shape := s.shapePolicy(p, attachments, boundaries)
	shape.Description, shape.Tags = text(p.description), listOfTags(p.tags)
	return &iamshapes.GetPolicyResponse{Policy: &shape}, nil
}

// shapePolicy gives a policy as lists have it.
func (s *Service) shapePolicy(p *managed, attachments, boundaries uint64) iamshapes.Policy {
	return iamshapes.Policy{
		PolicyName: ptr(p.name), PolicyId: ptr(p.id), Arn: ptr(p.arn()), Path: ptr(p.path), DefaultVersionId: ptr(p.current().id()),
		AttachmentCount: ptr(int32(attachments)), PermissionsBoundaryUsageCount: ptr(int32(boundaries)), IsAttachable: ptr(true),
		CreateDate: ptr(p.created), UpdateDate: ptr(p.updated),
	}
}

// policyUse counts how often an account uses managed policies.
type policyUse struct{ attached, boundary map[string]uint64 }

// usage counts the policies that the entities of an account have. AWS's
// policies have no row that could count.
func (s *Service) usage(account string) (policyUse, error) {
	use := policyUse{map[string]uint64{}, map[string]uint64{}}
	var err error
	for _, k := range []kind{userKind, groupKind, roleKind} {
		for _, e := range s.entities(k, account, "/", "", &err) {
			for _, a := range e.attached {
				use.attached[a]++
			}
			if e.boundary != "" {
				use.boundary[e.boundary]++
			}
		}
		if err != nil {
			return use, err
		}
	}
	return use, nil
}

// customers lists an account's own managed policies, by name, behind a key.
func (s *Service) customers(account, from string, failed *error) iter.Seq2[string, *managed] {
	return func(yield func(string, *managed) bool) {
		for key, row := range s.d.opt.Rows.Rows(policiesPrefix(account), from) {
			p, err := decodePolicy(row)
			if err != nil {
				*failed = err
				return
			}
			if !yield(key, p) {
				return
			}
		}
	}
}

// all lists managed policies: the account's own and, behind them, AWS's. Keys of
// own ones begin with "iam/", those of AWS's with "~", which comes later.
func (s *Service) all(account, from string, own, aws bool, failed *error) iter.Seq2[string, *managed] {
	return func(yield func(string, *managed) bool) {
		if own {
			for key, p := range s.customers(account, from, failed) {
				if !yield(key, p) {
					return
				}
			}
		}
		if !aws || *failed != nil {
			return
		}
		list := slices.SortedFunc(maps.Values(s.d.aws), func(a, b *managed) int { return cmp.Compare(a.name, b.name) })
		for _, p := range list {
			if key := "~" + p.name; key > from && !yield(key, p) {
				return
			}
		}
	}
}

func (s *Service) listPolicies(_ context.Context, c *service.Call, in *iamshapes.ListPoliciesRequest) (*iamshapes.ListPoliciesResponse, error) {
	from, err := after(in.Marker)
	if err != nil {
		return nil, err
	}
	used, err := s.usage(c.Caller.Account)
	if err != nil {
		return nil, err
	}
	scope := cmp.Or(value(in.Scope), "All")
	all := s.all(c.Caller.Account, from, scope != "AWS", scope != "Local", &err)
	out := new(iamshapes.ListPoliciesResponse)
	out.Policies, out.IsTruncated, out.Marker = page(func(yield func(string, iamshapes.Policy) bool) {
		for key, p := range all {
			attached, boundary := used.attached[p.arn()], used.boundary[p.arn()]
			usage := attached + boundary
			switch value(in.PolicyUsageFilter) {
			case "PermissionsPolicy":
				usage = attached
			case "PermissionsBoundary":
				usage = boundary
			}
			if !strings.HasPrefix(p.path, value(in.PathPrefix)) || usage == 0 && (value(in.OnlyAttached) || in.PolicyUsageFilter != nil) {
				continue
			}
			if !yield(key, s.shapePolicy(p, attached, boundary)) {
				return
			}
		}
	}, in.MaxItems)
	return out, err
}

func (s *Service) deletePolicy(ctx context.Context, c *service.Call, in *iamshapes.DeletePolicyRequest) (*iamshapes.DeletePolicyResponse, error) {
	if owner, _, _, _ := splitPolicyARN(*in.PolicyArn); owner == awsAccount {
		return nil, notYours(c.Caller.ARN, "iam:DeletePolicy", *in.PolicyArn)
	}
	return nil, s.d.update(ctx, func(tx Tx) error {
		p, err := getPolicy(tx, *in.PolicyArn)
		switch {
		case err != nil:
			return err
		case p == nil:
			return policyNotFound(*in.PolicyArn)
		case p.attachments > 0 || p.boundaries > 0:
			return errAttached
		case len(p.versions) > 1:
			return errHasVersions
		}
		tx.Delete(p.key())
		return nil
	})
}

func (s *Service) createVersion(ctx context.Context, c *service.Call, in *iamshapes.CreatePolicyVersionRequest) (*iamshapes.CreatePolicyVersionResponse, error) {
	if err := s.checkManaged(*in.PolicyDocument); err != nil {
		return nil, err
	}
	v := version{document: *in.PolicyDocument, created: c.Now.UTC().Truncate(1e9)}
	standard := value(in.SetAsDefault)
	err := s.changePolicy(ctx, c, "iam:CreatePolicyVersion", *in.PolicyArn, func(p *managed) error {
		if len(p.versions) >= versionsMax {
			return errVersions
		}
		p.last++
		v.number = p.last
		p.versions = append(p.versions, v)
		p.updated = v.created
		if standard {
			p.standard = v.number
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	shape := shapeVersion(&v, standard, false)
	return &iamshapes.CreatePolicyVersionResponse{PolicyVersion: &shape}, nil
}

func shapeVersion(v *version, standard, document bool) iamshapes.PolicyVersion {
	shape := iamshapes.PolicyVersion{VersionId: ptr(v.id()), IsDefaultVersion: ptr(standard), CreateDate: ptr(v.created)}
	if document {
		shape.Document = encoded(v.document)
	}
	return shape
}

func versionNotFound(policyARN, id string) error {
	return ErrNoSuchEntity.Text("Policy %s version %s does not exist or is not attachable.", policyARN, id)
}

func (s *Service) getVersion(ctx context.Context, c *service.Call, in *iamshapes.GetPolicyVersionRequest) (*iamshapes.GetPolicyVersionResponse, error) {
	p, err := s.findPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v := p.version(*in.VersionId)
	if v == nil {
		return nil, versionNotFound(*in.PolicyArn, *in.VersionId)
	}
	shape := shapeVersion(v, v.number == p.standard, true)
	return &iamshapes.GetPolicyVersionResponse{PolicyVersion: &shape}, nil
}

func (s *Service) listVersions(ctx context.Context, c *service.Call, in *iamshapes.ListPolicyVersionsRequest) (*iamshapes.ListPolicyVersionsResponse, error) {
	p, err := s.findPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	newest := slices.Clone(p.versions)
	slices.Reverse(newest)
	out := new(iamshapes.ListPolicyVersionsResponse)
	// Newest first: the key counts down.
	out.Versions, out.IsTruncated, out.Marker, err = pageOf(newest, func(v version) string { return descending(v.number) },
		func(v version) iamshapes.PolicyVersion { return shapeVersion(&v, v.number == p.standard, false) }, in.Marker, in.MaxItems)
	return out, err
}

func (s *Service) setDefault(ctx context.Context, c *service.Call, in *iamshapes.SetDefaultPolicyVersionRequest) (*iamshapes.SetDefaultPolicyVersionResponse, error) {
	return nil, s.changePolicy(ctx, c, "iam:SetDefaultPolicyVersion", *in.PolicyArn, func(p *managed) error {
		v := p.version(*in.VersionId)
		if v == nil {
			return versionNotFound(*in.PolicyArn, *in.VersionId)
		}
		p.standard, p.updated = v.number, c.Now.UTC().Truncate(1e9)
		return nil
	})
}

func (s *Service) deleteVersion(ctx context.Context, c *service.Call, in *iamshapes.DeletePolicyVersionRequest) (*iamshapes.DeletePolicyVersionResponse, error) {
	return nil, s.changePolicy(ctx, c, "iam:DeletePolicyVersion", *in.PolicyArn, func(p *managed) error {
		v := p.version(*in.VersionId)
		if v == nil {
			return versionNotFound(*in.PolicyArn, *in.VersionId)
		}
		if v.number == p.standard {
			return errDefault
		}
		number := v.number
		p.versions = slices.DeleteFunc(p.versions, func(v version) bool { return v.number == number })
		p.updated = c.Now.UTC().Truncate(1e9)
		return nil
	})
}

// entitiesFor lists who has a policy: groups, then users, then roles.
func (s *Service) entitiesFor(ctx context.Context, c *service.Call, in *iamshapes.ListEntitiesForPolicyRequest) (*iamshapes.ListEntitiesForPolicyResponse, error) {
	p, err := s.findPolicy(ctx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	from, err := after(in.Marker)
	if err != nil {
		return nil, err
	}
	filter, usage := value(in.EntityFilter), value(in.PolicyUsageFilter)
	kinds := map[string][]kind{
		"": {groupKind, roleKind, userKind}, "User": {userKind}, "Role": {roleKind}, "Group": {groupKind}, // in the order of their keys
	}[filter]
	var list []*entity
	out := new(iamshapes.ListEntitiesForPolicyResponse)
	list, out.IsTruncated, out.Marker = page(func(yield func(string, *entity) bool) {
		for _, k := range kinds {
			begin := from
			if !strings.HasPrefix(from, entitiesPrefix(k, c.Caller.Account)) {
				if from > entitiesPrefix(k, c.Caller.Account) {
					continue // listed on an earlier page
				}
				begin = ""
			}
			for key, e := range s.entities(k, c.Caller.Account, value(in.PathPrefix), begin, &err) {
				has := usage != "PermissionsBoundary" && slices.Contains(e.attached, p.arn()) || usage != "PermissionsPolicy" && e.boundary == p.arn()
				if has && !yield(key, e) {
					return
				}
			}
		}
	}, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out.PolicyGroups, out.PolicyUsers, out.PolicyRoles = []iamshapes.PolicyGroup{}, []iamshapes.PolicyUser{}, []iamshapes.PolicyRole{}
	for _, e := range list {
		switch e.kind {
		case groupKind:
			out.PolicyGroups = append(out.PolicyGroups, iamshapes.PolicyGroup{GroupName: ptr(e.name), GroupId: ptr(e.id)})
		case userKind:
			out.PolicyUsers = append(out.PolicyUsers, iamshapes.PolicyUser{UserName: ptr(e.name), UserId: ptr(e.id)})
		case roleKind:
			out.PolicyRoles = append(out.PolicyRoles, iamshapes.PolicyRole{RoleName: ptr(e.name), RoleId: ptr(e.id)})
		}
	}
	return out, nil
}
