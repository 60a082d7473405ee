package realm

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/farhold/farhold/kv"
)

// Prefix begins the keys of all the realm's rows in a region's kv:
//
//	~realm/head                    history, epoch, sequence
//	~realm/t/KIND/KEY              a row of the tables
//	~realm/home                    where home is, once it has moved
//	~realm/f/EPOCH SEQUENCE        an entry of the feed (8 bytes each, big endian); at home
//	~realm/o/NAME                  the UID of a bucket deleted here whose name home still has
const Prefix = "~realm/"

// Kinds of rows.
const (
	kindAccount = 'a'
	kindName    = 'n'
	kindRegion  = 'r'
	kindService = 's'
)

var headKey = []byte(Prefix + "head")

func rowKey(kind byte, key string) []byte { return []byte(Prefix + "t/" + string(kind) + "/" + key) }

func feedKey(p Position) []byte {
	b := binary.BigEndian.AppendUint64([]byte(Prefix+"f/"), p.Epoch)
	return binary.BigEndian.AppendUint64(b, p.Seq)
}

func owedKey(name string) []byte { return []byte(Prefix + "o/" + name) }

// Entry is a change: a row's new value, or that the row is gone.
type entry struct {
	Seq  uint64 `json:"seq"`
	Kind byte   `json:"kind"`
	Key  string `json:"key"`
	Row  []byte `json:"row,omitempty"` // nil: gone
	// More says that the next entry belongs to the same commit: they take
	// effect together everywhere.
	More bool `json:"more,omitempty"`
	// Request is, in the last entry of a commit that a region asked for, the ID
	// of what it asked.
	Request string `json:"request,omitempty"`
}

func (e *entry) size() int { return len(e.Key) + len(e.Row) + len(e.Request) + entryRoom }

// entryRoom is what an entry needs besides its key and its row, in bytes.
const entryRoom = 64

// commitRoom bounds what one commit of a copy holds, in bytes.
const commitRoom = kv.CommitMax - 64<<10

// commits cuts entries into runs that fit one commit of kv each, and never
// through what was one commit at home.
func commits(entries []entry) [][]entry {
	var runs [][]entry
	begin, size := 0, 0 // of the run
	group, room := 0, 0 // of the commit at home that is being read
	for i := range entries {
		room += entries[i].size()
		if entries[i].More && i < len(entries)-1 {
			continue
		}
		if group > begin && (size+room > commitRoom || i+1-begin > feedPage+txRowsMax) {
			runs, begin, size = append(runs, entries[begin:group]), group, 0
		}
		group, size, room = i+1, size+room, 0
	}
	if begin < len(entries) {
		runs = append(runs, entries[begin:])
	}
	return runs
}

// rowView is services' rows as they are at one position.
type rowView struct {
	rows rowTree
	pos  Position
}

// table is a region's copy of the tables, durable in kv and whole in memory:
// where a bucket is gets asked with every request. At home it is the tables.
type table struct {
	kv      kv.Store
	changed func(kind byte, key string)

	// commit is held over a commit and its taking effect in memory, so that
	// both happen in one order.
	commit sync.Mutex

	mu    sync.RWMutex
	head  head
	names map[string]*nameRow
	regs  map[string]RegionInfo

	// view is read without a lock, with each request.
	view     atomic.Pointer[rowView]
	requests requestLog
}

func newTable(s kv.Store, changed func(byte, string)) *table {
	t := &table{kv: s, changed: changed, names: map[string]*nameRow{}, regs: map[string]RegionInfo{}}
	t.view.Store(&rowView{rows: newRowTree()})
	return t
}

