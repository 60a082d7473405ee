package iam

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// dep is a row that something was made from, as it was then.
type dep struct {
	key   string
	value []byte // nil: absent
}

// stands tells whether the row is still the one that it was. Values of rows are
// never changed in place, and dep keeps the old one alive, so that the same
// address is the same value.
func (d *dep) stands(r Rows) bool {
	now, ok := r.Row(d.key)
	if !ok || d.value == nil {
		return !ok && d.value == nil
	}
	return len(now) == len(d.value) && unsafe.SliceData(now) == unsafe.SliceData(d.value)
}

// made is what was made from rows. As long as no row of IAM has changed since
// it was looked at, it is taken as it is; afterwards its rows are compared
// first.
type made[V any] struct {
	value V
	deps  []dep
	seen  atomic.Uint64 // generation at which deps were found to stand
}

// cache keeps what was made from rows, bounded: when it is full, some of it
// goes.
type cache[V any] struct {
	max int
	mu  sync.RWMutex
	m   map[string]*made[V]
}

func newCache[V any](max int) *cache[V] { return &cache[V]{max: max, m: map[string]*made[V]{}} }

// get gives what was made under a key, if the rows that it came from still
// stand. generation was read before.
func (c *cache[V]) get(key string, generation uint64, rows Rows) (v V, ok bool) {
	c.mu.RLock()
	m := c.m[key]
	c.mu.RUnlock()
	if m == nil {
		return v, false
	}
	if m.seen.Load() != generation {
		for i := range m.deps {
			if !m.deps[i].stands(rows) {
				return v, false
			}
		}
		m.seen.Store(generation)
	}
	return m.value, true
}

// put keeps what was made from rows that were read at a generation or later.
func (c *cache[V]) put(key string, v V, deps []dep, generation uint64) {
	m := &made[V]{value: v, deps: deps}
	m.seen.Store(generation)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.m[key]; !ok && len(c.m) >= c.max {
		// Iteration begins anywhere: an eighth of the cache goes, of all ages.
		n := c.max/8 + 1
		for k := range c.m {
			delete(c.m, k)
			if n--; n == 0 {
				break
			}
		}
	}
	c.m[key] = m
}
