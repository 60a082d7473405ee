package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farhold/farhold/bench"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"
)

// newBenchBars shows progress as bars on standard error, one for each phase,
// when that is a terminal; otherwise progress is nil. The returned function
// ends the display.
func newBenchBars() (progress bench.Progress, done func()) {
	if !cwriter.IsTerminal(int(os.Stderr.Fd())) {
		return nil, func() {}
	}
	b := &benchBars{all: mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(48), mpb.WithRefreshRate(150*time.Millisecond))}
	return b.tell, b.done
}

// benchBars is the display; at most one bar is moving.
type benchBars struct {
	mu    sync.Mutex
	all   *mpb.Progress
	bar   *mpb.Bar
	phase string
	note  atomic.Value // string behind the bar; read while mu is held elsewhere
	start time.Time
	total int64
}

func (b *benchBars) tell(phase string, done, total, ops int64, timed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil || phase != b.phase {
		b.finish()
		b.note.Store("")
		b.phase, b.start = phase, time.Now()
		b.bar = b.all.AddBar(0,
			mpb.PrependDecorators(decor.Name(phase, decor.WC{C: decor.DindentRight | decor.DextraSpace})),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
				return b.note.Load().(string)
			})))
	}
	b.total = total
	rate := float64(ops) / max(time.Since(b.start).Seconds(), .001)
	switch {
	case timed && ops == 0:
		b.note.Store(fmt.Sprintf(" %.0f of %.0f s", time.Duration(done).Seconds(), time.Duration(total).Seconds()))
	case timed:
		b.note.Store(fmt.Sprintf(" %.0f of %.0f s, %s/s", time.Duration(done).Seconds(), time.Duration(total).Seconds(), benchThousands(int64(rate))))
	case total > 0:
		b.note.Store(fmt.Sprintf(" %s of %s, %s/s", benchThousands(done), benchThousands(total), benchThousands(int64(rate))))
	default:
		b.note.Store(fmt.Sprintf(" %s, %s/s", benchThousands(done), benchThousands(int64(rate))))
	}
	b.bar.SetTotal(total, false)
	b.bar.SetCurrent(done)
}

// finish ends the bar of the phase that is over, full or not.
func (b *benchBars) finish() {
	if b.bar == nil {
		return
	}
	if b.total > 0 && b.bar.Current() >= b.total {
		b.bar.SetTotal(b.total, true)
	} else {
		b.bar.Abort(false)
	}
	b.bar = nil
}

func (b *benchBars) done() {
	b.mu.Lock()
	b.finish()
	b.mu.Unlock()
	b.all.Wait()
}
