package realm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"github.com/farhold/farhold/s3"
)

// home is the authority over the tables: it decides claims and feeds the
// other regions.
type home struct {
	t   *table
	opt Options

	// check makes sure that the realm has not moved on; nil while the region
	// is being opened.
	check func(ctx context.Context, h *home) error

	mu        sync.Mutex
	left      bool      // another region is home now
	confirmed time.Time // when no other home was known to anybody
	followers map[string]*follower
	news      chan struct{} // closed and renewed when the tables change
	acks      chan struct{} // closed and renewed when a follower has applied something
}

// follower is a region as home sees it.
type follower struct {
	applied Position
	polling int       // requests that wait here now
	seen    time.Time // when it asked last
}

// reachableFor is how long a region counts as reachable after it has asked.
const reachableFor = time.Second

func newHome(t *table, o Options) *home {
	return &home{t: t, opt: o, followers: map[string]*follower{}, news: make(chan struct{}), acks: make(chan struct{})}
}

// change is what a decision makes of the tables: rows and what becomes of them.
type change struct {
	kind byte
	key  string
	row  []byte // nil: gone
}

// update lets decide look at the tables as they are and commits what it wants
// changed, with entries of the feed. It gives the position behind them.
func (h *home) update(ctx context.Context, decide func() ([]change, error)) (Position, error) {
	return h.updateFor(ctx, "", decide)
}

// updateFor is update for a request that has an ID, which is kept with its
// entries.
func (h *home) updateFor(ctx context.Context, request string, decide func() ([]change, error)) (Position, error) {
	if h.check != nil {
		if err := h.check(ctx, h); err != nil {
			return Position{}, err
		}
	}
	h.t.commit.Lock()
	defer h.t.commit.Unlock()
	if h.hasLeft() {
		return Position{}, errNotHome
	}
	changes, err := decide()
	if err != nil {
		return Position{}, err
	}
	hd := h.t.headNow()
	if hd.history == "" {
		hd = head{history: newHistory(), pos: Position{Epoch: 1}, oldest: 1, unknown: hd.unknown}
	} else if len(changes) == 0 {
		return hd.pos, nil
	}
	entries := make([]entry, len(changes))
	for i, c := range changes {
		hd.pos.Seq++
		entries[i] = entry{Seq: hd.pos.Seq, Kind: c.kind, Key: c.key, Row: c.row, More: i < len(changes)-1}
	}
	if len(entries) > 0 {
		entries[len(entries)-1].Request = request
	}
	if hd.pos.Seq >= feedMax {
		hd.oldest = max(hd.oldest, hd.pos.Seq-feedMax+1)
	}
	if err := h.t.apply(ctx, entries, hd, true); err != nil {
		return Position{}, err
	}
	h.mu.Lock()
	close(h.news)
	h.news = make(chan struct{})
	h.mu.Unlock()
	return hd.pos, nil
}

func newHistory() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// publish makes the table of regions say what is configured.
func (h *home) publish(ctx context.Context, account string, list []RegionInfo) error {
	_, err := h.update(ctx, func() ([]change, error) {
		var changes []change
		now := map[string]RegionInfo{}
		for _, i := range h.t.regions() {
			now[i.Name] = i
		}
		if len(now) == 0 {
			changes = append(changes, change{kindAccount, account, encodeAccount(true)})
		}
		all := append([]RegionInfo(nil), list...)
		for _, i := range list {
			if now[i.Name] != i {
				changes = append(changes, change{kindRegion, i.Name, encodeRegion(i)})
			}
			delete(now, i.Name)
		}
		// A region that is configured no longer stays: buckets may be there.
		for _, i := range now {
			all = append(all, i)
		}
		if err := CheckRegions(all); err != nil {
			return nil, err
		}
		return changes, nil
	})
	return err
}

// heldError says who has a name that was asked for.
type heldError struct {
	n nameRow
}

func (e *heldError) Error() string { return "realm: the name is taken in " + e.n.main().region }

