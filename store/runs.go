package store

import (
	"bytes"
	"io"
	"iter"

	"github.com/farhold/farhold/kv"
)

// scanRuns yields the runs of a span. An error is the last that it yields.
func scanRuns(snap kv.Snapshot, span kv.Span) iter.Seq2[*run, error] {
	return func(yield func(*run, error) bool) {
		for p, err := range snap.Scan(span) {
			var r *run
			if err == nil {
				r, err = parseRun(bytes.Clone(p.Key), p.Value)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// runsBody reads one run after the other.
type runsBody struct {
	row  []byte // what the runs stand under
	runs []*run
	skip int64 // before the first byte that is wanted of runs
	left int64
	size func(r *run) int64
	open func(r *run, from, n int64) (io.ReadCloser, error)
	now  io.ReadCloser
}

// runsBody reads length bytes of runs behind skip. size tells how many bytes a
// run has in the form in which open reads some of them.
func (o *Object) runsBody(runs []*run, skip, length int64, size func(*run) int64, open func(r *run, from, n int64) (io.ReadCloser, error)) *runsBody {
	return &runsBody{row: runPrefix(o.Bucket.UID, o.body.owner), runs: runs, skip: skip, left: length, size: size, open: open}
}

// next opens the next run if none is open; io.EOF at the end.
func (b *runsBody) next() error {
	for b.now == nil {
		if b.left == 0 {
			return io.EOF
		}
		if len(b.runs) == 0 {
			return corrupt(b.row, io.ErrUnexpectedEOF)
		}
		r := b.runs[0]
		b.runs = b.runs[1:]
		size := b.size(r)
		if b.skip >= size {
			b.skip -= size
			continue
		}
		n := min(size-b.skip, b.left)
		now, err := b.open(r, b.skip, n)
		if err != nil {
			return err
		}
		b.skip, b.left, b.now = 0, b.left-n, now
	}
	return nil
}

func (b *runsBody) Read(p []byte) (int, error) {
	for {
		if err := b.next(); err != nil {
			return 0, err
		}
		n, err := b.now.Read(p)
		if err == io.EOF {
			err = b.now.Close()
			b.now = nil
			if n == 0 && err == nil {
				continue
			}
		}
		return n, err
	}
}

func (b *runsBody) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if err := b.next(); err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
		n, err := io.Copy(w, b.now)
		total += n
		if e := b.now.Close(); err == nil {
			err = e
		}
		b.now = nil
		if err != nil {
			return total, err
		}
	}
}

func (b *runsBody) Close() error {
	b.left, b.runs = 0, nil
	if b.now == nil {
		return nil
	}
	now := b.now
	b.now = nil
	return now.Close()
}
