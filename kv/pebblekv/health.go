package pebblekv

import (
	"fmt"
	"sync/atomic"

	"github.com/farhold/farhold/kv"
)

// errDead is what waits end with when a sync has failed.
var errDead = fmt.Errorf("%w: a sync failed, and what was being written is unknown", kv.ErrClosed)

// health is whether the store may still promise durability. A store dies of a
// failed write or sync of its log or manifest, and stays dead until it is
// opened again:
//
//   - Commit and Barrier return ErrClosed with the cause. So do the commits
//     that were under way, whose outcome is unknown.
//   - Reads go on, but Settled returns ErrClosed for what was not durable.
//   - Nothing on the disk changes any more that the next Open would look at.
//
// health is also Pebble's logger. Pebble calls Fatalf where it would end the
// process, which must not happen to one that serves more than this store.
type health struct {
	closed  atomic.Bool
	cause   atomic.Pointer[error]
	tries   atomic.Int32 // tables that failed during Open
	onDeath func()
	log     func(string)
}

// die makes the store dead. The first cause counts.
func (h *health) die(cause error) {
	if h.cause.CompareAndSwap(nil, &cause) {
		h.onDeath()
		h.log("kv: the store stopped itself: " + cause.Error())
	}
}

func (h *health) failed() bool { return h.cause.Load() != nil }

// reason is what the store died of, or nil.
func (h *health) reason() error {
	if p := h.cause.Load(); p != nil {
		return *p
	}
	return nil
}

// check gives the error that commits get, if there is one.
func (h *health) check() error {
	if h.closed.Load() {
		return kv.ErrClosed
	}
	if cause := h.reason(); cause != nil {
		return fmt.Errorf("%w: it stopped itself: %w", kv.ErrClosed, cause)
	}
	return nil
}

// Infof implements pebble.Logger: routine news.
func (h *health) Infof(string, ...any) {}

// Errorf implements pebble.Logger: trouble that Pebble deals with itself.
func (h *health) Errorf(format string, args ...any) { h.log("kv: " + fmt.Sprintf(format, args...)) }

// Fatalf implements pebble.Logger: Pebble can't go on.
func (h *health) Fatalf(format string, args ...any) { h.die(fmt.Errorf(format, args...)) }
