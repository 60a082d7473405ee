package pebblekv

import (
	"bytes"
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/farhold/farhold/kv"
)

// A scan steps over every row that was overwritten or deleted in its span and
// is not compacted away yet: behind the settled part of a queue, over keys
// that were all deleted at once, over rows rewritten a thousand times. Pebble
// compacts such places in its own time, which may be hours away. So a scan
// that wasted its time asks for its span to be compacted; the next one is fast.

const (
	// A scan is wasteful when it stepped over more than wasteMin dead rows, and
	// over wasteShare dead ones for each live one.
	wasteMin   = 2_000
	wasteShare = 4
	// tidyPause is the least time between two such compactions, and tidyShare
	// how many times as long as the last one took that is at least: they never
	// take more than a fifth of one core.
	tidyPause = 250 * time.Millisecond
	tidyShare = 4
)

// tidier compacts what wasteful scans walked over. It is one goroutine, which
// Close ends.
type tidier struct {
	want chan kv.Span // room for one: others come again with their next scan
	end  context.CancelFunc
	done chan struct{}
}

func (s *Store) startTidier() {
	ctx, cancel := context.WithCancel(context.Background())
	s.tidy = tidier{want: make(chan kv.Span, 1), end: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.tidy.done)
		pause := time.NewTimer(0)
		defer pause.Stop()
		for {
			select {
			case <-pause.C:
			case <-ctx.Done():
				return
			}
			select {
			case span := <-s.tidy.want:
				began := time.Now()
				if err := s.db.Compact(ctx, span.Low, span.High, false); err != nil && ctx.Err() == nil {
					s.log("kv: compacting what a scan walked over: " + err.Error())
				}
				s.counts.tidied.Add(1)
				pause.Reset(max(tidyPause, tidyShare*time.Since(began)))
			case <-ctx.Done():
				return
			}
		}
	}()
}

func (t *tidier) stop() {
	t.end()
	<-t.done
}

// wasted looks at what a scan of span cost when it ends at key, nil meaning at
// the span's end, and asks for a compaction if that was mostly waste.
func (s *Store) wasted(it *pebble.Iterator, span kv.Span, key []byte, yielded int) {
	stats := it.Stats()
	dead := int64(stats.InternalStats.PointCount) - int64(yielded)
	if dead < wasteMin || dead < wasteShare*int64(yielded) {
		return
	}
	low, high := bytes.Clone(span.Low), bytes.Clone(span.High)
	if key != nil && !span.Reverse {
		high = append(bytes.Clone(key), 0)
	}
	if high == nil {
		high = bytes.Repeat([]byte{0xff}, 8) // Pebble wants an end
	}
	if bytes.Compare(low, high) >= 0 {
		return
	}
	select {
	case s.tidy.want <- kv.Span{Low: low, High: high}:
	default:
	}
}
