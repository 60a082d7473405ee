package store

import (
	"crypto/rand"

	"github.com/farhold/farhold/seal"
)

// newStreamID gives a stream its own key: chance, never a part number, so that
// no nonce is used twice when a part is uploaded again.
func newStreamID() (id seal.StreamID) {
	rand.Read(id[:]) // never fails: see crypto/rand
	return id
}
