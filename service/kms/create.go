package kms

import (
	"context"
	"errors"
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
