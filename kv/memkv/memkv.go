// Package memkv is kv in memory: an ordered tree with copy-on-write, so that
// a snapshot costs nothing. It is for tests, for the simulator and for a
// region that need not survive its process. It enforces every limit of the
// contract and can be told to conflict and to fail.
package memkv

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"

	"github.com/farhold/farhold/kv"
)

// Store is an engine in memory. What it holds is durable as soon as it is
// visible, as far as memory can be.
type Store struct {
	wake chan struct{}

	mu     sync.Mutex
	tree   tree
	closed bool

	fault    func(Op, int64) Fault
	ops      int64 // operations so far, counted when there is a fault function
	random   *rand.Rand
	conflict float64
}

var (
	_ kv.Store    = (*Store)(nil)
	_ kv.Jitterer = (*Store)(nil)
)

// New gives an empty store.
func New(options ...Option) *Store {
	s := &Store{wake: make(chan struct{}, 1)}
	for _, o := range options {
		o(s)
	}
	return s
}

// Snapshot implements kv.Store.
func (s *Store) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, kv.ErrClosed
	}
	if f := s.failLocked(OpSnapshot); f.Err != nil {
		return nil, f.Err
	}
	return &snapshot{store: s, root: s.tree.freeze()}, nil
}

// Commit implements kv.Store.
func (s *Store) Commit(ctx context.Context, m *kv.Mutation) error {
	if err := m.Check(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	applied, err := s.commit(m)
	if applied && m.Visible != nil {
		m.Visible()
	}
	return err
}

// commit reports whether m was applied, which it may be in spite of an error.
func (s *Store) commit(m *kv.Mutation) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, kv.ErrClosed
	}
	f := s.failLocked(OpCommit)
	if f.Err != nil && !f.Apply {
		return false, f.Err
	}
	for i := range m.Guards {
		g := &m.Guards[i]
		v := s.tree.get(g.Key)
		if (v == nil) != (g.Want == nil) || !bytes.Equal(v, g.Want) {
			return false, fmt.Errorf("%w: %.200q", kv.ErrConflict, g.Key)
		}
	}
	if s.conflict > 0 && len(m.Guards) > 0 && s.random.Float64() < s.conflict {
		return false, fmt.Errorf("%w: injected", kv.ErrConflict)
	}
	for i := range m.Puts {
		p := &m.Puts[i]
		s.tree.put(p.Key, p.Value)
	}
	for _, k := range m.Deletes {
		s.tree.delete(k)
	}
	if !m.Empty() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return true, f.Err
}

// Barrier implements kv.Store: there is nothing to wait for.
func (s *Store) Barrier(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return kv.ErrClosed
	}
	return s.failLocked(OpBarrier).Err
}

// Wake implements kv.Store.
func (s *Store) Wake() <-chan struct{} { return s.wake }

// Len is the number of rows.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tree.size
}

// Close implements kv.Store. What was stored stays for snapshots under way.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// snapshot is a root that no longer changes.
type snapshot struct {
	store *Store
	root  *node
}

func (s *snapshot) Get(key []byte) ([]byte, error) {
	if err := s.store.fail(OpGet); err != nil {
		return nil, err
	}
	v := s.root.get(key)
	if v == nil {
		return nil, kv.ErrNotFound
	}
	return append(make([]byte, 0, len(v)), v...), nil
}

func (s *snapshot) Scan(span kv.Span) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		if err := s.store.fail(OpScan); err != nil {
			yield(kv.Pair{}, err)
			return
		}
		// One buffer for every step: a caller that keeps a pair beyond its step
		// must fail here as it would on an engine that reuses its blocks.
		var buf []byte
		step := func(k, v []byte) bool {
			for i := range buf {
				buf[i] = 0xdb
			}
			buf = append(append(buf[:0], k...), v...)
			return yield(kv.Pair{Key: buf[:len(k):len(k)], Value: buf[len(k):len(buf):len(buf)]}, nil)
		}
		if span.Reverse {
			s.root.descend(span.Low, span.High, step)
		} else {
			s.root.ascend(span.Low, span.High, step)
		}
	}
}

func (s *snapshot) Settled(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return s.store.fail(OpSettled)
}

func (s *snapshot) Close() { s.root = nil }
