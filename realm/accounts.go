package realm

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/arn"
)

// Account is an account of the realm.
type Account struct {
	ID        string    `json:"id"` // 12 digits
	Name      string    `json:"name"`
	Created   time.Time `json:"created,omitzero"`
	First     bool      `json:"first,omitempty"`     // made with the realm; its root credentials are the regions'
	Suspended bool      `json:"suspended,omitempty"` // nobody of it may do anything
}

// RootKey is the access key of an account's root user, with its secret.
type RootKey struct {
	AccessKey string `json:"accessKey"` // AKIA and 16 characters
	Secret    string `json:"secret"`    // 40 characters
}

// Keys of rows; docs/formats/realm.md has the list.
const accountPrefix = "account/"

func accountKey(id string) string { return accountPrefix + id }
func accountNameKey(name string) string {
	return accountPrefix + "name/" + strings.ToLower(name)
}
func rootKeyKey(accessKey string) string { return accountPrefix + "key/" + accessKey }

// accountNameMax is the longest name of an account, in characters, as AWS has
// it.
const accountNameMax = 50

// Errors of accounts, for operators.
var (
	ErrNoAccount   = errors.New("realm: there is no such account")
	ErrAccountName = errors.New("realm: the name of an account has 1 to 50 printable characters, and is not 12 digits")
	ErrAccountHas  = errors.New("realm: an account of that name is there already")
	// ErrFirstRootKey refuses to change what the realm's tables do not have.
	ErrFirstRootKey = errors.New("realm: the first account's root credentials are the regions': change root.yaml or what their configuration names, and start them anew")
)

// accountRow is the row of an account.
type accountRow struct {
	Account
	accessKey string
	sealed    []byte // the secret
	revision  uint64 // counts changes of the policies that are attached
	unknown   []byte
}

const (
	fieldAccountName      = 1
	fieldAccountCreated   = 2 // Unix ms
	fieldAccountKey       = 3
	fieldAccountSecret    = 4 // sealed
	fieldAccountSuspended = 5
	fieldAccountRevision  = 6
)

func (a *accountRow) encode() []byte {
	b := []byte{recordFormat}
	b = appendString(b, fieldAccountName, a.Name)
	b = appendUint(b, fieldAccountCreated, uint64(a.Created.UnixMilli()))
	b = appendString(b, fieldAccountKey, a.accessKey)
	b = appendString(b, fieldAccountSecret, string(a.sealed))
	if a.Suspended {
		b = appendUint(b, fieldAccountSuspended, 1)
	}
	b = appendUint(b, fieldAccountRevision, a.revision)
	return append(b, a.unknown...)
}

