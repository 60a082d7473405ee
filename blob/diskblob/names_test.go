package diskblob_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/diskblob"
)

// TestFailedSyncOfNamesIsHeldAgainstAll: while a sync of a folder's names is
// under way that is going to fail, another writer gives its blob a name there and
// waits for the next sync. In a kernel that one succeeds without having written
// what the failed one did not, so the blob must not be acknowledged.
func TestFailedSyncOfNamesIsHeldAgainstAll(t *testing.T) {
	for name, tt := range map[string]struct {
		folder string
		size   int
	}{
		"files of their own": {"files/000000", 32 << 10},
		"packs":              {"packs", 100},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			began, fail := make(chan struct{}), make(chan struct{})
			var mu sync.Mutex
			syncs, on := 0, false
			fs := hookFS{mem, func(o op) (bool, error) {
				mu.Lock()
				if !on || o.kind != "syncdir" || !strings.HasSuffix(o.path, tt.folder) {
					mu.Unlock()
					return false, nil
				}
				syncs++
				first := syncs == 1
				mu.Unlock()
				if first {
					close(began)
					<-fail
					return false, errInjected
				}
				return true, nil
			}}
			s, err := diskblob.Open(crashOptions(fs))
			if err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			on = true
			mu.Unlock()
			bodies := [][]byte{blobtest.Body(1, tt.size), blobtest.Body(2, tt.size)}
			ids, errs := make([]blob.ID, 2), make([]error, 2)
			var wg sync.WaitGroup
			put := func(i int) { wg.Go(func() { ids[i], errs[i] = blobtest.TryPut(s, bodies[i], int64(tt.size)) }) }
			put(0)
			<-began
			put(1)
			for end := time.Now().Add(30 * time.Second); !s.NamesWaited(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the second writer does not come to wait")
				}
			}
			close(fail)
			wg.Wait()
			for i, err := range errs {
				if !errors.Is(err, blob.ErrClosed) {
					t.Errorf("writer %d: %q, %v", i, ids[i], err)
				}
			}
			if _, err := s.Create(t.Context(), -1); !errors.Is(err, blob.ErrClosed) {
				t.Errorf("create afterwards: %v", err)
			}
			s.Close()
		})
	}
}
