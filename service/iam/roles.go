package iam

import (
	"context"

	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

func (s *Service) roles() []service.Operation {
	return []service.Operation{
		service.Op("CreateRole", "iam:CreateRole", targets(func(_ context.Context, c *service.Call, in *iamshapes.CreateRoleRequest) (service.Target, error) {
			e := &entity{kind: roleKind, account: c.Caller.Account, path: pathOf(in.Path), name: value(in.RoleName)}
			return service.Target{ARN: e.arn(), Account: e.account, Keys: requestTags(&conditions{boundary: value(in.PermissionsBoundary)}, in.Tags)}, nil
		}), s.createRole),
		service.Op("GetRole", "iam:GetRole", onEntity(s, roleKind, func(in *iamshapes.GetRoleRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.GetRoleRequest) (*iamshapes.GetRoleResponse, error) {
				e, err := s.find(ctx, roleKind, c.Caller.Account, *in.RoleName)
				if err != nil {
					return nil, err
				}
				if err := s.meant(ctx, e); err != nil {
					return nil, err
				}
				return &iamshapes.GetRoleResponse{Role: s.shapeRole(e)}, nil
			}),
		service.Op("ListRoles", "iam:ListRoles", listed[iamshapes.ListRolesRequest]("role", func(in *iamshapes.ListRolesRequest) *string { return in.PathPrefix }),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListRolesRequest) (*iamshapes.ListRolesResponse, error) {
				from, err := after(in.Marker)
				if err != nil {
					return nil, err
				}
				out := new(iamshapes.ListRolesResponse)
				out.Roles, out.IsTruncated, out.Marker = page(mapped(s.entities(roleKind, c.Caller.Account, value(in.PathPrefix), from, &err), func(e *entity) iamshapes.Role {
					if failed := s.meant(ctx, e); failed != nil {
						err = failed
					}
					return listedRole(e)
				}), in.MaxItems)
				return out, err
			}),
		service.Op("UpdateRole", "iam:UpdateRole", onEntity(s, roleKind, func(in *iamshapes.UpdateRoleRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.UpdateRoleRequest) (*iamshapes.UpdateRoleResponse, error) {
				return new(iamshapes.UpdateRoleResponse), s.change(ctx, roleKind, c.Caller.Account, *in.RoleName, func(_ Tx, e *entity) error {
					if in.Description != nil {
						e.description = *in.Description
					}
					if in.MaxSessionDuration != nil {
						e.maxSession = uint64(*in.MaxSessionDuration)
					}
					return nil
				})
			}),
		service.Op("UpdateRoleDescription", "iam:UpdateRoleDescription", onEntity(s, roleKind, func(in *iamshapes.UpdateRoleDescriptionRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.UpdateRoleDescriptionRequest) (*iamshapes.UpdateRoleDescriptionResponse, error) {
				var role iamshapes.Role
				err := s.change(ctx, roleKind, c.Caller.Account, *in.RoleName, func(_ Tx, e *entity) error {
					e.description = *in.Description
					shown := *e
					err := s.meant(ctx, &shown)
					role = listedRole(&shown)
					return err
				})
				if err != nil {
					return nil, err
				}
				return &iamshapes.UpdateRoleDescriptionResponse{Role: &role}, nil
			}),
		service.Op("UpdateAssumeRolePolicy", "iam:UpdateAssumeRolePolicy", onEntity(s, roleKind, func(in *iamshapes.UpdateAssumeRolePolicyRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.UpdateAssumeRolePolicyRequest) (*iamshapes.UpdateAssumeRolePolicyResponse, error) {
				trusted, err := s.checkTrust(ctx, *in.PolicyDocument)
				if err != nil {
					return nil, err
				}
				return nil, s.change(ctx, roleKind, c.Caller.Account, *in.RoleName, func(_ Tx, e *entity) error {
					e.trust, e.trusted = *in.PolicyDocument, trusted
					return nil
				})
			}),
		service.Op("DeleteRole", "iam:DeleteRole", onEntity(s, roleKind, func(in *iamshapes.DeleteRoleRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.DeleteRoleRequest) (*iamshapes.DeleteRoleResponse, error) {
				return nil, s.remove(ctx, c, roleKind, *in.RoleName)
			}),
		service.Op("TagRole", "iam:TagRole", onEntity(s, roleKind, func(in *iamshapes.TagRoleRequest) *string { return in.RoleName },
			func(in *iamshapes.TagRoleRequest) *conditions { return requestTags(new(conditions), in.Tags) }),
			func(ctx context.Context, c *service.Call, in *iamshapes.TagRoleRequest) (*iamshapes.TagRoleResponse, error) {
				return nil, s.tag(ctx, c, roleKind, *in.RoleName, in.Tags)
			}),
		service.Op("UntagRole", "iam:UntagRole", onEntity(s, roleKind, func(in *iamshapes.UntagRoleRequest) *string { return in.RoleName },
			func(in *iamshapes.UntagRoleRequest) *conditions { return &conditions{tagKeys: in.TagKeys} }),
			func(ctx context.Context, c *service.Call, in *iamshapes.UntagRoleRequest) (*iamshapes.UntagRoleResponse, error) {
				return nil, s.untag(ctx, c, roleKind, *in.RoleName, in.TagKeys)
			}),
		service.Op("ListRoleTags", "iam:ListRoleTags", onEntity(s, roleKind, func(in *iamshapes.ListRoleTagsRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListRoleTagsRequest) (*iamshapes.ListRoleTagsResponse, error) {
				e, err := s.find(ctx, roleKind, c.Caller.Account, *in.RoleName)
				if err != nil {
					return nil, err
				}
				out := new(iamshapes.ListRoleTagsResponse)
				out.Tags, out.IsTruncated, out.Marker, err = pageTags(e.tags, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("PutRolePermissionsBoundary", "iam:PutRolePermissionsBoundary",
			onEntity(s, roleKind, func(in *iamshapes.PutRolePermissionsBoundaryRequest) *string { return in.RoleName },
				func(in *iamshapes.PutRolePermissionsBoundaryRequest) *conditions {
					return &conditions{boundary: value(in.PermissionsBoundary)}
				}),
			func(ctx context.Context, c *service.Call, in *iamshapes.PutRolePermissionsBoundaryRequest) (*iamshapes.PutRolePermissionsBoundaryResponse, error) {
				return nil, s.bound(ctx, c, roleKind, *in.RoleName, *in.PermissionsBoundary)
			}),
		service.Op("DeleteRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary",
			onEntity(s, roleKind, func(in *iamshapes.DeleteRolePermissionsBoundaryRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.DeleteRolePermissionsBoundaryRequest) (*iamshapes.DeleteRolePermissionsBoundaryResponse, error) {
				return nil, s.bound(ctx, c, roleKind, *in.RoleName, "")
			}),
	}
}

func (s *Service) createRole(ctx context.Context, c *service.Call, in *iamshapes.CreateRoleRequest) (*iamshapes.CreateRoleResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	trusted, err := s.checkTrust(ctx, *in.AssumeRolePolicyDocument)
	if err != nil {
		return nil, err
	}
	e := entity{
		kind: roleKind, account: c.Caller.Account, name: *in.RoleName, path: pathOf(in.Path), created: c.Now, tags: tags,
		description: value(in.Description), trust: *in.AssumeRolePolicyDocument, trusted: trusted, maxSession: maxSessionOfRole,
	}
	if in.MaxSessionDuration != nil {
		e.maxSession = uint64(*in.MaxSessionDuration)
	}
	if err := s.create(ctx, &e, rolesMax, "RolesPerAccount", value(in.PermissionsBoundary)); err != nil {
		return nil, err
	}
	// AWS shows neither description nor session length here.
	role := listedRole(&e)
	role.Description, role.MaxSessionDuration = nil, nil
	role.PermissionsBoundary, role.Tags = shapeBoundary(&e), shapeTags(e.tags)
	return &iamshapes.CreateRoleResponse{Role: &role}, nil
}

// shapeRole gives a role as GetRole answers it.
func (s *Service) shapeRole(e *entity) *iamshapes.Role {
	role := listedRole(e)
	role.PermissionsBoundary, role.Tags, role.RoleLastUsed = shapeBoundary(e), shapeTags(e.tags), s.roleUse(e)
	return &role
}

// meant puts the trust policy as it counts now into a role that is shown.
func (s *Service) meant(ctx context.Context, e *entity) (err error) {
	e.trust, err = trustNow(&reader{ctx: ctx, rows: s.d.opt.Rows}, e)
	return err
}

// listedRole gives a role as lists have it.
func listedRole(e *entity) iamshapes.Role {
	return iamshapes.Role{
		Path: ptr(e.path), RoleName: ptr(e.name), RoleId: ptr(e.id), Arn: ptr(e.arn()), CreateDate: ptr(e.created),
		AssumeRolePolicyDocument: encoded(e.trust), Description: text(e.description), MaxSessionDuration: ptr(int32(e.maxSession)),
	}
}

// roleUse tells when a role was used last: nothing in it when it was not.
func (s *Service) roleUse(e *entity) *iamshapes.RoleLastUsed {
	u, ok := s.d.lastUse(e.id)
	if !ok {
		return new(iamshapes.RoleLastUsed)
	}
	return &iamshapes.RoleLastUsed{LastUsedDate: ptr(u.at), Region: ptr(u.region)}
}
