package kvtest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/farhold/farhold/kv"
)

// writeSkew: two transactions that each read what the other writes can't both
// commit on the old state.
func writeSkew(t *testing.T, s kv.Store) {
	for round := range 60 {
		a, b := fmt.Appendf(nil, "a%d", round), fmt.Appendf(nil, "b%d", round)
		var wg sync.WaitGroup
		claim := func(mine, other []byte) {
			if err := kv.Update(ctx, s, func(tx *kv.Tx) error {
				if _, err := tx.Get(other); err == nil {
					return nil // taken by the other
				} else if !errors.Is(err, kv.ErrNotFound) {
					return err
				}
				tx.Put(mine, []byte("on call"))
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
		wg.Go(func() { claim(a, b) })
		wg.Go(func() { claim(b, a) })
		wg.Wait()
		x, y := get(t, s, string(a)), get(t, s, string(b))
		if (x == "<none>") == (y == "<none>") {
			t.Fatalf("round %d: %s is %s and %s is %s", round, a, x, b, y)
		}
	}
}

// register is what porcupine checks: reads, and compare-and-set.
type registerIn struct {
	key      int
	cas      bool
	from, to int // 0 is absent
}

type registerOut struct {
	value   int
	ok      bool
	unknown bool
}

// linearizable runs reads and compare-and-set on a few keys from several
// goroutines and lets porcupine look for an order that explains the answers.
func linearizable(t *testing.T, s kv.Store) {
	const workers, rounds, keys = 6, 60, 3
	var (
		mu  sync.Mutex
		ops []porcupine.Operation
		wg  sync.WaitGroup
	)
	start := time.Now()
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				in := registerIn{key: (w + i) % keys}
				key := fmt.Appendf(nil, "r%d", in.key)
				var out registerOut
				call := time.Since(start)
				v, err := s.Snapshot(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := v.Get(key)
				v.Close()
				if err != nil && !errors.Is(err, kv.ErrNotFound) {
					t.Error(err)
					return
				}
				out.value, _ = strconv.Atoi(string(b))
				mu.Lock()
				ops = append(ops, porcupine.Operation{ClientId: w, Input: in, Output: out, Call: int64(call), Return: int64(time.Since(start))})
				mu.Unlock()

				in.cas, in.from, in.to = true, out.value, 1+w*rounds+i
				if i%5 == 4 {
					in.to = 0
				}
				m := &kv.Mutation{Guards: []kv.Guard{{Key: key, Want: b}}}
				if in.to == 0 {
					m.Deletes = [][]byte{key}
				} else {
					m.Puts = []kv.Pair{{Key: key, Value: strconv.AppendInt(nil, int64(in.to), 10)}}
				}
				call = time.Since(start)
				err = s.Commit(ctx, m)
				if err != nil && !errors.Is(err, kv.ErrConflict) {
					t.Error(err)
					return
				}
				out = registerOut{ok: err == nil}
				mu.Lock()
				ops = append(ops, porcupine.Operation{ClientId: w, Input: in, Output: out, Call: int64(call), Return: int64(time.Since(start))})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	model := porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := make([][]porcupine.Operation, keys)
			for _, op := range history {
				k := op.Input.(registerIn).key
				parts[k] = append(parts[k], op)
			}
			return parts
		},
		Init: func() any { return 0 },
		Step: func(state, input, output any) (bool, any) {
			value, in, out := state.(int), input.(registerIn), output.(registerOut)
			switch {
			case !in.cas:
				return out.value == value, value
			case value == in.from:
				return out.ok, in.to
			default:
				return !out.ok, value
			}
		},
	}
	if r := porcupine.CheckOperationsTimeout(model, ops, time.Minute); r != porcupine.Ok {
		t.Fatalf("%d operations are not linearizable: %v", len(ops), r)
	}
}

// snapshotsConsistent moves an amount between rows while others add them up
// through snapshots, by Get and by Scan.
func snapshotsConsistent(t *testing.T, s kv.Store) {
	const rowsN, sum = 8, 8 * 100
	m := &kv.Mutation{}
	for i := range rowsN {
		m.Puts = append(m.Puts, kv.Pair{Key: fmt.Appendf(nil, "acct%d", i), Value: []byte("100")})
	}
	must(t, s.Commit(ctx, m))
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 60 {
				from, to := fmt.Appendf(nil, "acct%d", (w+i)%rowsN), fmt.Appendf(nil, "acct%d", (w*3+i*5+1)%rowsN)
				if string(from) == string(to) {
					continue
				}
				err := kv.Update(ctx, s, func(tx *kv.Tx) error {
					a, err := tx.Get(from)
					if err != nil {
						return err
					}
					b, err := tx.Get(to)
					if err != nil {
						return err
					}
					x, _ := strconv.Atoi(string(a))
					y, _ := strconv.Atoi(string(b))
					tx.Put(from, strconv.AppendInt(nil, int64(x-1), 10))
					tx.Put(to, strconv.AppendInt(nil, int64(y+1), 10))
					return nil
				})
				if err != nil && !errors.Is(err, kv.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for {
				v, err := s.Snapshot(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				got, scanned := 0, 0
				for i := range rowsN {
					b, err := v.Get(fmt.Appendf(nil, "acct%d", i))
					if err != nil {
						t.Error(err)
						break
					}
					n, _ := strconv.Atoi(string(b))
					got += n
				}
				for p, err := range v.Scan(kv.Prefix([]byte("acct"))) {
					if err != nil {
						t.Error(err)
						break
					}
					n, _ := strconv.Atoi(string(p.Value))
					scanned += n
				}
				if err := v.Settled(ctx); err != nil {
					t.Error(err)
				}
				v.Close()
				if got != sum || scanned != sum {
					t.Errorf("a snapshot adds up to %d by Get and %d by Scan, want %d", got, scanned, sum)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}
