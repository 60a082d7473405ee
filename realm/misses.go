package realm

import (
	"context"
	"sync"
	"time"

	"github.com/farhold/farhold/store"
)

// Bounds of asking home about names that this region's copy does not have. A
// client can invent names, so what that costs is limited.
const (
	missFor    = time.Second // how long "there is none" is believed
	missesMax  = 4096        // names remembered
	askingMax  = 32          // questions under way
	downPeriod = time.Second // how long home is not asked after it could not be
)

// misses remembers which names home does not have, and asks about one name
// once however many want to know.
type misses struct {
	mu     sync.Mutex
	none   map[string]time.Time
	asking map[string]*question
	down   time.Time // when home could not be asked last
	why    error
}

type question struct {
	done  chan struct{}
	place store.Place
	ok    bool
	err   error
}

// ask gives what home says about a name; f asks it.
func (m *misses) ask(ctx context.Context, name string, f func(context.Context) (store.Place, bool, error)) (store.Place, bool, error) {
	m.mu.Lock()
	if at, ok := m.none[name]; ok && time.Since(at) < missFor {
		m.mu.Unlock()
		return store.Place{}, false, nil
	}
	if !m.down.IsZero() && time.Since(m.down) < downPeriod {
		err := m.why
		m.mu.Unlock()
		return store.Place{}, false, err
	}
	q, ok := m.asking[name]
	if !ok {
		if len(m.asking) >= askingMax {
			m.mu.Unlock()
			return store.Place{}, false, ErrUnavailable
		}
		if m.asking == nil {
			m.asking = map[string]*question{}
		}
		q = &question{done: make(chan struct{})}
		m.asking[name] = q
		m.mu.Unlock()
		// The question outlives the one who put it first: others wait for it.
		q.place, q.ok, q.err = f(context.WithoutCancel(ctx))
		m.mu.Lock()
		delete(m.asking, name)
		m.note(name, q)
		m.mu.Unlock()
		close(q.done)
		return q.place, q.ok, q.err
	}
	m.mu.Unlock()
	select {
	case <-q.done:
		return q.place, q.ok, q.err
	case <-ctx.Done():
		return store.Place{}, false, ctx.Err()
	}
}

func (m *misses) note(name string, q *question) {
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
func (m *misses) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.none, name)
}
