// Package blobtest holds the contract of blob.Store as tests. Each engine runs
// them.
package blobtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/farhold/farhold/blob"
)

// Run tests the contract on stores that open gives. Each is empty, and open
// sees to its end with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, s blob.Store)
	}{
		{"RoundTrip", testRoundTrip},
		{"Hints", testHints},
		{"WriteKeepsItsArgument", testWriteKeepsItsArgument},
		{"Ranges", testRanges},
		{"RangesOutside", testRangesOutside},
		{"ReaderAfterDelete", testReaderAfterDelete},
		{"Delete", testDelete},
		{"Abort", testAbort},
		{"Invisible", testInvisible},
		{"AfterCommit", testAfterCommit},
		{"IDs", testIDs},
		{"List", testList},
		{"ListWhileDeleting", testListWhileDeleting},
		{"NotFound", testNotFound},
		{"Context", testContext},
		{"Concurrent", testConcurrent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// Sizes are the lengths at which engines change their ways: nothing, a byte,
// around the checksum block of 64 KiB, and where files begin.
var sizes = []int{
	0, 1, 4095, 4096, 4097, 16 << 10,
	64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 300_000,
	1<<20 - 1, 1 << 20, 1<<20 + 1,
	2<<20 - 1, 2 << 20, 2<<20 + 1, 4<<20 - 1, 4 << 20, 4<<20 + 1, 6_000_000,
}

// Body is n bytes that a seed determines.
func Body(seed uint64, n int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(n))
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b) // never fails
	return b
}

// Put stores body and fails the test on an error.
func Put(t testing.TB, s blob.Store, body []byte) blob.ID {
	t.Helper()
	id, err := TryPut(s, body, int64(len(body)))
	if err != nil {
		t.Fatalf("put of %d bytes: %v", len(body), err)
	}
	return id
}

// TryPut stores body in pieces.
func TryPut(s blob.Store, body []byte, hint int64) (blob.ID, error) {
	ctx := context.Background()
	w, err := s.Create(ctx, hint)
	if err != nil {
		return "", err
	}
	defer w.Abort()
	for rest := body; len(rest) > 0; {
		n := min(len(rest), 200_001)
		m, err := w.Write(rest[:n])
		if err != nil {
			return "", err
		}
		if m != n {
			return "", fmt.Errorf("wrote %d of %d bytes without an error", m, n)
		}
		rest = rest[n:]
	}
	return w.Commit(ctx)
}

// Get reads a range of a blob.
func Get(s blob.Store, id blob.ID, offset, length int64) ([]byte, error) {
	r, err := s.Open(context.Background(), id, offset, length)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return b, err
}

// Check fails the test unless the blob reads as body, by Read and by WriteTo.
func Check(t testing.TB, s blob.Store, id blob.ID, body []byte) {
	t.Helper()
	got, err := Get(s, id, 0, -1)
	if err != nil {
		t.Fatalf("get %s: %v", id, err)
	}
	if !bytes.Equal(got, body) {
		t.Fatalf("get %s: %d bytes differ from the %d written", id, len(got), len(body))
	}
	r, err := s.Open(context.Background(), id, 0, int64(len(body)))
	if err != nil {
		t.Fatalf("open %s: %v", id, err)
	}
	defer r.Close()
	var buf bytes.Buffer
	if n, err := io.Copy(&buf, r); err != nil || n != int64(len(body)) {
		t.Fatalf("copy of %s: %d bytes, %v", id, n, err)
	}
	if !bytes.Equal(buf.Bytes(), body) {
		t.Fatalf("copy of %s: bytes differ from those written", id)
	}
}

// All lists a store.
func All(t testing.TB, s blob.Store, after blob.ID) []blob.Info {
	t.Helper()
	var infos []blob.Info
	for info, err := range s.List(context.Background(), after) {
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		infos = append(infos, info)
	}
	return infos
}

func testRoundTrip(t *testing.T, s blob.Store) {
	ids := make([]blob.ID, len(sizes))
	for i, n := range sizes {
		ids[i] = Put(t, s, Body(1, n))
	}
	for i, n := range sizes {
		Check(t, s, ids[i], Body(1, n))
	}
}

