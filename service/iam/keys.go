package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

func (s *Service) accessKeys() []service.Operation {
	return []service.Operation{
		service.Op("CreateAccessKey", "iam:CreateAccessKey", onEntity(s, userKind, func(in *iamshapes.CreateAccessKeyRequest) *string { return in.UserName }, nil), s.createKey),
		service.Op("ListAccessKeys", "iam:ListAccessKeys", onUserOrRoot(s, func(in *iamshapes.ListAccessKeysRequest) *string { return in.UserName }), s.listKeys),
		service.Op("UpdateAccessKey", "iam:UpdateAccessKey", onEntity(s, userKind, func(in *iamshapes.UpdateAccessKeyRequest) *string { return in.UserName }, nil), s.updateKey),
		service.Op("DeleteAccessKey", "iam:DeleteAccessKey", onEntity(s, userKind, func(in *iamshapes.DeleteAccessKeyRequest) *string { return in.UserName }, nil), s.deleteKey),
		service.Op("GetAccessKeyLastUsed", "iam:GetAccessKeyLastUsed", targets(func(ctx context.Context, c *service.Call, in *iamshapes.GetAccessKeyLastUsedRequest) (service.Target, error) {
			u, err := s.holderOf(ctx, c.Caller.Account, *in.AccessKeyId)
			if err != nil {
				return service.Target{}, err
			}
			if u == nil {
				return service.Target{ARN: "arn:aws:iam::" + c.Caller.Account + ":user/*", Account: c.Caller.Account}, nil
			}
			return service.Target{ARN: u.arn(), Account: u.account, Keys: &conditions{tags: u.tags}}, nil
		}), s.keyLastUsed),
	}
}

func (s *Service) createKey(ctx context.Context, c *service.Call, in *iamshapes.CreateAccessKeyRequest) (*iamshapes.CreateAccessKeyResponse, error) {
	name, err := userName(c, in.UserName)
	if err != nil {
		return nil, err
	}
	k := accessKey{account: c.Caller.Account, created: c.Now.UTC().Truncate(1e9)}
	secret := newSecret()
	err = s.change(ctx, userKind, c.Caller.Account, name, func(tx Tx, u *entity) error {
		if len(u.keys) >= keysOfUserMax {
			return quota("AccessKeysPerUser", keysOfUserMax)
		}
		name = u.name
		k.id, k.userID = newKeyID(), u.id
		if _, taken := tx.Get(accessKeyKey(k.id)); taken {
			return realm.ErrRowConflict // one in 2^80
		}
		k.sealed = s.d.opt.Seal.Seal([]byte(secret), sealedFor(k.id, k.userID))
		u.keys = append(u.keys, k.id)
		return putKeyRow(tx, &k)
	})
	if err != nil {
		return nil, err
	}
	return &iamshapes.CreateAccessKeyResponse{AccessKey: &iamshapes.AccessKey{
		UserName: ptr(name), AccessKeyId: ptr(k.id), Status: ptr(k.status()), SecretAccessKey: ptr(secret), CreateDate: ptr(k.created),
	}}, nil
}

func putKeyRow(tx Tx, k *accessKey) error {
	row, err := k.encode()
	if err != nil {
		return err
	}
	tx.Put(accessKeyKey(k.id), row)
	return nil
}

func (k *accessKey) status() string {
	if k.inactive {
		return "Inactive"
	}
	return "Active"
}

