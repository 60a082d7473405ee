package realm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/farhold/farhold/s3"
)

// The realm's paths on the peer door. The requests are POSTs of JSON and the
// number in the path is the version of their form. A region speaks only for
// itself: which one it is says its certificate, never a field.
const (
	pathFeed    = "/realm/v1/feed"
	pathTable   = "/realm/v1/table"
	pathName    = "/realm/v1/name"
	pathClaim   = "/realm/v1/claim"
	pathConfirm = "/realm/v1/confirm"
	pathRelease = "/realm/v1/release"
	pathBucket  = "/realm/v1/bucket"
	pathRow     = "/realm/v1/row"
	pathRows    = "/realm/v1/rows"
	pathHome    = "/realm/v1/home"
	pathAdmin   = "/realm/v1/admin"
)

// messageMax bounds a message in bytes: a page of the tables and room to spare.
const messageMax = 8 << 20

type feedQuestion struct {
	History string `json:"history"`
	Epoch   uint64 `json:"epoch"`
	Seq     uint64 `json:"seq"`
	WaitMS  int64  `json:"waitMs"`
}

type feedAnswer struct {
	Account string  `json:"account"`
	History string  `json:"history"`
	Epoch   uint64  `json:"epoch"`
	Seq     uint64  `json:"seq"`
	Reset   bool    `json:"reset,omitempty"` // copy the tables anew
	Entries []entry `json:"entries,omitempty"`
}

type tableQuestion struct {
	Kind byte   `json:"kind"` // with Key: behind this row
	Key  string `json:"key"`
}

type tableAnswer struct {
	History string  `json:"history"`
	Epoch   uint64  `json:"epoch"`
	Seq     uint64  `json:"seq"` // when the page was begun
	Rows    []entry `json:"rows"`
	More    bool    `json:"more"`
}

type nameQuestion struct {
	Epoch uint64 `json:"epoch"` // the latest that the asking region knows
	Name  string `json:"name"`
	UID   s3.UID `json:"uid,omitempty"`
	Owner string `json:"owner,omitempty"`
}

type nameAnswer struct {
	Epoch uint64 `json:"epoch"`
	Seq   uint64 `json:"seq"`
	Row   []byte `json:"row,omitempty"`  // what the tables say about the name
	Held  bool   `json:"held,omitempty"` // Row is who has it; what was asked was not done
	Stale bool   `json:"stale,omitempty"`
}

type bucketAnswer struct {
	UID    s3.UID `json:"uid,omitempty"` // of the bucket that is there
	Exists bool   `json:"exists"`
	Busy   bool   `json:"busy"` // it is being made or deleted now
}

// Mount puts the realm's paths on the region's peer door.
func (r *Realm) Mount(m *PeerMux) {
	Answer(m, pathBucket, r.answerBucket)
	Answer(m, pathHome, r.answerHome)
	Answer(m, pathAdmin, r.answerAdmin)
	Answer(m, pathRow, func(_ context.Context, _ string, q rowQuestion) (*rowAnswer, error) {
		if _, err := r.asHome(q.Epoch); err != nil {
			return nil, err
		}
		view := r.table.view.Load()
		row, _ := view.rows.get(q.Key)
		return &rowAnswer{Epoch: view.pos.Epoch, Row: row}, nil
	})
	Answer(m, pathRows, func(ctx context.Context, _ string, q rowsQuestion) (*rowsAnswer, error) {
		h, err := r.asHome(q.Epoch)
		if err != nil {
			return nil, err
		}
		return h.commitRows(ctx, &q)
	})
	Answer(m, pathFeed, func(ctx context.Context, from string, q feedQuestion) (*feedAnswer, error) {
		h := r.homeHere()
		if h == nil {
			return nil, errNotHome
		}
		wait := min(time.Duration(q.WaitMS)*time.Millisecond, 30*time.Second)
		return h.poll(ctx, from, q.History, Position{q.Epoch, q.Seq}, wait, r.closed)
	})
	Answer(m, pathTable, func(ctx context.Context, _ string, q tableQuestion) (*tableAnswer, error) {
		if !r.IsHome() {
			return nil, errNotHome
		}
		hd := r.table.headNow()
		rows, more, err := r.table.scan(ctx, q.Kind, q.Key, feedPage)
		return &tableAnswer{History: hd.history, Epoch: hd.pos.Epoch, Seq: hd.pos.Seq, Rows: rows, More: more}, err
	})
	Answer(m, pathName, r.names(func(ctx context.Context, _ *home, _ string, q nameQuestion) (Position, error) {
		if n, ok := r.table.name(q.Name); ok {
			return r.table.position(), &heldError{*n}
		}
		return r.table.position(), nil
	}))
	Answer(m, pathClaim, r.names(func(ctx context.Context, h *home, from string, q nameQuestion) (Position, error) {
		return h.claim(ctx, from, q.Name, q.UID, q.Owner)
	}))
	Answer(m, pathConfirm, r.names(func(ctx context.Context, h *home, from string, q nameQuestion) (Position, error) {
		return h.confirm(ctx, from, q.Name, q.UID)
	}))
	Answer(m, pathRelease, r.names(func(ctx context.Context, h *home, from string, q nameQuestion) (Position, error) {
		return h.release(ctx, from, q.Name, q.UID)
	}))
}

