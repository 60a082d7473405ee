package iam

import (
	"context"
	"errors"

	"github.com/farhold/farhold/realm"
)

// reader reads rows and notes which, so that what is made from them can be
// kept. What this region does not have, home is asked for.
type reader struct {
	ctx  context.Context
	rows Rows
	deps []dep
	far  bool // a row came from home: what is made of it is not kept
}

func (r *reader) get(key string) ([]byte, bool, error) {
	row, ok := r.rows.Row(key)
	if ok {
		r.deps = append(r.deps, dep{key, row})
		return row, true, nil
	}
	r.deps = append(r.deps, dep{key: key})
	row, ok, err := r.rows.FetchRow(r.ctx, key)
	if errors.Is(err, realm.ErrUnavailable) {
		// Nobody here knows it, and only what is known is let in.
		return nil, false, nil
	}
	if ok {
		r.far = true
	}
	return row, ok, err
}

// entity reads a user, group or role. It is nil when there is none.
func (r *reader) entity(key string) (*entity, error) {
	row, ok, err := r.get(key)
	if err != nil || !ok {
		return nil, err
	}
	return decodeEntity(row)
}

// byID reads the entity that has a unique ID now. It is nil when none has it:
// an entity that was deleted and made anew has another.
func (r *reader) byID(id string) (*entity, error) {
	row, ok, err := r.get(idKey(id))
	if err != nil || !ok {
		return nil, err
	}
	p, err := decodePointer(row)
	if err != nil {
		return nil, err
	}
	e, err := r.entity(p.key())
	if err != nil || e == nil || e.id != id {
		return nil, err
	}
	return e, nil
}
