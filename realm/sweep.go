package realm

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// sweepEvery is how often Sweep looks.
const sweepEvery = 2 * time.Second

// sweepMax is how many names one step settles.
const sweepMax = 100

// SweepStep settles what a crash, or a home that was away, left: names of
// buckets deleted here are given back; at home, a claim whose region says that
// the bucket is there is confirmed, and one whose region says for longer than
// Grace that there is none is given up. A region that does not answer keeps its
// claims. It is a Step.
func (r *Realm) SweepStep(ctx context.Context) (again time.Time, err error) {
	var errs []error
	r.mu.Lock()
	owed := slices.Sorted(maps.Keys(r.owed))
	r.mu.Unlock()
	for _, bucket := range owed[:min(len(owed), sweepMax)] {
		if !r.begin(bucket, "") {
			continue
		}
		err := r.settleOwed(ctx, bucket)
		r.end(bucket)
		var far *unreachableError
		if errors.As(err, &far) {
			break // home is away; the names wait
		}
		errs = append(errs, err)
	}
	if err := r.reconcile(ctx); !errors.As(err, new(*unreachableError)) {
		errs = append(errs, err)
	}
	if h := r.homeHere(); h != nil {
		if err := r.askStrangers(ctx, h); err != nil {
			if !errors.Is(err, errNotHome) {
				errs = append(errs, err)
			}
			return time.Now().Add(sweepEvery), errors.Join(errs...)
		}
		errs = append(errs, r.settleClaims(ctx, h))
	}
	return time.Now().Add(sweepEvery), errors.Join(errs...)
}

func (r *Realm) settleClaims(ctx context.Context, h *home) error {
	claims := r.table.pending()
	names := slices.Sorted(maps.Keys(claims))
	var errs []error
	silent := map[string]bool{} // regions that did not answer in this step
	n := 0
	for _, name := range names {
		if n == sweepMax {
			break
		}
		c := claims[name]
		p := c.main()
		if silent[p.region] {
			continue
		}
		n++
		a, err := r.look(ctx, p.region, name)
		var far *unreachableError
		switch {
		case errors.As(err, &far):
			silent[p.region] = true
			continue
		case err != nil:
			errs = append(errs, err)
			continue
		}
		switch {
		case a.Exists && a.UID == p.uid:
			_, err = h.confirm(ctx, p.region, name, p.uid)
		case !a.Busy && r.opt.Now().Sub(c.claimed) > r.opt.Grace:
			_, err = h.release(ctx, p.region, name, p.uid)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// look asks a region whether it has a bucket.
func (r *Realm) look(ctx context.Context, region, name string) (*bucketAnswer, error) {
	if region == r.opt.Region {
		return r.lookHere(ctx, name)
	}
	return Ask[bucketAnswer](ctx, r.opt.Peers, region, pathBucket, nameQuestion{Name: name}, r.opt.AskTimeout)
}
