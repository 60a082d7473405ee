package seal

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A key wrapped under a region key is, all of it authenticated:
//
//	 0   1  format, 1
//	 1   8  ID of the region key
//	 9  12  epoch: random, one for each RegionKeeper made
//	21   8  count of the wraps of this epoch, big endian
//	29  48  the object key, sealed with AES-256-GCM
//
// The wrapping key is derived from the region key and the epoch, and the count
// is the nonce. So nonces never repeat, however many keys a region wraps,
// which random nonces of 96 bits would not give past some 2^32 of them.
const (
	wrapFormat  = 1
	wrapEpochAt = 1 + keyIDSize
	wrapCountAt = wrapEpochAt + epochSize
	wrapSealAt  = wrapCountAt + 8
	wrappedSize = wrapSealAt + KeySize + Overhead

	keyIDSize = 8
	epochSize = 12
)

// openersMax bounds how many unwrapping ciphers are kept. A region has about as
// many epochs as it had starts of a node since its oldest object.
const openersMax = 256

// ErrRegionKey is returned for a region key that cannot be used: of the wrong
// shape, or in a file that others may read.
var ErrRegionKey = errors.New("seal: bad region key")

// RegionKeeper is the Keeper whose master key is the region's: one key that new
// object keys are wrapped under, and former ones that still unwrap.
type RegionKeeper struct {
	keys  map[[keyIDSize]byte]*[KeySize]byte
	id    [keyIDSize]byte // of the key in use
	epoch [epochSize]byte
	count atomic.Uint64
	wrap  cipher.AEAD

	mu      sync.RWMutex
	openers map[opener]cipher.AEAD // at most openersMax
}

// opener names a wrapping key.
type opener struct {
	id    [keyIDSize]byte
	epoch [epochSize]byte
}

// NewRegionKeeper wraps under current and unwraps under all of the keys, each
// of KeySize bytes. An unusable key is ErrRegionKey.
func NewRegionKeeper(current []byte, former ...[]byte) (*RegionKeeper, error) {
	k := &RegionKeeper{
		keys:    make(map[[keyIDSize]byte]*[KeySize]byte),
		openers: make(map[opener]cipher.AEAD),
	}
	for _, key := range append([][]byte{current}, former...) {
		if len(key) != KeySize {
			return nil, fmt.Errorf("%w: %d bytes, not %d", ErrRegionKey, len(key), KeySize)
		}
		if !slices.ContainsFunc(key, func(b byte) bool { return b != key[0] }) {
			return nil, fmt.Errorf("%w: all its bytes are the same", ErrRegionKey)
		}
		k.keys[keyID(key)] = (*[KeySize]byte)(slices.Clone(key))
	}
	k.id = keyID(current)
	rand.Read(k.epoch[:]) // never fails
	k.wrap = k.aead(opener{k.id, k.epoch})
	return k, nil
}

// ParseRegionKey makes a RegionKeeper of an environment variable: 32 bytes in
// hex or base64; former keys may follow, separated by commas or white space.
func ParseRegionKey(s string) (*RegionKeeper, error) {
	var keys [][]byte
	for _, word := range strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' || c == '\n' || c == '\t' || c == '\r' }) {
		key, err := parseKey(word)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrRegionKey)
	}
	return NewRegionKeeper(keys[0], keys[1:]...)
}

