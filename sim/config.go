// Package sim assembles several whole regions in one goroutine under one seed:
// stores over engines in memory, replication workers for every pair, lane and
// shard, a network that loses, repeats, reorders and cuts, and clocks that
// disagree. A seed decides everything, so that a failing one can be repeated.
//
// Each thing that happens to a store happens to package s3model too, and the
// two are compared at once: the model knows no queue, so that what a store
// should hold never depends on how work got there. At the end the network is
// healed and the run must come to rest with every destination holding what the
// rules say, and no more.
package sim

import (
	"math/rand/v2"
	"time"
)

// Options choose a run.
type Options struct {
	Seed uint64
	// Mutant switches a safety off: "wall-clock", "lawless" (policies allow
	// everything), or one of store's, to prove that a run fails without it. Empty
	// for none.
	Mutant string
	// Steps bounds the workload; 0 lets the seed choose.
	Steps int
}

// config is what a seed chooses before the run. Weights of zero switch a kind
// of event off for the whole run: a run that never purges reaches states that
// one that purges now and then does not.
type config struct {
	regions   int
	keys      int
	steps     int
	skew      time.Duration // bound of clock offsets
	wild      bool          // clocks go beyond what receivers accept
	conflicts float64
	inlineMax int64
	large     bool // objects of the large lane
	lock      bool // a pair of buckets with Object Lock
	kms       bool // objects under SSE-KMS
	pace      time.Duration

	cut, held, lost, corrupt, twice, shuffle float64 // per shipment or batch

	weights [events]int
}

// Kinds of events.
const (
	evPut = iota
	evDelete
	evPurge
	evTags
	evLock
	evMultipart
	evRules
	evVersioning
	evBucket
	evWork
	evDeliver
	evReplay
	evLink
	evClock
	evRestart
	evSweep
	evTime
	evLaw
	events
)

func pick(r *rand.Rand, some ...float64) float64 { return some[r.IntN(len(some))] }

func newConfig(r *rand.Rand, o Options) config {
	c := config{
		regions:   2 + r.IntN(2),
		keys:      1 + r.IntN(5),
		steps:     120 + r.IntN(240),
		skew:      time.Duration(pick(r, 0, 0.5, 3, 3) * float64(time.Second)),
		wild:      r.IntN(6) == 0,
		conflicts: pick(r, 0, 0, 0.02, 0.1),
		inlineMax: int64(pick(r, 0, 64, -1)),
		large:     r.IntN(40) == 0,
		lock:      r.IntN(2) == 0,
		kms:       r.IntN(2) == 0,
		pace:      time.Duration(pick(r, 1, 20, 300) * float64(time.Millisecond)),
		cut:       pick(r, 0, 0, 0.02, 0.1),
		held:      pick(r, 0, 0.05, 0.3),
		lost:      pick(r, 0, 0.05, 0.3),
		corrupt:   pick(r, 0, 0, 0.03),
		twice:     pick(r, 0, 0.1, 0.5),
		shuffle:   pick(r, 0, 0.5),
	}
	if o.Steps > 0 {
		c.steps = o.Steps
	}
	if c.large {
		c.steps = min(c.steps, 80)
		c.conflicts = 0 // the large lane has goroutines: chance must not depend on their order
	}
	base := [events]int{
		evPut: 30, evDelete: 10, evPurge: 10, evTags: 8, evLock: 8, evMultipart: 4,
		evRules: 2, evVersioning: 2, evBucket: 1,
		evWork: 50, evDeliver: 15, evReplay: 10, evLink: 5, evClock: 3, evRestart: 2, evSweep: 2, evTime: 20, evLaw: 4,
	}
	for i, w := range base {
		c.weights[i] = w * []int{1, 1, 1, 3}[r.IntN(4)]
		if i != evPut && i != evWork && i != evTime && r.IntN(5) == 0 {
			c.weights[i] = 0
		}
	}
	return c
}
