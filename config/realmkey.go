package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/farhold/farhold/realm"
)

const realmKeyComment = `# The realm's keys, the same in all regions: the first seals what is secret in the
# tables and in session tokens, the others only open what was sealed before.
`

// EnsureRealmKey puts the realm's keys into the folder of every region that is
// still here, and makes one first if the layout has none: realms that were made
// before there were such keys get one. It gives the keyring's IDs.
func (l Layout) EnsureRealmKey(r *Realm) (ids []string, err error) {
	keys, err := l.realmKeys()
	if errors.Is(err, fs.ErrNotExist) {
		// A region that has keys already was carried here from elsewhere, or a
		// crash left it: another one must not come beside it.
		for _, i := range r.Regions {
			k, err := readSecret(filepath.Join(l.Dir, i.Name, FileRealmKey))
			if err == nil {
				keys = words(k)
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		if keys == nil {
			keys = []string{realm.NewKey()}
		}
	} else if err != nil {
		return nil, err
	}
	return l.writeRealmKeys(r, keys)
}

// AddRealmKey makes a further key and puts it behind the others: it opens only.
// Once every region has it (and has been started anew), SealWith lets it seal.
func (l Layout) AddRealmKey(r *Realm) (ids []string, err error) {
	keys, err := l.realmKeys()
	if err != nil {
		return nil, err
	}
	return l.writeRealmKeys(r, append(keys, realm.NewKey()))
}

// SealWith lets the key of an ID, which is there already, seal from the regions'
// next start on.
func (l Layout) SealWith(r *Realm, id string) (ids []string, err error) {
	keys, at, err := l.findRealmKey(id)
	if err != nil {
		return nil, err
	}
	k := keys[at]
	return l.writeRealmKeys(r, append([]string{k}, slices.Delete(keys, at, at+1)...))
}

// DropRealmKey removes the key of an ID: what was sealed with it opens no more.
// The one that seals can't be removed.
func (l Layout) DropRealmKey(r *Realm, id string) (ids []string, err error) {
	keys, at, err := l.findRealmKey(id)
	if err != nil {
		return nil, err
	}
	if at == 0 {
		return nil, fmt.Errorf("%s: key %s is the one that seals", l.at(FileRealmKey), id)
	}
	return l.writeRealmKeys(r, slices.Delete(keys, at, at+1))
}

func (l Layout) findRealmKey(id string) (keys []string, at int, err error) {
	if keys, err = l.realmKeys(); err != nil {
		return nil, 0, err
	}
	ring, err := realm.ParseKeys(strings.Join(keys, "\n"))
	if err != nil {
		return nil, 0, err
	}
	if at = slices.Index(ring.IDs(), id); at < 0 {
		return nil, 0, fmt.Errorf("%s: there is no key %s; there are %s", l.at(FileRealmKey), id, strings.Join(ring.IDs(), ", "))
	}
	return keys, at, nil
}

// realmKeys reads the keys of the layout.
func (l Layout) realmKeys() ([]string, error) {
	k, err := readSecret(l.at(FileRealmKey))
	if err != nil {
		return nil, err
	}
	return words(k), nil
}

// words gives the keys of a file without its comments.
func words(text string) (keys []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			keys = append(keys, strings.Fields(line)...)
		}
	}
	return keys
}

// writeRealmKeys writes the keys into the layout first: a crash behind it
// leaves regions without, which the next call mends.
func (l Layout) writeRealmKeys(r *Realm, keys []string) (ids []string, err error) {
	text := strings.Join(keys, "\n") + "\n"
	ring, err := realm.ParseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.at(FileRealmKey), err)
	}
	files := []string{l.at(FileRealmKey)}
	for _, i := range r.Regions {
		dir := filepath.Join(l.Dir, i.Name)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue // it was carried to its machine
		}
		files = append(files, filepath.Join(dir, FileRealmKey))
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && slices.Equal(words(string(b)), keys) {
			continue
		}
		if err := WriteFile(f, []byte(realmKeyComment+text), 0o600); err != nil {
			return nil, err
		}
	}
	return ring.IDs(), nil
}
