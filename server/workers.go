package server

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work"
	"github.com/farhold/farhold/work/replication"
	"github.com/farhold/farhold/work/replication/peer"
)

// openWorkers lets run what happens after the answer.
func (r *Region) openWorkers(context.Context, Parts) error {
	failures := r.meter.Counter("farhold_step_failures_total", "Steps of background work that failed, by region and work.", "region", "work")
	r.runner = work.NewRunner(func(name string, err error) {
		failures.With(r.cfg.Region, name).Inc()
		r.log.Warn("background work failed and will be tried again", "work", name, "error", err)
	})
	r.onClose(func() error { return r.runner.Stop(context.Background()) })
	r.runner.Go("realm-follow", work.Func(r.realm.FollowStep), nil, work.Pace{Idle: time.Minute, BackoffMax: time.Second})
	r.runner.Go("realm-sweep", work.Func(r.realm.SweepStep), nil, work.Pace{})
	r.runner.Go("store-sweep", work.More(r.store.SweepStep), nil, work.Pace{Gap: 10 * time.Millisecond})
	r.runner.Go("store-fold", work.More(r.store.FoldStep), nil, work.Pace{Gap: 10 * time.Millisecond, Idle: time.Second})
	if r.cfg.Realm.File != "" {
		r.runner.Go("realm-file", &realmFile{r: r}, nil, work.Pace{Idle: 2 * time.Second})
	}
	r.identityWork()
	r.realm.WatchRows("", r.replication.rowChanged)
	r.replication.start()
	r.runner.Go("replicate-resolve", &replication.Resolver{Store: r.store, Directory: directory{r.realm}, Clock: r.clock, Log: r.log},
		r.store.Wake("", store.LaneSmall, 0), work.Pace{BackoffMax: 5 * time.Second})
	r.runner.Go("replicate-mended", work.Func(r.replication.tellMended), r.store.Mended(), work.Pace{Gap: mendedGap, Idle: time.Hour})
	r.collect()
	return nil
}

// mendedGap is the least time between two messages to the peers that something
// was mended here.
const mendedGap = 250 * time.Millisecond

// shipping is the workers that replicate to each region of the realm.
type shipping struct {
	r    *Region
	once sync.Once
	id   *replication.Identity

	mu      sync.Mutex
	started bool
	list    []realm.RegionInfo
	links   map[string]*replication.Link
}

// regions is told of the realm's regions, now and whenever they change.
func (s *shipping) regions(list []realm.RegionInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = list
	if s.started {
		s.run()
	}
}

// identity is in whose name versions leave this region and come into it.
func (s *shipping) identity() *replication.Identity {
	s.once.Do(func() {
		r, who := s.r, &s.r.who
		s.id = &replication.Identity{
			Region: r.cfg.Region, Store: r.store, Decider: who.decider, Keys: who.keys, Now: r.clock.Now, AccountBlock: r.control.AccountBlock,
			Roles: who.issuer,
		}
	})
	return s.id
}

// keysChanged hears of each change of a key of this region. Other regions want
// to know of it too: their replicas may be waiting for the key.
func (s *shipping) keysChanged() {
	s.r.who.keys.Forget()
	s.r.store.Mend()
}

// usedRows are those of IAM that say when a key was last used. They bind nobody.
const usedRows = "iam/used/"

// rowChanged hears of each change of users, roles, policies, accounts and what
// binds them. Every region hears of it by itself.
func (s *shipping) rowChanged(key string) {
	if strings.HasPrefix(key, usedRows) {
		return
	}
	s.r.who.keys.ForgetDecisions()
	s.identity().Forget()
	s.r.store.Kick()
}

// tellMended tells the other regions that something changed here that may have
// mended what they were refused. It is a hint: a region that does not hear it
// tries again by itself within a minute.
func (s *shipping) tellMended(ctx context.Context) (time.Time, error) {
	s.mu.Lock()
	list := s.list
	s.mu.Unlock()
	client := &peer.Client{Dialer: s.r.peers}
	var wg sync.WaitGroup
	for _, i := range list {
		if i.Name != s.r.cfg.Region {
			wg.Go(func() { client.Mended(ctx, i.Name) })
		}
	}
	wg.Wait()
	return time.Time{}, nil
}

func (s *shipping) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	s.run()
}

// run lets workers run for each region that has none yet: one for each shard
// of each lane, so that large bodies and failing keys hold nobody else up.
func (s *shipping) run() {
	r := s.r
	done := r.meter.Counter("farhold_replication_attempts_total", "Attempts to replicate that ended, by source and destination region and result.", "region", "destination", "result")
	bytes := r.meter.Counter("farhold_replication_bytes_total", "Bytes of objects that arrived.", "region", "destination")
	lag := r.meter.Histogram("farhold_replication_lag_seconds", "Time from a change at the source until its destination has it.", latencies(), "region", "destination")
	for _, i := range s.list {
		if s.links[i.Name] != nil {
			continue
		}
		link := &replication.Link{}
		s.links[i.Name] = link
		var transport replication.Transport = &peer.Client{Dialer: r.peers}
		if i.Name == r.cfg.Region {
			transport = replication.Local{Identity: s.identity()}
		}
		observe := func(t *store.Task, result store.Result, took time.Duration) {
			done.With(r.cfg.Region, t.Region, resultName(result)).Inc()
			if result == store.ResultDone {
				bytes.With(r.cfg.Region, t.Region).Add(uint64(max(t.Size, 0)))
				lag.With(r.cfg.Region, t.Region).Observe(took.Seconds())
			}
		}
		for _, lane := range []store.Lane{store.LaneSmall, store.LaneLarge} {
			for shard := range uint8(store.Shards) {
				w := replication.NewWorker(replication.Options{
					Region: i.Name, Lane: lane, Shard: shard, Store: r.store, Transport: transport, Identity: s.identity(),
					Clock: r.clock, Link: link, Log: r.log, Observe: observe,
				})
				r.runner.Go(fmt.Sprintf("replicate-%s", i.Name), w, r.store.Wake(i.Name, lane, shard), work.Pace{BackoffMax: 5 * time.Second})
			}
		}
	}
}

func resultName(r store.Result) string {
	switch r {
	case store.ResultDone:
		return "done"
	case store.ResultRetry:
		return "retry"
	case store.ResultFail:
		return "failed"
	case store.ResultGone:
		return "gone"
	case store.ResultRefused:
		return "refused"
	}
	return "unknown"
}
