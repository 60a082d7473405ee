package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3model"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work/replication"
)

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// message is a shipment on its way, as bytes: what was read at the source when
// it was sent, whatever becomes of the source.
type message struct {
	from, to *region
	bucket   string
	uid      s3.UID // of the bucket that is meant: one made anew receives nothing old
	version  []byte
	pass     replication.Passport
	keyID    string
	side     bool
	staged   bool
	ask      bool
	hasBody  bool
	body     []byte
	intact   bool
}

// meant is the bucket that the message is for, or nil when it is gone.
func (m *message) meant() *s3model.Bucket {
	b := m.to.model[m.bucket]
	if b != nil && m.uid != "" && b.UID != m.uid {
		return nil
	}
	return b
}

// line is one region's end of the network: its workers' Transport.
type line struct {
	w    *world
	from *region
	mu   sync.Mutex // the large lane stages segments at once
}

var _ replication.Transport = (*line)(nil)

func broken(what string) error { return fmt.Errorf("%w: sim: %s", replication.ErrLink, what) }

// cut tells whether bytes from one region to another are lost.
func (w *world) cut(from, to *region) bool { return w.cuts[[2]string{from.name, to.name}] }

// Probe asks whether the region answers: both ways must be open.
func (l *line) Probe(_ context.Context, name string) error {
	to := l.w.region(name)
	if l.w.cut(l.from, to) || l.w.cut(to, l.from) {
		return broken("cut")
	}
	return nil
}

