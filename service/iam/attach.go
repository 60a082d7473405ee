package iam

import (
	"errors"
	"slices"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/policy"
)

// getPolicy reads a customer's managed policy in a transaction. It is nil when
// there is none, and for a policy of AWS, which has no row.
func getPolicy(tx Tx, policyARN string) (*managed, error) {
	account, path, name, ok := splitPolicyARN(policyARN)
	if !ok || account == awsAccount {
		return nil, nil
	}
	row, ok := tx.Get(policyKey(account, name))
	if !ok {
		return nil, nil
	}
	p, err := decodePolicy(row)
	if err != nil || p.path != path || p.name != name {
		return nil, err
	}
	return p, nil
}

func putManaged(tx Tx, p *managed) error {
	row, err := p.encode()
	if errors.Is(err, errRowLong) {
		return errTooLong
	}
	if err != nil {
		return err
	}
	tx.Put(p.key(), row)
	return nil
}

// attachable tells whether an account may use a managed policy, and gives it
// when it is a customer's.
func (s *Service) attachable(tx Tx, account, policyARN string) (p *managed, ok bool, err error) {
	owner, _, _, valid := splitPolicyARN(policyARN)
	switch {
	case !valid:
		if _, err := arn.Parse(policyARN); err != nil {
			return nil, false, errARN
		}
		return nil, false, nil
	case owner == awsAccount:
		return nil, s.d.aws[policyARN] != nil, nil
	case owner != account:
		return nil, false, nil
	}
	p, err = getPolicy(tx, policyARN)
	return p, p != nil, err
}

// perEntity names a quota of managed policies.
func (k kind) perEntity() string { return "PoliciesPer" + k.title() }

// attach attaches a managed policy. The policy's row counts who has it, so that
// it can't be deleted meanwhile.
func (s *Service) attach(tx Tx, e *entity, policyARN string) error {
	p, ok, err := s.attachable(tx, e.account, policyARN)
	if err != nil {
		return err
	}
	if !ok {
		return notAttachable(policyARN)
	}
	if slices.Contains(e.attached, policyARN) {
		return nil
	}
	if len(e.attached) >= attachedMax {
		return quota(e.kind.perEntity(), attachedMax)
	}
	e.attached = append(e.attached, policyARN)
	if p == nil {
		return nil
	}
	p.attachments++
	return putManaged(tx, p)
}

func (s *Service) detach(tx Tx, e *entity, policyARN string) error {
	i := slices.Index(e.attached, policyARN)
	if i < 0 {
		if _, err := arn.Parse(policyARN); err != nil {
			return errARN
		}
		return policyNotFound(policyARN)
	}
	e.attached = slices.Delete(slices.Clone(e.attached), i, i+1)
	p, err := getPolicy(tx, policyARN)
	if err != nil || p == nil {
		return err
	}
	if p.attachments > 0 {
		p.attachments--
	}
	return putManaged(tx, p)
}

// setBoundary gives an entity a permissions boundary, or takes it away when it
// is empty.
func (s *Service) setBoundary(tx Tx, e *entity, policyARN string) error {
	if e.boundary == policyARN {
		return nil
	}
	if policyARN != "" {
		p, ok, err := s.attachable(tx, e.account, policyARN)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoSuchEntity.Text("Scope ARN: %s does not exist or is not attachable.", policyARN)
		}
		if p != nil {
			p.boundaries++
			if err := putManaged(tx, p); err != nil {
				return err
			}
		}
	}
	if e.boundary != "" {
		p, err := getPolicy(tx, e.boundary)
		if err != nil {
			return err
		}
		if p != nil && p.boundaries > 0 {
			p.boundaries--
			if err := putManaged(tx, p); err != nil {
				return err
			}
		}
	}
	e.boundary = policyARN
	return nil
}

// inlineMax is how many characters the inline policies of an entity may have.
func (k kind) inlineMax() int {
	switch k {
	case userKind:
		return userInlineMax
	case groupKind:
		return groupInlineMax
	}
	return roleInlineMax
}

// putInline gives an entity an inline policy in place of one of that name.
func (s *Service) putInline(e *entity, name, document string) error {
	if _, err := s.d.parse(document, policy.Identity); err != nil {
		return malformed(err, policy.Identity)
	}
	i, found := slices.BinarySearchFunc(e.inline, name, byName)
	list := slices.Clone(e.inline)
	if found {
		list[i].document = document
	} else {
		list = slices.Insert(list, i, inline{name, document})
	}
	total := 0
	for _, p := range list {
		total += size(p.document)
	}
	if total > e.kind.inlineMax() {
		return ErrLimit.Text("Maximum policy size of %d bytes exceeded for %s %s", e.kind.inlineMax(), e.kind, e.name)
	}
	e.inline = list
	return nil
}

func (e *entity) inlinePolicy(name string) (*inline, error) {
	i, found := slices.BinarySearchFunc(e.inline, name, byName)
	if !found {
		return nil, ErrNoSuchEntity.Text("The %s policy with name %s cannot be found.", e.kind, name)
	}
	return &e.inline[i], nil
}

func (e *entity) deleteInline(name string) error {
	i, found := slices.BinarySearchFunc(e.inline, name, byName)
	if !found {
		return ErrNoSuchEntity.Text("The %s policy with name %s cannot be found.", e.kind, name)
	}
	e.inline = slices.Delete(slices.Clone(e.inline), i, i+1)
	return nil
}

func byName(p inline, name string) int {
	switch {
	case p.name < name:
		return -1
	case p.name > name:
		return 1
	}
	return 0
}
