package memblob_test

import (
	"errors"
	"testing"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/memblob"
)

func TestContract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		s := memblob.New(memblob.Options{})
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

func TestSeed(t *testing.T) {
	ids := func(seed uint64) (ids []blob.ID) {
		s := memblob.New(memblob.Options{Seed: seed})
		for range 10 {
			ids = append(ids, blobtest.Put(t, s, []byte("body")))
		}
		return ids
	}
	a, b, other := ids(1), ids(1), ids(2)
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("ID %d: %s and %s from one seed", i, a[i], b[i])
		}
		if a[i] == other[i] {
			t.Errorf("ID %d: %s from two seeds", i, a[i])
		}
	}
}

// Each operation fails in turn: nothing half done may be seen afterwards.
func TestFailNth(t *testing.T) {
	injected := errors.New("injected")
	body := blobtest.Body(1, 1000)
	for n := 1; ; n++ {
		s := memblob.New(memblob.Options{})
		s.FailNth(n, memblob.AnyOp, false, injected)
		id, err := blobtest.TryPut(s, body, -1)
		if err == nil {
			if _, err = blobtest.Get(s, id, 0, -1); err == nil {
				err = s.Delete(t.Context(), id)
			}
			if err == nil {
				if n < 6 {
					t.Fatalf("nothing failed at operation %d", n)
				}
				return
			}
			if !errors.Is(err, injected) {
				t.Fatalf("operation %d: %v", n, err)
			}
			blobtest.Check(t, s, id, body) // a failed read or delete changes nothing
			continue
		}
		if !errors.Is(err, injected) {
			t.Fatalf("operation %d: %v", n, err)
		}
		if got := blobtest.All(t, s, ""); len(got) != 0 {
			t.Fatalf("operation %d: a failed put left %v", n, got)
		}
	}
}

func TestCapacity(t *testing.T) {
	s := memblob.New(memblob.Options{Capacity: 2500})
	first := blobtest.Put(t, s, make([]byte, 1000))
	blobtest.Put(t, s, make([]byte, 1000))
	for range 3 { // what a refused write took is given back
		if _, err := blobtest.TryPut(s, make([]byte, 1000), -1); !errors.Is(err, blob.ErrFull) {
			t.Fatalf("put beyond the capacity: %v", err)
		}
	}
	blobtest.Check(t, s, first, make([]byte, 1000))
	if err := s.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	blobtest.Put(t, s, make([]byte, 1000))
}

func TestCorrupt(t *testing.T) {
	s := memblob.New(memblob.Options{})
	id := blobtest.Put(t, s, blobtest.Body(1, 1000))
	if !s.Corrupt(id, 999) || s.Corrupt(id, 1000) || s.Corrupt("m.none", 0) {
		t.Fatal("Corrupt does not tell what is there")
	}
	if _, err := blobtest.Get(s, id, 0, -1); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("get: %v, want ErrCorrupt", err)
	}
}

func TestClosed(t *testing.T) {
	s := memblob.New(memblob.Options{})
	id := blobtest.Put(t, s, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), 0); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("create: %v", err)
	}
	if _, err := s.Open(t.Context(), id, 0, -1); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("open: %v", err)
	}
	if err := s.Delete(t.Context(), id); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("delete: %v", err)
	}
}
