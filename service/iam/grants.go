package iam

import (
	"context"
	"slices"

	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

// grants are the operations on the policies of users, groups and roles:
// managed ones that are attached, and inline ones.
func (s *Service) grants() []service.Operation {
	return []service.Operation{
		service.Op("AttachUserPolicy", "iam:AttachUserPolicy", onEntity(s, userKind, func(in *iamshapes.AttachUserPolicyRequest) *string { return in.UserName },
			func(in *iamshapes.AttachUserPolicyRequest) *conditions {
				return &conditions{policyARN: value(in.PolicyArn)}
			}),
			func(ctx context.Context, c *service.Call, in *iamshapes.AttachUserPolicyRequest) (*iamshapes.AttachUserPolicyResponse, error) {
				return nil, s.change(ctx, userKind, c.Caller.Account, *in.UserName, func(tx Tx, e *entity) error { return s.attach(tx, e, *in.PolicyArn) })
			}),
		service.Op("DetachUserPolicy", "iam:DetachUserPolicy", onEntity(s, userKind, func(in *iamshapes.DetachUserPolicyRequest) *string { return in.UserName },
			func(in *iamshapes.DetachUserPolicyRequest) *conditions {
				return &conditions{policyARN: value(in.PolicyArn)}
			}),
			func(ctx context.Context, c *service.Call, in *iamshapes.DetachUserPolicyRequest) (*iamshapes.DetachUserPolicyResponse, error) {
				return nil, s.change(ctx, userKind, c.Caller.Account, *in.UserName, func(tx Tx, e *entity) error { return s.detach(tx, e, *in.PolicyArn) })
			}),
		service.Op("ListAttachedUserPolicies", "iam:ListAttachedUserPolicies", onEntity(s, userKind, func(in *iamshapes.ListAttachedUserPoliciesRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListAttachedUserPoliciesRequest) (*iamshapes.ListAttachedUserPoliciesResponse, error) {
				out := new(iamshapes.ListAttachedUserPoliciesResponse)
				var err error
				out.AttachedPolicies, out.IsTruncated, out.Marker, err = s.listAttached(ctx, c, userKind, *in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("PutUserPolicy", "iam:PutUserPolicy", onEntity(s, userKind, func(in *iamshapes.PutUserPolicyRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.PutUserPolicyRequest) (*iamshapes.PutUserPolicyResponse, error) {
				return nil, s.change(ctx, userKind, c.Caller.Account, *in.UserName, func(_ Tx, e *entity) error {
					return s.putInline(e, *in.PolicyName, *in.PolicyDocument)
				})
			}),
		service.Op("GetUserPolicy", "iam:GetUserPolicy", onEntity(s, userKind, func(in *iamshapes.GetUserPolicyRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.GetUserPolicyRequest) (*iamshapes.GetUserPolicyResponse, error) {
				e, p, err := s.inlineOf(ctx, c, userKind, *in.UserName, *in.PolicyName)
				if err != nil {
					return nil, err
				}
				return &iamshapes.GetUserPolicyResponse{UserName: ptr(e.name), PolicyName: ptr(p.name), PolicyDocument: encoded(p.document)}, nil
			}),
		service.Op("ListUserPolicies", "iam:ListUserPolicies", onEntity(s, userKind, func(in *iamshapes.ListUserPoliciesRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListUserPoliciesRequest) (*iamshapes.ListUserPoliciesResponse, error) {
				out := new(iamshapes.ListUserPoliciesResponse)
				var err error
				out.PolicyNames, out.IsTruncated, out.Marker, err = s.listInline(ctx, c, userKind, *in.UserName, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("DeleteUserPolicy", "iam:DeleteUserPolicy", onEntity(s, userKind, func(in *iamshapes.DeleteUserPolicyRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.DeleteUserPolicyRequest) (*iamshapes.DeleteUserPolicyResponse, error) {
				return nil, s.change(ctx, userKind, c.Caller.Account, *in.UserName, func(_ Tx, e *entity) error { return e.deleteInline(*in.PolicyName) })
			}),
		service.Op("AttachGroupPolicy", "iam:AttachGroupPolicy", onEntity(s, groupKind, func(in *iamshapes.AttachGroupPolicyRequest) *string { return in.GroupName },
			func(in *iamshapes.AttachGroupPolicyRequest) *conditions {
				return &conditions{policyARN: value(in.PolicyArn)}
			}),
			func(ctx context.Context, c *service.Call, in *iamshapes.AttachGroupPolicyRequest) (*iamshapes.AttachGroupPolicyResponse, error) {
				return nil, s.change(ctx, groupKind, c.Caller.Account, *in.GroupName, func(tx Tx, e *entity) error { return s.attach(tx, e, *in.PolicyArn) })
			}),
		service.Op("DetachGroupPolicy", "iam:DetachGroupPolicy", onEntity(s, groupKind, func(in *iamshapes.DetachGroupPolicyRequest) *string { return in.GroupName },
			func(in *iamshapes.DetachGroupPolicyRequest) *conditions {
				return &conditions{policyARN: value(in.PolicyArn)}
			}),
			func(ctx context.Context, c *service.Call, in *iamshapes.DetachGroupPolicyRequest) (*iamshapes.DetachGroupPolicyResponse, error) {
				return nil, s.change(ctx, groupKind, c.Caller.Account, *in.GroupName, func(tx Tx, e *entity) error { return s.detach(tx, e, *in.PolicyArn) })
			}),
		service.Op("ListAttachedGroupPolicies", "iam:ListAttachedGroupPolicies", onEntity(s, groupKind, func(in *iamshapes.ListAttachedGroupPoliciesRequest) *string { return in.GroupName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListAttachedGroupPoliciesRequest) (*iamshapes.ListAttachedGroupPoliciesResponse, error) {
				out := new(iamshapes.ListAttachedGroupPoliciesResponse)
				var err error
				out.AttachedPolicies, out.IsTruncated, out.Marker, err = s.listAttached(ctx, c, groupKind, *in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("PutGroupPolicy", "iam:PutGroupPolicy", onEntity(s, groupKind, func(in *iamshapes.PutGroupPolicyRequest) *string { return in.GroupName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.PutGroupPolicyRequest) (*iamshapes.PutGroupPolicyResponse, error) {
				return nil, s.change(ctx, groupKind, c.Caller.Account, *in.GroupName, func(_ Tx, e *entity) error {
					return s.putInline(e, *in.PolicyName, *in.PolicyDocument)
				})
			}),
		service.Op("GetGroupPolicy", "iam:GetGroupPolicy", onEntity(s, groupKind, func(in *iamshapes.GetGroupPolicyRequest) *string { return in.GroupName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.GetGroupPolicyRequest) (*iamshapes.GetGroupPolicyResponse, error) {
				e, p, err := s.inlineOf(ctx, c, groupKind, *in.GroupName, *in.PolicyName)
				if err != nil {
					return nil, err
				}
				return &iamshapes.GetGroupPolicyResponse{GroupName: ptr(e.name), PolicyName: ptr(p.name), PolicyDocument: encoded(p.document)}, nil
			}),
		service.Op("ListGroupPolicies", "iam:ListGroupPolicies", onEntity(s, groupKind, func(in *iamshapes.ListGroupPoliciesRequest) *string { return in.GroupName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListGroupPoliciesRequest) (*iamshapes.ListGroupPoliciesResponse, error) {
				out := new(iamshapes.ListGroupPoliciesResponse)
				var err error
				out.PolicyNames, out.IsTruncated, out.Marker, err = s.listInline(ctx, c, groupKind, *in.GroupName, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("DeleteGroupPolicy", "iam:DeleteGroupPolicy", onEntity(s, groupKind, func(in *iamshapes.DeleteGroupPolicyRequest) *string { return in.GroupName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.DeleteGroupPolicyRequest) (*iamshapes.DeleteGroupPolicyResponse, error) {
				return nil, s.change(ctx, groupKind, c.Caller.Account, *in.GroupName, func(_ Tx, e *entity) error { return e.deleteInline(*in.PolicyName) })
			}),
		service.Op("AttachRolePolicy", "iam:AttachRolePolicy", onEntity(s, roleKind, func(in *iamshapes.AttachRolePolicyRequest) *string { return in.RoleName },
			func(in *iamshapes.AttachRolePolicyRequest) *conditions {
				return &conditions{policyARN: value(in.PolicyArn)}
			}),
			func(ctx context.Context, c *service.Call, in *iamshapes.AttachRolePolicyRequest) (*iamshapes.AttachRolePolicyResponse, error) {
				return nil, s.change(ctx, roleKind, c.Caller.Account, *in.RoleName, func(tx Tx, e *entity) error { return s.attach(tx, e, *in.PolicyArn) })
			}),
		service.Op("DetachRolePolicy", "iam:DetachRolePolicy", onEntity(s, roleKind, func(in *iamshapes.DetachRolePolicyRequest) *string { return in.RoleName },
			func(in *iamshapes.DetachRolePolicyRequest) *conditions {
				return &conditions{policyARN: value(in.PolicyArn)}
			}),
			func(ctx context.Context, c *service.Call, in *iamshapes.DetachRolePolicyRequest) (*iamshapes.DetachRolePolicyResponse, error) {
				return nil, s.change(ctx, roleKind, c.Caller.Account, *in.RoleName, func(tx Tx, e *entity) error { return s.detach(tx, e, *in.PolicyArn) })
			}),
		service.Op("ListAttachedRolePolicies", "iam:ListAttachedRolePolicies", onEntity(s, roleKind, func(in *iamshapes.ListAttachedRolePoliciesRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListAttachedRolePoliciesRequest) (*iamshapes.ListAttachedRolePoliciesResponse, error) {
				out := new(iamshapes.ListAttachedRolePoliciesResponse)
				var err error
				out.AttachedPolicies, out.IsTruncated, out.Marker, err = s.listAttached(ctx, c, roleKind, *in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("PutRolePolicy", "iam:PutRolePolicy", onEntity(s, roleKind, func(in *iamshapes.PutRolePolicyRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.PutRolePolicyRequest) (*iamshapes.PutRolePolicyResponse, error) {
				return nil, s.change(ctx, roleKind, c.Caller.Account, *in.RoleName, func(_ Tx, e *entity) error {
					return s.putInline(e, *in.PolicyName, *in.PolicyDocument)
				})
			}),
		service.Op("GetRolePolicy", "iam:GetRolePolicy", onEntity(s, roleKind, func(in *iamshapes.GetRolePolicyRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.GetRolePolicyRequest) (*iamshapes.GetRolePolicyResponse, error) {
				e, p, err := s.inlineOf(ctx, c, roleKind, *in.RoleName, *in.PolicyName)
				if err != nil {
					return nil, err
				}
				return &iamshapes.GetRolePolicyResponse{RoleName: ptr(e.name), PolicyName: ptr(p.name), PolicyDocument: encoded(p.document)}, nil
			}),
		service.Op("ListRolePolicies", "iam:ListRolePolicies", onEntity(s, roleKind, func(in *iamshapes.ListRolePoliciesRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListRolePoliciesRequest) (*iamshapes.ListRolePoliciesResponse, error) {
				out := new(iamshapes.ListRolePoliciesResponse)
				var err error
				out.PolicyNames, out.IsTruncated, out.Marker, err = s.listInline(ctx, c, roleKind, *in.RoleName, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("DeleteRolePolicy", "iam:DeleteRolePolicy", onEntity(s, roleKind, func(in *iamshapes.DeleteRolePolicyRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.DeleteRolePolicyRequest) (*iamshapes.DeleteRolePolicyResponse, error) {
				return nil, s.change(ctx, roleKind, c.Caller.Account, *in.RoleName, func(_ Tx, e *entity) error { return e.deleteInline(*in.PolicyName) })
			}),
	}
}

// listAttached takes one page of an entity's managed policies, by ARN.
func (s *Service) listAttached(ctx context.Context, c *service.Call, k kind, name string, prefix, marker *string, max *int32) ([]iamshapes.AttachedPolicy, *bool, *string, error) {
	e, err := s.find(ctx, k, c.Caller.Account, name)
	if err != nil {
		return nil, nil, nil, err
	}
	return pageOf(slices.Sorted(attachedUnder(e, value(prefix))), func(a string) string { return a }, shapeAttached, marker, max)
}

// listInline takes one page of the names of an entity's inline policies.
func (s *Service) listInline(ctx context.Context, c *service.Call, k kind, name string, marker *string, max *int32) ([]string, *bool, *string, error) {
	e, err := s.find(ctx, k, c.Caller.Account, name)
	if err != nil {
		return nil, nil, nil, err
	}
	of := func(p inline) string { return p.name }
	return pageOf(e.inline, of, of, marker, max)
}

func (s *Service) inlineOf(ctx context.Context, c *service.Call, k kind, name, policyName string) (*entity, *inline, error) {
	e, err := s.find(ctx, k, c.Caller.Account, name)
	if err != nil {
		return nil, nil, err
	}
	p, err := e.inlinePolicy(policyName)
	return e, p, err
}
