package realm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/stamp"
)

// epochTerm divides an epoch: what stands above counts how often home has
// moved, below is the tag of the region that took it. Two regions that take it
// at once, not knowing of each other, so have different epochs, of which one is
// the later: the other follows as soon as they meet.
const epochTerm = 1 << 32

func nextEpoch(now uint64, region string) uint64 {
	return (now/epochTerm+1)*epochTerm + uint64(stamp.Tag(region))
}

// handOverTries is how often a region that takes over catches up with a home
// that goes on deciding meanwhile.
const handOverTries = 50

// Promotion is what came of moving home.
type Promotion struct {
	Home string `json:"home"`
	// Lines say, for the operator, what was done and what may be lost.
	Lines []string `json:"lines"`
}

// Promote moves home to this region. Where the present home answers, it hands
// over: nothing is lost. Where it does not, this region goes on from what it has
// applied; what home decided after that and nobody here heard of is lost, and
// when the old home comes back it follows and says what it discards.
//
// It refuses while another region that answers has applied more than this one:
// that one is to be promoted. force overrides it.
func (r *Realm) Promote(ctx context.Context, force bool) (*Promotion, error) {
	r.promoting.Lock()
	defer r.promoting.Unlock()
	p := &Promotion{Home: r.opt.Region}
	say := func(format string, args ...any) { p.Lines = append(p.Lines, fmt.Sprintf(format, args...)) }
	answers, err := r.exchangeAll(ctx, r.Regions(), r.opt.AskTimeout)
	if err != nil && !errors.Is(err, errLostOffice) {
		return nil, err
	}
	if r.IsHome() {
		say("%s is home already.", r.opt.Region)
		return p, nil
	}
	if r.table.headNow().history == "" {
		return nil, errors.New("realm: this region has never followed home: it has no tables to go on from")
	}
	was := r.Home()
	latest := r.epoch()
	for _, a := range answers {
		latest = max(latest, a.Epoch)
	}
	epoch := nextEpoch(latest, r.opt.Region)
	if a := answers[was]; a != nil && a.Home == was {
		if err := r.takeOver(ctx, was, epoch); err != nil {
			return nil, fmt.Errorf("realm: %s answers, but did not hand over: %w", was, err)
		}
		say("%s handed over: nothing is lost.", was)
	} else {
		here := r.table.position()
		if answers[was] == nil {
			say("%s does not answer. This region has applied its tables up to change %s.", was, here)
			say("What it decided after that is lost; when it comes back, it says what that was, and follows.")
		} else {
			say("%s is home no longer. This region has applied its tables up to change %s.", was, here)
		}
		for _, region := range r.Regions() {
			a := answers[region]
			switch {
			case region == r.opt.Region || region == was:
			case a == nil:
				say("%s does not answer either: whether it has applied more is not known.", region)
			case here.Before(a.at()):
				say("%s has applied more: up to change %s.", region, a.at())
				if !force {
					return nil, fmt.Errorf("realm: region %s has applied more (change %s) than this one (%s): promote that one, or force this", region, a.at(), here)
				}
			default:
				say("%s has applied up to change %s.", region, a.at())
			}
		}
	}
	if err := r.takeOffice(ctx, epoch); err != nil {
		return nil, err
	}
	say("%s is home, in epoch %s.", r.opt.Region, epochName(epoch))
	answers, err = r.exchangeAll(ctx, r.Regions(), r.opt.AskTimeout)
	if err == nil && !r.IsHome() {
		err = fmt.Errorf("%w: meanwhile home was moved to %s", ErrStale, r.Home())
	}
	for _, region := range r.Regions() {
		switch a := answers[region]; {
		case region == r.opt.Region:
		case a == nil:
			say("%s could not be told; it will learn it when it is back.", region)
		case a.Epoch == epoch:
			say("%s follows.", region)
		default:
			say("%s believes in epoch %s.", region, epochName(a.Epoch))
		}
	}
	return p, err
}

// takeOver lets the present home hand over at a moment at which this region has
// everything that it has decided.
func (r *Realm) takeOver(ctx context.Context, from string, epoch uint64) error {
	for range handOverTries {
		for more := true; more; {
			var err error
			if more, err = r.pull(ctx, 0); err != nil {
				return err
			}
		}
		q := r.homeMessage()
		q.Yield = epoch
		a, err := Ask[homeMessage](ctx, r.opt.Peers, from, pathHome, q, r.opt.AskTimeout)
		if err != nil {
			return err
		}
		if a.Yielded {
			return nil
		}
	}
	return errors.New("realm: it goes on changing faster than this region follows")
}

// yield hands home over to a region that has everything. It tells whether it
// did: not if that region lacks something.
func (r *Realm) yield(ctx context.Context, to string, q *homeMessage) (bool, error) {
	r.table.commit.Lock()
	defer r.table.commit.Unlock()
	s := r.seat.Load()
	if s.home == nil {
		// Asked again after a lost answer.
		return s.region == to && s.epoch == q.Yield, nil
	}
	hd := r.table.headNow()
	if q.Yield <= r.epoch() || q.History != hd.history || q.at() != hd.pos {
		return false, nil
	}
	return true, r.followLocked(ctx, &seat{region: to, epoch: q.Yield, base: hd.pos})
}

