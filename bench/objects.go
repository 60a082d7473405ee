package bench

import (
	"math/rand/v2"
)

// actor gives client number i its part in a workload on objects. The shared
// counter hands out what exists once: objects to put and to delete.
func (w *workload) actor(c *client, i int, shared *counter) actor {
	a := &objectActor{w: w, c: c, b: w.bodies.open(), shared: shared, rand: rand.New(rand.NewPCG(uint64(i), w.fresh.salt))}
	switch w.Workload {
	case Put:
		return a.put
	case Get:
		return a.get
	case Head:
		return a.head
	case Delete:
		return a.delete
	}
	return a.mixed
}

// objectActor is one client's state; its buffers are reused.
type objectActor struct {
	w      *workload
	c      *client
	b      *body
	key    []byte
	shared *counter
	rand   *rand.Rand
	own    []uint64 // identities of what this client has put and not deleted
}

func (a *objectActor) done(op string, bytes int64, err error) (outcome, bool) {
	return outcome{op: op, bytes: bytes, elapsed: a.c.elapsed, err: err}, true
}

func (a *objectActor) put() (outcome, bool) {
	i := a.shared.n.Add(1) - 1
	if a.w.Workload == Put && a.w.Objects > 0 && i >= a.w.Objects {
		return outcome{}, false
	}
	id := a.w.fresh.id(uint64(i))
	a.b.set(id, 0)
	a.key = a.w.fresh.name(a.key, id)
	err := a.c.put(a.key, a.b)
	if err == nil && a.w.Workload == Mixed {
		a.own = append(a.own, id)
	}
	return a.done(Put, a.w.Size, err)
}

// random picks one of the prepared objects.
func (a *objectActor) random() uint64 {
	id := a.w.made.id(a.rand.Uint64N(uint64(a.w.Objects)))
	a.key = a.w.made.name(a.key, id)
	return id
}

func (a *objectActor) get() (outcome, bool) {
	id := a.random()
	var against *body
	if a.w.Verify {
		a.b.set(id, 0)
		against = a.b
	}
	return a.done(Get, a.w.Size, a.c.get(a.key, a.w.Size, against))
}

func (a *objectActor) head() (outcome, bool) {
	a.random()
	return a.done(Head, 0, a.c.head(a.key, a.w.Size))
}

func (a *objectActor) delete() (outcome, bool) {
	i := a.shared.n.Add(1) - 1
	if i >= a.w.Objects {
		return outcome{}, false
	}
	a.key = a.w.made.name(a.key, a.w.made.id(uint64(i)))
	return a.done(Delete, 0, a.c.delete(a.key))
}

func (a *objectActor) mixed() (outcome, bool) {
	m := a.w.Mix
	switch n := a.rand.IntN(m.sum()); {
	case n < m.Get:
		return a.get()
	case n < m.Get+m.Head:
		return a.head()
	case n >= m.Get+m.Head+m.Put && len(a.own) > 0:
		id := a.own[0]
		a.own = a.own[1:]
		a.key = a.w.fresh.name(a.key, id)
		return a.done(Delete, 0, a.c.delete(a.key))
	}
	return a.put()
}