// parseKey reads one key. The error does not show it.
func parseKey(s string) ([]byte, error) {
	if len(s) == hex.EncodedLen(KeySize) {
		if key, err := hex.DecodeString(s); err == nil {
			return key, nil
		}
	}
	s = strings.TrimRight(s, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if key, err := enc.DecodeString(s); err == nil && len(key) == KeySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: neither hex nor base64 of %d bytes", ErrRegionKey, KeySize)
}

// keyID names a key without telling it.
func keyID(key []byte) (id [keyIDSize]byte) {
	sum := derive(key, labelKeyID, nil)
	copy(id[:], sum[:])
	return id
}

// KeyID is the ID, in hex, of the key that wraps.
func (k *RegionKeeper) KeyID() string { return hex.EncodeToString(k.id[:]) }

// NewDataKey implements Keeper. The only name for its key is the empty one.
func (k *RegionKeeper) NewDataKey(ctx context.Context, key string, about map[string]string) (plain, wrapped []byte, err error) {
	if key != "" {
		return nil, nil, fmt.Errorf("%w: the region key has no name, not %q", ErrKeyUnavailable, key)
	}
	plain = make([]byte, KeySize)
	rand.Read(plain) // never fails
	return plain, k.Wrap(plain, about), nil
}

// Wrap wraps an object key of KeySize bytes that the caller has.
func (k *RegionKeeper) Wrap(plain []byte, about map[string]string) []byte {
	if len(plain) != KeySize {
		panic(fmt.Sprintf("seal: wrap of a key of %d bytes", len(plain)))
	}
	b := make([]byte, wrapSealAt, wrappedSize+nonceSize)
	b[0] = wrapFormat
	copy(b[1:], k.id[:])
	copy(b[wrapEpochAt:], k.epoch[:])
	binary.BigEndian.PutUint64(b[wrapCountAt:], k.count.Add(1))
	nonce := wrapNonce(b, b[wrappedSize:cap(b)])
	return k.wrap.Seal(b, nonce, plain, wrapContext(b, about))[:wrappedSize:wrappedSize]
}

// Unwrap implements Keeper.
func (k *RegionKeeper) Unwrap(ctx context.Context, wrapped []byte, about map[string]string) ([]byte, error) {
	if k := KindOf(wrapped); k > KindRegion && k <= KindHeader {
		return nil, fmt.Errorf("%w: not one of the region's, but of kind %d", ErrKeyUnavailable, k)
	}
	if len(wrapped) > 0 && wrapped[0] != wrapFormat {
		return nil, fmt.Errorf("%w: a key wrapped in format %d; this program knows %d", ErrFormat, wrapped[0], wrapFormat)
	}
	if len(wrapped) != wrappedSize {
		return nil, fmt.Errorf("%w: a wrapped key of %d bytes", ErrCorrupt, len(wrapped))
	}
	var o opener
	copy(o.id[:], wrapped[1:])
	copy(o.epoch[:], wrapped[wrapEpochAt:])
	if k.keys[o.id] == nil {
		return nil, fmt.Errorf("%w: region key %x", ErrKeyUnavailable, o.id)
	}
	var nonce [nonceSize]byte
	plain, err := k.aead(o).Open(nil, wrapNonce(wrapped, nonce[:]), wrapped[wrapSealAt:], wrapContext(wrapped[:wrapSealAt], about))
	if err != nil {
		return nil, fmt.Errorf("%w: wrapped key", ErrCorrupt)
	}
	return plain, nil
}

// aead gives the cipher of a wrapping key; its region key is there.
func (k *RegionKeeper) aead(o opener) cipher.AEAD {
	k.mu.RLock()
	a := k.openers[o]
	k.mu.RUnlock()
	if a != nil {
		return a
	}
	key := derive(k.keys[o.id][:], labelWrap, o.epoch[:])
	a = newAEAD(&key)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.openers) >= openersMax {
		clear(k.openers)
	}
	k.openers[o] = a
	return a
}

// wrapNonce puts the nonce of a wrapped key into nonce, which has room for it.
func wrapNonce(wrapped, nonce []byte) []byte {
	nonce = append(nonce[:0], 0, 0, 0, 0)
	return append(nonce, wrapped[wrapCountAt:wrapSealAt]...)
}

// wrapContext is what a wrapped key is bound to: its own clear part and about,
// in the one form that each map has, in which lengths come before their bytes
// and names are in order.
func wrapContext(clear []byte, about map[string]string) []byte {
	var few [8]string
	names := few[:0]
	n := len(clear) + 4
	for name, value := range about {
		names = append(names, name)
		n += 8 + len(name) + len(value)
	}
	slices.Sort(names)
	b := append(make([]byte, 0, n), clear...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(names)))
	for _, name := range names {
		value := about[name]
		b = binary.BigEndian.AppendUint32(b, uint32(len(name)))
		b = append(b, name...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
		b = append(b, value...)
	}
	return b
}

// String keeps the keys out of logs.
func (k *RegionKeeper) String() string { return "region key " + k.KeyID() }

// GoString keeps the keys out of logs.
func (k *RegionKeeper) GoString() string { return k.String() }
