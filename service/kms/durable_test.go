package kms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/kv/pebblekv"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

var errBroken = errors.New("broken by the test")

// life is all that can happen to keys, step by step. A step that fails is
// reported and the next one is taken.
type life struct {
	w       *world
	id      string
	blobs   [][]byte
	failed  int
	destroy bool // it was told that the key is to be destroyed
}

func (l *life) try(err error) {
	if err == nil {
		return
	}
	l.failed++
	if e := awserr.From(err); e != nil && e.Code == "AccessDeniedException" {
		l.w.t.Errorf("a fault became a refusal: %v", err)
	}
}

func (l *life) run(ctx context.Context) {
	w := l.w
	l.try(w.create(ctx, &draft{id: l.id, account: ours, manager: managerCustomer, policy: policyRoot(ours), alias: "alias/life", tags: []Tag{{"a", "b"}}}))
	use := func() {
		blob, _, err := w.Encrypt(ctx, asRoot(), "alias/life", []byte("secret"), nil)
		if err == nil {
			l.blobs = append(l.blobs, blob)
		} else if e := awserr.From(err); e == nil { // NotFound when it was never made
			l.failed++
		}
	}
	do := func(fn func(k *entry) error) {
		k, err := w.key(ctx, l.id)
		if err == nil {
			err = fn(k)
		}
		l.try(err)
	}
	use()
	do(func(k *entry) error { return w.rotateOnDemand(ctx, k) })
	use()
	do(func(k *entry) error { return w.enableRotation(ctx, k, 90) })
	do(func(k *entry) error {
		_, err := w.createGrant(ctx, k, grant{Name: "n", Grantee: root(theirs).ARN, Retiring: root(theirs).ARN, Account: ours, Operations: []string{"Encrypt"}})
		return err
	})
	w.clock = w.clock.Add(91 * 24 * time.Hour)
	_, err := w.Step(ctx)
	l.try(err)
	use()
	do(func(k *entry) error { return w.disable(ctx, k) })
	do(func(k *entry) error { return w.enable(ctx, k) })
	do(func(k *entry) error {
		_, err := w.scheduleDeletion(ctx, k, 7)
		l.destroy = true // perhaps, if it failed
		return err
	})
	w.clock = w.clock.Add(8 * 24 * time.Hour)
	for range 3 {
		_, err := w.Step(ctx)
		l.try(err)
	}
}

