package sigv4

import (
	"crypto/sha256"
	"strings"
	"sync"
)

// keyLimit bounds the signing keys that are remembered. A key costs about 300
// bytes, and a client uses one per day, region and service.
const keyLimit = 4096

// keyCache remembers signing keys, which cost four HMACs to derive and change
// once a day. The zero value is ready for use.
type keyCache struct {
	mu   sync.RWMutex
	keys map[keyName]cachedKey
}

type keyName struct{ accessKey, date, region, service string }

type cachedKey struct {
	secret string // from which it was derived: a changed secret misses
	key    [sha256.Size]byte
}

// get finds the signing key, or derives it without remembering it.
func (c *keyCache) get(n keyName, secret string) (key [sha256.Size]byte, cached bool) {
	c.mu.RLock()
	e, ok := c.keys[n]
	c.mu.RUnlock()
	if ok && e.secret == secret {
		return e.key, true
	}
	return deriveKey(secret, n.date, n.region, n.service), false
}

// put remembers a key that has proved itself. Only keys of verified requests
// come here, so that strangers can't fill the cache; when it is full, some
// other key makes room. The names are copied, because they are slices of a
// request's head.
func (c *keyCache) put(n keyName, secret string, key [sha256.Size]byte) {
	n = keyName{strings.Clone(n.accessKey), strings.Clone(n.date), strings.Clone(n.region), strings.Clone(n.service)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		c.keys = make(map[keyName]cachedKey)
	}
	for k := range c.keys {
		if len(c.keys) < keyLimit {
			break
		}
		delete(c.keys, k)
	}
	c.keys[n] = cachedKey{secret, key}
}
