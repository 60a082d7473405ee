package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Of a drained run, the objects acknowledged last and some spread over all of
// it are watched while the rest arrives; asking for every one again and again
// would take the destination's time away from what is measured.
const (
	sampleLast   = 200
	sampleSpread = 200
)

// DrainReport is how fast objects were put and arrived.
type DrainReport struct {
	Objects int64 `json:"objects"`
	Size    int64 `json:"size_bytes"`
	Clients int   `json:"clients"`
	// PutSeconds is from the first PUT to the last acknowledgement.
	PutSeconds   float64 `json:"put_seconds"`
	PutPerSecond float64 `json:"puts_per_second"`
	Put          Latency `json:"put"`
	// Seconds is from the first PUT until everything was at the destination.
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"objects_per_second"`
	MiBPerSec float64 `json:"mib_per_second"`
	// TailSeconds is what of Seconds came after the last acknowledgement.
	TailSeconds float64 `json:"tail_seconds"`
	// Late objects weren't there when the whole sample was. With any of them
	// Seconds is when the last of them was seen, an upper bound.
	Late    int64 `json:"late_at_full_check"`
	Missing int64 `json:"missing"`
	Load    Load  `json:"load"`
}

// burst puts n objects with several clients as fast as they are acknowledged.
// Errors that may pass are retried. The objects come back in the order of
// their acknowledgement.
func (p *pair) burst(ctx context.Context, phase, names string, n int64) ([]object, *Histogram, error) {
	g, err := newCrew(ctx, &p.Source, p.drainClients())
	if err != nil {
		return nil, nil, err
	}
	defer g.close()
	senders := make(map[*client]*sender, len(g.clients))
	puts := make(map[*client]*Histogram, len(g.clients))
	for _, c := range g.clients {
		senders[c], puts[c] = &sender{c, p.bodies.open()}, new(Histogram)
	}
	var mu sync.Mutex
	objects := make([]object, 0, n)
	k := keys{prefix: names}
	count, stop := p.Progress.phase(phase, n)
	err = g.each(n, count, func(c *client, i int64) error {
		id := k.id(uint64(i))
		o, err := senders[c].put(k.name(nil, id), id)
		if err != nil {
			return err
		}
		puts[c].Record(c.elapsed)
		mu.Lock()
		objects = append(objects, o)
		mu.Unlock()
		return nil
	})
	stop()
	if err != nil {
		return nil, nil, err
	}
	all := new(Histogram)
	for _, h := range puts {
		all.Merge(h)
	}
	return objects, all, nil
}

// await waits until the destination has every one of the objects, each asked
// for again and again by one client that then goes on to the next. It tells
// how many never came.
func (p *pair) await(ctx context.Context, phase string, objects []object, arrived func(i int64, at time.Time)) (missing int64, err error) {
	g, err := newCrew(ctx, &p.Destination, p.drainClients())
	if err != nil {
		return 0, err
	}
	defer g.close()
	deadline := time.Now().Add(p.Wait)
	var lost atomic.Int64
	count, stop := p.Progress.phase(phase, int64(len(objects)))
	defer stop()
	err = g.each(int64(len(objects)), count, func(c *client, i int64) error {
		for {
			found, err := look(c, &objects[i])
			now := time.Now()
			switch {
			case err != nil:
				return err
			case found:
				if arrived != nil {
					arrived(i, now)
				}
				return nil
			case now.After(deadline):
				lost.Add(1)
				return nil
			}
			if err := sleep(ctx, p.Poll); err != nil {
				return err
			}
		}
	})
	return lost.Load(), err
}

// sampleOf picks the objects that were acknowledged last and some others at
// equal distances.
func sampleOf(objects []object) []object {
	if len(objects) <= sampleLast+sampleSpread {
		return objects
	}
	rest := objects[:len(objects)-sampleLast]
	var s []object
	for i := range sampleSpread {
		s = append(s, rest[i*len(rest)/sampleSpread])
	}
	return append(s, objects[len(objects)-sampleLast:]...)
}

func (p *pair) drain(ctx context.Context, names string) (*DrainReport, error) {
	r := &DrainReport{Objects: p.DrainObjects, Size: p.Size, Clients: p.drainClients()}
	before, err := takeSample(p.ServerPIDs)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	objects, puts, err := p.burst(ctx, Drain, names, p.DrainObjects)
	if err != nil {
		return nil, err
	}
	acked := time.Now()
	missing, err := p.await(ctx, "sample", sampleOf(objects), nil)
	if err != nil {
		return nil, err
	}
	end := time.Now()
	after, err := takeSample(p.ServerPIDs)
	if err != nil {
		return nil, err
	}
	late, last, lost, err := p.fullCheck(ctx, objects)
	if err != nil {
		return nil, err
	}
	if late > 0 && last.After(end) {
		end = last
	}
	r.Late, r.Missing = late, max(lost, missing)
	r.Put = puts.Latency()
	r.PutSeconds = acked.Sub(begin).Seconds()
	r.PutPerSecond = ratio(float64(r.Objects), r.PutSeconds)
	r.Seconds = end.Sub(begin).Seconds()
	r.TailSeconds = end.Sub(acked).Seconds()
	r.PerSecond = ratio(float64(r.Objects), r.Seconds)
	r.MiBPerSec = ratio(float64(r.Objects*r.Size)/(1<<20), r.Seconds)
	r.Load = after.since(before, p.ServerPIDs, r.Objects)
	if r.Missing > 0 {
		return r, fmt.Errorf("%w: %d of %d objects missing after %v", ErrMissing, r.Missing, r.Objects, p.Wait)
	}
	return r, nil
}

// fullCheck asks for every object once; those that aren't there are late, and
// waited for.
func (p *pair) fullCheck(ctx context.Context, objects []object) (late int64, last time.Time, missing int64, err error) {
	g, err := newCrew(ctx, &p.Destination, p.drainClients())
	if err != nil {
		return 0, last, 0, err
	}
	defer g.close()
	var mu sync.Mutex
	var absentees []object
	count, stop := p.Progress.phase("full check", int64(len(objects)))
	err = g.each(int64(len(objects)), count, func(c *client, i int64) error {
		found, err := look(c, &objects[i])
		if err == nil && !found {
			mu.Lock()
			absentees = append(absentees, objects[i])
			mu.Unlock()
		}
		return err
	})
	stop()
	if err != nil || len(absentees) == 0 {
		return 0, last, 0, err
	}
	missing, err = p.await(ctx, "late objects", absentees, func(_ int64, at time.Time) {
		mu.Lock()
		defer mu.Unlock()
		if at.After(last) {
			last = at
		}
	})
	return int64(len(absentees)), last, missing, err
}
