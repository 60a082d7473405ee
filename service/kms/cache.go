package kms

import (
	"sync"
)

// What is kept in memory at most. A key takes some kilobytes, with its policy.
const (
	keysMax    = 4096
	aliasesMax = 16384
	grantsMax  = 16384 // grants, and lists of none
)

// cache keeps what was read, so that using a key does not read rows. Whoever
// reads takes the generation before the snapshot; what it read is kept only
// when nothing was forgotten meanwhile, so that a slow reader never puts back
// what a change made stale.
type cache struct {
	mu      sync.RWMutex
	gen     uint64
	keys    map[string]*entry
	aliases map[string]string              // account/alias → key ID
	grants  map[string]map[string][]*grant // key ID → grantee → grants
	granted int                            // weight of grants
}

func newCache() cache {
	return cache{keys: make(map[string]*entry), aliases: make(map[string]string), grants: make(map[string]map[string][]*grant)}
}

func (c *cache) key(id string) *entry {
	c.mu.RLock()
	k := c.keys[id]
	c.mu.RUnlock()
	return k
}

func (c *cache) alias(account, name string) string {
	c.mu.RLock()
	id := c.aliases[account+"/"+name]
	c.mu.RUnlock()
	return id
}

func (c *cache) grantsOf(id, grantee string) ([]*grant, bool) {
	c.mu.RLock()
	g, ok := c.grants[id][grantee]
	c.mu.RUnlock()
	return g, ok
}

func (c *cache) generation() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.gen
}

func (c *cache) keep(at uint64, k *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != at {
		return
	}
	makeRoom(c.keys, keysMax)
	c.keys[k.id] = k
}

func (c *cache) keepAlias(at uint64, account, name, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != at {
		return
	}
	makeRoom(c.aliases, aliasesMax)
	c.aliases[account+"/"+name] = id
}

func (c *cache) keepGrants(at uint64, id, grantee string, g []*grant) {
	weight := 1 + len(g)
	if weight > grantsMax/16 {
		return // read each time, rather than pushing out everybody else's
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != at {
		return
	}
	if c.granted+weight > grantsMax {
		clear(c.grants)
		c.granted = 0
	}
	of := c.grants[id]
	if of == nil {
		of = make(map[string][]*grant)
		c.grants[id] = of
	}
	if old, ok := of[grantee]; ok {
		c.granted -= 1 + len(old)
	}
	of[grantee] = g
	c.granted += weight
}

// forget drops keys and all that is cached with them. Aliases are few and
// change seldom: all of them go.
func (c *cache) forget(ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	clear(c.aliases)
	for _, id := range ids {
		delete(c.keys, id)
		for _, g := range c.grants[id] {
			c.granted -= 1 + len(g)
		}
		delete(c.grants, id)
	}
}

// makeRoom drops one entry, whichever comes first, when m is full.
func makeRoom[V any](m map[string]V, most int) {
	if len(m) < most {
		return
	}
	for k := range m {
		delete(m, k)
		return
	}
}
