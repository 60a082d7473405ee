package bench

import (
	"sync"
	"sync/atomic"
	"time"
)

// progressEvery is how often a Progress is told.
const progressEvery = 200 * time.Millisecond

// Progress is told how far a phase is, a few times per second and from one
// goroutine at a time. A new phase name begins a new phase. Where a phase is
// bounded by time, done and total are nanoseconds and ops says how many
// operations have ended; otherwise done and ops are the same.
type Progress func(phase string, done, total, ops int64, timed bool)

// counter counts what has been done; a nil counter counts nothing. It fills a
// cache line, so that neighbours don't slow each other down.
type counter struct {
	n atomic.Int64
	_ [56]byte
}

func (c *counter) add(n int64) {
	if c != nil {
		c.n.Add(n)
	}
}

// watch calls f every progressEvery until the returned function is called,
// which calls it a last time and returns when it has returned.
func watch(f func()) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(progressEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				f()
			case <-done:
				f()
				return
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// phase reports a counted phase until the returned function is called. The
// total may be 0, unknown.
func (p Progress) phase(name string, total int64) (count *counter, stop func()) {
	count = new(counter)
	if p == nil {
		return count, func() {}
	}
	return count, watch(func() { n := count.n.Load(); p(name, n, total, n, false) })
}
