package memkv

import "math/rand/v2"

// Option sets up a store.
type Option func(*Store)

// Op is a kind of operation, for faults.
type Op uint8

// The operations that can be made to fail. A Scan counts once, when it starts.
const (
	OpSnapshot Op = iota
	OpGet
	OpScan
	OpSettled
	OpCommit
	OpBarrier
)

// Fault is what becomes of an operation.
type Fault struct {
	// Err, when it isn't nil, is what the operation returns.
	Err error
	// Apply makes a Commit take effect all the same, if its guards hold: the
	// outcome of a failed commit is unknown to its caller.
	Apply bool
}

// Conflicts makes commits that carry guards fail with ErrConflict at random,
// with this probability from 0 to 1. It repeats under the same seed when the
// store is used by one goroutine.
func Conflicts(seed uint64, probability float64) Option {
	return func(s *Store) {
		s.random = rand.New(rand.NewPCG(seed, 0x66617268))
		s.conflict = probability
	}
}

// Seed makes everything random repeat without any injected conflicts: the
// waits of kv.Update.
func Seed(seed uint64) Option { return Conflicts(seed, 0) }

// Faults makes f decide on every operation. Operations are counted from 1. f
// is called under the store's lock, so it must not use the store.
func Faults(f func(op Op, n int64) Fault) Option {
	return func(s *Store) { s.fault = f }
}

// FailAt makes the n-th operation, counted from 1, return err.
func FailAt(n int64, err error) Option {
	return Faults(func(_ Op, at int64) Fault {
		if at == n {
			return Fault{Err: err}
		}
		return Fault{}
	})
}

// Ops is the number of operations so far, for tests that then fail each of
// them in turn. It counts only in a store with Faults or FailAt.
func (s *Store) Ops() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ops
}

// Jitter implements kv.Jitterer.
func (s *Store) Jitter() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.random == nil {
		return rand.Uint64()
	}
	return s.random.Uint64()
}

func (s *Store) fail(op Op) error {
	if s.fault == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failLocked(op).Err
}

func (s *Store) failLocked(op Op) Fault {
	if s.fault == nil {
		return Fault{}
	}
	s.ops++
	return s.fault(op, s.ops)
}