// claim takes a name for a bucket that region is about to make. Claiming again
// with the same UID is claiming once. Error: heldError.
func (h *home) claim(ctx context.Context, region, name string, uid s3.UID, owner string) (Position, error) {
	return h.update(ctx, func() ([]change, error) {
		if n, ok := h.t.name(name); ok {
			if p := n.main(); p.region == region && p.uid == uid {
				return nil, nil
			}
			return nil, &heldError{*n}
		}
		n := nameRow{owner: owner, pending: true, claimed: h.opt.Now().UTC(), places: []bucketPlace{{region, uid}}}
		n.writer, n.writerEpoch = region, h.t.position().Epoch
		return []change{{kindName, name, n.encode()}}, nil
	})
}

// confirm notes that a claimed bucket exists. A claim that is gone is heldError
// (of another) or ErrStale (of nobody): the bucket must not be used.
func (h *home) confirm(ctx context.Context, region, name string, uid s3.UID) (Position, error) {
	pos, err := h.update(ctx, func() ([]change, error) {
		n, ok := h.t.name(name)
		if !ok {
			return nil, ErrStale
		}
		if p := n.main(); p.region != region || p.uid != uid {
			return nil, &heldError{*n}
		}
		if !n.pending {
			return nil, nil
		}
		c := *n
		c.pending = false
		return []change{{kindName, name, c.encode()}}, nil
	})
	if err != nil {
		return pos, err
	}
	return pos, h.applied(ctx, pos)
}

// release gives a name back, if the bucket of that UID in that region still
// has it.
func (h *home) release(ctx context.Context, region, name string, uid s3.UID) (Position, error) {
	pos, err := h.update(ctx, func() ([]change, error) {
		n, ok := h.t.name(name)
		if !ok {
			return nil, nil
		}
		if p := n.main(); p.region != region || p.uid != uid {
			return nil, nil
		}
		return []change{{kindName, name, nil}}, nil
	})
	if err != nil {
		return pos, err
	}
	return pos, h.applied(ctx, pos)
}

// applied waits until every region that is reachable has applied the tables up
// to pos, but no longer than ApplyWait. A region that is not, hears of it when
// it comes back, and asks home before it says that there is no such bucket.
func (h *home) applied(ctx context.Context, pos Position) error {
	if h.opt.ApplyWait < 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.opt.ApplyWait)
	defer cancel()
	for {
		h.mu.Lock()
		behind, acks := false, h.acks
		for _, f := range h.followers {
			if f.applied.Before(pos) && (f.polling > 0 || time.Since(f.seen) < reachableFor) {
				behind = true
			}
		}
		h.mu.Unlock()
		if !behind {
			return nil
		}
		select {
		case <-acks:
		case <-ctx.Done():
			return nil
		}
	}
}

// poll answers a follower that has applied everything up to pos: what comes
// after, once there is something or the time is over.
func (h *home) poll(ctx context.Context, region, history string, pos Position, wait time.Duration, closed <-chan struct{}) (*feedAnswer, error) {
	h.enter(region, history, pos)
	defer h.leave(region)
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	for {
		h.mu.Lock()
		news, left := h.news, h.left
		h.mu.Unlock()
		if left {
			return nil, errNotHome
		}
		hd := h.t.headNow()
		a := &feedAnswer{Account: h.opt.Account, History: hd.history, Epoch: hd.pos.Epoch, Seq: hd.pos.Seq}
		switch {
		case history != hd.history || pos.Epoch != hd.pos.Epoch || pos.Seq+1 < hd.oldest || hd.pos.Before(pos):
			a.Reset = true
			return a, nil
		case pos.Before(hd.pos):
			var err error
			a.Entries, err = h.t.entriesAfter(ctx, pos)
			return a, err
		}
		if wait <= 0 {
			return a, nil
		}
		select {
		case <-news:
		case <-timer.C:
			wait = 0
		case <-closed:
			wait = 0
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h *home) enter(region, history string, pos Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.followers[region]
	if f == nil {
		f = &follower{}
		h.followers[region] = f
	}
	f.polling++
	f.seen = time.Now()
	if history != h.t.headNow().history {
		pos = Position{}
	}
	if f.applied != pos {
		f.applied = pos
		close(h.acks)
		h.acks = make(chan struct{})
	}
}

func (h *home) leave(region string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.followers[region]
	f.polling--
	f.seen = time.Now()
}
