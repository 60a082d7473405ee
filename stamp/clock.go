package stamp

import (
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// AheadMax is how far ahead of local time an arriving stamp may be, unless the
// clock is told otherwise. Beyond it one bad clock would poison every later
// stamp, because the hybrid clock never comes down.
const AheadMax = 5 * time.Second

// ErrAhead is returned by Observe for a stamp too far in the future.
var ErrAhead = errors.New("stamp: too far ahead of this region's clock")

// Clock is a region's hybrid logical clock and its source of wall time.
// It is safe for concurrent use.
type Clock struct {
	// Ahead bounds what Observe accepts; zero means AheadMax.
	Ahead time.Duration
	// Wall makes this a wall clock: Next heeds neither what was observed nor
	// what it comes after. It loses writes wherever clocks disagree; the
	// simulation sets it to prove that it sees that. Tests only.
	Wall bool

	region uint32
	now    func() time.Time

	mu   sync.Mutex
	last Time
	rnd  *rand.ChaCha8
}

// NewClock makes the clock of a region. A nil now means the machine's clock;
// a nil entropy the machine's randomness. Tests pass their own for both.
func NewClock(region string, now func() time.Time, entropy io.Reader) *Clock {
	if now == nil {
		now = time.Now
	}
	if entropy == nil {
		entropy = crand.Reader
	}
	var seed [32]byte
	if _, err := io.ReadFull(entropy, seed[:]); err != nil {
		panic("stamp: no entropy: " + err.Error())
	}
	return &Clock{region: Tag(region), now: now, rnd: rand.NewChaCha8(seed)}
}

// Now gives the region's wall clock.
func (c *Clock) Now() time.Time { return c.now() }

// Next mints a stamp that is greater than after and than every stamp minted or
// observed here.
func (c *Clock) Next(after Stamp) Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := max(TimeOf(c.now()), c.last+1, after.Time()+1)
	if c.Wall {
		t = TimeOf(c.now())
	}
	c.last = t
	var s Stamp
	binary.BigEndian.PutUint64(s[:8], uint64(t))
	binary.BigEndian.PutUint32(s[8:12], c.region)
	binary.BigEndian.PutUint64(s[12:20], c.rnd.Uint64())
	binary.BigEndian.PutUint32(s[20:24], uint32(c.rnd.Uint64()))
	return s
}

// Observe takes note of a stamp that arrived from elsewhere, so that later
// writes here come after it. It returns ErrAhead, and takes no note, when the
// stamp lies too far in the future.
func (c *Clock) Observe(s Stamp) error {
	ahead := c.Ahead
	if ahead == 0 {
		ahead = AheadMax
	}
	t := s.Time()
	c.mu.Lock()
	defer c.mu.Unlock()
	if t > TimeOf(c.now().Add(ahead)) {
		return ErrAhead
	}
	c.last = max(c.last, t)
	return nil
}
