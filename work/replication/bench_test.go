package replication_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/farhold/farhold/work/replication"
)

// crossing is a Transport without a line: from the source's store into the
// destination's.
type crossing struct{ *pair }

// Ship implements replication.Transport.
func (c crossing) Ship(ctx context.Context, _ string, batch []*replication.Shipment) error {
	for _, sh := range batch {
		body, err := sh.Body(ctx)
		if err != nil {
			return err
		}
		replication.Apply(ctx, c.to, "us-east-1", sh, body)
		body.Close()
	}
	return nil
}

// BenchmarkDrain ships objects of 4 KiB from one store in memory to another,
// 512 at a time: what the worker and the two ends cost without a disk or a line.
func BenchmarkDrain(b *testing.B) {
	p := newPair(b, false)
	w := p.crew(crossing{p})
	body := make([]byte, 4<<10)
	n := 0
	for b.Loop() {
		b.StopTimer()
		for range 512 {
			n++
			p.put(fmt.Sprint("k", n), body)
		}
		b.StartTimer()
		for _, x := range w {
			if _, err := x.Step(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	p.wantStatus(fmt.Sprint("k", n), "COMPLETED", "")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/object")
}
