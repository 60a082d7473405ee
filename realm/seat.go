package realm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/kv"
)

// seat is where home is, as this region knows.
type seat struct {
	region string
	epoch  uint64   // since which it is there; 0 where that is only configured
	base   Position // up to where the new home had applied the old one's tables
	home   *home    // here, else nil
}

// seatKey is the row in which the seat lies once home has moved.
var seatKey = []byte(Prefix + "home")

const (
	fieldSeatRegion    = 1
	fieldSeatEpoch     = 2
	fieldSeatBaseEpoch = 3
	fieldSeatBaseSeq   = 4
)

func (s *seat) encode() []byte {
	b := []byte{recordFormat}
	b = appendString(b, fieldSeatRegion, s.region)
	b = appendUint(b, fieldSeatEpoch, s.epoch)
	b = appendUint(b, fieldSeatBaseEpoch, s.base.Epoch)
	return appendUint(b, fieldSeatBaseSeq, s.base.Seq)
}

func decodeSeat(b []byte) (*seat, error) {
	s := &seat{}
	_, err := fields(b, func(num protowire.Number, v []byte, u uint64) (bool, error) {
		switch num {
		case fieldSeatRegion:
			s.region = string(v)
		case fieldSeatEpoch:
			s.epoch = u
		case fieldSeatBaseEpoch:
			s.base.Epoch = u
		case fieldSeatBaseSeq:
			s.base.Seq = u
		}
		return true, nil
	})
	if err == nil && (s.region == "" || s.epoch == 0) {
		err = fmt.Errorf("%w: a home without region or epoch", ErrCorrupt)
	}
	return s, err
}