var errNotHome = errors.New("realm: this region is not home")

// names wraps a question about a name that only home answers, and refuses a
// home that the realm has left behind.
func (r *Realm) names(f func(context.Context, *home, string, nameQuestion) (Position, error)) func(context.Context, string, nameQuestion) (*nameAnswer, error) {
	return func(ctx context.Context, from string, q nameQuestion) (*nameAnswer, error) {
		h, err := r.asHome(q.Epoch)
		if err != nil {
			return nil, err
		}
		if q.Name == "" || len(q.Name) > 255 || len(q.UID) > 64 || len(q.Owner) > 64 {
			return nil, errors.New("realm: not a question about a name")
		}
		pos, err := f(ctx, h, from, q)
		if err != nil {
			pos = r.table.position()
		}
		a := &nameAnswer{Epoch: pos.Epoch, Seq: pos.Seq}
		var held *heldError
		switch {
		case errors.As(err, &held):
			a.Held, a.Row = true, held.n.encode()
		case errors.Is(err, ErrStale):
			a.Stale = true
		case err != nil:
			return nil, err
		}
		return a, nil
	}
}

// asHome gives home, if it is here, for a question of a region that knows of an
// epoch.
func (r *Realm) asHome(epoch uint64) (*home, error) {
	h := r.homeHere()
	if h == nil {
		return nil, errNotHome
	}
	if now := r.table.position().Epoch; epoch > now {
		return nil, fmt.Errorf("%w: this home is of epoch %s, the realm of %s", ErrStale, epochName(now), epochName(epoch))
	}
	return h, nil
}

// answerBucket tells home what became of a claim.
func (r *Realm) answerBucket(ctx context.Context, from string, q nameQuestion) (*bucketAnswer, error) {
	if from != r.Home() {
		return nil, fmt.Errorf("realm: %s is not home", from)
	}
	return r.lookHere(ctx, q.Name)
}

// lookHere tells whether a bucket is here, or about to be.
func (r *Realm) lookHere(ctx context.Context, name string) (*bucketAnswer, error) {
	r.mu.Lock()
	local := r.local
	_, busy := r.busy[name]
	r.mu.Unlock()
	if local == nil {
		return &bucketAnswer{Busy: true}, nil // the store is being opened
	}
	b, ok, err := local.Bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	return &bucketAnswer{UID: b.UID, Exists: ok, Busy: busy}, nil
}

// Answer mounts the answer to a question that travels as JSON, as a POST of at
// most 8 MiB, on a peer door. An error becomes an HTTP status with its text.
func Answer[Q, A any](m *PeerMux, path string, f func(ctx context.Context, from string, q Q) (A, error)) {
	m.Handle("POST "+path, func(w http.ResponseWriter, req *http.Request, from string) {
		var q Q
		if err := json.NewDecoder(io.LimitReader(req.Body, messageMax)).Decode(&q); err != nil {
			http.Error(w, "realm: "+err.Error(), http.StatusBadRequest)
			return
		}
		a, err := f(req.Context(), from, q)
		if err != nil {
			status := http.StatusInternalServerError
			if errors.Is(err, errNotHome) || errors.Is(err, ErrStale) {
				status = http.StatusMisdirectedRequest
			}
			http.Error(w, err.Error(), status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(a)
	})
}
