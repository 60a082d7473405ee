package diskblob

import "sync"

// group lets many callers share one run of an expensive act: a sync. Whoever
// calls wait while a run is under way is served by the next, which begins
// after the call, so what the caller did before it is covered.
type group struct {
	run func() error

	mu      sync.Mutex
	waiting *shared // the run that has not begun
	last    *shared // the one that began last
}

type shared struct {
	done chan struct{}
	err  error
}

// wait returns the outcome of a run that began after the call.
func (g *group) wait() error {
	g.mu.Lock()
	if r := g.waiting; r != nil {
		g.mu.Unlock()
		<-r.done
		return r.err
	}
	r := &shared{done: make(chan struct{})}
	g.waiting = r
	before := g.last
	g.mu.Unlock()
	if before != nil {
		<-before.done
	}
	g.mu.Lock()
	g.waiting, g.last = nil, r
	g.mu.Unlock()
	r.err = g.run()
	close(r.done)
	return r.err
}
