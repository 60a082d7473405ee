package kms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/kv"
)

// keysPerAccount is AWS's quota of keys of an account in a region.
const keysPerAccount = 100_000

// counts is the row of what an account has.
type counts struct{ Keys int }

// draft is a key that is to be made.
type draft struct {
	id, account, description, policy, manager string
	period                                    int // of automatic rotation, in days
	tags                                      []Tag
	alias                                     string // that it gets with it
}

// create makes a key. The draft was checked before.
func (e *Engine) create(ctx context.Context, d *draft) error {
	m, err := e.newMaterial(ctx, d.account, d.id, 1, "")
	if err != nil {
		return err
	}
	return e.update(ctx, func(tx *kv.Tx) error {
		if _, err := readRecord(tx, d.id); !errors.Is(err, errNoKey) {
			return errors.Join(errors.New("kms: this ID is taken"), err) // 122 random bits
		}
		if d.alias != "" {
			if taken, err := absent(second(tx.Get(path(rowAlias, d.account, "/", d.alias)))); taken || err != nil {
				return errors.Join(errSame, err)
			}
		}
		if err := countKeys(tx, d.account, 1); err != nil {
			return err
		}
		r := &record{Account: d.account, Description: d.description, State: Enabled, Manager: d.manager, Created: m.Created, Materials: 1, Tags: len(d.tags)}
		if d.period > 0 {
			r.Period = d.period
			setNext(tx, d.id, r, r.Created.Add(days(d.period)))
		}
		tx.Put(path(rowOwned, d.account, "/", d.id), nil)
		tx.Put(path(rowPolicy, d.id), []byte(d.policy))
		tx.Put(materialKey(d.id, 1), encodeRow(m))
		for _, t := range d.tags {
			tx.Put(path(rowTag, d.id, "/", t.Key), []byte(t.Value))
		}
		if d.alias != "" {
			r.Aliases = 1
			putAlias(tx, d.account, d.alias, &aliasRecord{Key: d.id, Created: m.Created, Updated: m.Created})
		}
		writeRecord(tx, d.id, r)
		return nil
	}, d.id)
}

func second[T any](_ T, err error) error { return err }

// countKeys adds to the number of an account's keys.
func countKeys(tx *kv.Tx, account string, n int) error {
	at := path(rowCount, account)
	var c counts
	raw, err := tx.Get(at)
	ok, err := absent(err)
	if err != nil {
		return err
	}
	if ok {
		if err := decodeRow(raw, &c); err != nil {
			return err
		}
	}
	c.Keys += n
	if n > 0 && c.Keys > keysPerAccount {
		return ErrLimitExceeded.Text("Key quota for this account in this region is %d but the current number of keys is %d", keysPerAccount, c.Keys-n)
	}
	tx.Put(at, encodeRow(c))
	return nil
}

// createManaged makes the AWS-managed key of an account for S3, under its
// alias, unless it is there by now, and gives its ID.
func (e *Engine) createManaged(ctx context.Context, account, alias string) (string, error) {
	if !arn.ValidAccount(account) {
		return "", errNoKey
	}
	d := &draft{
		id: newID(), account: account, alias: alias, manager: managerAWS, period: 365,
		description: "Default key that protects my S3 objects when no other key is defined",
		policy:      policyS3(e.opt.Region, account),
	}
	err := e.create(ctx, d)
	if errors.Is(err, errSame) {
		return e.aliased(ctx, account, alias)
	}
	if err != nil {
		return "", err
	}
	return d.id, nil
}

// policyRoot is the key policy that a key gets when none is given: the account
// decides, with its identity policies.
func policyRoot(account string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + account + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

// policyS3 is the key policy of the AWS-managed key for S3: whoever in the
// account may use S3 may use the key through S3, and the account may look at it.
// Nothing in it lets anybody disable, change or delete the key.
func policyS3(region, account string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "auto-s3-2",
  "Statement" : [ {
    "Sid" : "Allow access through S3 for all principals in the account that are authorized to use S3",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "` + account + `",
        "kms:ViaService" : "s3.` + region + `.amazonaws.com"
      }
    }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + account + `:root"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*" ],
    "Resource" : "*"
  } ]
}`
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// policyPrincipals gives the principals that a policy's statements name under
// AWS, as they stand there. The policy was parsed strictly before, so that no
// member of it can be hidden in another's shadow.
func policyPrincipals(text string) ([]string, error) {
	var doc struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	type statement struct{ Principal, NotPrincipal json.RawMessage }
	var list []statement
	if strings.HasPrefix(strings.TrimSpace(string(doc.Statement)), "{") {
		list = make([]statement, 1)
		if err := json.Unmarshal(doc.Statement, &list[0]); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(doc.Statement, &list); err != nil {
		return nil, err
	}
	var names []string
	for _, s := range list {
		for _, raw := range []json.RawMessage{s.Principal, s.NotPrincipal} {
			if len(raw) == 0 || raw[0] == '"' { // absent, or "*"
				continue
			}
			var kinds map[string]json.RawMessage
			if err := json.Unmarshal(raw, &kinds); err != nil {
				return nil, err
			}
			var of []string
			aws := kinds["AWS"]
			switch {
			case len(aws) == 0:
				continue
			case aws[0] == '"':
				of = make([]string, 1)
				if err := json.Unmarshal(aws, &of[0]); err != nil {
					return nil, err
				}
			default:
				if err := json.Unmarshal(aws, &of); err != nil {
					return nil, err
				}
			}
			names = append(names, of...)
		}
	}
	return names, nil
}

// principalKnown tells whether a principal may stand in a policy or a grant:
// everybody, an account, or a user, role or session that is there.
func (e *Engine) principalKnown(ctx context.Context, s string) (bool, error) {
	if s == "*" || arn.ValidAccount(s) {
		return true, nil
	}
	a, err := arn.Parse(s)
	if err != nil || a.Partition != "aws" || a.Region != "" || !arn.ValidAccount(a.Account) || a.Service != "iam" && a.Service != "sts" {
		return false, nil
	}
	if a.Service == "iam" && a.Resource == "root" {
		return true, nil
	}
	if e.opt.PrincipalExists == nil {
		return true, nil
	}
	ok, err := e.opt.PrincipalExists(ctx, s)
	if err != nil {
		return false, fmt.Errorf("kms: whether a principal is there: %w", err)
	}
	return ok, nil
}