// takeOffice makes this region home: in one commit its tables go on in a new
// epoch.
func (r *Realm) takeOffice(ctx context.Context, epoch uint64) error {
	t := r.table
	t.commit.Lock()
	defer t.commit.Unlock()
	was := t.headNow()
	if epoch <= r.epoch() {
		return fmt.Errorf("%w: home was moved meanwhile, to %s", ErrStale, r.Home())
	}
	s := &seat{region: r.opt.Region, epoch: epoch, base: was.pos}
	hd := was
	hd.pos, hd.oldest = Position{Epoch: epoch}, 1
	err := kv.Update(ctx, t.kv, func(tx *kv.Tx) error {
		if err := guardHead(tx, was); err != nil {
			return err
		}
		tx.Put(headKey, hd.encode())
		tx.Put(seatKey, s.encode())
		return nil
	})
	if err != nil {
		return err // what holds is found out when the region starts again
	}
	t.mu.Lock()
	t.head = hd
	t.view.Store(&rowView{t.view.Load().rows, hd.pos})
	t.mu.Unlock()
	s.home = r.newHome()
	r.seat.Store(s)
	r.opt.Log.Info("this region is home now", "epoch", epochName(epoch), "from", s.base.String())
	return nil
}

// newHome makes the part that decides, and gives it the way to find out whether
// the realm has moved on.
func (r *Realm) newHome() *home {
	h := newHome(r.table, r.opt)
	h.check = r.confirmHome
	return h
}

// confirmedFor is how long a home may decide after it has last heard that no
// region follows another. The sweeper sees to it; after a start, or when the
// process stood still, it is found out before anything is decided.
const confirmedFor = 5 * time.Second

// confirmHome asks the regions that do not follow this home where theirs is.
// Those that can't be asked count as following. Error: errNotHome, when a later
// home is known.
func (r *Realm) confirmHome(ctx context.Context, h *home) error {
	if h.confirmedLately() {
		return nil
	}
	return r.askStrangers(ctx, h)
}

func (r *Realm) askStrangers(ctx context.Context, h *home) error {
	begun := time.Now()
	if _, err := r.exchangeAll(ctx, h.strangers(r.Regions()), min(r.opt.AskTimeout, time.Second)); err != nil {
		return err
	}
	if r.homeHere() != h {
		return errNotHome
	}
	h.noteConfirmed(begun)
	return nil
}

// confirmedLately tells whether confirmHome need not ask. Both clocks count: the
// monotonic one stands still while a machine sleeps, the other can be set back.
func (h *home) confirmedLately() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.confirmed.IsZero() && time.Since(h.confirmed) < confirmedFor && time.Now().Round(0).Sub(h.confirmed.Round(0)) < confirmedFor
}

func (h *home) noteConfirmed(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.confirmed = at
}

// strangers gives the regions that do not follow this home now.
func (h *home) strangers(regions []string) (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, region := range regions {
		f := h.followers[region]
		if region != h.opt.Region && (f == nil || f.polling == 0 && time.Since(f.seen) >= reachableFor) {
			list = append(list, region)
		}
	}
	return list
}

// leaveOffice lets those who wait here for news ask again: they learn that this
// is no longer home.
func (h *home) leaveOffice() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = true
	close(h.news)
	h.news = make(chan struct{})
}

func (h *home) hasLeft() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.left
}

// learnSuccessor asks home since when it is: a region that was home itself, and
// knows only from its configuration that it is no longer, must know before it
// discards what it decided.
func (r *Realm) learnSuccessor(ctx context.Context) error {
	s, hd := r.seat.Load(), r.table.headNow()
	if s.home != nil || hd.oldest == 0 || s.epoch > hd.pos.Epoch {
		return nil
	}
	_, err := r.exchange(ctx, s.region, r.opt.AskTimeout)
	return err
}

// discard tells what this region decided as home that its successor does not
// have, and removes the feed, which is over. It is called before the
// successor's tables are copied, and again after a crash.
func (r *Realm) discard(ctx context.Context) error {
	hd := r.table.headNow()
	s := r.seat.Load()
	if s.home != nil || hd.oldest == 0 || s.epoch <= hd.pos.Epoch {
		return nil // it was not home, or has copied already
	}
	if s.base.Epoch == hd.pos.Epoch {
		var lost []string
		n := 0
		for at := s.base; at.Before(hd.pos); {
			list, err := r.table.entriesAfter(ctx, Position{at.Epoch, max(at.Seq, hd.oldest-1)})
			if err != nil {
				return err
			}
			if len(list) == 0 {
				break
			}
			for _, e := range list {
				if n++; len(lost) < discardNamed {
					lost = append(lost, string(e.Kind)+"/"+e.Key)
				}
			}
			at.Seq = list[len(list)-1].Seq
		}
		if n > 0 {
			r.opt.Log.Warn("changes that this region made as home after its successor had last heard of it are discarded", "changes", n, "from", s.base.String(), "to", hd.pos.String(), "rows", strings.Join(lost, " "))
		}
	} else {
		r.opt.Log.Warn("home has moved more than once meanwhile; what this region changed last as home may be discarded", "to", hd.pos.String(), "home", s.region)
	}
	return r.dropFeed(ctx)
}

// discardNamed is how many of the rows that are discarded are named.
const discardNamed = 200

// dropFeed removes the entries of a home that is none any more.
func (r *Realm) dropFeed(ctx context.Context) error {
	for {
		snap, err := r.opt.KV.Snapshot(ctx)
		if err != nil {
			return err
		}
		m := &kv.Mutation{Frees: true}
		for p, err := range snap.Scan(kv.Prefix([]byte(Prefix + "f/"))) {
			if err != nil {
				snap.Close()
				return err
			}
			if m.Deletes = append(m.Deletes, slices.Clone(p.Key)); len(m.Deletes) == feedPage {
				break
			}
		}
		snap.Close()
		if len(m.Deletes) == 0 {
			return nil
		}
		if err := r.opt.KV.Commit(ctx, m); err != nil {
			return err
		}
	}
}

// String gives a position as people read it.
func (p Position) String() string { return epochName(p.Epoch) + "/" + fmt.Sprint(p.Seq) }
