package memblob

import "sync"

// Op is a kind of operation that can be made to fail.
type Op uint8

// The operations, as bits, so that several kinds can be named together.
const (
	OpCreate Op = 1 << iota
	OpWrite
	OpCommit
	OpOpen
	OpRead
	OpDelete
	OpList

	// AnyOp is all of them.
	AnyOp = OpCreate | OpWrite | OpCommit | OpOpen | OpRead | OpDelete | OpList
)

// faults decides which operation fails.
type faults struct {
	mu     sync.Mutex
	kinds  Op
	left   int // operations of these kinds until the failing one; 0 is unarmed
	sticky bool
	err    error
	count  int
}

func (f *faults) check(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if f.left == 0 || op&f.kinds == 0 {
		return nil
	}
	if f.left > 1 {
		f.left--
		return nil
	}
	if !f.sticky {
		f.left = 0
	}
	return f.err
}

// FailNth lets the n-th operation from now among kinds return err: n is 1 for
// the next. Once, or from then on if sticky. n of 0 takes the fault away.
func (s *Store) FailNth(n int, kinds Op, sticky bool, err error) {
	f := &s.fault
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.kinds, f.sticky, f.err = n, kinds, sticky, err
}

// Operations is how many operations there have been, so that a test can fail
// each of them in turn.
func (s *Store) Operations() int {
	s.fault.mu.Lock()
	defer s.fault.mu.Unlock()
	return s.fault.count
}
