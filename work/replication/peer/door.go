package peer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/work/replication"
)

// Mux is where the door's handlers are mounted. It knows from the caller's
// certificate which region asks.
type Mux interface {
	Handle(pattern string, h func(w http.ResponseWriter, r *http.Request, fromRegion string))
}

// Door applies what other regions ship to a store.
type Door struct {
	Identity *replication.Identity
}

// Bounds of what a stream may have under way: small bodies are read ahead and
// applied side by side, so that one sync serves many; larger ones go one after
// the other.
const (
	aheadBytes = 128 << 10
	aheadMax   = 64
	segmentMax = store.SegmentSize
)

// Mount puts the door's handlers into mux.
func (d *Door) Mount(mux Mux) {
	mux.Handle("GET "+pathProbe, func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusOK) })
	mux.Handle("POST "+pathShip, d.ship)
	mux.Handle("POST "+pathStaged, d.staged)
	mux.Handle("POST "+pathStage, d.stage)
	mux.Handle("POST "+pathMended, func(w http.ResponseWriter, _ *http.Request, _ string) {
		d.Identity.Store.Kick()
		w.WriteHeader(http.StatusOK)
	})
}

// answers writes answers as they come, and flushes when none is waiting.
type answerer struct {
	mu      sync.Mutex
	pending []byte
	bell    chan struct{}
	done    chan struct{}
}

func newAnswerer(w http.ResponseWriter) *answerer {
	a := &answerer{bell: make(chan struct{}, 1), done: make(chan struct{})}
	rc := http.NewResponseController(w)
	go func() {
		defer close(a.done)
		var out []byte
		for range a.bell {
			a.mu.Lock()
			out, a.pending = a.pending, out[:0]
			a.mu.Unlock()
			if len(out) == 0 {
				continue
			}
			if _, err := w.Write(out); err != nil {
				continue // the other side is gone; whoever applies finds out by reading
			}
			rc.Flush()
		}
	}()
	return a
}

func (a *answerer) answer(seq int, sh *replication.Shipment) {
	a.mu.Lock()
	a.pending = appendAnswer(a.pending, seq, sh)
	a.mu.Unlock()
	select {
	case a.bell <- struct{}{}:
	default:
	}
}

// close waits until everything is written. Nothing is answered any more then.
func (a *answerer) close() {
	select {
	case a.bell <- struct{}{}:
	default:
	}
	close(a.bell)
	<-a.done
}

func (d *Door) ship(w http.ResponseWriter, r *http.Request, from string) {
	rc := http.NewResponseController(w)
	rc.EnableFullDuplex() // HTTP/2 always is
	w.WriteHeader(http.StatusOK)
	rc.Flush()
	in := bufio.NewReaderSize(r.Body, 64<<10)
	answers := newAnswerer(w)
	var applying sync.WaitGroup
	places := make(chan struct{}, aheadMax)
	defer answers.close()
	defer applying.Wait()
	for seq := 0; ; seq++ {
		h, err := readHead(in)
		if err != nil {
			return // the end, or the line broke: what was answered counts
		}
		sh := h.shipment
		if !h.body {
			places <- struct{}{}
			applying.Go(func() {
				defer func() { <-places }()
				replication.Apply(r.Context(), d.Identity, from, sh, bytes.NewReader(nil))
				answers.answer(seq, sh)
			})
			continue
		}
		body := &bodyReader{r: in}
		if sh.Length() > aheadBytes {
			replication.Apply(r.Context(), d.Identity, from, sh, body)
			answers.answer(seq, sh)
			if err := body.drain(); err != nil {
				return
			}
			continue
		}
		ahead, err := io.ReadAll(io.LimitReader(body, aheadBytes+1))
		if err == nil {
			err = body.drain()
		}
		if errors.Is(err, errAborted) {
			sh.Answered, sh.Err = true, err
			answers.answer(seq, sh)
			continue
		}
		if err != nil {
			return
		}
		places <- struct{}{}
		applying.Go(func() {
			defer func() { <-places }()
			replication.Apply(r.Context(), d.Identity, from, sh, bytes.NewReader(ahead))
			answers.answer(seq, sh)
		})
	}
}

// arrival reads the head of a request about one body.
func arrival(r *http.Request) (*bufio.Reader, *head, error) {
	in := bufio.NewReaderSize(r.Body, 64<<10)
	h, err := readHead(in)
	if err != nil {
		return nil, nil, err
	}
	if h.shipment.Side != nil {
		return nil, nil, replication.ErrRefused
	}
	return in, h, nil
}

func (d *Door) staged(w http.ResponseWriter, r *http.Request, from string) {
	_, h, err := arrival(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	list, err := replication.Staged(r.Context(), d.Identity, from, h.shipment)
	w.Write(appendSegments(nil, list, err))
}

func (d *Door) stage(w http.ResponseWriter, r *http.Request, from string) {
	in, h, err := arrival(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sh := h.shipment
	sh.Answered = true
	if h.segment.Length > segmentMax {
		sh.Err = errFrame
	} else {
		sh.Err = replication.Stage(r.Context(), d.Identity, from, sh, h.segment, &bodyReader{r: in})
	}
	w.Write(appendAnswer(nil, 0, sh))
}

// appendSegments answers which segments are there: an error, or their indexes.
func appendSegments(b []byte, list []store.Segment, err error) []byte {
	sh := &replication.Shipment{Err: err}
	b = appendAnswer(b, 0, sh)
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, s := range list {
		b = protowire.AppendVarint(b, uint64(s.Index))
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

func readSegments(r *bufio.Reader, a *store.Arrival) ([]store.Segment, error) {
	sh := &replication.Shipment{}
	if err := readAnswer(r, []*replication.Shipment{sh}); err != nil {
		return nil, link(noEOF(err))
	}
	if sh.Err != nil {
		return nil, sh.Err
	}
	raw, err := readFrame(r, headMax)
	if err != nil {
		return nil, link(noEOF(err))
	}
	all := store.Segments(&a.Version)
	var list []store.Segment
	for len(raw) > 0 {
		i, n := protowire.ConsumeVarint(raw)
		if n < 0 || i >= uint64(len(all)) {
			return nil, link(errFrame)
		}
		list, raw = append(list, all[i]), raw[n:]
	}
	return list, nil
}