// loadSeat reads where home is: where it was moved to, or else where the
// configuration has it.
func (r *Realm) loadSeat(ctx context.Context) (*seat, error) {
	snap, err := r.opt.KV.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	b, err := snap.Get(seatKey)
	if errors.Is(err, kv.ErrNotFound) {
		return &seat{region: r.opt.Home}, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeSeat(b)
}

// Home gives the name of the home region. It changes when home is moved.
func (r *Realm) Home() string { return r.seat.Load().region }

// IsHome tells whether this region is home now.
func (r *Realm) IsHome() bool { return r.homeHere() != nil }

// Moved tells whether home was moved since the realm was made.
func (r *Realm) Moved() bool { return r.seat.Load().epoch > 0 }

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

// pathHome's message: where a region believes home to be. Question and answer
// are alike, so that both sides learn from one exchange; the later epoch wins.
type homeMessage struct {
	History string `json:"history,omitempty"`
	Home    string `json:"home"`
	Epoch   uint64 `json:"epoch"`
	// BaseEpoch and BaseSeq are up to where Home had applied the tables of the
	// home before it when it took over.
	BaseEpoch uint64 `json:"baseEpoch,omitempty"`
	BaseSeq   uint64 `json:"baseSeq,omitempty"`
	// AtEpoch and AtSeq are how far the sender's own tables are.
	AtEpoch uint64 `json:"atEpoch"`
	AtSeq   uint64 `json:"atSeq"`
	// Yield asks a home to hand over to the sender, which is to have everything
	// up to At and takes over with that epoch; Yielded says that it has done so.
	Yield   uint64 `json:"yield,omitempty"`
	Yielded bool   `json:"yielded,omitempty"`
}

func (m *homeMessage) at() Position { return Position{m.AtEpoch, m.AtSeq} }

func (r *Realm) homeMessage() *homeMessage {
	s, hd := r.seat.Load(), r.table.headNow()
	return &homeMessage{
		History: hd.history, Home: s.region, Epoch: max(s.epoch, hd.pos.Epoch), BaseEpoch: s.base.Epoch, BaseSeq: s.base.Seq,
		AtEpoch: hd.pos.Epoch, AtSeq: hd.pos.Seq,
	}
}

// learn takes over what another region says about home, if it is later than
// what this one knows.
func (r *Realm) learn(ctx context.Context, m *homeMessage) error {
	if m.Epoch < epochTerm || m.Epoch <= r.epoch() || CheckRegionName(m.Home) != nil {
		return nil // home has not moved, or not lately
	}
	if own := r.table.headNow().history; own != "" && m.History != "" && m.History != own {
		return fmt.Errorf("%w: %s is home of the history %s, this region follows %s", ErrStale, m.Home, m.History, own)
	}
	if m.Home == r.opt.Region {
		// Somebody believes that this region is home since an epoch of which it
		// knows nothing: it has lost its data. It must not decide anything.
		return fmt.Errorf("%w %s, and knows only %s", errLostOffice, epochName(m.Epoch), epochName(r.epoch()))
	}
	return r.follow(ctx, &seat{region: m.Home, epoch: m.Epoch, base: Position{m.BaseEpoch, m.BaseSeq}})
}

// errLostOffice is the error of a region that others believe to be home in an
// epoch of which it knows nothing: it has lost data, or a hand-over to it ended
// half way. Promoting it, or another region, mends that.
var errLostOffice = errors.New("realm: others know this region as home of epoch")

// follow makes another region home, durably. If this one was, it is no longer:
// nothing is committed here after that.
func (r *Realm) follow(ctx context.Context, s *seat) error {
	r.table.commit.Lock()
	defer r.table.commit.Unlock()
	return r.followLocked(ctx, s)
}

func (r *Realm) followLocked(ctx context.Context, s *seat) error {
	if s.epoch <= r.epoch() {
		return nil
	}
	if err := r.opt.KV.Commit(ctx, &kv.Mutation{Puts: []kv.Pair{{Key: seatKey, Value: s.encode()}}}); err != nil {
		return err
	}
	was := r.seat.Swap(s)
	r.hear(errNotHome)
	r.opt.Log.Info("home has moved", "home", s.region, "epoch", epochName(s.epoch), "was", was.region)
	if was.home != nil {
		was.home.leaveOffice()
	}
	return nil
}

// exchange tells a region where home is and learns from its answer.
func (r *Realm) exchange(ctx context.Context, region string, timeout time.Duration) (*homeMessage, error) {
	a, err := Ask[homeMessage](ctx, r.opt.Peers, region, pathHome, r.homeMessage(), timeout)
	if err != nil {
		return nil, err
	}
	return a, r.learn(ctx, a)
}

// exchangeAll exchanges with regions at once and gives what each answered; those
// that did not are absent.
func (r *Realm) exchangeAll(ctx context.Context, regions []string, timeout time.Duration) (map[string]*homeMessage, error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	answers := map[string]*homeMessage{}
	var errs []error
	for _, region := range regions {
		if region == r.opt.Region {
			continue
		}
		wg.Go(func() {
			a, err := r.exchange(ctx, region, timeout)
			mu.Lock()
			defer mu.Unlock()
			var far *unreachableError
			switch {
			case a != nil:
				answers[region] = a
				errs = append(errs, err)
			case err != nil && !errors.As(err, &far):
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}

// lookEvery bounds how often a region that does not get through to home asks
// the others where it is.
const lookEvery = time.Second

// lookForHome asks the other regions where home is, at most once a second, when
// a question to the region that was thought to be home has failed. It tells
// whether another one is, also if that was learned meanwhile.
func (r *Realm) lookForHome(ctx context.Context, was string) bool {
	if r.Home() != was {
		return true
	}
	r.mu.Lock()
	due := time.Since(r.looked) >= lookEvery
	if due {
		r.looked = time.Now()
	}
	r.mu.Unlock()
	if due {
		if _, err := r.exchangeAll(ctx, r.Regions(), min(r.opt.AskTimeout, time.Second)); err != nil {
			r.opt.Log.Warn("asking where home is", "error", err)
		}
	}
	return r.Home() != was
}

// answerHome is the other side of exchange.
func (r *Realm) answerHome(ctx context.Context, from string, q homeMessage) (*homeMessage, error) {
	if q.Yield > 0 {
		yielded, err := r.yield(ctx, from, &q)
		if err != nil {
			return nil, err
		}
		a := r.homeMessage()
		a.Yielded = yielded
		return a, nil
	}
	if err := r.learn(ctx, &q); err != nil {
		return nil, err
	}
	return r.homeMessage(), nil
}

// epochName gives an epoch as people read it: how often home has moved, and
// which region took it there.
func epochName(epoch uint64) string {
	if epoch < epochTerm {
		return fmt.Sprint(epoch)
	}
	return fmt.Sprintf("%d.%08x", epoch/epochTerm, epoch%epochTerm)
}
