package kms

import (
	"bytes"
	"context"
	"encoding/base64"

	"github.com/farhold/farhold/kv"
)

// page lists rows under a prefix: at most limit of them, which is usual when
// the request gives none and never more than most. each gets what follows the
// prefix in a row's key, and the row's value, valid during the call. The marker
// for the next page is nil at the end.
func (e *Engine) page(ctx context.Context, prefix []byte, marker *string, limit *int32, usual, most int, each func(s kv.Snapshot, rest string, value []byte) error) (next *string, err error) {
	span := kv.Prefix(prefix)
	if marker != nil {
		after, err := base64.RawURLEncoding.Strict().DecodeString(*marker)
		if err != nil || len(after) == 0 || len(after) > kv.KeyMax-len(prefix)-1 {
			return nil, ErrInvalidMarker
		}
		span.Low = append(append(bytes.Clone(prefix), after...), 0)
	}
	left := usual
	if limit != nil {
		left = min(int(*limit), most)
	}
	err = e.read(ctx, func(s kv.Snapshot) error {
		last := ""
		for p, err := range s.Scan(span) {
			if err != nil {
				return err
			}
			if left == 0 {
				next = new(base64.RawURLEncoding.EncodeToString([]byte(last)))
				return nil
			}
			last = string(p.Key[len(prefix):])
			if err := each(s, last, p.Value); err != nil {
				return err
			}
			left--
		}
		return nil
	})
	return next, err
}
