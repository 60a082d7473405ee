// Package kvtest holds the contract suite of package kv. Every engine passes
// it: Run(t, open).
package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/farhold/farhold/kv"
)

// Run runs the suite. Each test opens an empty store, which open closes when
// its test ends (t.Cleanup).
func Run(t *testing.T, open func(t *testing.T) kv.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, kv.Store)
	}{
		{"Guards", guards},
		{"GuardOfManyKinds", guardTable},
		{"Atomic", atomic},
		{"Limits", limits},
		{"Twice", twice},
		{"CommitKeepsNothing", commitKeepsNothing},
		{"GetIsOwned", getIsOwned},
		{"Scan", scan},
		{"ScanStops", scanStops},
		{"ScanTwice", scanTwice},
		{"SnapshotIsolation", snapshotIsolation},
		{"SnapshotSeesCommitted", snapshotSeesCommitted},
		{"SnapshotManyRows", snapshotManyRows},
		{"Visible", visible},
		{"Wake", wake},
		{"Barrier", barrier},
		{"Settled", settled},
		{"Cancelled", cancelled},
		{"Model", model},
		{"UpdateGuards", updateGuards},
		{"UpdateAssume", updateAssume},
		{"UpdatePeek", updatePeek},
		{"UpdateOwnWrites", updateOwnWrites},
		{"UpdateScan", updateScan},
		{"UpdateError", updateError},
		{"UpdateReadOnly", updateReadOnly},
		{"UpdateGivesUp", updateGivesUp},
		{"UpdateLarge", updateLarge},
		{"UpdateConcurrent", updateConcurrent},
		{"UpdateLatched", updateLatched},
		{"WriteSkew", writeSkew},
		{"Linearizable", linearizable},
		{"SnapshotsConsistent", snapshotsConsistent},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
	t.Run("Closed", func(t *testing.T) { closed(t, open(t)) })
}

var ctx = context.Background()

// put is a commit without guards.
func put(t testing.TB, s kv.Store, pairs ...string) {
	t.Helper()
	m := &kv.Mutation{}
	for i := 0; i < len(pairs); i += 2 {
		m.Puts = append(m.Puts, kv.Pair{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	must(t, s.Commit(ctx, m))
}

func del(t testing.TB, s kv.Store, keys ...string) {
	t.Helper()
	m := &kv.Mutation{}
	for _, k := range keys {
		m.Deletes = append(m.Deletes, []byte(k))
	}
	must(t, s.Commit(ctx, m))
}

func snap(t testing.TB, s kv.Store) kv.Snapshot {
	t.Helper()
	v, err := s.Snapshot(ctx)
	must(t, err)
	return v
}

// get gives the value, or "<none>".
func get(t testing.TB, s kv.Store, key string) string {
	t.Helper()
	v := snap(t, s)
	defer v.Close()
	return read(t, v, key)
}

func read(t testing.TB, v kv.Snapshot, key string) string {
	t.Helper()
	b, err := v.Get([]byte(key))
	if errors.Is(err, kv.ErrNotFound) {
		return "<none>"
	}
	must(t, err)
	if b == nil {
		t.Fatalf("Get(%q) gave nil without an error", key)
	}
	return string(b)
}

// rowsOf gives "k=v k=v" for a scan.
func rowsOf(t testing.TB, seq func(func(kv.Pair, error) bool)) string {
	t.Helper()
	var b bytes.Buffer
	for p, err := range seq {
		must(t, err)
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", p.Key, p.Value)
	}
	return b.String()
}

func want(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v, want %v", err, target)
	}
}
