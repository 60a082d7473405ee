package diskblob_test

import (
	"testing"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/blobtest"
	"github.com/farhold/farhold/blob/diskblob"
)

func open(t testing.TB, opts diskblob.Options) *diskblob.Store {
	t.Helper()
	if opts.Volume == "" {
		opts.Volume = "v1"
	}
	s, err := diskblob.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s *diskblob.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// The contract, with usual packs and with ones so small that they are sealed and
// removed all the time.
func TestContract(t *testing.T) {
	for _, c := range []struct {
		name string
		opts diskblob.Options
	}{
		{"usual", diskblob.Options{}},
		{"small", diskblob.Options{PackMax: 200_000, FileMin: 100_000, Packs: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			blobtest.Run(t, func(t *testing.T) blob.Store {
				opts := c.opts
				opts.Dir = t.TempDir()
				s := open(t, opts)
				t.Cleanup(func() { closeStore(t, s) })
				return s
			})
		})
	}
}