func testHints(t *testing.T, s blob.Store) {
	for _, n := range []int{0, 1000, 5 << 20} {
		for _, hint := range []int64{-1, 0, 10, int64(n) - 1, int64(n) + 1, 8 << 20} {
			id, err := TryPut(s, Body(2, n), hint)
			if err != nil {
				t.Fatalf("size %d, hint %d: %v", n, hint, err)
			}
			Check(t, s, id, Body(2, n))
		}
	}
}

func testWriteKeepsItsArgument(t *testing.T, s blob.Store) {
	for _, n := range []int{5000, 1 << 20, 5 << 20} {
		want := Body(3, n)
		p := bytes.Clone(want)
		w, err := s.Create(context.Background(), int64(n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, want) {
			t.Fatal("Write changed its argument")
		}
		clear(p) // the caller may use it again
		id, err := w.Commit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		Check(t, s, id, want)
	}
}

func testRanges(t *testing.T, s blob.Store) {
	rng := rand.New(rand.NewPCG(4, 4))
	for _, n := range sizes {
		body := Body(4, n)
		id := Put(t, s, body)
		ranges := [][2]int64{{0, 0}, {0, -1}, {int64(n), 0}, {int64(n), -1}, {0, int64(n)}, {int64(n) / 2, -1}}
		if n > 0 {
			ranges = append(ranges, [2]int64{int64(n) - 1, 1}, [2]int64{0, 1})
		}
		for range 20 {
			from := rng.Int64N(int64(n) + 1)
			ranges = append(ranges, [2]int64{from, rng.Int64N(int64(n) - from + 1)})
		}
		for _, r := range ranges {
			got, err := Get(s, id, r[0], r[1])
			if err != nil {
				t.Fatalf("size %d, range %v: %v", n, r, err)
			}
			want := body[r[0]:]
			if r[1] >= 0 {
				want = want[:r[1]]
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("size %d, range %v: wrong bytes", n, r)
			}
		}
	}
}

func testRangesOutside(t *testing.T, s blob.Store) {
	for _, n := range []int64{0, 100, 5 << 20} {
		id := Put(t, s, Body(5, int(n)))
		for _, r := range [][2]int64{{-1, 1}, {n + 1, -1}, {n + 1, 0}, {0, n + 1}, {n, 1}, {0, -2}, {1, 1<<63 - 1}} {
			if got, err := Get(s, id, r[0], r[1]); !errors.Is(err, blob.ErrRange) {
				t.Errorf("size %d, range %v: %d bytes and %v, want ErrRange", n, r, len(got), err)
			}
		}
	}
}

func testReaderAfterDelete(t *testing.T, s blob.Store) {
	for _, n := range []int{20_000, 1 << 20, 3 << 20, 6 << 20} {
		body := Body(6, n)
		id := Put(t, s, body)
		var readers []io.ReadCloser
		for _, from := range []int{0, 10_000} {
			r, err := s.Open(context.Background(), id, int64(from), -1)
			if err != nil {
				t.Fatal(err)
			}
			head := make([]byte, 1000)
			if _, err := io.ReadFull(r, head); err != nil || !bytes.Equal(head, body[from:from+1000]) {
				t.Fatalf("head: %v", err)
			}
			readers = append(readers, r)
		}
		if err := s.Delete(context.Background(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := Get(s, id, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Fatalf("get after delete: %v, want ErrNotFound", err)
		}
		// Whatever frees the space in the background has its chance here.
		for i := range 5 {
			Put(t, s, Body(uint64(i), n))
		}
		for i, from := range []int{0, 10_000} {
			rest, err := io.ReadAll(readers[i])
			if err != nil {
				t.Fatalf("size %d: read on after the delete: %v", n, err)
			}
			if !bytes.Equal(rest, body[from+1000:]) {
				t.Fatalf("size %d: other bytes after the delete", n)
			}
			if err := readers[i].Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func testDelete(t *testing.T, s blob.Store) {
	ctx := context.Background()
	var ids []blob.ID
	for i, n := range sizes {
		ids = append(ids, Put(t, s, Body(uint64(i), n)))
	}
	for i, id := range ids {
		if i%2 == 0 {
			continue
		}
		for range 2 { // again is no error
			if err := s.Delete(ctx, id); err != nil {
				t.Fatalf("delete: %v", err)
			}
		}
	}
	for i, id := range ids {
		if i%2 == 0 {
			Check(t, s, id, Body(uint64(i), sizes[i]))
		} else if _, err := Get(s, id, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("get of a deleted blob: %v, want ErrNotFound", err)
		}
	}
	if got, want := len(All(t, s, "")), (len(ids)+1)/2; got != want {
		t.Errorf("%d blobs listed, want %d", got, want)
	}
	for _, id := range ids {
		if err := s.Delete(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if got := All(t, s, ""); len(got) != 0 {
		t.Errorf("listed after all were deleted: %v", got)
	}
}

func testAbort(t *testing.T, s blob.Store) {
	for _, n := range []int{0, 1000, 1 << 20, 6 << 20} {
		w, err := s.Create(context.Background(), int64(n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(Body(7, n)); err != nil {
			t.Fatal(err)
		}
		w.Abort()
		w.Abort()
		if _, err := w.Write([]byte("more")); err == nil {
			t.Error("Write after Abort succeeds")
		}
		if id, err := w.Commit(context.Background()); err == nil {
			t.Errorf("Commit after Abort gives %s", id)
		}
	}
	if got := All(t, s, ""); len(got) != 0 {
		t.Errorf("listed after aborts: %v", got)
	}
}

func testInvisible(t *testing.T, s blob.Store) {
	for _, n := range []int{1000, 6 << 20} {
		w, err := s.Create(context.Background(), int64(n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(Body(8, n)); err != nil {
			t.Fatal(err)
		}
		if got := All(t, s, ""); len(got) != 0 {
			t.Errorf("listed before Commit: %v", got)
		}
		w.Abort()
	}
}

func testAfterCommit(t *testing.T, s blob.Store) {
	for _, n := range []int{1000, 6 << 20} {
		w, err := s.Create(context.Background(), -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(Body(9, n)); err != nil {
			t.Fatal(err)
		}
		id, err := w.Commit(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		w.Abort() // does nothing now
		if _, err := w.Write([]byte("more")); err == nil {
			t.Error("Write after Commit succeeds")
		}
		if _, err := w.Commit(context.Background()); err == nil {
			t.Error("a second Commit succeeds")
		}
		Check(t, s, id, Body(9, n))
	}
}

func testIDs(t *testing.T, s blob.Store) {
	seen := make(map[blob.ID]bool)
	for i := range 100 {
		n := 100
		if i%20 == 0 {
			n = 5 << 20
		}
		id := Put(t, s, Body(uint64(i), n))
		if len(id) == 0 || len(id) > 64 {
			t.Fatalf("ID %q has %d bytes", id, len(id))
		}
		for _, c := range []byte(id) {
			if c <= ' ' || c > '~' {
				t.Fatalf("ID %q is not printable ASCII", id)
			}
		}
		if volume, place, ok := strings.Cut(string(id), "."); !ok || volume == "" || place == "" {
			t.Fatalf("ID %q is not volume, full stop, place", id)
		}
		if seen[id] {
			t.Fatalf("ID %q was given twice", id)
		}
		seen[id] = true
		if err := s.Delete(context.Background(), id); err != nil { // IDs are not used again after a delete
			t.Fatal(err)
		}
	}
}

func testList(t *testing.T, s blob.Store) {
	before := time.Now().Truncate(time.Second).Add(-2 * time.Second)
	want := make(map[blob.ID]int64)
	for i := range 40 {
		n := i * 1000
		if i%10 == 0 {
			n += 5 << 20
		}
		want[Put(t, s, Body(uint64(i), n))] = int64(n)
	}
	got := All(t, s, "")
	if len(got) != len(want) {
		t.Fatalf("%d blobs listed, want %d", len(got), len(want))
	}
	if !slices.IsSortedFunc(got, func(a, b blob.Info) int { return strings.Compare(string(a.ID), string(b.ID)) }) {
		t.Error("not in the order of IDs")
	}
	for _, info := range got {
		if n, ok := want[info.ID]; !ok || n != info.Size {
			t.Errorf("%s listed with %d bytes; written with %d", info.ID, info.Size, n)
		}
		if info.Created.Before(before) || info.Created.After(time.Now().Add(2*time.Second)) {
			t.Errorf("%s created %v", info.ID, info.Created)
		}
	}
	for i, info := range got { // from each place
		rest := All(t, s, info.ID)
		if !slices.EqualFunc(rest, got[i+1:], func(a, b blob.Info) bool { return a.ID == b.ID }) {
			t.Fatalf("list after %s: %d blobs, want %d", info.ID, len(rest), len(got)-i-1)
		}
	}
	for range s.List(context.Background(), "") {
		break // leaving early is fine
	}
	// After something that is no ID, the order still holds.
	if rest := All(t, s, got[7].ID+"0"); len(rest) != len(got)-8 {
		t.Errorf("list after a name between two: %d blobs, want %d", len(rest), len(got)-8)
	}
	if rest := All(t, s, "~"); len(rest) != 0 {
		t.Errorf("list after the last: %v", rest)
	}
}

func testListWhileDeleting(t *testing.T, s blob.Store) {
	want := make(map[blob.ID]bool)
	for i := range 50 {
		want[Put(t, s, Body(uint64(i), 20_000))] = true
	}
	for info, err := range s.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !want[info.ID] {
			t.Errorf("%s was not there", info.ID)
		}
		delete(want, info.ID)
		if err := s.Delete(context.Background(), info.ID); err != nil {
			t.Fatal(err)
		}
	}
	if len(want) != 0 {
		t.Errorf("%d blobs not listed", len(want))
	}
	if got := All(t, s, ""); len(got) != 0 {
		t.Errorf("listed after all were deleted: %v", got)
	}
}

func testNotFound(t *testing.T, s blob.Store) {
	id := Put(t, s, Body(10, 30_000))
	big := Put(t, s, Body(10, 5<<20))
	for _, id := range []blob.ID{
		"", "x", "nowhere.p1", "../../etc/passwd", blob.ID(strings.Repeat("z", 300)),
		"x" + id, id + "x", id[:len(id)-1], big + "x", big[:len(big)-1], "x" + big, "v.\x00",
	} {
		if _, err := Get(s, id, 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("get %q: %v, want ErrNotFound", id, err)
		}
		if err := s.Delete(context.Background(), id); err != nil {
			t.Errorf("delete %q: %v", id, err)
		}
	}
	Check(t, s, id, Body(10, 30_000))
	Check(t, s, big, Body(10, 5<<20))
}

func testContext(t *testing.T, s blob.Store) {
	id := Put(t, s, Body(11, 1000))
	ctx, cancel := context.WithCancel(context.Background())
	w, err := s.Create(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v, want context.Canceled", err)
	}
	w.Abort()
	if _, err := s.Create(ctx, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("create: %v, want context.Canceled", err)
	}
	if _, err := s.Open(ctx, id, 0, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v, want context.Canceled", err)
	}
	for _, err := range s.List(ctx, "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("list: %v, want context.Canceled", err)
		}
	}
	if got := All(t, s, ""); len(got) != 1 {
		t.Errorf("%d blobs listed, want 1", len(got))
	}
}

func testConcurrent(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(12, uint64(g)))
			type held struct {
				id   blob.ID
				seed uint64
				n    int
			}
			var mine []held
			for i := range 60 {
				n := rng.IntN(80_000)
				if i%30 == 29 {
					n = 4<<20 + rng.IntN(1<<20)
				}
				seed := rng.Uint64()
				id, err := TryPut(s, Body(seed, n), int64(n))
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				mine = append(mine, held{id, seed, n})
				k := rng.IntN(len(mine))
				h := mine[k]
				got, err := Get(s, h.id, 0, -1)
				if err != nil || !bytes.Equal(got, Body(h.seed, h.n)) {
					t.Errorf("get %s: %d bytes of %d, %v", h.id, len(got), h.n, err)
					return
				}
				if rng.IntN(3) == 0 {
					if err := s.Delete(context.Background(), h.id); err != nil {
						t.Errorf("delete: %v", err)
						return
					}
					mine = slices.Delete(mine, k, k+1)
				}
			}
			for _, h := range mine {
				got, err := Get(s, h.id, 0, -1)
				if err != nil || !bytes.Equal(got, Body(h.seed, h.n)) {
					t.Errorf("get %s in the end: %d bytes of %d, %v", h.id, len(got), h.n, err)
				}
			}
		}()
	}
	wg.Add(1)
	go func() {
		defer wg.Done()
		for range 20 {
			for _, err := range s.List(context.Background(), "") {
				if err != nil {
					t.Errorf("list: %v", err)
					return
				}
			}
		}
	}()
	wg.Wait()
}
