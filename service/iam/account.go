package iam

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

// account are the operations on the account itself.
func (s *Service) account() []service.Operation {
	return []service.Operation{
		service.Op("CreateAccountAlias", "iam:CreateAccountAlias", service.On[iamshapes.CreateAccountAliasRequest]("*"), s.createAlias),
		service.Op("DeleteAccountAlias", "iam:DeleteAccountAlias", service.On[iamshapes.DeleteAccountAliasRequest]("*"), s.deleteAlias),
		service.Op("ListAccountAliases", "iam:ListAccountAliases", service.On[iamshapes.ListAccountAliasesRequest]("*"), s.listAliases),
		service.Op("GetAccountSummary", "iam:GetAccountSummary", service.On[iamshapes.GetAccountSummaryRequest]("*"), s.summary),
		service.Op("GetAccountAuthorizationDetails", "iam:GetAccountAuthorizationDetails", service.On[iamshapes.GetAccountAuthorizationDetailsRequest]("*"), s.details),
	}
}

// createAlias gives the account an alias in place of the one that it has. No
// two accounts of a realm have the same.
func (s *Service) createAlias(ctx context.Context, c *service.Call, in *iamshapes.CreateAccountAliasRequest) (*iamshapes.CreateAccountAliasResponse, error) {
	alias := *in.AccountAlias
	return nil, s.d.update(ctx, func(tx Tx) error {
		if _, taken := tx.Get(aliasKey(alias)); taken {
			return ErrExists.Text("The account alias %s already exists.", alias)
		}
		own := accountAliasKey(c.Caller.Account)
		if row, ok := tx.Get(own); ok {
			old, err := decodeText(row)
			if err != nil {
				return err
			}
			tx.Delete(aliasKey(old))
		}
		tx.Put(own, encodeText(alias))
		tx.Put(aliasKey(alias), encodeText(c.Caller.Account))
		return nil
	})
}

func (s *Service) deleteAlias(ctx context.Context, c *service.Call, in *iamshapes.DeleteAccountAliasRequest) (*iamshapes.DeleteAccountAliasResponse, error) {
	return nil, s.d.update(ctx, func(tx Tx) error {
		own := accountAliasKey(c.Caller.Account)
		row, ok := tx.Get(own)
		alias, err := "", error(nil)
		if ok {
			alias, err = decodeText(row)
		}
		if err != nil {
			return err
		}
		if alias != *in.AccountAlias {
			return ErrNoSuchEntity.Text("The Account Alias with name %s cannot be found.", *in.AccountAlias)
		}
		tx.Delete(own)
		tx.Delete(aliasKey(alias))
		return nil
	})
}

func (s *Service) listAliases(ctx context.Context, c *service.Call, in *iamshapes.ListAccountAliasesRequest) (*iamshapes.ListAccountAliasesResponse, error) {
	r := &reader{ctx: ctx, rows: s.d.opt.Rows}
	row, ok, err := r.get(accountAliasKey(c.Caller.Account))
	if err != nil {
		return nil, err
	}
	out := &iamshapes.ListAccountAliasesResponse{AccountAliases: []string{}, IsTruncated: ptr(false)}
	if ok {
		alias, err := decodeText(row)
		if err != nil {
			return nil, err
		}
		out.AccountAliases = []string{alias}
	}
	return out, nil
}

