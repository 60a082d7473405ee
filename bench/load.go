package bench

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Pauses after an error keep a client from flooding a server that is down.
const (
	errorPause      = time.Millisecond
	connectionPause = 50 * time.Millisecond
)

// outcome is one operation that has ended.
type outcome struct {
	op      string
	bytes   int64         // of content or of a list page
	items   int64         // list entries
	elapsed time.Duration // as the client saw it
	err     error
}

// actor performs one operation after another; false means that there is
// nothing left to do.
type actor func() (outcome, bool)

// tally is what one client counts about one kind of operation.
type tally struct {
	latency      Histogram
	bytes, items int64
	errors       map[string]*ErrorCount
}

// ErrorCount is how often an error occurred, and what it said the first time.
type ErrorCount struct {
	Code    string `json:"code"`
	Count   int64  `json:"count"`
	Example string `json:"example"`
}

func (t *tally) fail(err error) {
	code := codeOf(err)
	e := t.errors[code]
	if e == nil {
		if t.errors == nil {
			t.errors = make(map[string]*ErrorCount)
		}
		e = &ErrorCount{Code: code, Example: err.Error()}
		t.errors[code] = e
	}
	e.Count++
}

func (t *tally) merge(o *tally) {
	t.latency.Merge(&o.latency)
	t.bytes += o.bytes
	t.items += o.items
	for code, e := range o.errors {
		if mine := t.errors[code]; mine != nil {
			mine.Count += e.Count
			continue
		}
		if t.errors == nil {
			t.errors = make(map[string]*ErrorCount)
		}
		c := *e
		t.errors[code] = &c
	}
}

// Operation is what was measured about one kind of operation.
type Operation struct {
	Op        string  `json:"op"`
	Ops       int64   `json:"ops"`
	PerSecond float64 `json:"ops_per_second"`
	Bytes     int64   `json:"bytes"`
	MiBPerSec float64 `json:"mib_per_second"`
	// Items are entries of list pages.
	Items   int64        `json:"items,omitempty"`
	Latency Latency      `json:"latency"`
	Errors  []ErrorCount `json:"errors,omitempty"`
}

func (t *tally) operation(op string, seconds float64) Operation {
	o := Operation{Op: op, Ops: t.latency.Count(), Bytes: t.bytes, Items: t.items, Latency: t.latency.Latency()}
	o.PerSecond = ratio(float64(o.Ops), seconds)
	o.MiBPerSec = ratio(float64(o.Bytes)/(1<<20), seconds)
	for _, e := range t.errors {
		o.Errors = append(o.Errors, *e)
	}
	slices.SortFunc(o.Errors, func(a, b ErrorCount) int { return strings.Compare(a.Code, b.Code) })
	return o
}

// loop runs a closed loop: every client performs one operation after another.
type loop struct {
	warmup   time.Duration
	duration time.Duration // of the measured window; 0 means until actors end
	pids     []int
	progress Progress
	phase    string
}

// measured is what a loop found out.
type measured struct {
	seconds     float64
	operations  []Operation // by name; with several, "total" comes last
	perSecond   []int64     // operations that ended in each full second
	load        Load
	interrupted bool
}

// run performs the loop with one goroutine per actor and waits for all.
func (l *loop) run(ctx context.Context, actors []actor) (*measured, error) {
	start := time.Now()
	from := start.Add(l.warmup)
	end := time.Unix(math.MaxInt32, 0)
	if l.duration > 0 {
		end = from.Add(l.duration)
	}
	counters := make([]counter, len(actors))
	workers := make([]worker, len(actors))
	var wg sync.WaitGroup
	for i := range actors {
		w := &workers[i]
		*w = worker{act: actors[i], count: &counters[i], tallies: make(map[string]*tally), last: from}
		wg.Go(func() { w.run(ctx, from, end) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }() // Ends with the workers.

	select { // Processor time is compared over the measured window only.
	case <-time.After(time.Until(from)):
	case <-done:
	}
	before, err := takeSample(l.pids)
	if err != nil {
		<-done
		return nil, err
	}
	series := l.follow(counters, done)
	<-done
	after, err := takeSample(l.pids)
	if err != nil {
		return nil, err
	}

	m := &measured{perSecond: <-series, interrupted: ctx.Err() != nil}
	last := from
	all, total := make(map[string]*tally), new(tally)
	for i := range workers {
		if workers[i].last.After(last) {
			last = workers[i].last
		}
		for op, t := range workers[i].tallies {
			if all[op] == nil {
				all[op] = new(tally)
			}
			all[op].merge(t)
			total.merge(t)
		}
	}
	m.seconds = last.Sub(from).Seconds()
	for op, t := range all {
		m.operations = append(m.operations, t.operation(op, m.seconds))
	}
	slices.SortFunc(m.operations, func(a, b Operation) int { return strings.Compare(a.Op, b.Op) })
	if len(m.operations) > 1 {
		m.operations = append(m.operations, total.operation("total", m.seconds))
	}
	m.load = after.since(before, l.pids, total.latency.Count())
	return m, nil
}

// follow reports progress and counts operations by second until done.
func (l *loop) follow(counters []counter, done <-chan struct{}) <-chan []int64 {
	out := make(chan []int64, 1)
	sum := func() (n int64) {
		for i := range counters {
			n += counters[i].n.Load()
		}
		return n
	}
	go func() { // Ends when done is closed, which run waits for.
		var series []int64
		start, first := time.Now(), sum() // What was done before is warm-up.
		base := first
		ticks := time.NewTicker(progressEvery)
		defer ticks.Stop()
		for second := start.Add(time.Second); ; {
			select {
			case now := <-ticks.C:
				n := sum()
				if !now.Before(second) {
					series = append(series, n-base)
					base, second = n, second.Add(time.Second)
				}
				if l.progress != nil && l.duration > 0 {
					l.progress(l.phase, min(int64(now.Sub(start)), int64(l.duration)), int64(l.duration), n-first, true)
				} else if l.progress != nil {
					l.progress(l.phase, n-first, 0, n-first, false)
				}
			case <-done:
				if l.progress != nil {
					n, whole := sum()-first, int64(l.duration)
					if l.duration == 0 {
						whole = n
					}
					l.progress(l.phase, whole, whole, n, l.duration > 0)
				}
				out <- series
				return
			}
		}
	}()
	return out
}

// worker is one closed loop.
type worker struct {
	act     actor
	count   *counter
	tallies map[string]*tally
	last    time.Time // when the last counted operation ended
	_       [64]byte
}

func (w *worker) run(ctx context.Context, from, end time.Time) {
	begin := time.Now()
	for ctx.Err() == nil && begin.Before(end) {
		o, ok := w.act()
		if !ok {
			return
		}
		now := time.Now()
		if ctx.Err() != nil && o.err != nil {
			return // The interruption made it fail.
		}
		if !begin.Before(from) {
			t := w.tallies[o.op]
			if t == nil {
				t = new(tally)
				w.tallies[o.op] = t
			}
			if o.err != nil {
				t.fail(o.err)
			} else {
				t.latency.Record(o.elapsed)
				t.bytes += o.bytes
				t.items += o.items
			}
			w.last = now
		}
		if o.err != nil {
			pause := connectionPause
			if _, answered := errors.AsType[*StatusError](o.err); answered {
				pause = errorPause
			}
			if sleep(ctx, pause) != nil {
				return
			}
			now = time.Now()
		} else {
			w.count.n.Add(1)
		}
		begin = now
	}
}
