package pebblekv

import (
	"fmt"
	"sync/atomic"

	"github.com/farhold/farhold/kv"
)

// errDead is what waits end with when a sync has failed.
var errDead = fmt.Errorf("%w: a sync failed, and what was being written is unknown", kv.ErrClosed)

// health is whether the store may still promise durability. It is also
// Pebble's logger, whose Fatalf must not end a process that serves more than
// this store.
type health struct {
	closed  atomic.Bool
	cause   atomic.Pointer[error]
	onDeath func()
}

// die stops the store from accepting anything more. The first cause counts.
func (h *health) die(cause error) {
	err := fmt.Errorf("%w: it stopped itself: %w", kv.ErrClosed, cause)
	if h.cause.CompareAndSwap(nil, &err) {
		h.onDeath()
	}
}

func (h *health) failed() bool { return h.cause.Load() != nil }

// check gives the error that commits get, if there is one.
func (h *health) check() error {
	if h.closed.Load() {
		return kv.ErrClosed
	}
	if p := h.cause.Load(); p != nil {
		return *p
	}
	return nil
}

// Infof implements pebble.Logger: routine news.
func (h *health) Infof(string, ...any) {}

// Errorf implements pebble.Logger: news that Pebble deals with itself.
func (h *health) Errorf(string, ...any) {}

// Fatalf implements pebble.Logger: Pebble can't go on.
func (h *health) Fatalf(format string, args ...any) { h.die(fmt.Errorf(format, args...)) }
