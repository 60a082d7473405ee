package seal

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// KeyFile is the name of the file that holds a region's keys: a line for each,
// keyLine and the key in hex. The first wraps; the others are former ones.
const KeyFile = "region.key"

const (
	keyLine    = "farhold-region-key-1 "
	keyFileMax = 64 << 10 // bytes; some 700 keys
)

// LoadOrCreateRegionKey reads region.key in dir, or makes it, with a new key,
// durably and for its owner's eyes only. A file that others may read or that
// is not of the right shape is ErrRegionKey; nothing is made in its place,
// because everything sealed under the lost key would be lost with it.
func LoadOrCreateRegionKey(dir string) (*RegionKeeper, error) {
	name := filepath.Join(dir, KeyFile)
	k, err := loadKeyFile(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := createKeyFile(dir, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("seal: create %s: %w", name, err)
	}
	return loadKeyFile(name) // ours, or that of whoever was faster
}

func loadKeyFile(name string) (*RegionKeeper, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrRegionKey, name)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o: others may use it; set 0600", ErrRegionKey, name, perm)
	}
	text, err := io.ReadAll(io.LimitReader(f, keyFileMax+1))
	if err != nil {
		return nil, err
	}
	if len(text) > keyFileMax || len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, fmt.Errorf("%w: %s does not end in a line", ErrRegionKey, name)
	}
	var keys [][]byte
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		word, ok := strings.CutPrefix(line, keyLine)
		key, err := hex.DecodeString(word)
		if !ok || err != nil || len(key) != KeySize {
			return nil, fmt.Errorf("%w: %s: line %d is not %q and %d bytes in hex", ErrRegionKey, name, i+1, keyLine, KeySize)
		}
		keys = append(keys, key)
	}
	k, err := NewRegionKeeper(keys[0], keys[1:]...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// createKeyFile makes the file under another name, and links it to its own
// when its bytes are durable: a crash leaves a whole file or none, and of two
// processes one wins.
func createKeyFile(dir, name string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, KeyFile+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var key [KeySize]byte
	rand.Read(key[:])
	if _, err := f.WriteString(keyLine + hex.EncodeToString(key[:]) + "\n"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return err
	}
	// The folder may be new as well.
	parent, err := os.Open(filepath.Dir(filepath.Clean(dir)))
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}
