package realm

import (
	"context"
	"sync"
	"time"
)

// Bounds of asking home about names and rows that this region's copy does not
// have. A client can invent them, so what that costs is limited.
const (
	missFor    = time.Second // how long "there is none" is believed
	missesMax  = 4096        // names remembered
	askingMax  = 32          // questions under way
	downPeriod = time.Second // how long home is not asked after it could not be
)

// misses remembers which names home does not have, and asks about one name
// once however many want to know. T is what home says of a name that it has.
type misses[T any] struct {
	mu     sync.Mutex
	none   map[string]time.Time
	asking map[string]*question[T]
	down   time.Time // when home could not be asked last
	why    error
}

type question[T any] struct {
	done   chan struct{}
	answer T
	ok     bool
	err    error
}

// ask gives what home says about a name; f asks it.
func (m *misses[T]) ask(ctx context.Context, name string, f func(context.Context) (T, bool, error)) (answer T, ok bool, err error) {
	m.mu.Lock()
	if at, ok := m.none[name]; ok && time.Since(at) < missFor {
		m.mu.Unlock()
		return answer, false, nil
	}
	if !m.down.IsZero() && time.Since(m.down) < downPeriod {
		err := m.why
		m.mu.Unlock()
		return answer, false, err
	}
	q, asking := m.asking[name]
	if !asking {
		if len(m.asking) >= askingMax {
			m.mu.Unlock()
			return answer, false, ErrUnavailable
		}
		if m.asking == nil {
			m.asking = map[string]*question[T]{}
		}
		q = &question[T]{done: make(chan struct{})}
		m.asking[name] = q
		m.mu.Unlock()
		// The question outlives the one who put it first: others wait for it.
		q.answer, q.ok, q.err = f(context.WithoutCancel(ctx))
		m.mu.Lock()
		delete(m.asking, name)
		m.note(name, q)
		m.mu.Unlock()
		close(q.done)
		return q.answer, q.ok, q.err
	}
	m.mu.Unlock()
	select {
	case <-q.done:
		return q.answer, q.ok, q.err
	case <-ctx.Done():
		return answer, false, ctx.Err()
	}
}

func (m *misses[T]) note(name string, q *question[T]) {
	switch {
	case q.err != nil:
		m.down, m.why = time.Now(), q.err
	case q.ok:
		m.down = time.Time{}
	default:
		m.down = time.Time{}
		if m.none == nil || len(m.none) >= missesMax {
			m.none = map[string]time.Time{}
		}
		m.none[name] = time.Now()
	}
}

// forget drops what is remembered about a name.
func (m *misses[T]) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.none, name)
}
