package server

import "time"

// patience is how far a connection is read on after its last answer. See
// guard.linger.
type patience struct {
	bytes  int64         // that are dropped, per connection
	pause  time.Duration // without a byte
	total  time.Duration
	atOnce int // connections of a listener
}

// lingering is the patience of public listeners. An upload of 64 MiB hears why
// it was refused, although its client does not wait for 100 Continue, as SDKs
// do for long ones. The times are those of other web servers. Who has no right
// to anything can make this machine throw bytes away, and no more: they are not
// decrypted, a connection takes 32 KiB of memory for it, and those that linger
// are the first to go where a listener is full.
var lingering = patience{bytes: 64 << 20, pause: 5 * time.Second, total: 30 * time.Second, atOnce: 256}

// linger ends a connection whose client may still send: it shuts the sending
// side, reads on and drops what comes, until the client closes or patience ends.
// Closing at once would reset the connection under a client that sends its whole
// body before it reads, and such a client reports a broken pipe in place of the
// refusal; RFC 9112, section 9.6, asks for this. It returns at once, false where
// the connection can't linger and is to be closed.
func (g *guard) linger() bool {
	l, c := g.life, g.life.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case l.lingers:
		return true
	case c.closing || c.lingers >= c.patience.atOnce:
		return false
	}
	l.lingers = true
	c.lingers++
	l.idle.Store(time.Now().UnixNano()) // it can be given up for a new one
	c.wg.Go(func() {
		if closeWrite(g.Conn) == nil {
			l.drop(c.patience)
		}
		l.Close()
		c.mu.Lock()
		c.lingers--
		c.mu.Unlock()
	})
	return true
}

// drop reads until the client closes, or patience ends. It reads below TLS:
// nobody wants to know what the bytes were.
func (l *life) drop(with patience) {
	buf := make([]byte, 32<<10)
	end := time.Now().Add(with.total)
	for left := with.bytes; left > 0; {
		until := time.Now().Add(with.pause)
		if until.After(end) {
			until = end
		}
		if l.Conn.SetReadDeadline(until) != nil {
			return
		}
		n, err := l.Conn.Read(buf)
		if err != nil {
			return
		}
		left -= int64(n)
	}
}

// lingerers counts the connections that linger.
func (c *crowd) lingerers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lingers
}
