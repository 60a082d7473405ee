package pebblekv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

func BenchmarkTmp(b *testing.B) {
	const rows = 200_000
	s := filled(b, rows)
	b.Logf("%s", s.db.Metrics())
	for _, absent := range []bool{false, true} {
		key := func() []byte {
			k := fmt.Appendf(make([]byte, 0, 32), "version/bucket/%08d", rand.IntN(rows))
			if absent {
				k = append(k, 'x')
			}
			return k
		}
		b.Run(fmt.Sprint("snapget/absent=", absent), func(b *testing.B) {
			v := s.db.NewSnapshot()
			defer v.Close()
			b.ReportAllocs()
			for b.Loop() {
				_, c, err := v.Get(key())
				if err == nil {
					c.Close()
				}
			}
		})
		b.Run(fmt.Sprint("iter/absent=", absent), func(b *testing.B) {
			v := s.db.NewSnapshot()
			defer v.Close()
			b.ReportAllocs()
			for b.Loop() {
				it, _ := v.NewIter(&pebble.IterOptions{UseL6Filters: true})
				it.SeekPrefixGE(key())
				it.Close()
			}
		})
		b.Run(fmt.Sprint("iterreuse/absent=", absent), func(b *testing.B) {
			v := s.db.NewSnapshot()
			defer v.Close()
			b.ReportAllocs()
			it, _ := v.NewIter(&pebble.IterOptions{UseL6Filters: true})
			for b.Loop() {
				it.SeekPrefixGE(key())
			}
			it.Close()
		})
	}
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			s.db.NewSnapshot().Close()
		}
	})
}
