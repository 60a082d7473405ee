package pebblekv

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/farhold/farhold/kv"
)

// A span whose rows were all deleted is walked over once; then it is compacted,
// and the next scan has nothing to step over.
func TestScanOverDeletedRowsIsTidied(t *testing.T) {
	s, err := Open(Options{FS: vfs.NewMem(), Dir: "d", Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	const rows = 3 * wasteMin
	for _, del := range []bool{false, true} {
		for at := 0; at < rows; at += 500 {
			m := &kv.Mutation{}
			for i := at; i < at+500; i++ {
				k := fmt.Appendf(nil, "row/%06d", i)
				if del {
					m.Deletes = append(m.Deletes, k)
				} else {
					m.Puts = append(m.Puts, kv.Pair{Key: k, Value: k})
				}
			}
			if err := s.Commit(ctx, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	steps := func() uint64 {
		snap, err := s.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		v := snap.(*snapshot)
		n := 0
		for _, err := range snap.Scan(kv.Prefix([]byte("row/"))) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 0 {
			t.Fatalf("%d rows are back", n)
		}
		o := pointReads
		it, err := v.view.Clone(cloneSpan(&o, "row/", "row0"))
		if err != nil {
			t.Fatal(err)
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
		}
		stats := it.Stats()
		return stats.InternalStats.PointCount
	}
	if n := steps(); n < rows {
		t.Fatalf("the first scan stepped over %d rows only: the test shows nothing", n)
	}
	for try := 0; ; try++ {
		if n := steps(); n == 0 {
			return
		} else if try == 200 {
			t.Fatalf("scans still step over %d deleted rows", n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func cloneSpan(o *pebble.IterOptions, low, high string) pebble.CloneOptions {
	o.LowerBound, o.UpperBound = []byte(low), []byte(high)
	return pebble.CloneOptions{IterOptions: o}
}
