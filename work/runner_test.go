package work

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunnerCallsAgainAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var calls []time.Duration
		r := NewRunner(nil)
		r.Go("x", Func(func(context.Context) (time.Time, error) {
			calls = append(calls, time.Since(start))
			switch len(calls) {
			case 1: // more is waiting
				return time.Now(), nil
			case 2: // something is due later
				return time.Now().Add(time.Second), nil
			}
			return time.Time{}, nil
		}), nil, Pace{Idle: 8 * time.Second})
		time.Sleep(20 * time.Second)
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(calls) < 4 || calls[1] != 0 || calls[2] != time.Second {
			t.Fatalf("called at %v", calls)
		}
		if idle := calls[3] - calls[2]; idle < 6*time.Second || idle > 10*time.Second {
			t.Errorf("idle time %v, want 8 s give or take a quarter", idle)
		}
	})
}

func TestRunnerBacksOffAndHintsDoNotHurryIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wake := make(chan struct{}, 1)
		var calls, errs atomic.Int64
		r := NewRunner(func(name string, err error) {
			if name != "x" || err == nil {
				t.Errorf("onError(%q, %v)", name, err)
			}
			errs.Add(1)
		})
		r.Go("x", Func(func(context.Context) (time.Time, error) {
			calls.Add(1)
			return time.Time{}, errors.New("no")
		}), wake, Pace{BackoffMin: time.Second, BackoffMax: 4 * time.Second})
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			select {
			case wake <- struct{}{}:
			default:
			}
		}
		r.Stop(t.Context())
		// 1 + 2 + 4 + 4 … s in a minute, give or take a quarter.
		if n := calls.Load(); n < 12 || n > 22 {
			t.Errorf("%d calls in a minute", n)
		}
		if calls.Load() != errs.Load() {
			t.Errorf("%d errors told of %d", errs.Load(), calls.Load())
		}
	})
}

func TestRunnerHintsWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bell Bell
		source := make(chan struct{}, 1)
		r := NewRunner(nil)
		r.Ring(&bell, source)
		var a, b atomic.Int64
		count := func(n *atomic.Int64) Stepper {
			return Func(func(context.Context) (time.Time, error) { n.Add(1); return time.Time{}, nil })
		}
		r.Go("a", count(&a), bell.Listen(), Pace{Idle: time.Hour})
		r.Go("b", count(&b), bell.Listen(), Pace{Idle: time.Hour})
		synctest.Wait()
		source <- struct{}{}
		synctest.Wait()
		if a.Load() != 2 || b.Load() != 2 {
			t.Errorf("called %d and %d times, want 2 and 2", a.Load(), b.Load())
		}
		r.Stop(t.Context())
	})
}

func TestRunnerSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		var told atomic.Pointer[string]
		r := NewRunner(func(_ string, err error) { s := err.Error(); told.Store(&s) })
		r.Go("x", Func(func(context.Context) (time.Time, error) {
			if calls.Add(1) == 1 {
				panic("poison")
			}
			return time.Time{}, nil
		}), nil, Pace{})
		time.Sleep(time.Minute)
		r.Stop(t.Context())
		if calls.Load() < 2 || told.Load() == nil || !strings.Contains(*told.Load(), "poison") {
			t.Errorf("%d calls, told %v", calls.Load(), told.Load())
		}
	})
}

func TestStopWaitsForTheStepUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		r := NewRunner(nil)
		r.Go("x", Func(func(ctx context.Context) (time.Time, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // it tidies up
			ended = true
			return time.Time{}, ctx.Err()
		}), nil, Pace{})
		synctest.Wait()
		if err := r.Stop(t.Context()); err != nil || !ended {
			t.Errorf("Stop = %v, ended %v", err, ended)
		}
	})
}

func TestMore(t *testing.T) {
	left := 3
	s := More(func(context.Context) (bool, error) { left--; return left > 0, nil })
	for i := 0; ; i++ {
		again, err := s.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if again.IsZero() {
			if i != 2 || left != 0 {
				t.Errorf("ended after %d steps with %d left", i+1, left)
			}
			return
		}
	}
}
