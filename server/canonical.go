package server

import (
	"sync"
	"sync/atomic"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/realm"
)

// canonicalAccounts finds accounts by their canonical user IDs. Grants and owners
// of listings name accounts by those alone, so that a page of a listing asks a
// thousand times: the IDs of all accounts are worked out once for each change of
// the accounts' rows. It is safe for concurrent use.
type canonicalAccounts struct {
	accounts func() ([]realm.Account, error)
	changes  atomic.Uint64 // counts changes of accounts' rows

	mu   sync.Mutex
	have bool
	at   uint64 // the count of changes that byID knows
	byID map[string]realm.Account
}

// newCanonicalAccounts watches the accounts of a realm, for as long as the realm
// is open.
func newCanonicalAccounts(r *realm.Realm) *canonicalAccounts {
	c := &canonicalAccounts{accounts: r.Accounts}
	r.WatchRows("account/", func(string) { c.changed() })
	return c
}

func (c *canonicalAccounts) changed() { c.changes.Add(1) }

// account gives the account of a canonical user ID, from this region's copy.
func (c *canonicalAccounts) account(canonicalID string) (realm.Account, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The count is taken before the rows are read: a change in between is seen
	// the next time.
	if now := c.changes.Load(); !c.have || c.at != now {
		list, err := c.accounts()
		if err != nil {
			return realm.Account{}, false
		}
		c.byID = make(map[string]realm.Account, len(list))
		for _, a := range list {
			c.byID[access.CanonicalID(a.ID)] = a
		}
		c.have, c.at = true, now
	}
	a, ok := c.byID[canonicalID]
	return a, ok
}

// known tells whether a canonical user ID is an account's.
func (c *canonicalAccounts) known(canonicalID string) bool {
	_, ok := c.account(canonicalID)
	return ok
}

// displayName gives what stands beside canonical IDs. AWS has left it away since
// November 2025; who wants buckets as they were before gets it still.
func (c *canonicalAccounts) displayName(canonicalID string) string {
	a, _ := c.account(canonicalID)
	return a.Name
}
