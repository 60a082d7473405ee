package server

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/realm"
)

// TestCanonicalAccounts holds that accounts are read once for each change of
// their rows, that a change is seen at once, and that an error is not kept.
func TestCanonicalAccounts(t *testing.T) {
	reads := 0
	list := []realm.Account{{ID: "111111111111", Name: "root"}}
	var fail error
	c := &canonicalAccounts{accounts: func() ([]realm.Account, error) { reads++; return list, fail }}
	first, second := access.CanonicalID("111111111111"), access.CanonicalID("222222222222")

	fail = errors.New("rows can't be read")
	if c.known(first) {
		t.Error("an account is known though the rows couldn't be read")
	}
	fail, reads = nil, 0
	for range 1000 {
		if got := c.displayName(first); got != "root" {
			t.Fatalf("displayName = %q", got)
		}
		if c.known(second) || c.displayName(second) != "" {
			t.Fatal("an account is known that isn't there")
		}
	}
	if reads != 1 {
		t.Errorf("the rows were read %d times without a change", reads)
	}
	list = append(list, realm.Account{ID: "222222222222", Name: "alt"})
	c.changed()
	if !c.known(second) || c.displayName(second) != "alt" || reads != 2 {
		t.Errorf("after a change: known %v, name %q, %d reads", c.known(second), c.displayName(second), reads)
	}
}

// TestGrantToNewAccount makes an account of a running realm and names it in a
// grant: the ID is refused before the account is there and taken, with its name,
// right after.
func TestGrantToNewAccount(t *testing.T) {
	d := startDev(t, DevOptions{OpenBuckets: true, Regions: []string{"us-east-1"}})
	ctx := t.Context()
	client := d.s3("us-east-1")
	d.bucket("us-east-1", "granting", false)
	grant := func(id string) error {
		_, err := client.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: aws.String("granting"), GrantRead: aws.String("id=" + id)})
		return err
	}
	if code := codeOf(grant(access.CanonicalID("210987654321"))); code != "InvalidArgument" {
		t.Errorf("a grant to nobody: %s", code)
	}
	account, _, err := d.p.Regions[0].realm.CreateAccount(ctx, "newcomer")
	if err != nil {
		t.Fatal(err)
	}
	if err := grant(access.CanonicalID(account.ID)); err != nil {
		t.Fatal(err)
	}
	acl := must[*s3.GetBucketAclOutput](t)(client.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: aws.String("granting")}))
	if len(acl.Grants) != 1 || aws.ToString(acl.Grants[0].Grantee.DisplayName) != "newcomer" || aws.ToString(acl.Owner.DisplayName) != "root" {
		t.Errorf("the ACL names %+v, owner %+v", acl.Grants, acl.Owner)
	}
}