func decodeAccountRow(id string, b []byte) (*accountRow, error) {
	a := &accountRow{Account: Account{ID: id}}
	unknown, err := fields(b, func(num protowire.Number, s []byte, u uint64) (bool, error) {
		switch num {
		case fieldAccountName:
			a.Name = string(s)
		case fieldAccountCreated:
			a.Created = time.UnixMilli(int64(u)).UTC()
		case fieldAccountKey:
			a.accessKey = string(s)
		case fieldAccountSecret:
			a.sealed = slices.Clone(s)
		case fieldAccountSuspended:
			a.Suspended = u != 0
		case fieldAccountRevision:
			a.revision = u
		default:
			return false, nil
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", id, err)
	}
	a.unknown = unknown
	return a, nil
}

// aboutRootKey is what a sealed secret of a root user is about.
func aboutRootKey(account, accessKey string) string {
	return "root access key " + accessKey + " of account " + account
}

// Accounts lists the accounts of the realm: the first one, which was made with
// it, and then the others by name.
func (r *Realm) Accounts() ([]Account, error) {
	list := []Account{r.firstAccount()}
	for key, row := range r.Rows(accountPrefix, "") {
		id := strings.TrimPrefix(key, accountPrefix)
		if !arn.ValidAccount(id) {
			continue // not an account but something of one
		}
		a, err := decodeAccountRow(id, row)
		if err != nil {
			return nil, err
		}
		list = append(list, a.Account)
	}
	slices.SortFunc(list[1:], func(a, b Account) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

func (r *Realm) firstAccount() Account {
	return Account{ID: r.opt.Account, Name: "root", First: true}
}

// FindAccount gives an account by its ID or its name, from this region's copy.
// Error: ErrNoAccount.
func (r *Realm) FindAccount(idOrName string) (Account, error) {
	if idOrName == r.opt.Account || strings.EqualFold(idOrName, "root") {
		return r.firstAccount(), nil
	}
	if !arn.ValidAccount(idOrName) {
		id, ok := r.Row(accountNameKey(idOrName))
		if !ok {
			return Account{}, fmt.Errorf("%w: %s", ErrNoAccount, idOrName)
		}
		idOrName = string(id)
	}
	row, ok := r.Row(accountKey(idOrName))
	if !ok {
		return Account{}, fmt.Errorf("%w: %s", ErrNoAccount, idOrName)
	}
	a, err := decodeAccountRow(idOrName, row)
	if err != nil {
		return Account{}, err
	}
	return a.Account, nil
}

// CreateAccount makes an account with a random ID and an access key for its root
// user, whose secret is given this once and lies only sealed in the tables.
// Errors: ErrAccountName, ErrAccountHas and those of UpdateRows.
func (r *Realm) CreateAccount(ctx context.Context, name string) (Account, RootKey, error) {
	n := utf8.RuneCountInString(name)
	if n < 1 || n > accountNameMax || !utf8.ValidString(name) || arn.ValidAccount(name) || strings.TrimSpace(name) != name ||
		strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return Account{}, RootKey{}, ErrAccountName
	}
	key := newRootKey()
	var a accountRow
	err := r.UpdateRows(ctx, func(tx *RowTx) error {
		id, err := newAccountID()
		if err != nil {
			return err
		}
		if _, taken := tx.Get(accountKey(id)); taken || id == r.opt.Account {
			return errors.New("realm: that account ID is taken") // one in 10^11
		}
		if _, taken := tx.Get(accountNameKey(name)); taken || strings.EqualFold(name, r.firstAccount().Name) {
			return fmt.Errorf("%w: %s", ErrAccountHas, name)
		}
		a = accountRow{Account: Account{ID: id, Name: name, Created: r.opt.Now().UTC().Truncate(time.Millisecond)}, accessKey: key.AccessKey}
		a.sealed = r.Seal([]byte(key.Secret), aboutRootKey(id, key.AccessKey))
		tx.Put(accountKey(id), a.encode())
		tx.Put(accountNameKey(name), []byte(id))
		tx.Put(rootKeyKey(key.AccessKey), []byte(id))
		tx.Put(controlKey(id, ServiceControl, FullAccess), []byte(fullServiceControl))
		return nil
	})
	if err != nil {
		return Account{}, RootKey{}, err
	}
	return a.Account, key, nil
}

// SuspendAccount lets nobody of an account do anything any more, or lets them
// again. The first account can't be suspended.
func (r *Realm) SuspendAccount(ctx context.Context, id string, suspended bool) error {
	if id == r.opt.Account {
		return errFirstAccount
	}
	return r.UpdateRows(ctx, func(tx *RowTx) error {
		return changeAccount(tx, id, func(a *accountRow) { a.Suspended = suspended })
	})
}

// ResetRootKey gives the root user of an account another access key in place of
// the one it has, which signs nothing from then on: for a secret that was lost,
// or that others may know. Sessions that it made last until they end, as on AWS.
// The first account's stands in the regions' configuration and is changed there.
// Errors: ErrNoAccount, ErrFirstRootKey and those of UpdateRows.
func (r *Realm) ResetRootKey(ctx context.Context, id string) (RootKey, error) {
	if id == r.opt.Account {
		return RootKey{}, ErrFirstRootKey
	}
	key := newRootKey()
	sealed := r.Seal([]byte(key.Secret), aboutRootKey(id, key.AccessKey))
	err := r.UpdateRows(ctx, func(tx *RowTx) error {
		var old string
		err := changeAccount(tx, id, func(a *accountRow) {
			old = a.accessKey
			a.accessKey, a.sealed = key.AccessKey, sealed
		})
		if err != nil {
			return err
		}
		tx.Delete(rootKeyKey(old))
		tx.Put(rootKeyKey(key.AccessKey), []byte(id))
		return nil
	})
	if err != nil {
		return RootKey{}, err
	}
	return key, nil
}

// changeAccount changes the row of an account in a transaction.
func changeAccount(tx *RowTx, id string, change func(*accountRow)) error {
	row, ok := tx.Get(accountKey(id))
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoAccount, id)
	}
	a, err := decodeAccountRow(id, row)
	if err != nil {
		return err
	}
	change(a)
	tx.Put(accountKey(id), a.encode())
	return nil
}

// errFirstAccount refuses what AWS can't do to the management account of an
// organisation either.
var errFirstAccount = errors.New("realm: the first account manages the realm: organisation policies do not bind it, and it can't be suspended")

func newRootKey() RootKey {
	var b [40]byte
	rand.Read(b[:])
	return RootKey{"AKIA" + base32.StdEncoding.EncodeToString(b[:10]), base64.StdEncoding.EncodeToString(b[10:])}
}

// newAccountID gives 12 random digits of which the first is not 0: spreadsheets
// and YAML would lose it.
func newAccountID() (string, error) {
	for {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return "", err
		}
		// 40 bits cover 10^12 with the least waste; what lies beyond is thrown
		// again, so that each ID is as likely as the others.
		n := binary.BigEndian.Uint64(b[:]) >> 24
		if n >= 100_000_000_000 && n < 1_000_000_000_000 {
			return strconv.FormatUint(n, 10), nil
		}
	}
}