// summary counts what the account has, beside the quotas.
func (s *Service) summary(_ context.Context, c *service.Call, _ *iamshapes.GetAccountSummaryRequest) (*iamshapes.GetAccountSummaryResponse, error) {
	n := map[kind]int32{}
	var err error
	for _, k := range []kind{userKind, groupKind, roleKind} {
		for range s.d.opt.Rows.Rows(entitiesPrefix(k, c.Caller.Account), "") {
			n[k]++
		}
	}
	var policies, versions int32
	for _, p := range s.customers(c.Caller.Account, "", &err) {
		policies++
		versions += int32(len(p.versions))
	}
	if err != nil {
		return nil, err
	}
	return &iamshapes.GetAccountSummaryResponse{SummaryMap: map[string]int32{
		"Users": n[userKind], "UsersQuota": usersMax,
		"Groups": n[groupKind], "GroupsQuota": groupsMax,
		"Roles": n[roleKind], "RolesQuota": rolesMax,
		"Policies": policies, "PoliciesQuota": policiesMax,
		"PolicyVersionsInUse": versions, "PolicyVersionsInUseQuota": policiesMax * versionsMax,
		"VersionsPerPolicyQuota": versionsMax, "PolicySizeQuota": managedMax,
		"AttachedPoliciesPerUserQuota": attachedMax, "AttachedPoliciesPerGroupQuota": attachedMax, "AttachedPoliciesPerRoleQuota": attachedMax,
		"UserPolicySizeQuota": userInlineMax, "GroupPolicySizeQuota": groupInlineMax, "RolePolicySizeQuota": roleInlineMax,
		"AssumeRolePolicySizeQuota": trustMax, "GroupsPerUserQuota": groupsOfUserMax, "AccessKeysPerUserQuota": keysOfUserMax,
		// The root user of an account has its one access key, and nothing else.
		"AccountAccessKeysPresent": 1, "AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0,
		// What a realm does not have.
		"InstanceProfiles": 0, "InstanceProfilesQuota": 0, "MFADevices": 0, "MFADevicesInUse": 0, "Providers": 0,
		"ServerCertificates": 0, "ServerCertificatesQuota": 0, "SigningCertificatesPerUserQuota": 0, "GlobalEndpointTokenVersion": 2,
	}}, nil
}

// detail is an entry of GetAccountAuthorizationDetails: one of the two.
type detail struct {
	entity *entity
	policy *managed
}

// details lists everything, in the order of rows' keys: groups, own policies,
// roles, users, and then those of AWS's policies that are used.
func (s *Service) details(ctx context.Context, c *service.Call, in *iamshapes.GetAccountAuthorizationDetailsRequest) (*iamshapes.GetAccountAuthorizationDetailsResponse, error) {
	from, err := after(in.Marker)
	if err != nil {
		return nil, err
	}
	used, err := s.usage(c.Caller.Account)
	if err != nil {
		return nil, err
	}
	var list []detail
	out := &iamshapes.GetAccountAuthorizationDetailsResponse{
		UserDetailList: []iamshapes.UserDetail{}, GroupDetailList: []iamshapes.GroupDetail{}, RoleDetailList: []iamshapes.RoleDetail{}, Policies: []iamshapes.ManagedPolicyDetail{},
	}
	list, out.IsTruncated, out.Marker = page(s.everything(c.Caller.Account, from, in.Filter, used, &err), in.MaxItems)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if d.policy != nil {
			out.Policies = append(out.Policies, policyDetail(d.policy, used))
			continue
		}
		switch e := d.entity; e.kind {
		case userKind:
			u, err := s.userDetail(ctx, e)
			if err != nil {
				return nil, err
			}
			out.UserDetailList = append(out.UserDetailList, u)
		case groupKind:
			out.GroupDetailList = append(out.GroupDetailList, groupDetail(e))
		case roleKind:
			if err := s.meant(ctx, e); err != nil {
				return nil, err
			}
			out.RoleDetailList = append(out.RoleDetailList, s.roleDetail(e))
		}
	}
	return out, nil
}

// everything yields what details lists of an account, by its place in the
// order, from a place on. filter names the kinds that are wanted; none means
// all. What kept it from reading on is in failed.
func (s *Service) everything(account, from string, filter []string, used policyUse, failed *error) iter.Seq2[string, detail] {
	wanted := func(what string) bool { return len(filter) == 0 || slices.Contains(filter, what) }
	// behind gives where to begin in a part: nowhere when it was listed before.
	behind := func(prefix string) (string, bool) {
		if strings.HasPrefix(from, prefix) {
			return from, true
		}
		return "", from < prefix
	}
	return func(yield func(string, detail) bool) {
		of := func(k kind, what string) bool {
			begin, ok := behind(entitiesPrefix(k, account))
			if !ok || !wanted(what) {
				return true
			}
			for key, e := range s.entities(k, account, "/", begin, failed) {
				if !yield(key, detail{entity: e}) {
					return false
				}
			}
			return *failed == nil
		}
		policies := func(begin string, own, aws bool) bool {
			for key, p := range s.all(account, begin, own, aws, failed) {
				if aws && used.attached[p.arn()]+used.boundary[p.arn()] == 0 {
					continue
				}
				if !yield(key, detail{policy: p}) {
					return false
				}
			}
			return *failed == nil
		}
		if !of(groupKind, "Group") {
			return
		}
		if begin, ok := behind(policiesPrefix(account)); ok && wanted("LocalManagedPolicy") && !policies(begin, true, false) {
			return
		}
		if !of(roleKind, "Role") || !of(userKind, "User") {
			return
		}
		if wanted("AWSManagedPolicy") {
			policies(from, false, true)
		}
	}
}

