package realm

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// reloadEvery is how often the files of a KeyPair are looked at.
const reloadEvery = time.Second

// KeyPair is a certificate with its key that is read again when its files
// change, so that a renewed one serves without a restart. It looks when it is
// asked, at most once a second, and keeps the last good pair while the files
// don't fit each other: they are written one after the other.
type KeyPair struct {
	certFile, keyFile string
	onError           func(error)

	mu     sync.Mutex
	pair   *tls.Certificate
	was    [2]fileState
	looked time.Time
	bad    string // the last complaint, so that it is made once
}

type fileState struct {
	mod  time.Time
	size int64
	info os.FileInfo
}

// LoadKeyPair reads a certificate and its key from PEM files. onError hears of
// files that can't be used later; it may be nil.
func LoadKeyPair(certFile, keyFile string, onError func(error)) (*KeyPair, error) {
	k := &KeyPair{certFile: certFile, keyFile: keyFile, onError: onError}
	now, err := k.look()
	if err != nil {
		return nil, err
	}
	if err := k.load(now); err != nil {
		return nil, err
	}
	k.looked = time.Now()
	return k, nil
}

// NewKeyPair makes a KeyPair of PEM that does not come from files.
func NewKeyPair(certPEM, keyPEM []byte) (*KeyPair, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	return &KeyPair{pair: &pair}, nil
}

// Get gives the certificate as it is now.
func (k *KeyPair) Get() *tls.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.certFile == "" || time.Since(k.looked) < reloadEvery {
		return k.pair
	}
	k.looked = time.Now()
	now, err := k.look()
	if err == nil && now[0].same(k.was[0]) && now[1].same(k.was[1]) {
		return k.pair
	}
	if err == nil {
		err = k.load(now)
	}
	if err != nil && err.Error() != k.bad {
		k.bad = err.Error()
		if k.onError != nil {
			k.onError(err)
		}
	}
	return k.pair
}

func (k *KeyPair) look() (now [2]fileState, err error) {
	for i, f := range []string{k.certFile, k.keyFile} {
		info, err := os.Stat(f)
		if err != nil {
			return now, err
		}
		now[i] = fileState{info.ModTime(), info.Size(), info}
	}
	return now, nil
}

func (a fileState) same(b fileState) bool {
	return a.mod.Equal(b.mod) && a.size == b.size && os.SameFile(a.info, b.info)
}

func (k *KeyPair) load(now [2]fileState) error {
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", k.certFile, k.keyFile, err)
	}
	k.pair, k.was, k.bad = &pair, now, ""
	return nil
}
