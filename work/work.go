// Package work runs what happens after the answer. Everything there is a
// Stepper: a bounded piece of work at a time, done when it is called and never
// on its own, so that a server can call it from a few goroutines, a simulator
// in an order chosen by a seed, and a test twice to look what happened.
package work

import (
	"context"
	"time"
)

// Stepper does a bounded piece of work.
type Stepper interface {
	// Step does what is due, but no more than a bounded piece of it, and tells
	// when to be called again: a time that is not in the future means at
	// once, because more is waiting; the zero time means that nothing is known
	// to be due, so call on the next hint or after the runner's own idle time.
	// After an error it is called again after a back-off.
	Step(ctx context.Context) (again time.Time, err error)
}

// Func makes a Stepper of a function.
type Func func(ctx context.Context) (again time.Time, err error)

// Step calls f.
func (f Func) Step(ctx context.Context) (time.Time, error) { return f(ctx) }

// More makes a Stepper of a function that tells whether more is waiting.
func More(f func(ctx context.Context) (more bool, err error)) Stepper {
	return Func(func(ctx context.Context) (time.Time, error) {
		more, err := f(ctx)
		if more && err == nil {
			return time.Unix(1, 0), nil
		}
		return time.Time{}, err
	})
}