func groupDetail(e *entity) iamshapes.GroupDetail {
	return iamshapes.GroupDetail{
		Path: ptr(e.path), GroupName: ptr(e.name), GroupId: ptr(e.id), Arn: ptr(e.arn()), CreateDate: ptr(e.created),
		GroupPolicyList: inlineDetails(e), AttachedManagedPolicies: attachedDetails(e),
	}
}

func (s *Service) roleDetail(e *entity) iamshapes.RoleDetail {
	return iamshapes.RoleDetail{
		Path: ptr(e.path), RoleName: ptr(e.name), RoleId: ptr(e.id), Arn: ptr(e.arn()), CreateDate: ptr(e.created),
		AssumeRolePolicyDocument: encoded(e.trust), InstanceProfileList: []iamshapes.InstanceProfile{},
		RolePolicyList: inlineDetails(e), AttachedManagedPolicies: attachedDetails(e),
		PermissionsBoundary: shapeBoundary(e), Tags: listOfTags(e.tags), RoleLastUsed: s.roleUse(e),
	}
}

func (s *Service) userDetail(ctx context.Context, e *entity) (iamshapes.UserDetail, error) {
	groups, err := s.groupsOfUser(ctx, e)
	if err != nil {
		return iamshapes.UserDetail{}, err
	}
	names := []string{}
	for _, g := range groups {
		names = append(names, g.name)
	}
	return iamshapes.UserDetail{
		Path: ptr(e.path), UserName: ptr(e.name), UserId: ptr(e.id), Arn: ptr(e.arn()), CreateDate: ptr(e.created),
		UserPolicyList: inlineDetails(e), GroupList: names, AttachedManagedPolicies: attachedDetails(e),
		PermissionsBoundary: shapeBoundary(e), Tags: listOfTags(e.tags),
	}, nil
}

func policyDetail(p *managed, used policyUse) iamshapes.ManagedPolicyDetail {
	d := iamshapes.ManagedPolicyDetail{
		PolicyName: ptr(p.name), PolicyId: ptr(p.id), Arn: ptr(p.arn()), Path: ptr(p.path), DefaultVersionId: ptr(p.current().id()),
		AttachmentCount: ptr(int32(used.attached[p.arn()])), PermissionsBoundaryUsageCount: ptr(int32(used.boundary[p.arn()])),
		IsAttachable: ptr(true), Description: text(p.description), CreateDate: ptr(p.created), UpdateDate: ptr(p.updated),
	}
	for i := len(p.versions) - 1; i >= 0; i-- {
		d.PolicyVersionList = append(d.PolicyVersionList, shapeVersion(&p.versions[i], p.versions[i].number == p.standard, true))
	}
	return d
}

func inlineDetails(e *entity) []iamshapes.PolicyDetail {
	list := []iamshapes.PolicyDetail{}
	for _, p := range e.inline {
		list = append(list, iamshapes.PolicyDetail{PolicyName: ptr(p.name), PolicyDocument: encoded(p.document)})
	}
	return list
}

func attachedDetails(e *entity) []iamshapes.AttachedPolicy {
	list := []iamshapes.AttachedPolicy{}
	for _, a := range e.attached {
		list = append(list, shapeAttached(a))
	}
	return list
}

func listOfTags(tags []tag) []iamshapes.Tag {
	list := []iamshapes.Tag{}
	for _, t := range tags {
		list = append(list, shapeTag(t))
	}
	return list
}
