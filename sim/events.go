package sim

import (
	"context"
	"errors"
	"time"
)

// wildest bounds how far a clock goes wrong in a run that goes beyond what
// receivers accept.
const wildest = 60 * time.Second

// event lets one thing happen, chosen by weight.
func (w *world) event(ctx context.Context) error {
	total := 0
	for _, n := range w.cfg.weights {
		total += n
	}
	at := w.rng.IntN(total)
	kind := 0
	for at >= w.cfg.weights[kind] {
		at -= w.cfg.weights[kind]
		kind++
	}
	w.now = w.now.Add(time.Duration(w.rng.Int64N(int64(w.cfg.pace))))
	r := w.someRegion()
	switch kind {
	case evPut:
		return w.put(ctx, r)
	case evDelete:
		return w.delete(ctx, r)
	case evPurge:
		return w.purge(ctx, r)
	case evTags:
		return w.tags(ctx, r)
	case evLock:
		return w.lock(ctx, r)
	case evMultipart:
		return w.multipart(ctx, r)
	case evRules:
		return w.rules(ctx, r)
	case evVersioning:
		return w.versioning(ctx, r)
	case evBucket:
		return w.bucket(ctx, r)
	case evWork:
		return w.work(ctx, r)
	case evDeliver:
		if n := len(w.flying); n > 0 {
			i := w.rng.IntN(n)
			m := w.flying[i]
			w.flying[i] = w.flying[n-1]
			w.flying = w.flying[:n-1]
			_, err := w.deliver(ctx, m)
			return err
		}
	case evReplay:
		if n := len(w.sent); n > 0 {
			_, err := w.deliver(ctx, w.sent[w.rng.IntN(n)])
			return err
		}
	case evLink:
		to := w.someRegion()
		if to != r {
			k := [2]string{r.name, to.name}
			w.cuts[k] = !w.cuts[k]
			w.tracef("%s→%s: cut=%v", r.name, to.name, w.cuts[k])
			if w.rng.IntN(2) == 0 { // both ways
				w.cuts[[2]string{to.name, r.name}] = w.cuts[k]
			}
		}
	case evClock:
		bound := w.cfg.skew
		if w.cfg.wild && w.rng.IntN(2) == 0 {
			bound = wildest
		}
		if bound > 0 {
			r.offset = time.Duration(w.rng.Int64N(int64(2*bound))) - bound
			w.tracef("%s: clock %+.3fs", r.name, r.offset.Seconds())
		}
	case evRestart:
		w.tracef("%s: restarted", r.name)
		if err := r.start(ctx); err != nil {
			return w.violation("%s: restart: %v", r.name, err)
		}
	case evSweep:
		if _, err := r.store.SweepStep(ctx); err != nil {
			return w.violation("%s: sweep: %v", r.name, err)
		}
		if _, err := r.store.FoldStep(ctx); err != nil {
			return w.violation("%s: fold: %v", r.name, err)
		}
	case evLaw:
		w.spoil(r)
	case evTime:
		w.now = w.now.Add(time.Duration(w.rng.Int64N(int64(3 * time.Second))))
	}
	return nil
}

// work lets some of a region's workers take a step, in any order.
func (w *world) work(ctx context.Context, r *region) error {
	workers := r.workers
	for _, i := range w.rng.Perm(len(workers))[:1+w.rng.IntN(len(workers))] {
		_, err := workers[i].Step(ctx)
		if w.err != nil {
			return w.err
		}
		if r.crashed() {
			w.tracef("%s: crashed after it shipped", r.name)
			if err := r.start(ctx); err != nil {
				return w.violation("%s: restart: %v", r.name, err)
			}
			return nil
		}
		r.fuse = -1
		if err != nil && !errors.Is(err, errCrashed) {
			return w.violation("%s: a worker failed: %v", r.name, err)
		}
		if len(r.workers) == 0 || r.workers[0] != workers[0] {
			return nil // it crashed as a destination meanwhile
		}
	}
	return nil
}
