package iam

import (
	"context"
	"iter"
	"strings"

	"github.com/farhold/farhold/realm"
)

// Rows is what IAM asks of the realm: see realm.Realm, whose rows these are.
type Rows interface {
	Row(key string) ([]byte, bool)
	Rows(prefix, after string) iter.Seq2[string, []byte]
	FetchRow(ctx context.Context, key string) ([]byte, bool, error)
	WatchRows(prefix string, fn func(key string))
	UpdateRows(ctx context.Context, fn func(tx Tx) error) error
}

// Tx is a transaction over rows: see realm.RowTx.
type Tx interface {
	Get(key string) ([]byte, bool)
	Scan(prefix, after string) iter.Seq2[string, []byte]
	Limit(prefix string, most int)
	Put(key string, value []byte)
	Delete(key string)
}

// OfRealm gives the rows of a realm.
func OfRealm(r *realm.Realm) Rows { return realmRows{r} }

type realmRows struct{ *realm.Realm }

func (r realmRows) UpdateRows(ctx context.Context, fn func(Tx) error) error {
	return r.Realm.UpdateRows(ctx, func(tx *realm.RowTx) error { return fn(tx) })
}

// Keys of rows; docs/formats/iam.md has the list. Names are unique without
// regard to case, so keys have them in lower case.
const rowsPrefix = "iam/"

func entityKey(k kind, account, name string) string {
	return rowsPrefix + account + "/" + k.String() + "/" + strings.ToLower(name)
}
func entitiesPrefix(k kind, account string) string {
	return rowsPrefix + account + "/" + k.String() + "/"
}
func policyKey(account, name string) string {
	return rowsPrefix + account + "/policy/" + strings.ToLower(name)
}
func policiesPrefix(account string) string { return rowsPrefix + account + "/policy/" }
func memberKey(account, groupID, userID string) string {
	return membersPrefix(account, groupID) + userID
}
func membersPrefix(account, groupID string) string {
	return rowsPrefix + account + "/member/" + groupID + "/"
}
func accountAliasKey(account string) string { return rowsPrefix + account + "/alias" }
func aliasKey(alias string) string          { return rowsPrefix + "alias/" + alias }
func accessKeyKey(id string) string         { return rowsPrefix + "key/" + id }
func idKey(id string) string                { return rowsPrefix + "id/" + id }
