package kv

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// errTwice is returned by Check for a mutation in which a key is written twice.
var errTwice = errors.New("kv: a key stands twice in one mutation")

// Check returns ErrTooLarge, wrapped with what was too large, when m is beyond
// the limits, and another error when a key is written twice. Engines call it
// first, so that every engine refuses exactly the same mutations. CommitMax
// counts the guards too: they travel to the engine like the rest.
func (m *Mutation) Check() error {
	total := 0
	for i := range m.Guards {
		g := &m.Guards[i]
		if len(g.Key) > KeyMax || len(g.Want) > ValueMax {
			return tooLarge("guard", len(g.Key), len(g.Want))
		}
		total += len(g.Key) + len(g.Want)
	}
	for i := range m.Puts {
		p := &m.Puts[i]
		if len(p.Key) > KeyMax || len(p.Value) > ValueMax {
			return tooLarge("put", len(p.Key), len(p.Value))
		}
		total += len(p.Key) + len(p.Value)
	}
	for _, k := range m.Deletes {
		if len(k) > KeyMax {
			return tooLarge("delete", len(k), 0)
		}
		total += len(k)
	}
	if total > CommitMax {
		return fmt.Errorf("%w: a mutation of %d bytes, of at most %d", ErrTooLarge, total, CommitMax)
	}
	if m.twice() {
		return errTwice
	}
	return nil
}

// Empty reports whether m writes nothing.
func (m *Mutation) Empty() bool { return len(m.Puts) == 0 && len(m.Deletes) == 0 }

func tooLarge(what string, key, value int) error {
	return fmt.Errorf("%w: a %s with a key of %d bytes (at most %d) and a value of %d (at most %d)",
		ErrTooLarge, what, key, KeyMax, value, ValueMax)
}

// pairwise is the number of written keys up to which comparing all of them
// with each other is cheaper than sorting.
const pairwise = 16

func (m *Mutation) twice() bool {
	n := len(m.Puts) + len(m.Deletes)
	key := func(i int) []byte {
		if i < len(m.Puts) {
			return m.Puts[i].Key
		}
		return m.Deletes[i-len(m.Puts)]
	}
	if n <= pairwise {
		for i := 1; i < n; i++ {
			for j := range i {
				if bytes.Equal(key(i), key(j)) {
					return true
				}
			}
		}
		return false
	}
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = key(i)
	}
	slices.SortFunc(keys, bytes.Compare)
	for i := 1; i < n; i++ {
		if bytes.Equal(keys[i-1], keys[i]) {
			return true
		}
	}
	return false
}
