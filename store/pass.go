package store

import (
	"bytes"
	"context"

	"github.com/farhold/farhold/kv"
)

// keyed is a row with its key.
type keyed[T any] struct {
	key []byte
	row T
}

// upTo reads the first max rows of a span. It tells whether there are more.
func upTo[T any](ctx context.Context, s *Store, span kv.Span, max int, parse func(key, raw []byte) (T, error)) (rows []keyed[T], more bool, err error) {
	err = s.view(ctx, func(snap kv.Snapshot) error {
		for p, err := range snap.Scan(span) {
			if err != nil {
				return err
			}
			if len(rows) == max {
				more = true
				return nil
			}
			k := bytes.Clone(p.Key)
			row, err := parse(k, p.Value)
			if err != nil {
				return err
			}
			rows = append(rows, keyed[T]{k, row})
		}
		return nil
	})
	return rows, more, err
}

// pass is how far a step by step reading of a table has come: the key that it
// goes on with, or nil where it begins. After the last row it begins again.
type pass []byte

// span is what is to be read of a table.
func (p pass) span(table byte) kv.Span {
	span := kv.Prefix([]byte{table})
	if p != nil {
		span.Low = p
	}
	return span
}

// advance notes that what upTo gave is done with.
func advance[T any](p *pass, rows []keyed[T], more bool) {
	*p = nil
	if more {
		*p = append(rows[len(rows)-1].key, 0)
	}
}
