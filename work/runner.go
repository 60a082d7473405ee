package work

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Pace says how often a Stepper is called.
type Pace struct {
	// Idle is the longest time between calls when nothing is known to be due:
	// hints can be lost, polling can't. Zero means 5 s.
	Idle time.Duration
	// BackoffMin and BackoffMax bound the time after an error; it doubles with
	// each further one. Zero means 100 ms and 30 s.
	BackoffMin, BackoffMax time.Duration
	// Gap is the least time between calls, also when more is waiting: what
	// background work leaves to requests. Zero means none.
	Gap time.Duration
}

func (p Pace) withDefaults() Pace {
	if p.Idle == 0 {
		p.Idle = 5 * time.Second
	}
	if p.BackoffMin == 0 {
		p.BackoffMin = 100 * time.Millisecond
	}
	if p.BackoffMax == 0 {
		p.BackoffMax = 30 * time.Second
	}
	return p
}

// Runner owns the goroutines that call Steppers. Stop ends them all.
type Runner struct {
	onError func(name string, err error)
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// NewRunner makes a runner. onError hears of every failed step, from several
// goroutines; it may be nil.
func NewRunner(onError func(name string, err error)) *Runner {
	if onError == nil {
		onError = func(string, error) {}
	}
	r := &Runner{onError: onError}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Go calls s until Stop, one call at a time. A hint on wake, which may be nil,
// cuts the wait short, except while s backs off from an error: a busy region
// must not turn a failing step into a loop. Use the channel of a Bell where
// several Steppers wait for the same hint.
func (r *Runner) Go(name string, s Stepper, wake <-chan struct{}, pace Pace) {
	pace = pace.withDefaults()
	r.wg.Go(func() { r.loop(name, s, wake, pace) })
}

// Stop tells the steps under way to end and waits until all have, or until ctx
// ends; then it returns the context's error.
func (r *Runner) Stop(ctx context.Context) error {
	r.cancel()
	done := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Runner) loop(name string, s Stepper, wake <-chan struct{}, pace Pace) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	backoff := time.Duration(0)
	for r.ctx.Err() == nil {
		again, err := step(r.ctx, s)
		if r.ctx.Err() != nil {
			return
		}
		var wait time.Duration
		hint := wake
		switch {
		case err != nil:
			r.onError(name, err)
			backoff = min(max(2*backoff, pace.BackoffMin), pace.BackoffMax)
			wait, hint = jitter(backoff), nil
		case again.IsZero():
			backoff, wait = 0, jitter(pace.Idle)
		default:
			backoff, wait = 0, min(max(time.Until(again), 0), pace.Idle)
		}
		if wait < pace.Gap {
			wait, hint = pace.Gap, nil
		}
		if wait == 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-hint:
			if pace.Gap > 0 {
				timer.Reset(pace.Gap)
				select {
				case <-timer.C:
				case <-r.ctx.Done():
				}
			}
		case <-r.ctx.Done():
		}
	}
}

// jitter spreads d over 75 to 125 %, so that what failed together does not come
// back together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rand.Int64N(int64(d)/2+1))
}

// step turns a panic into an error: one poisoned row must not take down the
// requests of a region, nor hide.
func step(ctx context.Context, s Stepper) (again time.Time, err error) {
	defer func() {
		if p := recover(); p != nil {
			again, err = time.Time{}, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.Step(ctx)
}

// Bell hands one source of hints to several listeners. The zero Bell is ready.
type Bell struct {
	mu        sync.Mutex
	listeners []chan struct{}
}

// Listen gives a channel that gets a hint with each Ring. It has room for one.
func (b *Bell) Listen() <-chan struct{} {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners = append(b.listeners, c)
	return c
}

// Ring gives every listener a hint. It never waits.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Ring rings b for each hint from source, until Stop.
func (r *Runner) Ring(b *Bell, source <-chan struct{}) {
	r.wg.Go(func() {
		for {
			select {
			case _, ok := <-source:
				if !ok {
					return
				}
				b.Ring()
			case <-r.ctx.Done():
				return
			}
		}
	})
}