func (s *Service) listKeys(ctx context.Context, c *service.Call, in *iamshapes.ListAccessKeysRequest) (*iamshapes.ListAccessKeysResponse, error) {
	out := new(iamshapes.ListAccessKeysResponse)
	if in.UserName == nil && c.Caller.IsRoot() {
		// The root user's keys are the realm's to make and change: the one that
		// signed is shown, when it is not temporary.
		var keys []string
		if !strings.HasPrefix(c.Caller.AccessKey, temporaryKeyID) {
			keys = []string{c.Caller.AccessKey}
		}
		var err error
		out.AccessKeyMetadata, out.IsTruncated, out.Marker, err = pageOf(keys, func(k string) string { return k }, func(k string) iamshapes.AccessKeyMetadata {
			return iamshapes.AccessKeyMetadata{AccessKeyId: ptr(k), Status: ptr("Active")}
		}, in.Marker, in.MaxItems)
		return out, err
	}
	name, err := userName(c, in.UserName)
	if err != nil {
		return nil, err
	}
	u, err := s.find(ctx, userKind, c.Caller.Account, name)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, rows: s.d.opt.Rows}
	var keys []*accessKey
	for _, id := range slices.Sorted(slices.Values(u.keys)) {
		row, ok, err := r.get(accessKeyKey(id))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue // deleted meanwhile
		}
		k, err := decodeAccessKey(row)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	out.AccessKeyMetadata, out.IsTruncated, out.Marker, err = pageOf(keys, func(k *accessKey) string { return k.id }, func(k *accessKey) iamshapes.AccessKeyMetadata {
		return iamshapes.AccessKeyMetadata{UserName: ptr(u.name), AccessKeyId: ptr(k.id), Status: ptr(k.status()), CreateDate: ptr(k.created)}
	}, in.Marker, in.MaxItems)
	return out, err
}

// keyOf reads a user's access key in a transaction.
func keyOf(tx Tx, u *entity, id string) (*accessKey, error) {
	row, ok := tx.Get(accessKeyKey(id))
	if !ok || !slices.Contains(u.keys, id) {
		return nil, keyNotFound(id)
	}
	return decodeAccessKey(row)
}

func (s *Service) updateKey(ctx context.Context, c *service.Call, in *iamshapes.UpdateAccessKeyRequest) (*iamshapes.UpdateAccessKeyResponse, error) {
	name, err := userName(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if *in.Status == "Expired" {
		return nil, ErrInvalidInput.Text("The status Expired can't be set.")
	}
	return nil, s.d.update(ctx, func(tx Tx) error {
		u, err := get(tx, userKind, c.Caller.Account, name)
		if err != nil {
			return err
		}
		k, err := keyOf(tx, u, *in.AccessKeyId)
		if err != nil {
			return err
		}
		k.inactive = *in.Status == "Inactive"
		return putKeyRow(tx, k)
	})
}

func (s *Service) deleteKey(ctx context.Context, c *service.Call, in *iamshapes.DeleteAccessKeyRequest) (*iamshapes.DeleteAccessKeyResponse, error) {
	name, err := userName(c, in.UserName)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, userKind, c.Caller.Account, name, func(tx Tx, u *entity) error {
		k, err := keyOf(tx, u, *in.AccessKeyId)
		if err != nil {
			return err
		}
		u.keys = slices.DeleteFunc(slices.Clone(u.keys), func(id string) bool { return id == k.id })
		tx.Delete(accessKeyKey(k.id))
		tx.Delete(usedKey(k.id))
		return nil
	})
}

// holderOf gives the user of an account who has an access key, or nil.
func (s *Service) holderOf(ctx context.Context, account, id string) (*entity, error) {
	r := &reader{ctx: ctx, rows: s.d.opt.Rows}
	row, ok, err := r.get(accessKeyKey(id))
	if err != nil || !ok {
		return nil, err
	}
	k, err := decodeAccessKey(row)
	if err != nil || k.account != account {
		return nil, err
	}
	return r.byID(k.userID)
}

func (s *Service) keyLastUsed(ctx context.Context, c *service.Call, in *iamshapes.GetAccessKeyLastUsedRequest) (*iamshapes.GetAccessKeyLastUsedResponse, error) {
	u, err := s.holderOf(ctx, c.Caller.Account, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, keyNotFound(*in.AccessKeyId)
	}
	out := &iamshapes.GetAccessKeyLastUsedResponse{UserName: ptr(u.name), AccessKeyLastUsed: &iamshapes.AccessKeyLastUsed{ServiceName: ptr("N/A"), Region: ptr("N/A")}}
	if last, ok := s.d.lastUse(*in.AccessKeyId); ok {
		out.AccessKeyLastUsed = &iamshapes.AccessKeyLastUsed{ServiceName: ptr(last.service), Region: ptr(last.region), LastUsedDate: ptr(last.at)}
	}
	return out, nil
}
