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
	note  *atomic.Pointer[string] // text behind the bar, which the display reads without mu
	start time.Time
	total int64
}

func (b *benchBars) tell(phase string, done, total, ops int64, timed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil || phase != b.phase {
		b.finish()
		note := new(atomic.Pointer[string])
		note.Store(new(string))
		b.note = note
		b.phase, b.start = phase, time.Now()
		b.bar = b.all.AddBar(0,
			mpb.PrependDecorators(decor.Name(phase, decor.WC{C: decor.DindentRight | decor.DextraSpace})),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
				return *note.Load()
			})))
	}
	b.total = total
	seconds := time.Since(b.start).Seconds()
	if timed {
		seconds = time.Duration(done).Seconds()
	}
	rate := benchThousands(int64(float64(ops) / max(seconds, .1)))
	var text string
	switch {
	case timed && ops == 0:
		text = fmt.Sprintf(" %.1f of %.1f s", time.Duration(done).Seconds(), time.Duration(total).Seconds())
	case timed:
		text = fmt.Sprintf(" %.1f of %.1f s, %s/s", time.Duration(done).Seconds(), time.Duration(total).Seconds(), rate)
	case total > 0:
		text = fmt.Sprintf(" %s of %s, %s/s", benchThousands(done), benchThousands(total), rate)
	default:
		text = fmt.Sprintf(" %s, %s/s", benchThousands(done), rate)
	}
	b.note.Store(&text)
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
