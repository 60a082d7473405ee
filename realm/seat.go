package realm

import (
	"context"
	"time"
)

// seat is where home is, as this region knows.
type seat struct {
	region string
	epoch  uint64 // since which it is there; 0 when that is only configured
	home   *home  // here, else nil
}

// Home gives the name of the home region. It changes when home is moved.
func (r *Realm) Home() string { return r.seat.Load().region }

// IsHome tells whether this region is home now.
func (r *Realm) IsHome() bool { return r.homeHere() != nil }

func (r *Realm) homeHere() *home { return r.seat.Load().home }

// epoch is the latest that this region knows.
func (r *Realm) epoch() uint64 { return max(r.seat.Load().epoch, r.table.position().Epoch) }

// live tells whether this region follows home's feed at this moment: its last
// question was answered, and the next one waits at home or is about to.
func (r *Realm) live() bool {
	heard := r.heard.Load()
	return heard != 0 && r.opt.PollWait > 0 && time.Since(time.Unix(0, heard)) < r.opt.PollWait+r.opt.AskTimeout
}

// hear notes whether home answered the follower.
func (r *Realm) hear(err error) {
	if err != nil {
		r.heard.Store(0)
	} else {
		r.heard.Store(time.Now().UnixNano())
	}
}

// confirmHome makes sure that this region may act as home.
func (r *Realm) confirmHome(ctx context.Context) error { return nil }
