package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

func (s *Service) groups() []service.Operation {
	return []service.Operation{
		service.Op("CreateGroup", "iam:CreateGroup", targets(func(_ context.Context, c *service.Call, in *iamshapes.CreateGroupRequest) (service.Target, error) {
			e := &entity{kind: groupKind, account: c.Caller.Account, path: pathOf(in.Path), name: value(in.GroupName)}
			return service.Target{ARN: e.arn(), Account: e.account}, nil
		}), func(ctx context.Context, c *service.Call, in *iamshapes.CreateGroupRequest) (*iamshapes.CreateGroupResponse, error) {
			e := entity{kind: groupKind, account: c.Caller.Account, name: *in.GroupName, path: pathOf(in.Path), created: c.Now}
			if err := s.create(ctx, &e, groupsMax, "GroupsPerAccount", ""); err != nil {
				return nil, err
			}
			return &iamshapes.CreateGroupResponse{Group: ptr(shapeGroup(&e))}, nil
		}),
		service.Op("GetGroup", "iam:GetGroup", onEntity(s, groupKind, func(in *iamshapes.GetGroupRequest) *string { return in.GroupName }, nil), s.getGroup),
		service.Op("ListGroups", "iam:ListGroups", listed[iamshapes.ListGroupsRequest]("group", func(in *iamshapes.ListGroupsRequest) *string { return in.PathPrefix }),
			func(_ context.Context, c *service.Call, in *iamshapes.ListGroupsRequest) (*iamshapes.ListGroupsResponse, error) {
				from, err := after(in.Marker)
				if err != nil {
					return nil, err
				}
				out := new(iamshapes.ListGroupsResponse)
				out.Groups, out.IsTruncated, out.Marker = page(mapped(s.entities(groupKind, c.Caller.Account, value(in.PathPrefix), from, &err), shapeGroup), in.MaxItems)
				return out, err
			}),
		service.Op("UpdateGroup", "iam:UpdateGroup", renamed(s, groupKind, func(in *iamshapes.UpdateGroupRequest) (name, path, to *string) {
			return in.GroupName, in.NewPath, in.NewGroupName
		}), func(ctx context.Context, c *service.Call, in *iamshapes.UpdateGroupRequest) (*iamshapes.UpdateGroupResponse, error) {
			return nil, s.rename(ctx, c, groupKind, *in.GroupName, in.NewPath, in.NewGroupName)
		}),
		service.Op("DeleteGroup", "iam:DeleteGroup", onEntity(s, groupKind, func(in *iamshapes.DeleteGroupRequest) *string { return in.GroupName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.DeleteGroupRequest) (*iamshapes.DeleteGroupResponse, error) {
				return nil, s.remove(ctx, c, groupKind, *in.GroupName)
			}),
		service.Op("AddUserToGroup", "iam:AddUserToGroup", onEntity(s, groupKind, func(in *iamshapes.AddUserToGroupRequest) *string { return in.GroupName }, nil), s.addUser),
		service.Op("RemoveUserFromGroup", "iam:RemoveUserFromGroup", onEntity(s, groupKind, func(in *iamshapes.RemoveUserFromGroupRequest) *string { return in.GroupName }, nil), s.removeUser),
		service.Op("ListGroupsForUser", "iam:ListGroupsForUser", onEntity(s, userKind, func(in *iamshapes.ListGroupsForUserRequest) *string { return in.UserName }, nil), s.groupsOf),
	}
}

// addUser makes a user a member of a group. Both rows say so: the user's names
// the group, and the group's counts its members, so that neither is deleted
// meanwhile. A row of its own makes the members of a group listed.
func (s *Service) addUser(ctx context.Context, c *service.Call, in *iamshapes.AddUserToGroupRequest) (*iamshapes.AddUserToGroupResponse, error) {
	return nil, s.d.update(ctx, func(tx Tx) error {
		g, u, err := s.pair(tx, c, *in.GroupName, *in.UserName)
		if err != nil || slices.Contains(u.groups, g.id) {
			return err
		}
		if len(u.groups) >= groupsOfUserMax {
			return quota("GroupsPerUser", groupsOfUserMax)
		}
		u.groups = append(u.groups, g.id)
		g.members++
		tx.Put(memberKey(g.account, g.id, u.id), []byte{formPlain})
		return putBoth(tx, g, u)
	})
}

func (s *Service) removeUser(ctx context.Context, c *service.Call, in *iamshapes.RemoveUserFromGroupRequest) (*iamshapes.RemoveUserFromGroupResponse, error) {
	return nil, s.d.update(ctx, func(tx Tx) error {
		g, u, err := s.pair(tx, c, *in.GroupName, *in.UserName)
		if err != nil {
			return err
		}
		i := slices.Index(u.groups, g.id)
		if i < 0 {
			return notFound(userKind, *in.UserName)
		}
		u.groups = slices.Delete(slices.Clone(u.groups), i, i+1)
		if g.members > 0 {
			g.members--
		}
		tx.Delete(memberKey(g.account, g.id, u.id))
		return putBoth(tx, g, u)
	})
}

func (s *Service) pair(tx Tx, c *service.Call, group, user string) (g, u *entity, err error) {
	if g, err = get(tx, groupKind, c.Caller.Account, group); err != nil {
		return nil, nil, err
	}
	u, err = get(tx, userKind, c.Caller.Account, user)
	return g, u, err
}

func putBoth(tx Tx, a, b *entity) error {
	if err := put(tx, a); err != nil {
		return err
	}
	return put(tx, b)
}

func (s *Service) getGroup(ctx context.Context, c *service.Call, in *iamshapes.GetGroupRequest) (*iamshapes.GetGroupResponse, error) {
	g, err := s.find(ctx, groupKind, c.Caller.Account, *in.GroupName)
	if err != nil {
		return nil, err
	}
	from, err := after(in.Marker)
	if err != nil {
		return nil, err
	}
	prefix := membersPrefix(g.account, g.id)
	out := &iamshapes.GetGroupResponse{Group: ptr(shapeGroup(g))}
	out.Users, out.IsTruncated, out.Marker = page(func(yield func(string, iamshapes.User) bool) {
		for key := range s.d.opt.Rows.Rows(prefix, from) {
			r := &reader{ctx: ctx, rows: s.d.opt.Rows}
			var u *entity
			if u, err = r.byID(strings.TrimPrefix(key, prefix)); err != nil {
				return
			}
			// One who left while this was listed is left out.
			if u != nil && !yield(key, listedUser(u)) {
				return
			}
		}
	}, in.MaxItems)
	return out, err
}

func (s *Service) groupsOf(ctx context.Context, c *service.Call, in *iamshapes.ListGroupsForUserRequest) (*iamshapes.ListGroupsForUserResponse, error) {
	u, err := s.find(ctx, userKind, c.Caller.Account, *in.UserName)
	if err != nil {
		return nil, err
	}
	groups, err := s.groupsOfUser(ctx, u)
	if err != nil {
		return nil, err
	}
	out := new(iamshapes.ListGroupsForUserResponse)
	out.Groups, out.IsTruncated, out.Marker, err = pageOf(groups, func(g *entity) string { return g.name }, shapeGroup, in.Marker, in.MaxItems)
	return out, err
}

// groupsOfUser gives a user's groups, by name.
func (s *Service) groupsOfUser(ctx context.Context, u *entity) ([]*entity, error) {
	var groups []*entity
	for _, id := range u.groups {
		r := &reader{ctx: ctx, rows: s.d.opt.Rows}
		g, err := r.byID(id)
		if err != nil {
			return nil, err
		}
		if g != nil {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b *entity) int { return strings.Compare(a.name, b.name) })
	return groups, nil
}

func shapeGroup(e *entity) iamshapes.Group {
	return iamshapes.Group{Path: ptr(e.path), GroupName: ptr(e.name), GroupId: ptr(e.id), Arn: ptr(e.arn()), CreateDate: ptr(e.created)}
}
