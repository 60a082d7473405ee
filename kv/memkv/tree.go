package memkv

import (
	"bytes"
	"slices"
)

// tree is a B-tree whose nodes are shared with frozen roots: a node is changed
// in place while it belongs to the tree's present era, and copied otherwise.
// Keys and values are copied in and never changed.
type tree struct {
	root *node
	era  uint64
	size int
}

const (
	itemsMax = 31 // of a node; an odd number splits evenly around the middle
	itemsMin = itemsMax / 2
)

type item struct{ key, value []byte }

type node struct {
	era      uint64
	items    []item
	children []*node // none in a leaf, else one more than items
}

// freeze gives a root that no longer changes. It costs nothing: the writes
// that follow copy the nodes that they change, once.
func (t *tree) freeze() *node {
	t.era++
	return t.root
}

func (t *tree) get(key []byte) []byte { return t.root.get(key) }

// own gives n itself when it may be changed, else a copy that may.
func (t *tree) own(n *node) *node {
	if n.era == t.era {
		return n
	}
	c := &node{era: t.era, items: append(make([]item, 0, itemsMax), n.items...)}
	if n.children != nil {
		c.children = append(make([]*node, 0, itemsMax+1), n.children...)
	}
	return c
}

func (t *tree) put(key, value []byte) {
	// One allocation for both. A value of no bytes must not become nil.
	both := make([]byte, len(key)+len(value))
	copy(both[copy(both, key):], value)
	it := item{both[:len(key):len(key)], both[len(key):len(both):len(both)]}
	if t.root == nil {
		t.root = &node{era: t.era, items: append(make([]item, 0, 4), it)}
		t.size++
		return
	}
	t.root = t.own(t.root)
	if len(t.root.items) >= itemsMax {
		mid, right := t.split(t.root)
		t.root = &node{era: t.era, items: []item{mid}, children: []*node{t.root, right}}
	}
	if t.insert(t.root, it) {
		t.size++
	}
}

// split halves an owned full node and gives the item between the halves.
func (t *tree) split(n *node) (item, *node) {
	mid := n.items[itemsMin]
	right := &node{era: t.era, items: append(make([]item, 0, itemsMax), n.items[itemsMin+1:]...)}
	clear(n.items[itemsMin:])
	n.items = n.items[:itemsMin]
	if n.children != nil {
		right.children = append(make([]*node, 0, itemsMax+1), n.children[itemsMin+1:]...)
		clear(n.children[itemsMin+1:])
		n.children = n.children[:itemsMin+1]
	}
	return mid, right
}

// insert puts it below n, which is owned and not full. It reports whether the
// key is new.
func (t *tree) insert(n *node, it item) bool {
	for {
		i, found := n.find(it.key)
		if found {
			n.items[i] = it
			return false
		}
		if n.children == nil {
			n.items = slices.Insert(n.items, i, it)
			return true
		}
		child := t.own(n.children[i])
		n.children[i] = child
		if len(child.items) >= itemsMax {
			mid, right := t.split(child)
			n.items = slices.Insert(n.items, i, mid)
			n.children = slices.Insert(n.children, i+1, right)
			switch c := bytes.Compare(it.key, mid.key); {
			case c == 0:
				n.items[i] = it
				return false
			case c > 0:
				child = right
			}
		}
		n = child
	}
}

func (t *tree) delete(key []byte) {
	if t.root.get(key) == nil {
		return // copies nothing for a key that isn't there
	}
	t.root = t.own(t.root)
	t.remove(t.root, key)
	t.size--
	if len(t.root.items) == 0 {
		if t.root.children == nil {
			t.root = nil
		} else {
			t.root = t.root.children[0]
		}
	}
}

// remove takes key out from below n, which is owned and, unless it's the root,
// has an item to spare. The key is there.
func (t *tree) remove(n *node, key []byte) {
	i, found := n.find(key)
	if n.children == nil {
		n.items = slices.Delete(n.items, i, i+1)
		return
	}
	if len(n.children[i].items) <= itemsMin {
		// Give the child an item to spare, then look again: things moved.
		t.fill(n, i)
		if n.children != nil && len(n.items) == 0 {
			// The root's last two children became one.
			child := t.own(n.children[0])
			n.items, n.children = child.items, child.children
			child.items, child.children = nil, nil
		}
		t.remove(n, key)
		return
	}
	child := t.own(n.children[i])
	n.children[i] = child
	if found {
		// The greatest item of the left subtree takes the place.
		n.items[i] = t.removeLast(child)
		return
	}
	t.remove(child, key)
}