// Ship carries a batch as far as chance lets it.
func (l *line) Ship(ctx context.Context, name string, batch []*replication.Shipment) error {
	w, to := l.w, l.w.region(name)
	if w.cut(l.from, to) || w.chance(w.cfg.cut) {
		return broken("cut")
	}
	order := make([]int, len(batch))
	for i := range order {
		order[i] = i
	}
	if w.chance(w.cfg.shuffle) {
		w.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	answers := !w.cut(to, l.from)
	var lost error
	for _, i := range order {
		m, err := w.capture(ctx, l.from, to, batch[i])
		if err != nil {
			batch[i].Answered, batch[i].Err = true, err
			continue
		}
		if !m.ask && w.chance(w.cfg.held) {
			w.flying = append(w.flying, m) // it will arrive when nobody waits for it
			lost = broken("held up")
			continue
		}
		if !m.ask && w.chance(w.cfg.twice) && len(w.sent) < 2000 {
			w.sent = append(w.sent, m)
		}
		sent := m
		if m.hasBody && len(m.body) > 0 && w.chance(w.cfg.corrupt) {
			bad := *m
			bad.body = bytes.Clone(m.body)
			bad.body[w.rng.IntN(len(bad.body))] ^= 1
			bad.intact = false
			sent = &bad
		}
		sh, err := w.deliver(ctx, sent)
		if err != nil {
			return err
		}
		if !answers || w.chance(w.cfg.lost) || sh.Err == errCrashed {
			lost = broken("no answer")
			continue
		}
		batch[i].Answered, batch[i].Receipt = true, sh.Receipt
		if sh.Err != nil {
			batch[i].Err = replication.FromName(replication.Name(sh.Err), sh.Err.Error())
			w.refused(to, batch[i])
		}
	}
	if w.chance(w.cfg.cut) {
		// Between here and what the worker writes down of it, its region dies.
		l.from.fuse = w.rng.IntN(12)
	}
	return lost
}

// capture reads a shipment as the wire would carry it.
func (w *world) capture(ctx context.Context, from, to *region, sh *replication.Shipment) (*message, error) {
	m := &message{from: from, to: to, intact: true, ask: sh.Ask, pass: sh.Pass, keyID: sh.KeyID}
	if s := sh.Side; s != nil {
		m.side, m.bucket, m.uid = true, s.Bucket, s.UID
		m.version = s3.AppendVersion(nil, &s3.Version{Key: s.Key, ID: s.ID, Tags: s.Tags, Retention: s.Retention, Hold: s.Hold, ACL: s.ACL})
		return m, nil
	}
	m.bucket, m.uid, m.staged = sh.Arrival.Bucket, sh.Arrival.UID, sh.Arrival.Staged
	m.version = s3.AppendVersion(nil, &sh.Arrival.Version)
	if sh.Body == nil {
		return m, nil
	}
	m.hasBody = true
	body, err := sh.Body(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	m.body, err = io.ReadAll(body)
	return m, err
}

// deliver lets a message arrive, at the store and at the model, and compares
// what became of it. Its error is a violation.
func (w *world) deliver(ctx context.Context, m *message) (*replication.Shipment, error) {
	v, err := s3.ParseVersion(m.version, nil)
	if err != nil {
		return nil, w.violation("a message cannot be read: %v", err)
	}
	b := m.meant()
	where := fmt.Sprintf("%s→%s/%s %s %s", m.from.name, m.to.name, m.bucket, v.Key, short(v.ID))
	origin := w.versions[v.ID]
	if origin == nil {
		return nil, w.violation("%s: shipped, but was never made", where)
	}
	class, ok := origin.goes[m.bucket]
	if !ok {
		return nil, w.violation("%s: shipped, but no rule sends it", where)
	}
	sh := &replication.Shipment{Ask: m.ask, Pass: m.pass, KeyID: m.keyID}
	arrived := &s3model.Version{Version: v, Body: origin.body}
	if m.side {
		sh.Side = &store.SideArrival{Bucket: m.bucket, UID: m.uid, Key: v.Key, ID: v.ID, Tags: v.Tags, Retention: v.Retention, Hold: v.Hold, ACL: v.ACL}
	} else {
		sh.Arrival = store.Arrival{Bucket: m.bucket, UID: m.uid, Version: v, Staged: m.staged}
		if what := differs(&v, &origin.made, class); what != "" {
			return nil, w.violation("%s: shipped with another %s than it was made with", where, what)
		}
		if m.hasBody && !bytes.Equal(m.body, origin.body) && m.intact {
			return nil, w.violation("%s: other bytes were shipped than were written", where)
		}
	}
	var body io.Reader
	if m.hasBody {
		body = bytes.NewReader(m.body)
	}
	// The destination's own time decides what lies too far ahead.
	ahead := v.Newest().Time() > stamp.TimeOf(m.to.now().Add(stamp.AheadMax))
	if w.chance(w.cfg.cut) && !m.staged && !m.ask {
		m.to.fuse = 1 + w.rng.IntN(12)
	}
	replication.Apply(ctx, m.to.identity, m.from.name, sh, body)
	if m.to.crashed() {
		// It may have got as far as its commit, or not. Look, and let the model
		// know; the model merges twice as well as once.
		if err := m.to.start(ctx); err != nil {
			return nil, w.violation("%s: restart: %v", where, err)
		}
		w.tracef("%s: crashed while it arrived", where)
		if errors.Is(sh.Err, errCrashed) {
			sh.Err = errCrashed
			return sh, w.resync(ctx, m, arrived, where)
		}
	}
	m.to.fuse = -1
	var (
		verdict s3model.Verdict
		want    error
	)
	reason := ""
	if b != nil {
		reason = m.to.law.refuses(b, &v, m.side)
	}
	switch {
	case reason != "":
		want = &replication.Refusal{Reason: reason}
	case b == nil:
		want = s3model.ErrNoBucket
	case ahead:
		want = stamp.ErrAhead
	case m.ask:
		want = b.WouldTake(arrived)
	case m.side:
		want = b.ReceiveSide(arrived)
	default:
		verdict, want = b.Receive(arrived, m.intact)
	}
	w.tracef("%s: arrived, side=%v: %v %v", where, m.side, verdict, sh.Err)
	if !sameOutcome(want, sh.Err) {
		return nil, w.violation("%s: arriving gave %v, want %v", where, sh.Err, want)
	}
	if m.ask {
		return sh, w.compareKey(ctx, m.to, b, v.Key)
	}
	if sh.Err == nil && !m.side {
		if sh.Receipt.Already != (verdict == s3model.Already) || sh.Receipt.Discarded != (verdict == s3model.Discarded) || sh.Receipt.Digest != v.Digest || sh.Receipt.Size != v.Size {
			return nil, w.violation("%s: the receipt is %+v, want verdict %d", where, sh.Receipt, verdict)
		}
	}
	if sh.Err == nil {
		w.accepted(m.to, b, &v, m.side)
	}
	return sh, w.compareKey(ctx, m.to, b, v.Key)
}

// resync tells the model what a crash left of an arrival: all of it or nothing.
func (w *world) resync(ctx context.Context, m *message, arrived *s3model.Version, where string) error {
	b := m.meant()
	if b == nil {
		return nil
	}
	before := w.compareKey(ctx, m.to, b, arrived.Key)
	if before == nil {
		return nil // nothing of it
	}
	w.err = nil
	if m.side {
		b.ReceiveSide(arrived)
	} else {
		b.Receive(arrived, m.intact)
	}
	w.accepted(m.to, b, &arrived.Version, m.side)
	return w.compareKey(ctx, m.to, b, arrived.Key)
}

// outcomes pairs the model's words with the store's.
var outcomes = []struct{ model, store error }{
	{s3model.ErrNoBucket, store.ErrDstBucketNotFound},
	{s3model.ErrUnversioned, store.ErrDstBucketUnversioned},
	{s3model.ErrNoLock, store.ErrDstObjectLockMissing},
	{s3model.ErrNoVersion, store.ErrDstVersionNotFound},
	{s3model.ErrDifferent, store.ErrDifferent},
	{s3model.ErrDigest, store.ErrDigest},
	{stamp.ErrAhead, stamp.ErrAhead},
}

func sameOutcome(want, got error) bool {
	if want == nil || got == nil {
		return want == got
	}
	var refusal *replication.Refusal
	if errors.As(want, &refusal) {
		return replication.Name(got) == refusal.Reason
	}
	for _, o := range outcomes {
		if errors.Is(want, o.model) {
			return errors.Is(got, o.store)
		}
	}
	return false
}

// Staged asks which segments are there.
func (l *line) Staged(ctx context.Context, name string, sh *replication.Shipment) ([]store.Segment, error) {
	a := &sh.Arrival
	l.mu.Lock()
	defer l.mu.Unlock()
	to := l.w.region(name)
	if l.w.cut(l.from, to) || l.w.cut(to, l.from) {
		return nil, broken("cut")
	}
	there := *sh
	has, err := replication.Staged(ctx, to.identity, l.from.name, &there)
	if err != nil {
		l.w.versions[a.Version.ID].refusedBy(a.Bucket, replication.Name(err))
	}
	return has, err
}

// Stage carries a segment. What becomes of it depends on its place, not on the
// order in which the segments come, because that is not the seed's to decide.
func (l *line) Stage(ctx context.Context, name string, sh *replication.Shipment, seg store.Segment, body io.Reader) error {
	a := &sh.Arrival
	l.mu.Lock()
	defer l.mu.Unlock()
	w, to := l.w, l.w.region(name)
	if w.cut(l.from, to) {
		return broken("cut")
	}
	fate := (uint64(a.Version.ID.Time())*31 + uint64(seg.Index)*17 + uint64(w.step)) * 0x9e3779b97f4a7c15 >> 32 % 100
	if !w.healed && fate < 20 {
		return broken("the segment was lost")
	}
	there := *sh
	if err := replication.Stage(ctx, to.identity, l.from.name, &there, seg, body); err != nil {
		w.versions[a.Version.ID].refusedBy(a.Bucket, replication.Name(err))
		return err
	}
	if w.cut(to, l.from) || !w.healed && fate < 40 {
		return broken("no answer")
	}
	return nil
}
