package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// retries is how often a preparation step is tried again after an error that
// may pass, with longer and longer pauses (0.1 s, 0.2 s, … 3.2 s).
const retries = 6

// crew is a set of clients that share work which isn't measured.
type crew struct {
	ctx     context.Context
	clients []*client
}

func newCrew(ctx context.Context, t *Target, n int) (*crew, error) {
	g := &crew{ctx: ctx}
	for i := range n {
		c, err := newClient(ctx, t, i)
		if err != nil {
			return nil, err
		}
		g.clients = append(g.clients, c)
	}
	return g, nil
}

func (g *crew) close() {
	for _, c := range g.clients {
		c.close()
	}
}

// each calls f for 0 … n-1, each once, on as many goroutines as there are
// clients. Errors that may pass are retried; any other ends the work and is
// returned. progress may be nil.
func (g *crew) each(n int64, progress *counter, f func(c *client, i int64) error) error {
	ctx, cancel := context.WithCancelCause(g.ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, c := range g.clients[:min(int64(len(g.clients)), n)] {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				if err := persist(ctx, func() error { return f(c, i) }); err != nil {
					cancel(fmt.Errorf("item %d: %w", i, err))
					return
				}
				progress.add(1)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// persist calls f until it succeeds, fails for good or has failed too often.
func persist(ctx context.Context, f func() error) error {
	pause := 100 * time.Millisecond
	for try := 0; ; try++ {
		err := f()
		if err == nil || try == retries || !passing(err) {
			return err
		}
		if e := sleep(ctx, pause); e != nil {
			return e
		}
		pause *= 2
	}
}

// sleep waits for d or until ctx is done, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
