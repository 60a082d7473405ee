package realm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// homeEvery is how often a home looks whether it is one no longer.
const homeEvery = time.Second

// FollowStep asks home once for what is new, waiting there for PollWait, and
// applies it. At home it does nothing. It is a Step: it tells when to be called
// again, and after an error wants to be called again soon.
func (r *Realm) FollowStep(ctx context.Context) (again time.Time, err error) {
	if r.IsHome() {
		return time.Now().Add(homeEvery), nil
	}
	if err := r.learnSuccessor(ctx); err != nil {
		return time.Time{}, err
	}
	if err := r.discard(ctx); err != nil {
		return time.Time{}, err
	}
	was := r.Home()
	more, err := r.pull(ctx, max(r.opt.PollWait, 0))
	r.hear(err)
	if err != nil && r.lookForHome(ctx, was) {
		return time.Unix(1, 0), nil
	}
	if err != nil || r.opt.PollWait < 0 && !more {
		return time.Time{}, err
	}
	return time.Unix(1, 0), nil
}

// pull asks home once for what is new, letting it wait for that, and applies
// it. It tells whether there was something.
func (r *Realm) pull(ctx context.Context, wait time.Duration) (more bool, err error) {
	s, hd := r.seat.Load(), r.table.headNow()
	q := feedQuestion{History: hd.history, Epoch: hd.pos.Epoch, Seq: hd.pos.Seq, WaitMS: wait.Milliseconds()}
	a, err := Ask[feedAnswer](ctx, r.opt.Peers, s.region, pathFeed, q, wait+r.opt.AskTimeout)
	if err != nil {
		return false, err
	}
	switch {
	case a.Account != r.opt.Account:
		return false, fmt.Errorf("%w: home's account is %s, this region's %s", ErrStale, a.Account, r.opt.Account)
	case hd.history != "" && a.History != hd.history:
		return false, fmt.Errorf("%w: home's have the history %s, this region's %s; has home lost its data?", ErrStale, a.History, hd.history)
	case a.Epoch < max(hd.pos.Epoch, s.epoch):
		return false, fmt.Errorf("%w: home is of epoch %s, this region has seen %s", ErrStale, epochName(a.Epoch), epochName(max(hd.pos.Epoch, s.epoch)))
	case a.Epoch == hd.pos.Epoch && a.Seq < hd.pos.Seq:
		return false, fmt.Errorf("%w: home is at %s, this region at %s; has home lost its data?", ErrStale, Position{a.Epoch, a.Seq}, hd.pos)
	}
	if a.Reset {
		err = r.copyTables(ctx, hd.pos)
	} else {
		err = r.applyEntries(ctx, a)
	}
	return len(a.Entries) > 0 || a.Reset, err
}

func (r *Realm) applyEntries(ctx context.Context, a *feedAnswer) error {
	entries := a.Entries
	if len(entries) == 0 {
		return nil
	}
	r.table.commit.Lock()
	defer r.table.commit.Unlock()
	hd := r.table.headNow()
	if err := r.mayFollow(a.Epoch); err != nil || a.Epoch != hd.pos.Epoch || a.History != hd.history {
		return cmp.Or(err, fmt.Errorf("%w: the tables have moved on to %s since home was asked", ErrStale, hd.pos))
	}
	// Two answers may have been under way: only what follows on is applied.
	for len(entries) > 0 && entries[0].Seq <= hd.pos.Seq {
		entries = entries[1:]
	}
	for i, e := range entries {
		if e.Seq != hd.pos.Seq+uint64(i)+1 {
			return fmt.Errorf("%w: the feed goes on with %d behind %d", ErrStale, e.Seq, hd.pos.Seq)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	for _, run := range commits(entries) {
		hd.pos.Seq = run[len(run)-1].Seq
		if err := r.table.apply(ctx, run, hd, false); err != nil {
			return err
		}
	}
	return nil
}

// mayFollow tells whether this region follows a home of that epoch: it may have
// become home itself, or heard of a later one, since it asked. The caller holds
// the table's commit.
func (r *Realm) mayFollow(epoch uint64) error {
	if r.IsHome() {
		return fmt.Errorf("%w: this region is home itself", ErrStale)
	}
	if now := r.seat.Load().epoch; epoch < now {
		return fmt.Errorf("%w: an answer of epoch %s, the realm is in %s", ErrStale, epochName(epoch), epochName(now))
	}
	return nil
}

// copyTables replaces this region's copy, page by page. The position is that
// of the first page: what changed meanwhile comes again in the feed. Until the
// last page the old position stands, so that a crash begins anew.
func (r *Realm) copyTables(ctx context.Context, was Position) error {
	r.copying.Lock()
	defer r.copying.Unlock()
	if r.table.position() != was {
		return nil // another copy was made meanwhile
	}
	var start *tableAnswer
	q := tableQuestion{}
	for {
		a, err := Ask[tableAnswer](ctx, r.opt.Peers, r.Home(), pathTable, q, r.opt.AskTimeout)
		if err != nil {
			return err
		}
		if start == nil {
			start = a
		}
		if a.History != start.History || a.Epoch != start.Epoch {
			return fmt.Errorf("%w: home's tables were replaced meanwhile", ErrStale)
		}
		if a.More && len(a.Rows) == 0 {
			return errors.New("realm: an empty page of the tables")
		}
		if err := r.applyPage(ctx, q, a, start); err != nil {
			return err
		}
		if !a.More {
			return nil
		}
		last := a.Rows[len(a.Rows)-1]
		q = tableQuestion{last.Kind, last.Key}
	}
}

// applyPage makes this region's rows behind q, up to the page's last, those of
// the page.
func (r *Realm) applyPage(ctx context.Context, q tableQuestion, a, start *tableAnswer) error {
	t := r.table
	t.commit.Lock()
	defer t.commit.Unlock()
	if err := r.mayFollow(start.Epoch); err != nil {
		return err
	}
	there := make(map[string]bool, len(a.Rows))
	for _, row := range a.Rows {
		if row.Row == nil {
			return errors.New("realm: a page with a row that is gone")
		}
		there[string(rowKey(row.Kind, row.Key))] = true
	}
	entries := a.Rows
	end := ""
	if a.More {
		last := a.Rows[len(a.Rows)-1]
		end = string(rowKey(last.Kind, last.Key))
	}
	kind, key := q.Kind, q.Key
	for {
		rows, more, err := t.scan(ctx, kind, key, feedPage)
		if err != nil {
			return err
		}
		past := false
		for _, row := range rows {
			k := string(rowKey(row.Kind, row.Key))
			if end != "" && k > end {
				past = true
				break
			}
			if !there[k] {
				entries = append(entries, entry{Kind: row.Kind, Key: row.Key})
			}
		}
		if past || !more {
			break
		}
		kind, key = rows[len(rows)-1].Kind, rows[len(rows)-1].Key
	}
	for runs := commits(entries); len(runs) > 1; runs = runs[1:] {
		if err := t.apply(ctx, runs[0], t.headNow(), false); err != nil {
			return err
		}
		entries = entries[len(runs[0]):]
	}
	hd := t.headNow()
	if !a.More {
		hd.history, hd.pos, hd.oldest = start.History, Position{start.Epoch, start.Seq}, 0
	}
	return t.apply(ctx, entries, hd, false)
}
