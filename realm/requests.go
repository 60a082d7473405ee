package realm

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
)

// requestLog remembers which requests for changes took effect here lately, and
// where in the feed: the last feedMax of them. A region whose line broke while
// it waited for home's answer learns from it what became of its request, at
// home when it asks again, or from the feed. The zero value is ready for use.
type requestLog struct {
	mu    sync.Mutex
	at    map[string]Position
	order [feedMax]string
	next  int
}

// note remembers that a request took effect; "" is none.
func (l *requestLog) note(request string, at Position) {
	if request == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = make(map[string]Position)
	}
	if _, ok := l.at[request]; !ok {
		delete(l.at, l.order[l.next])
		l.order[l.next] = request
		l.next = (l.next + 1) % len(l.order)
	}
	l.at[request] = at
}

// done gives where a request took effect.
func (l *requestLog) done(request string) (Position, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.at[request]
	return p, ok
}

// newRequest gives the ID of a request: 128 random bits in hex.
func newRequest() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