// load reads everything from kv.
func (t *table) load(ctx context.Context) error {
	snap, err := t.kv.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	var h head
	if b, err := snap.Get(headKey); err == nil {
		if h, err = decodeHead(b); err != nil {
			return fmt.Errorf("%s: %w", headKey, err)
		}
	} else if !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	names, regs, services := map[string]*nameRow{}, map[string]RegionInfo{}, newRowTree()
	rows := Prefix + "t/"
	for p, err := range snap.Scan(kv.Prefix([]byte(rows))) {
		if err != nil {
			return err
		}
		kind, key, ok := splitRowKey(string(p.Key))
		if !ok {
			return fmt.Errorf("%w: key %q", ErrCorrupt, p.Key)
		}
		switch kind {
		case kindName:
			n, err := decodeName(p.Value)
			if err != nil {
				return fmt.Errorf("name %s: %w", key, err)
			}
			names[key] = n
		case kindRegion:
			i, err := decodeRegion(key, p.Value)
			if err != nil {
				return fmt.Errorf("region %s: %w", key, err)
			}
			regs[key] = i
		case kindService:
			services = services.with(key, slices.Clone(p.Value))
		}
	}
	if err := t.loadRequests(snap, h.pos.Epoch); err != nil {
		return err
	}
	if err := snap.Settled(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	t.head, t.names, t.regs = h, names, regs
	was := t.view.Swap(&rowView{services, h.pos})
	t.mu.Unlock()
	was.rows.differences(services, func(key string) { t.changed(kindService, key) })
	return nil
}

// loadRequests reads which requests the feed's entries were asked for by.
func (t *table) loadRequests(snap kv.Snapshot, epoch uint64) error {
	for p, err := range snap.Scan(kv.Span{Low: feedKey(Position{epoch, 0}), High: feedKey(Position{epoch + 1, 0})}) {
		if err != nil {
			return err
		}
		seq := binary.BigEndian.Uint64(p.Key[len(p.Key)-8:])
		e, err := decodeEntry(seq, p.Value)
		if err != nil {
			return fmt.Errorf("feed entry %d: %w", seq, err)
		}
		t.requests.note(e.Request, Position{epoch, seq})
	}
	return nil
}

func splitRowKey(k string) (kind byte, key string, ok bool) {
	rest, ok := strings.CutPrefix(k, Prefix+"t/")
	if !ok || len(rest) < 2 || rest[1] != '/' {
		return 0, "", false
	}
	return rest[0], rest[2:], true
}

// apply makes changes durable together with the head that counts them, and
// lets them take effect. feed also keeps them as entries of the feed. The
// caller holds t.commit.
func (t *table) apply(ctx context.Context, entries []entry, h head, feed bool) error {
	t.mu.RLock()
	was := t.head
	t.mu.RUnlock()
	decoded := make([]any, len(entries))
	for i, e := range entries {
		if e.Row == nil {
			continue
		}
		var err error
		switch e.Kind {
		case kindName:
			decoded[i], err = decodeName(e.Row)
		case kindRegion:
			decoded[i], err = decodeRegion(e.Key, e.Row)
		}
		if err != nil {
			return fmt.Errorf("%c/%s: %w", e.Kind, e.Key, err)
		}
	}
	err := kv.Update(ctx, t.kv, func(tx *kv.Tx) error {
		if err := guardHead(tx, was); err != nil {
			return err
		}
		tx.Put(headKey, h.encode())
		for _, e := range entries {
			if e.Row == nil {
				tx.Delete(rowKey(e.Kind, e.Key))
			} else {
				tx.Put(rowKey(e.Kind, e.Key), e.Row)
			}
			if feed {
				tx.Put(feedKey(Position{h.pos.Epoch, e.Seq}), encodeEntry(e))
			}
		}
		for s := was.oldest; feed && was.pos.Epoch == h.pos.Epoch && s < h.oldest; s++ {
			tx.Delete(feedKey(Position{h.pos.Epoch, s}))
		}
		return nil
	})
	if err != nil {
		// Whether it was applied is unknown: memory must follow the disk.
		if lerr := t.load(context.WithoutCancel(ctx)); lerr != nil {
			return errors.Join(err, lerr)
		}
		return err
	}
	t.mu.Lock()
	t.head = h
	services := t.view.Load().rows
	for i, e := range entries {
		t.requests.note(e.Request, Position{h.pos.Epoch, e.Seq})
		switch {
		case e.Kind == kindService && e.Row == nil:
			services = services.without(e.Key)
		case e.Kind == kindService:
			services = services.with(e.Key, e.Row)
		case e.Kind == kindName && e.Row == nil:
			delete(t.names, e.Key)
		case e.Kind == kindName:
			t.names[e.Key] = decoded[i].(*nameRow)
		case e.Kind == kindRegion && e.Row == nil:
			delete(t.regs, e.Key)
		case e.Kind == kindRegion:
			t.regs[e.Key] = decoded[i].(RegionInfo)
		}
	}
	t.view.Store(&rowView{services, h.pos})
	t.mu.Unlock()
	for _, e := range entries {
		t.changed(e.Kind, e.Key)
	}
	return nil
}

// guardHead lets the commit fail when the head is not what this process thinks
// it is: another one would be writing the same rows.
func guardHead(tx *kv.Tx, was head) error {
	b, err := tx.Get(headKey)
	if errors.Is(err, kv.ErrNotFound) {
		if was.history == "" {
			return nil
		}
		return fmt.Errorf("%w: the head is gone", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	now, err := decodeHead(b)
	if err != nil {
		return err
	}
	if now.history != was.history || now.pos != was.pos {
		return fmt.Errorf("realm: the tables were changed by somebody else: at %v, not %v", now.pos, was.pos)
	}
	return nil
}

func (t *table) position() Position {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.head.pos
}

func (t *table) headNow() head {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.head
}

// name gives a row, which must not be changed.
func (t *table) name(name string) (*nameRow, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, ok := t.names[name]
	return n, ok
}

// pending lists the claims that are not confirmed.
func (t *table) pending() map[string]*nameRow {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m := map[string]*nameRow{}
	for name, n := range t.names {
		if n.pending {
			m[name] = n
		}
	}
	return m
}

func (t *table) regions() []RegionInfo {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]RegionInfo, 0, len(t.regs))
	for _, i := range t.regs {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b RegionInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// scan yields rows of the tables from kv, in order of kind and key, behind the
// given one, at most limit and no more than a message holds; it waits until
// they are durable.
func (t *table) scan(ctx context.Context, kind byte, key string, limit int) (rows []entry, more bool, err error) {
	snap, err := t.kv.Snapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	defer snap.Close()
	span := kv.Prefix([]byte(Prefix + "t/"))
	if kind != 0 {
		span.Low = append(rowKey(kind, key), 0)
	}
	size := 0
	for p, err := range snap.Scan(span) {
		if err != nil {
			return nil, false, err
		}
		if size += len(p.Key) + len(p.Value); len(rows) == limit || size > pageRoom && len(rows) > 0 {
			more = true
			break
		}
		k, name, ok := splitRowKey(string(p.Key))
		if !ok {
			return nil, false, fmt.Errorf("%w: key %q", ErrCorrupt, p.Key)
		}
		rows = append(rows, entry{Kind: k, Key: name, Row: slices.Clone(p.Value)})
	}
	return rows, more, snap.Settled(ctx)
}

func compare(a, b string) int { return cmp.Compare(a, b) }
