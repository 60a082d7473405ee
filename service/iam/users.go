package iam

import (
	"context"
	"iter"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

func (s *Service) users() []service.Operation {
	return []service.Operation{
		service.Op("CreateUser", "iam:CreateUser", targets(func(_ context.Context, c *service.Call, in *iamshapes.CreateUserRequest) (service.Target, error) {
			e := &entity{kind: userKind, account: c.Caller.Account, path: pathOf(in.Path), name: value(in.UserName)}
			return service.Target{ARN: e.arn(), Account: e.account, Keys: requestTags(&conditions{boundary: value(in.PermissionsBoundary)}, in.Tags)}, nil
		}), s.createUser),
		service.Op("GetUser", "iam:GetUser", onUserOrRoot(s, func(in *iamshapes.GetUserRequest) *string { return in.UserName }), s.getUser),
		service.Op("ListUsers", "iam:ListUsers", listed[iamshapes.ListUsersRequest]("user", func(in *iamshapes.ListUsersRequest) *string { return in.PathPrefix }), s.listUsers),
		service.Op("UpdateUser", "iam:UpdateUser", renamed(s, userKind, func(in *iamshapes.UpdateUserRequest) (name, path, to *string) {
			return in.UserName, in.NewPath, in.NewUserName
		}), s.updateUser),
		service.Op("DeleteUser", "iam:DeleteUser", onEntity(s, userKind, func(in *iamshapes.DeleteUserRequest) *string { return in.UserName }, nil), s.deleteUser),
		service.Op("TagUser", "iam:TagUser", onEntity(s, userKind, func(in *iamshapes.TagUserRequest) *string { return in.UserName },
			func(in *iamshapes.TagUserRequest) *conditions { return requestTags(new(conditions), in.Tags) }),
			func(ctx context.Context, c *service.Call, in *iamshapes.TagUserRequest) (*iamshapes.TagUserResponse, error) {
				return nil, s.tag(ctx, c, userKind, *in.UserName, in.Tags)
			}),
		service.Op("UntagUser", "iam:UntagUser", onEntity(s, userKind, func(in *iamshapes.UntagUserRequest) *string { return in.UserName },
			func(in *iamshapes.UntagUserRequest) *conditions { return &conditions{tagKeys: in.TagKeys} }),
			func(ctx context.Context, c *service.Call, in *iamshapes.UntagUserRequest) (*iamshapes.UntagUserResponse, error) {
				return nil, s.untag(ctx, c, userKind, *in.UserName, in.TagKeys)
			}),
		service.Op("ListUserTags", "iam:ListUserTags", onEntity(s, userKind, func(in *iamshapes.ListUserTagsRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListUserTagsRequest) (*iamshapes.ListUserTagsResponse, error) {
				e, err := s.find(ctx, userKind, c.Caller.Account, *in.UserName)
				if err != nil {
					return nil, err
				}
				out := new(iamshapes.ListUserTagsResponse)
				out.Tags, out.IsTruncated, out.Marker, err = pageTags(e.tags, in.Marker, in.MaxItems)
				return out, err
			}),
		service.Op("PutUserPermissionsBoundary", "iam:PutUserPermissionsBoundary",
			onEntity(s, userKind, func(in *iamshapes.PutUserPermissionsBoundaryRequest) *string { return in.UserName },
				func(in *iamshapes.PutUserPermissionsBoundaryRequest) *conditions {
					return &conditions{boundary: value(in.PermissionsBoundary)}
				}),
			func(ctx context.Context, c *service.Call, in *iamshapes.PutUserPermissionsBoundaryRequest) (*iamshapes.PutUserPermissionsBoundaryResponse, error) {
				return nil, s.bound(ctx, c, userKind, *in.UserName, *in.PermissionsBoundary)
			}),
		service.Op("DeleteUserPermissionsBoundary", "iam:DeleteUserPermissionsBoundary",
			onEntity(s, userKind, func(in *iamshapes.DeleteUserPermissionsBoundaryRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.DeleteUserPermissionsBoundaryRequest) (*iamshapes.DeleteUserPermissionsBoundaryResponse, error) {
				return nil, s.bound(ctx, c, userKind, *in.UserName, "")
			}),
	}
}

// pathOf is the path of something new.
func pathOf(p *string) string {
	if p == nil {
		return "/"
	}
	return *p
}

// listed is the target of an operation that lists entities under a path.
func listed[I any](what string, prefix func(in *I) *string) func(context.Context, *service.Call, *I) ([]service.Target, error) {
	return targets(func(_ context.Context, c *service.Call, in *I) (service.Target, error) {
		p := "/"
		if x := prefix(in); x != nil {
			p = *x
		}
		return service.Target{ARN: "arn:aws:iam::" + c.Caller.Account + ":" + what + p, Account: c.Caller.Account}, nil
	})
}

// renamed are the targets of an operation that may move an entity to another
// name or path: what it is and what it is to be, so that nobody makes by
// renaming what they may not make.
func renamed[I any](s *Service, k kind, of func(in *I) (name, path, to *string)) func(context.Context, *service.Call, *I) ([]service.Target, error) {
	return func(ctx context.Context, c *service.Call, in *I) ([]service.Target, error) {
		name, path, to := of(in)
		now, err := s.on(ctx, k, c.Caller.Account, value(name), nil)
		if err != nil {
			return nil, err
		}
		_, _, oldPath, oldName, _ := splitEntityARN(now.ARN)
		e := &entity{kind: k, account: c.Caller.Account, path: oldPath, name: oldName}
		if path != nil {
			e.path = *path
		}
		if to != nil {
			e.name = *to
		}
		list := []service.Target{now}
		if e.arn() != now.ARN {
			list = append(list, service.Target{ARN: e.arn(), Account: e.account, Keys: now.Keys})
		}
		return list, nil
	}
}

func (s *Service) createUser(ctx context.Context, c *service.Call, in *iamshapes.CreateUserRequest) (*iamshapes.CreateUserResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	e := entity{kind: userKind, account: c.Caller.Account, name: *in.UserName, path: pathOf(in.Path), created: c.Now, tags: tags}
	if err := s.create(ctx, &e, usersMax, "UsersPerAccount", value(in.PermissionsBoundary)); err != nil {
		return nil, err
	}
	return &iamshapes.CreateUserResponse{User: shapeUser(&e)}, nil
}

// create makes a user, group or role.
func (s *Service) create(ctx context.Context, e *entity, limit int, what, boundary string) error {
	if strings.HasPrefix(e.path, "/aws-service-role/") {
		return errServiceLinked
	}
	e.created = e.created.UTC().Truncate(1e9)
	return s.d.update(ctx, func(tx Tx) error {
		if _, taken := tx.Get(e.key()); taken {
			return exists(e.kind, e.name)
		}
		if err := room(tx, entitiesPrefix(e.kind, e.account), limit, what); err != nil {
			return err
		}
		e.id, e.boundary = newID(e.kind.idPrefix()), ""
		if _, taken := tx.Get(idKey(e.id)); taken {
			return realm.ErrRowConflict // one in 2^85
		}
		if err := s.setBoundary(tx, e, boundary); err != nil {
			return err
		}
		tx.Put(idKey(e.id), pointerTo(e).encode())
		return put(tx, e)
	})
}

func (s *Service) getUser(ctx context.Context, c *service.Call, in *iamshapes.GetUserRequest) (*iamshapes.GetUserResponse, error) {
	if in.UserName == nil && c.Caller.IsRoot() {
		return &iamshapes.GetUserResponse{User: &iamshapes.User{UserId: ptr(c.Caller.Account), Arn: ptr(c.Caller.ARN)}}, nil
	}
	name, err := userName(c, in.UserName)
	if err != nil {
		return nil, err
	}
	e, err := s.find(ctx, userKind, c.Caller.Account, name)
	if err != nil {
		return nil, err
	}
	return &iamshapes.GetUserResponse{User: shapeUser(e)}, nil
}

func (s *Service) listUsers(_ context.Context, c *service.Call, in *iamshapes.ListUsersRequest) (*iamshapes.ListUsersResponse, error) {
	from, err := after(in.Marker)
	if err != nil {
		return nil, err
	}
	out := new(iamshapes.ListUsersResponse)
	out.Users, out.IsTruncated, out.Marker = page(mapped(s.entities(userKind, c.Caller.Account, value(in.PathPrefix), from, &err), listedUser), in.MaxItems)
	return out, err
}

// rename moves an entity to another name or path.
func (s *Service) rename(ctx context.Context, c *service.Call, k kind, name string, path, to *string) error {
	return s.d.update(ctx, func(tx Tx) error {
		e, err := get(tx, k, c.Caller.Account, name)
		if err != nil {
			return err
		}
		old := e.key()
		if path != nil {
			if e.path = *path; strings.HasPrefix(e.path, "/aws-service-role/") {
				return errServiceLinked
			}
		}
		if to != nil {
			e.name = *to
		}
		if e.key() != old {
			if _, taken := tx.Get(e.key()); taken {
				return exists(k, e.name)
			}
			tx.Delete(old)
			tx.Put(idKey(e.id), pointerTo(e).encode())
		}
		return put(tx, e)
	})
}

func (s *Service) updateUser(ctx context.Context, c *service.Call, in *iamshapes.UpdateUserRequest) (*iamshapes.UpdateUserResponse, error) {
	return nil, s.rename(ctx, c, userKind, *in.UserName, in.NewPath, in.NewUserName)
}

func (s *Service) deleteUser(ctx context.Context, c *service.Call, in *iamshapes.DeleteUserRequest) (*iamshapes.DeleteUserResponse, error) {
	return nil, s.remove(ctx, c, userKind, *in.UserName)
}

// remove deletes an entity that has nothing any more.
func (s *Service) remove(ctx context.Context, c *service.Call, k kind, name string) error {
	return s.d.update(ctx, func(tx Tx) error {
		e, err := get(tx, k, c.Caller.Account, name)
		if err != nil {
			return err
		}
		switch {
		case len(e.groups) > 0 || e.members > 0:
			return errMustRemove
		case len(e.attached) > 0:
			return errMustDetach
		case len(e.inline) > 0:
			return errMustDelete
		case len(e.keys) > 0:
			return errMustKeys
		}
		if err := s.setBoundary(tx, e, ""); err != nil {
			return err
		}
		tx.Delete(e.key())
		tx.Delete(idKey(e.id))
		tx.Delete(usedKey(e.id))
		return nil
	})
}

func (s *Service) tag(ctx context.Context, c *service.Call, k kind, name string, tags []iamshapes.Tag) error {
	return s.change(ctx, k, c.Caller.Account, name, func(_ Tx, e *entity) (err error) {
		e.tags, err = withTags(e.tags, tags)
		return err
	})
}

func (s *Service) untag(ctx context.Context, c *service.Call, k kind, name string, keys []string) error {
	return s.change(ctx, k, c.Caller.Account, name, func(_ Tx, e *entity) error {
		e.tags = withoutTags(e.tags, keys)
		return nil
	})
}

func (s *Service) bound(ctx context.Context, c *service.Call, k kind, name, boundary string) error {
	return s.change(ctx, k, c.Caller.Account, name, func(tx Tx, e *entity) error { return s.setBoundary(tx, e, boundary) })
}

// shapeUser gives a user as CreateUser and GetUser answer it.
func shapeUser(e *entity) *iamshapes.User {
	u := listedUser(e)
	u.PermissionsBoundary, u.Tags = shapeBoundary(e), shapeTags(e.tags)
	return &u
}

// listedUser gives a user as lists have it.
func listedUser(e *entity) iamshapes.User {
	return iamshapes.User{Path: ptr(e.path), UserName: ptr(e.name), UserId: ptr(e.id), Arn: ptr(e.arn()), CreateDate: ptr(e.created)}
}

func shapeBoundary(e *entity) *iamshapes.AttachedPermissionsBoundary {
	if e.boundary == "" {
		return nil
	}
	return &iamshapes.AttachedPermissionsBoundary{PermissionsBoundaryType: ptr("Policy"), PermissionsBoundaryArn: ptr(e.boundary)}
}

func shapeAttached(policyARN string) iamshapes.AttachedPolicy {
	_, _, name, _ := splitPolicyARN(policyARN)
	return iamshapes.AttachedPolicy{PolicyName: ptr(name), PolicyArn: ptr(policyARN)}
}

// attachedUnder lists the managed policies of an entity whose path begins with
// a prefix, by name.
func attachedUnder(e *entity, prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, a := range e.attached {
			if _, path, _, ok := splitPolicyARN(a); ok && strings.HasPrefix(path, prefix) && !yield(a) {
				return
			}
		}
	}
}

var (
	_ policy.Context   = (*conditions)(nil)
	_ access.Directory = (*Directory)(nil)
)
