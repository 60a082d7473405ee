package realm

import (
	"bytes"
	"hash/maphash"
	"iter"
	"strings"
)

// rowTree holds services' rows in memory, ordered by key. It is immutable:
// with and without give another tree that shares most of this one, so that who
// holds a tree has a consistent view for as long as it likes, and reading takes
// neither a lock nor memory. It is a treap whose priorities are a keyed hash of
// the key: its shape depends on what is in it alone, and nobody who chooses
// keys can make it deep.
type rowTree struct {
	seed maphash.Seed
	root *rowNode
}

type rowNode struct {
	key         string
	value       []byte
	priority    uint64
	left, right *rowNode
}

func newRowTree() rowTree { return rowTree{seed: maphash.MakeSeed()} }

// get gives the value of a key, which must not be changed.
func (t rowTree) get(key string) ([]byte, bool) {
	for n := t.root; n != nil; {
		switch c := strings.Compare(key, n.key); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n.value, true
		}
	}
	return nil, false
}

// with gives the tree in which key has the value.
func (t rowTree) with(key string, value []byte) rowTree {
	n := &rowNode{key: key, value: value, priority: maphash.String(t.seed, key)}
	return rowTree{t.seed, n.into(t.root)}
}

// above tells whether n stands above m where both are in one tree.
func (n *rowNode) above(m *rowNode) bool {
	return n.priority > m.priority || n.priority == m.priority && n.key < m.key
}

// into gives the subtree m with n in it.
func (n *rowNode) into(m *rowNode) *rowNode {
	switch {
	case m == nil:
		return n
	case m.key == n.key:
		n.left, n.right = m.left, m.right
		return n
	case n.above(m):
		n.left, n.right = split(m, n.key)
		return n
	}
	c := *m
	if n.key < m.key {
		c.left = n.into(m.left)
	} else {
		c.right = n.into(m.right)
	}
	return &c
}

// split divides a subtree that does not have the key.
func split(m *rowNode, key string) (below, beyond *rowNode) {
	if m == nil {
		return nil, nil
	}
	c := *m
	if m.key < key {
		c.right, beyond = split(m.right, key)
		return &c, beyond
	}
	below, c.left = split(m.left, key)
	return below, &c
}

// without gives the tree that does not have the key.
func (t rowTree) without(key string) rowTree {
	if _, ok := t.get(key); !ok {
		return t
	}
	return rowTree{t.seed, t.root.drop(key)}
}

// written gives the tree after key was written: nil removes it.
func (t rowTree) written(key string, value []byte) rowTree {
	if value == nil {
		return t.without(key)
	}
	return t.with(key, value)
}

func (n *rowNode) drop(key string) *rowNode {
	if n.key == key {
		return join(n.left, n.right)
	}
	c := *n
	if key < n.key {
		c.left = n.left.drop(key)
	} else {
		c.right = n.right.drop(key)
	}
	return &c
}

// join gives the subtree of two, all keys of the first being less.
func join(a, b *rowNode) *rowNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.above(b):
		c := *a
		c.right = join(a.right, b)
		return &c
	}
	c := *b
	c.left = join(a, b.left)
	return &c
}

// scan yields the rows whose keys begin with prefix and come after the given
// key, in order.
func (t rowTree) scan(prefix, after string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		from, itself := prefix, true
		if after != "" && after >= prefix {
			from, itself = after, false
		}
		t.root.walk(from, func(n *rowNode) bool {
			if n.key == from && !itself {
				return true
			}
			return strings.HasPrefix(n.key, prefix) && yield(n.key, n.value)
		})
	}
}

// walk visits the nodes whose keys are not less than from, in order, until
// visit says no.
func (n *rowNode) walk(from string, visit func(*rowNode) bool) bool {
	if n == nil {
		return true
	}
	if n.key >= from && (!n.left.walk(from, visit) || !visit(n)) {
		return false
	}
	return n.right.walk(from, visit)
}

// differences tells the keys whose rows differ between two trees.
func (t rowTree) differences(u rowTree, tell func(key string)) {
	for key, value := range t.scan("", "") {
		if now, ok := u.get(key); !ok || !bytes.Equal(now, value) {
			tell(key)
		}
	}
	for key := range u.scan("", "") {
		if _, ok := t.get(key); !ok {
			tell(key)
		}
	}
}
