package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// keyspace is every row of a region, read, and what is wrong with them.
type keyspace struct {
	rows  map[byte]map[string][]byte // by table, then by key
	wrong []error

	live     map[s3.UID]*Bucket
	purged   map[s3.UID]bool      // being freed
	holders  map[string]bool      // owners of runs being freed: UID and stamp
	freed    map[blob.ID]bool     // they may be gone already
	versions map[string]*record   // by the key of the row
	uids     map[string]s3.UID    // the bucket of each
	stacks   map[string][]*record // by the key of the head without its table
	named    map[blob.ID]string   // who names a blob: the value that its row must have
	owners   map[string]*record   // versions, uploads and arriving bodies that own runs
	tasks    map[string][]Task    // by versionKey
	runs     map[string][]*run    // by owner
	usage    map[s3.UID][2]int64  // as it must be
}

func (k *keyspace) bad(format string, args ...any) {
	k.wrong = append(k.wrong, fmt.Errorf(format, args...))
}

// knownTables are all that there are. A row of another one is wrong.
const knownTables = "bcCldvituUprfoq$%xs"

// checkRows reads every row and looks whether they agree with each other, both
// ways. When swept, nothing waits to be freed either, and the blobs are exactly
// those that are named.
func checkRows(ctx context.Context, s *Store, swept bool) (*keyspace, error) {
	k := &keyspace{
		rows: map[byte]map[string][]byte{}, live: map[s3.UID]*Bucket{}, purged: map[s3.UID]bool{}, holders: map[string]bool{},
		freed: map[blob.ID]bool{}, versions: map[string]*record{}, uids: map[string]s3.UID{}, stacks: map[string][]*record{},
		named: map[blob.ID]string{}, owners: map[string]*record{}, tasks: map[string][]Task{}, runs: map[string][]*run{},
		usage: map[s3.UID][2]int64{},
	}
	err := s.view(ctx, func(snap kv.Snapshot) error {
		for p, err := range snap.Scan(kv.Span{}) {
			if err != nil {
				return err
			}
			t := p.Key[0]
			if k.rows[t] == nil {
				k.rows[t] = map[string][]byte{}
			}
			k.rows[t][string(p.Key)] = bytes.Clone(p.Value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for t := range k.rows {
		if !strings.ContainsRune(knownTables, rune(t)) {
			k.bad("rows of an unknown table %q", t)
		}
	}
	k.readBuckets()
	k.readFreed(swept)
	k.readVersions()
	k.readOwners()
	k.readRuns()
	k.checkVersions()
	k.checkStacks()
	k.checkSmall()
	k.checkTasks()
	k.checkUsage()
	if err := k.checkBlobs(ctx, s, swept); err != nil {
		return k, err
	}
	return k, errors.Join(k.wrong...)
}

func uidOf(key string) s3.UID { return s3.UID(hexOf([]byte(key[1 : 1+uidSize]))) }

func (k *keyspace) readBuckets() {
	for key, raw := range k.rows[tableBucket] {
		b, err := parseBucket([]byte(key), raw)
		if err != nil {
			k.bad("%v", err)
			continue
		}
		if b.deleting {
			k.bad("bucket %s is between being there and being gone", b.Name)
		}
		if b.Name != key[1:] || k.live[b.UID] != nil {
			k.bad("bucket row %q says %s %s", key, b.Name, b.UID)
		}
		k.live[b.UID] = b
		for _, d := range b.Documents {
			doc, id, _ := strings.Cut(d, "/")
			if k.rows[tableDocument][string(documentKey(b.UID, doc, id))] == nil {
				k.bad("bucket %s names document %s, which is missing", b.Name, d)
			}
		}
	}
}

func (k *keyspace) readFreed(swept bool) {
	for key, raw := range k.rows[tableFree] {
		f, err := parseFreed([]byte(key), raw)
		if err != nil {
			k.bad("%v", err)
			continue
		}
		if swept {
			k.bad("after the sweep %+v still waits to be freed", f)
		}
		for _, id := range f.blobs {
			k.freed[id] = true
		}
		if f.runs {
			k.holders[string(f.uid)+string(f.holder[:])] = true
		}
		if f.purge {
			k.purged[f.uid] = true
		}
	}
}

func (k *keyspace) readVersions() {
	for key, raw := range k.rows[tableVersion] {
		r, err := parseRecord([]byte(key), raw)
		if err != nil {
			k.bad("%v", err)
			continue
		}
		uid := uidOf(key)
		if string(versionKey(uid, r.Key, r.ID)) != key {
			k.bad("version row %q says %s %s", key, r.Key, r.ID)
			continue
		}
		if k.live[uid] == nil {
			k.bad("version %s of %s lies in no bucket", r.ID, r.Key)
		}
		k.versions[key], k.uids[key] = r, uid
		head := string(headKey(0, uid, r.Key)[1:])
		k.stacks[head] = append(k.stacks[head], r)
		u := k.usage[uid]
		k.usage[uid] = [2]int64{u[0] + r.Size, u[1] + 1}
		if r.body.kind == bodyRuns {
			k.own(uid, r.body.owner, r)
		}
		if r.body.kind == bodyBlob {
			k.name(r.body.blob, blobOwner(uid, r.ID))
		}
	}
}

func (k *keyspace) own(uid s3.UID, owner stamp.Stamp, r *record) {
	at := string(uid) + string(owner[:])
	if k.owners[at] != nil {
		k.bad("the runs of %s have two owners", owner)
	}
	k.owners[at] = r
}

func (k *keyspace) name(id blob.ID, owner []byte) {
	if k.named[id] != "" {
		k.bad("blob %s is named twice", id)
	}
	k.named[id] = string(owner)
}

// readOwners reads open uploads and bodies that are arriving.
func (k *keyspace) readOwners() {
	for key, raw := range k.rows[tableUpload] {
		u, err := parseUpload([]byte(key), raw)
		if err != nil {
			k.bad("%v", err)
			continue
		}
		k.own(uidOf(key), u.id, &u.record)
		if uid := uidOf(key); k.live[uid] == nil && !k.purged[uid] {
			k.bad("upload %s of %s lies in no bucket", u.id, u.Key)
		}
	}
	for key, raw := range k.rows[tableStage] {
		g, err := parseStage([]byte(key), raw)
		if err != nil {
			k.bad("%v", err)
			continue
		}
		k.own(uidOf(key), g.owner, &record{})
		if uid := uidOf(key); k.live[uid] == nil && !k.purged[uid] {
			k.bad("an arriving body lies in no bucket: %q", key)
		}
	}
}

func (k *keyspace) readRuns() {
	for _, key := range sortedKeys(k.rows[tableRun]) {
		r, err := parseRun([]byte(key), k.rows[tableRun][key])
		if err != nil {
			k.bad("%v", err)
			continue
		}
		uid := uidOf(key)
		var owner stamp.Stamp
		copy(owner[:], key[1+uidSize:])
		at := string(uid) + string(owner[:])
		if k.owners[at] == nil && !k.holders[at] && !k.purged[uid] {
			k.bad("nobody owns part %d of %s", r.part.Number, owner)
		}
		k.runs[at] = append(k.runs[at], r)
		if k.holders[at] || k.purged[uid] {
			k.freed[r.blob] = true
		}
		k.name(r.blob, blobOwner(uid, owner))
	}
}

// checkVersions looks whether each version's rows are all there.
func (k *keyspace) checkVersions() {
	inline := map[string]bool{}
	due := map[string]bool{}
	for key, r := range k.versions {
		uid := k.uids[key]
		what := r.Key + " version " + r.ID.String()
		d := string(dueKey(uid, r.ID, r.Key))
		due[d] = true
		if k.rows[tableDue][d] == nil {
			k.bad("%s has no due-time row", what)
		}
		if k.rows[tableTombstone][string(stackKey(tableTombstone, uid, r.Key, r.ID))] != nil {
			k.bad("%s is there and has a tombstone", what)
		}
		switch r.body.kind {
		case bodyNone:
			if !r.Marker {
				k.bad("%s has no body", what)
			}
		case bodyInline:
			i := string(inlineKey(uid, r.ID))
			inline[i] = true
			if k.rows[tableInline][i] == nil {
				k.bad("%s has no body: its row is missing", what)
			}
		case bodyRuns:
			size, parts := int64(0), 0
			for _, x := range k.runs[string(uid)+string(r.body.owner[:])] {
				size += x.size
				if x.seq == 0 {
					parts++
				}
			}
			if size != r.Size || r.PartsCount != 0 && parts != r.PartsCount {
				k.bad("%s: %d bytes in %d parts, its runs have %d in %d", what, r.Size, r.PartsCount, size, parts)
			}
		}
	}
	for key := range k.rows[tableInline] {
		if !inline[key] && !k.purged[uidOf(key)] {
			k.bad("no version names the body %q", key)
		}
	}
	for key := range k.rows[tableDue] {
		if !due[key] && !k.purged[uidOf(key)] {
			k.bad("no version belongs to the due-time row %q", key)
		}
	}
}

// checkStacks looks whether each head says what its versions say.
func (k *keyspace) checkStacks() {
	for at, stack := range k.stacks {
		slices.SortFunc(stack, func(a, b *record) int { return stamp.Compare(b.ID, a.ID) })
		top := stack[0]
		var null stamp.Stamp
		for _, r := range stack {
			if r.Null && !null.IsZero() {
				k.bad("%s has two null versions", r.Key)
			}
			if r.Null {
				null = r.ID
			}
		}
		table := headTable(top)
		raw := k.rows[table][string(table)+at]
		other := byte(tableLive + tableDead - table)
		if raw == nil {
			k.bad("%s has versions and no head in its listing", top.Key)
			continue
		}
		if k.rows[other][string(other)+at] != nil {
			k.bad("%s has two heads", top.Key)
		}
		h, err := parseRecord([]byte(at), raw)
		if err != nil {
			k.bad("%v", err)
			continue
		}
		if h.nullAt != null {
			k.bad("the head of %s says that its null version is %s, it is %s", top.Key, h.nullAt, null)
		}
		h.nullAt, h.gen = stamp.Stamp{}, 0
		if !bytes.Equal(h.row(false), top.row(false)) {
			k.bad("the head of %s is not its greatest version %s but %s, or says otherwise", top.Key, top.ID, h.ID)
		}
	}
	for _, table := range []byte{tableLive, tableDead} {
		for key := range k.rows[table] {
			if k.stacks[key[1:]] == nil {
				k.bad("a head without versions: %q", key)
			}
		}
	}
}

// checkSmall looks whether rows of a bucket have their bucket.
func (k *keyspace) checkSmall() {
	for _, table := range []byte{tableDocument, tableChunk, tableTombstone, tableDone, tableDelta, tableUsage} {
		for key := range k.rows[table] {
			if uid := uidOf(key); k.live[uid] == nil && !k.purged[uid] {
				k.bad("row %q lies in no bucket", key)
			}
		}
	}
}

// readTask reads a row of the outbox or the parked from its key.
func readTask(key string, raw []byte) (Task, error) {
	i := strings.IndexByte(key, 0)
	if i < 0 || len(key) < i+3 {
		return Task{}, corrupt([]byte(key), s3.ErrVersionFormat)
	}
	return parseTask(key[1:i], Lane(key[i+1]), key[i+2], key[0] == tableParked, []byte(key), raw)
}

// checkTasks looks whether tasks are there for exactly what is unsettled.
func (k *keyspace) checkTasks() {
	type goal struct{ version, bucket string }
	waits, refused := map[goal]int{}, map[goal]int{}
	for _, table := range []byte{tableOutbox, tableParked} {
		for key, raw := range k.rows[table] {
			t, err := readTask(key, raw)
			if err != nil {
				k.bad("%v", err)
				continue
			}
			v := string(versionKey(t.UID, t.Key, t.ID))
			k.tasks[v] = append(k.tasks[v], t)
			waits[goal{v, t.Target}]++
			r := k.versions[v]
			if r == nil {
				// A purge finds the rows whose keys it can tell. A worker finds
				// the others, and that their version is gone.
				if k.rows[tableTombstone][string(stackKey(tableTombstone, t.UID, t.Key, t.ID))] == nil && k.live[t.UID] != nil {
					k.bad("a task to %s for %s version %s, which never was", t.Target, t.Key, t.ID)
				}
				continue
			}
			// One that was written when nobody knew the destination waits to be moved.
			i := slices.IndexFunc(r.Targets, func(g s3.Target) bool { return g.Bucket == t.Target && (g.Region == t.Region || t.Region == "") })
			if i < 0 {
				k.bad("a task to %s for %s version %s, which does not go there", t.Target, t.Key, t.ID)
			} else if g := r.Targets[i]; g.Status == s3.Completed || g.Status == s3.Failed && g.Failed == 0 {
				k.bad("a task to %s for %s version %s, which is %s there", t.Target, t.Key, t.ID, g.Status)
			}
			if t.Failed {
				refused[goal{v, t.Target}]++
			}
		}
	}
	for key, r := range k.versions {
		for _, g := range r.Targets {
			n := waits[goal{key, g.Bucket}]
			if g.Status == s3.Pending && n == 0 {
				k.bad("%s version %s is PENDING to %s and has no task", r.Key, r.ID, g.Bucket)
			}
			if g.Open != n {
				k.bad("%s version %s counts %d tasks to %s and has %d", r.Key, r.ID, g.Open, g.Bucket, n)
			}
			if n := refused[goal{key, g.Bucket}]; g.Failed != n || (n > 0) != (g.Status == s3.Failed && g.Open > 0) {
				k.bad("%s version %s is %s at %s and counts %d tasks that were refused, it has %d", r.Key, r.ID, g.Status, g.Bucket, g.Failed, n)
			}
		}
	}
}

// checkUsage looks whether the totals are those of the versions.
func (k *keyspace) checkUsage() {
	got := map[s3.UID][2]int64{}
	for _, table := range []byte{tableUsage, tableDelta} {
		for key, raw := range k.rows[table] {
			b, n, err := parseUsage([]byte(key), raw)
			if err != nil {
				k.bad("%v", err)
				continue
			}
			u := got[uidOf(key)]
			got[uidOf(key)] = [2]int64{u[0] + b, u[1] + n}
		}
	}
	for uid, b := range k.live {
		if got[uid] != k.usage[uid] {
			k.bad("usage of %s is %v, its versions have %v", b.Name, got[uid], k.usage[uid])
		}
	}
}

// checkBlobs looks whether the blobs that are there, those that have a row and
// those that are named agree.
func (k *keyspace) checkBlobs(ctx context.Context, s *Store, swept bool) error {
	there, err := listBlobs(ctx, s)
	if err != nil {
		return err
	}
	// A listing that runs while a deletion is being finished may show the blob
	// once more. What is left for good is in each listing.
	for try := 0; swept && len(there) > len(k.named) && try < 20; try++ {
		time.Sleep(time.Millisecond)
		if there, err = listBlobs(ctx, s); err != nil {
			return err
		}
	}
	refs := map[blob.ID]bool{}
	for key, owner := range k.rows[tableBlobRef] {
		id := blob.ID(key[1:])
		refs[id] = true
		switch {
		case k.named[id] == "" && !k.freed[id]:
			k.bad("blob %s has a row and nobody names or frees it", id)
		case k.named[id] != "" && k.named[id] != string(owner):
			k.bad("blob %s is said to be another's", id)
		}
	}
	for id := range k.named {
		if !refs[id] {
			k.bad("blob %s is named and has no row", id)
		}
		if !there[id] && !k.freed[id] {
			k.bad("blob %s is named and missing", id)
		}
	}
	if swept {
		for id := range there {
			if k.named[id] == "" {
				k.bad("blob %s is left, and nobody names it", id)
			}
		}
	}
	return nil
}

func listBlobs(ctx context.Context, s *Store) (map[blob.ID]bool, error) {
	there := map[blob.ID]bool{}
	for info, err := range s.opt.Blobs.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		there[info.ID] = true
	}
	return there, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
