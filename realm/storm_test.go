package realm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// TestStorm lets regions count in shared rows and make buckets while lines
// break, answers are lost, regions restart and home is handed over. What was
// answered as done is there in the end, what was answered as not done is not,
// and all regions agree.
func TestStorm(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			c := newCluster(t, Options{AskTimeout: 16 * time.Millisecond})
			c.follow()
			nodes := []*node{c.regions["us-east-1"], c.regions["us-west-2"], c.regions["eu-west-1"]}
			off, lossy := "", false
			c.lose = func() bool { return lossy && rng.IntN(3) == 0 }
			set := func(l bool) { c.mu.Lock(); lossy = l; c.mu.Unlock() }
			done, unknown := 0, 0
			made := map[string]string{} // buckets that were answered as made
			for i := range 150 {
				n := nodes[rng.IntN(3)]
				switch k := rng.IntN(12); {
				case k < 5:
					set(rng.IntN(4) == 0)
					switch err := n.count(fmt.Sprint("t/", rng.IntN(3))); {
					case err == nil:
						done++
					case errors.Is(err, ErrUnavailable), errors.Is(err, ErrRowConflict):
						unknown++
					default:
						t.Fatalf("step %d: %v", i, err)
					}
					set(false)
				case k == 5:
					name := fmt.Sprintf("b%d", rng.IntN(20))
					switch err := n.create(name); {
					case err == nil:
						made[name] = n.name
					case errors.Is(err, ErrUnavailable), errors.Is(err, ErrOwnedByYou), errors.Is(err, ErrInProgress):
					default:
						t.Fatalf("step %d: %v", i, err)
					}
				case k == 6:
					if off != "" {
						c.partition(off, false)
						off = ""
					} else {
						off = n.name
						c.partition(off, true)
					}
				case k == 7:
					n.restart()
				case k == 8:
					if off == "" { // a hand-over: nothing may be lost
						n.promote(false)
					}
				case k == 9:
					n.realm.SweepStep(context.Background())
				default:
					n.realm.FollowStep(context.Background())
				}
			}
			if off != "" {
				c.partition(off, false)
			}
			home := ""
			for _, n := range nodes {
				if n.realm.IsHome() {
					home += n.name
				}
			}
			if home == "" { // a hand-over ended half way
				if _, err := nodes[1].promote(true); err != nil {
					t.Fatal(err)
				}
				home = nodes[1].name
			}
			c.agree(home)
			sum := 0
			for i := range 3 {
				v, _ := strconv.Atoi(c.regions[home].row(fmt.Sprint("t/", i)))
				sum += v
			}
			if sum < done || sum > done+unknown {
				t.Errorf("%d are counted; %d were done, of %d it was not known", sum, done, unknown)
			}
			for name, region := range made {
				if at, err := nodes[0].locate(name); err != nil || at != region {
					t.Errorf("%s was made in %s, and is in %q: %v", name, region, at, err)
				}
			}
			if done == 0 {
				t.Error("nothing was done")
			}
		})
	}
}