// removeLast takes out the greatest item below n, which is owned and has an
// item to spare.
func (t *tree) removeLast(n *node) item {
	for n.children != nil {
		i := len(n.children) - 1
		if len(n.children[i].items) <= itemsMin {
			t.fill(n, i)
			continue
		}
		n.children[i] = t.own(n.children[i])
		n = n.children[i]
	}
	last := n.items[len(n.items)-1]
	n.items[len(n.items)-1] = item{}
	n.items = n.items[:len(n.items)-1]
	return last
}

// fill gives the i-th child of n more than itemsMin items: from a neighbour
// that has some to spare, else by joining the two.
func (t *tree) fill(n *node, i int) {
	if i > 0 && len(n.children[i-1].items) > itemsMin {
		left, child := t.own(n.children[i-1]), t.own(n.children[i])
		n.children[i-1], n.children[i] = left, child
		child.items = slices.Insert(child.items, 0, n.items[i-1])
		last := len(left.items) - 1
		n.items[i-1] = left.items[last]
		left.items = slices.Delete(left.items, last, last+1)
		if left.children != nil {
			last := len(left.children) - 1
			child.children = slices.Insert(child.children, 0, left.children[last])
			left.children = slices.Delete(left.children, last, last+1)
		}
		return
	}
	if i+1 < len(n.children) && len(n.children[i+1].items) > itemsMin {
		child, right := t.own(n.children[i]), t.own(n.children[i+1])
		n.children[i], n.children[i+1] = child, right
		child.items = append(child.items, n.items[i])
		n.items[i] = right.items[0]
		right.items = slices.Delete(right.items, 0, 1)
		if right.children != nil {
			child.children = append(child.children, right.children[0])
			right.children = slices.Delete(right.children, 0, 1)
		}
		return
	}
	if i+1 == len(n.children) {
		i--
	}
	child, right := t.own(n.children[i]), n.children[i+1]
	n.children[i] = child
	child.items = append(append(child.items, n.items[i]), right.items...)
	if child.children != nil {
		child.children = append(child.children, right.children...)
	}
	n.items = slices.Delete(n.items, i, i+1)
	n.children = slices.Delete(n.children, i+1, i+2)
}

// find gives the place of key among the items of n, or where it would be.
func (n *node) find(key []byte) (int, bool) {
	lo, hi := 0, len(n.items)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := bytes.Compare(n.items[mid].key, key); {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

func (n *node) get(key []byte) []byte {
	for n != nil {
		i, found := n.find(key)
		if found {
			return n.items[i].value
		}
		if n.children == nil {
			return nil
		}
		n = n.children[i]
	}
	return nil
}

// ascend calls f for low ≤ key < high in order until f returns false, which
// it then returns itself. A nil high is no bound.
func (n *node) ascend(low, high []byte, f func(k, v []byte) bool) bool {
	if n == nil {
		return true
	}
	i, found := n.find(low)
	for ; i <= len(n.items); i++ {
		if n.children != nil && !found && !n.children[i].ascend(low, high, f) {
			return false
		}
		found = false
		if i == len(n.items) {
			break
		}
		it := &n.items[i]
		if high != nil && bytes.Compare(it.key, high) >= 0 || !f(it.key, it.value) {
			return false
		}
	}
	return true
}

// descend is ascend from the high end.
func (n *node) descend(low, high []byte, f func(k, v []byte) bool) bool {
	if n == nil {
		return true
	}
	i := len(n.items)
	if high != nil {
		i, _ = n.find(high)
	}
	for ; i >= 0; i-- {
		if n.children != nil && !n.children[i].descend(low, high, f) {
			return false
		}
		if i == 0 {
			break
		}
		it := &n.items[i-1]
		if bytes.Compare(it.key, low) < 0 || !f(it.key, it.value) {
			return false
		}
	}
	return true
}