// TestEachFailure breaks the n-th operation of the store, for every n, once
// without effect and once with; then the engine starts anew. What was encrypted
// must be readable, unless the key was to be destroyed; and what is due must come
// to its end.
func TestEachFailure(t *testing.T) {
	for _, apply := range []bool{false, true} {
		for n := int64(1); ; n++ {
			broken := n
			store := memkv.New(memkv.Faults(func(_ memkv.Op, at int64) memkv.Fault {
				if at == broken {
					return memkv.Fault{Err: errBroken, Apply: apply}
				}
				return memkv.Fault{}
			}))
			w := worldOn(t, store, region)
			l := &life{w: w, id: newID()}
			l.run(t.Context())
			if store.Ops() < n {
				if l.failed > 0 {
					t.Errorf("%d failures without a fault", l.failed)
				}
				if n < 60 {
					t.Errorf("only %d operations", n)
				}
				break
			}
			what := fmt.Sprintf("operation %d, applied %v", n, apply)
			broken = 0
			w.open(region)
			k, err := w.key(t.Context(), l.id)
			switch {
			case err == nil:
				if k.State == Enabled {
					if len(k.materials) < 1 {
						t.Errorf("%s: no material", what)
					}
					for i, b := range l.blobs {
						if got, _, err := w.Decrypt(t.Context(), asRoot(), b, nil); err != nil || string(got) != "secret" {
							t.Errorf("%s: ciphertext %d: %v", what, i, err)
						}
					}
				}
			case !errors.Is(err, errNoKey):
				t.Errorf("%s: %v", what, err)
			case !l.destroy && len(l.blobs) > 0:
				t.Errorf("%s: the key is gone", what)
			}
			if err == nil && k.State != PendingDeletion {
				if _, err := w.scheduleDeletion(t.Context(), k, 7); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			w.clock = w.clock.Add(8 * 24 * time.Hour)
			w.steps()
			for _, row := range w.rows() {
				if row != rowCount+ours {
					t.Errorf("%s: %s is left", what, row)
				}
			}
		}
	}
}

// TestCommitOfUnknownOutcome: a change whose commit failed and took effect all
// the same must be seen at once, not what was cached before.
func TestCommitOfUnknownOutcome(t *testing.T) {
	var arm atomic.Bool
	store := memkv.New(memkv.Faults(func(op memkv.Op, _ int64) memkv.Fault {
		if op == memkv.OpCommit && arm.CompareAndSwap(true, false) {
			return memkv.Fault{Err: errBroken, Apply: true}
		}
		return memkv.Fault{}
	}))
	w := worldOn(t, store, region)
	id := w.newKey()
	k, err := w.key(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	arm.Store(true)
	if err := w.disable(t.Context(), k); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	_, _, err = w.Encrypt(t.Context(), asRoot(), id, []byte("x"), nil)
	wants(t, "after it", err, "DisabledException")
}

// TestConflicts has every third commit fail for no reason.
func TestConflicts(t *testing.T) {
	w := worldOn(t, memkv.New(memkv.Conflicts(1, 0.3)), region)
	l := &life{w: w, id: newID()}
	l.run(t.Context())
	if l.failed > 0 || len(l.blobs) != 3 {
		t.Errorf("%d failures, %d ciphertexts", l.failed, len(l.blobs))
	}
}

// TestPebble keeps keys on disk, starts again, and looks whether anything that
// must not be read can be read there.
func TestPebble(t *testing.T) {
	dir := t.TempDir()
	open := func() kv.Store {
		s, err := pebblekv.Open(pebblekv.Options{Dir: dir, Reserve: -1, MemTableSize: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	store := open()
	w := worldOn(t, store, region)
	id := w.newKey()
	plain := []byte("a plaintext that is known well enough to be found")
	var blobs [][]byte
	var secrets [][]byte
	for i := range 5 {
		blob, _, err := w.Encrypt(t.Context(), asRoot(), id, plain, map[string]string{"n": fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, blob)
		data, err := w.GenerateDataKey(t.Context(), asRoot(), id, 32, nil)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, data.Plain)
		k, err := w.key(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		m, err := w.plaintext(t.Context(), k, k.current())
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, bytes.Clone(m))
		if err := w.rotateOnDemand(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			store = open()
			w.kv = store
			w.open(region)
		}
	}
	for i, b := range blobs {
		if got, _, err := w.Decrypt(t.Context(), asRoot(), b, map[string]string{"n": fmt.Sprint(i)}); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	found := false
	secrets = append(secrets, plain, testRoot)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		found = found || bytes.Contains(raw, []byte(id)) // the search does find what is there
		for i, s := range secrets {
			if bytes.Contains(raw, s) || bytes.Contains(raw, fmt.Appendf(nil, "%x", s)) {
				t.Errorf("secret %d lies in clear in %s", i, d.Name())
			}
		}
		return nil
	})
	if err != nil || !found {
		t.Errorf("the search found not even the key's ID: %v", err)
	}
}

// TestRowsHoldNoSecrets looks at the rows themselves, which no engine compresses here.
func TestRowsHoldNoSecrets(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	plain := []byte("a plaintext that is known well enough to be found")
	if _, _, err := w.Encrypt(t.Context(), asRoot(), id, plain, nil); err != nil {
		t.Fatal(err)
	}
	k, err := w.key(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	m, err := w.plaintext(t.Context(), k, k.current())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = w.read(t.Context(), func(s kv.Snapshot) error {
		for p, err := range s.Scan(kv.Span{}) {
			if err != nil {
				return err
			}
			n++
			for _, secret := range [][]byte{plain, m, testRoot} {
				if bytes.Contains(p.Value, secret) || bytes.Contains(p.Value, encodeRow(secret)[2:40]) {
					t.Errorf("%s holds a secret", p.Key)
				}
			}
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatal(err)
	}
}

// TestMovedMaterial puts one key's material in another's place: it must not
// unwrap.
func TestMovedMaterial(t *testing.T) {
	w := newWorld(t)
	a, b := w.newKey(), w.newKey()
	err := w.update(t.Context(), func(tx *kv.Tx) error {
		raw, err := tx.Get(materialKey(a, 1))
		if err != nil {
			return err
		}
		tx.Put(materialKey(b, 1), raw)
		return nil
	}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = w.Encrypt(t.Context(), asRoot(), b, []byte("x"), nil)
	if err == nil || awserr.From(err) != nil {
		t.Errorf("material of another key: %v", err)
	}
}

// TestBadRows: what can't be read is an error of ours, never an absence, which
// would let the key be made anew, nor a refusal.
func TestBadRows(t *testing.T) {
	for _, table := range []string{rowKey, rowPolicy, rowMaterial} {
		for what, value := range map[string][]byte{
			"nothing": nil, "another format": []byte("\x02{}"), "no JSON": []byte("\x01{"), "an unknown member": []byte("\x01{\"New\":1}"), "more": []byte("\x01{}{}"),
		} {
			w := newWorld(t)
			id := w.newKey()
			at := path(table, id)
			if table == rowMaterial {
				at = materialKey(id, 1)
			}
			if err := w.update(t.Context(), func(tx *kv.Tx) error { tx.Put(at, value); return nil }, id); err != nil {
				t.Fatal(err)
			}
			_, _, err := w.Encrypt(t.Context(), asRoot(), id, []byte("x"), nil)
			if err == nil || awserr.From(err) != nil {
				t.Errorf("%s with %s: %v", table, what, err)
			}
		}
	}
}

// TestTogether uses one key from many sides while it changes. When a call that
// disables it has returned, nobody uses it; what was encrypted can be read.
func TestTogether(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	w.user(ours, "alice") // before the others look
	ctx := t.Context()
	var epoch atomic.Int64 // odd while disabling has returned and enabling has not begun
	var wg sync.WaitGroup
	var blobs sync.Map
	stop := make(chan struct{})
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				before := epoch.Load()
				blob, _, err := w.Encrypt(ctx, asRoot(), id, []byte("secret"), nil)
				switch {
				case err == nil && before%2 == 1 && before == epoch.Load():
					t.Error("used while it was disabled")
					return
				case err == nil:
					blobs.Store(fmt.Sprint(g, i%50), blob)
				case !errors.Is(err, ErrDisabled):
					t.Error(err)
					return
				}
			}
		})
	}
	change := func(fn func(k *entry) error) {
		k, err := w.key(ctx, id)
		if err == nil {
			err = fn(k)
		}
		if err != nil {
			t.Error(err)
		}
	}
	for i := range 60 {
		change(func(k *entry) error { return w.disable(ctx, k) })
		epoch.Add(1)
		change(func(k *entry) error { return w.describe(ctx, k, fmt.Sprint(i)) })
		epoch.Add(1)
		change(func(k *entry) error { return w.enable(ctx, k) })
		if i%3 == 0 && i/3 < onDemandMax {
			change(func(k *entry) error { return w.rotateOnDemand(ctx, k) })
		}
	}
	close(stop)
	wg.Wait()
	n := 0
	blobs.Range(func(_, b any) bool {
		n++
		if got, _, err := w.Decrypt(ctx, asRoot(), b.([]byte), nil); err != nil || string(got) != "secret" {
			t.Error(err)
		}
		return true
	})
	if n == 0 {
		t.Error("nothing was encrypted")
	}
}

// TestManagedKeyOnce has many want the key for S3 first.
func TestManagedKeyOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	var arns sync.Map
	for range 16 {
		wg.Go(func() {
			arn, err := w.Resolve(t.Context(), ours, aliasS3)
			if err != nil {
				t.Error(err)
			}
			arns.Store(arn, true)
		})
	}
	wg.Wait()
	n := 0
	arns.Range(func(_, _ any) bool { n++; return true })
	if out := must[shapes.ListKeysResponse](w, root(ours), "ListKeys", &shapes.ListKeysRequest{}); n != 1 || len(out.Keys) != 1 {
		t.Errorf("%d keys told, %d there", n, len(out.Keys))
	}
}

// TestCachesAreBounded fills them beyond their bounds.
func TestCachesAreBounded(t *testing.T) {
	c := newCache()
	for i := range 3 * aliasesMax {
		at := c.generation()
		c.keepAlias(at, ours, fmt.Sprint("alias/", i), "id")
		c.keepGrants(at, fmt.Sprint(i), "x", []*grant{{}, {}})
		if i < 2*keysMax {
			c.keep(at, &entry{id: fmt.Sprint(i)})
		}
	}
	weight := 0
	for _, of := range c.grants {
		for _, list := range of {
			weight += 1 + len(list)
		}
	}
	if len(c.keys) != keysMax || len(c.aliases) != aliasesMax || weight > grantsMax || weight != c.granted {
		t.Errorf("%d keys, %d aliases, %d grants, counted %d", len(c.keys), len(c.aliases), weight, c.granted)
	}
	// What was read before a change is not kept after it.
	at := c.generation()
	c.forget("1")
	c.keep(at, &entry{id: "late"})
	c.keepAlias(at, ours, "alias/late", "late")
	c.keepGrants(at, "late", "x", nil)
	if _, ok := c.grantsOf("late", "x"); ok || c.key("late") != nil || c.alias(ours, "alias/late") != "" {
		t.Error("a stale reader's rows were kept")
	}
}

func benchmark(b *testing.B, each func(w *world, id string, by access.Actor, about map[string]string, blob []byte) error) {
	w := newWorld(b)
	id := w.newKey()
	by := access.Actor{Caller: w.user(ours, "alice", allow("kms:*"))}
	about := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/some/key/of/ordinary/length"}
	blob, _, err := w.Encrypt(b.Context(), by, id, make([]byte, 32), about)
	if err != nil {
		b.Fatal(err)
	}
	w.Engine.opt.Decider = yes{} // what a decision costs is measured in policy
	b.ReportAllocs()
	for b.Loop() {
		if err := each(w, id, by, about, blob); err != nil {
			b.Fatal(err)
		}
	}
}

// yes allows everything.
type yes struct{}

func (yes) Decide(context.Context, *access.Request) error { return nil }

func BenchmarkEncrypt(b *testing.B) {
	plain := make([]byte, 32)
	benchmark(b, func(w *world, id string, by access.Actor, about map[string]string, _ []byte) error {
		_, _, err := w.Encrypt(context.Background(), by, id, plain, about)
		return err
	})
}

func BenchmarkDecrypt(b *testing.B) {
	benchmark(b, func(w *world, _ string, by access.Actor, about map[string]string, blob []byte) error {
		_, _, err := w.Decrypt(context.Background(), by, blob, about)
		return err
	})
}

func BenchmarkGenerateDataKey(b *testing.B) {
	benchmark(b, func(w *world, id string, by access.Actor, about map[string]string, _ []byte) error {
		_, err := w.GenerateDataKey(context.Background(), by, id, 32, about)
		return err
	})
}
