package pebblekv

import (
	"bytes"
	"sync/atomic"
)

// rows remembers rows that were read lately, one for each stripe of flights.
// A transaction reads a row and soon guards it; a bucket's row is guarded by
// every PUT. Pebble's cache holds blocks, and finding a row in them costs
// more than all the rest of a commit.
//
// What is remembered is true as of a ticket. It is still true while the stripe
// bears no later one, which the stripe is there to say anyway, so nothing has
// to be invalidated and nothing stale can be found.
type rows [stripesMax]atomic.Pointer[known]

// known is a row, or its absence, as all commits up to a ticket left it.
type known struct {
	ticket uint64
	key    []byte
	value  []byte // nil when the row isn't there
}

// knownMax is the greatest size of a value that is remembered. Guarded rows are
// small, and 8 MiB is all that this may take.
const knownMax = 1 << 10

// recall gives the value of key as all commits up to asOf left it, nil for no
// row, if it is known.
func (s *Store) recall(stripe uint16, key []byte, asOf uint64) (value []byte, ok bool) {
	k := s.rows[stripe].Load()
	if k == nil || !bytes.Equal(k.key, key) {
		return nil, false
	}
	// A ticket that is marked after this load is later than asOf: those up to it
	// were visible, and so were marked, when asOf was taken.
	if last := s.flights.stripes[stripe].Load(); last > k.ticket || last > asOf {
		return nil, false
	}
	return k.value, true
}

// remember notes what was read, as all commits up to ticket left it, unless
// the stripe bears a later one already. The caller keeps key and value.
func (s *Store) remember(stripe uint16, key, value []byte, ticket uint64) {
	if len(value) > knownMax || s.flights.stripes[stripe].Load() > ticket {
		return
	}
	s.rows[stripe].Store(newKnown(key, value, ticket))
}

// renew replaces a row that is remembered by what a commit made of it. Latches
// are held on key, and the commit is visible.
func (s *Store) renew(stripe uint16, key, value []byte, ticket uint64) {
	k := s.rows[stripe].Load()
	if k == nil || len(value) > knownMax || !bytes.Equal(k.key, key) {
		return
	}
	s.rows[stripe].Store(newKnown(key, value, ticket))
}

func newKnown(key, value []byte, ticket uint64) *known {
	b := make([]byte, len(key)+len(value))
	n := copy(b, key)
	k := &known{ticket: ticket, key: b[:n:n]}
	if value != nil {
		copy(b[n:], value)
		k.value = b[n:len(b):len(b)]
	}
	return k
}
