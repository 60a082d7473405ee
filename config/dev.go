package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/farhold/farhold/realm"
)

// DevRegions are the regions of farhold dev when none are given. The first is
// home.
func DevRegions() []string { return []string{"us-east-1", "us-west-2", "eu-west-1"} }

const devRealm = "dev"

// Dev gives the realm that farhold dev keeps in the folder, made when there is
// none: its regions are the given ones and those that were there before; no
// regions mean those of before, or else DevRegions. Each has a folder of its
// name with its peer certificate. Addresses are as they were; SaveDev keeps
// them once they are known.
func (l Layout) Dev(regions []string, now time.Time) (*Realm, error) {
	r, err := LoadRealm(l.at(FileRealm))
	if errors.Is(err, fs.ErrNotExist) {
		if len(regions) == 0 {
			regions = DevRegions()
		}
		account, err := NewAccount()
		if err != nil {
			return nil, err
		}
		r = &Realm{Name: devRealm, Account: account, Home: regions[0]}
		if err := l.newCA("farhold realm "+devRealm, FileRealmCA, fileRealmCK, now); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	r.File = "" // this process is all there is; nobody edits it meanwhile
	if r.Name != devRealm {
		return nil, fmt.Errorf("%s: this is realm %s; farhold dev does not run it: use farhold serve", l.Dir, r.Name)
	}
	for _, name := range regions {
		if !r.Has(name) {
			r.Regions = append(r.Regions, realm.RegionInfo{Name: name})
		}
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	for _, i := range r.Regions {
		dir := filepath.Join(l.Dir, i.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(dir, FilePeer)); err == nil {
			continue
		}
		if err := l.writePeer(dir, r.Name, i.Name, now); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// DevRealmKey gives the realm's keys: those of the environment, or those in the
// folder, or a new one, which is kept there. All regions of farhold dev run in
// one process, which hands them over.
func (l Layout) DevRealmKey(r *Realm, getenv func(string) string) (string, error) {
	if k := getenv(EnvRealmKey); k != "" {
		return k, nil
	}
	if _, err := l.EnsureRealmKey(r); err != nil {
		return "", err
	}
	return readSecret(l.at(FileRealmKey))
}

// SaveDev keeps the realm that Dev gave.
func (l Layout) SaveDev(r *Realm) error {
	return WriteYAML(l.at(FileRealm), "The realm of farhold dev.", r.Lines(), 0o644)
}

// Peer gives the files of a region's peer door in the layout.
func (l Layout) Peer(region, listen string) Peer {
	dir := filepath.Join(l.Dir, region)
	return Peer{Listen: listen, Cert: filepath.Join(dir, FilePeer), Key: filepath.Join(dir, FilePeerKey), CA: filepath.Join(dir, FileRealmCA)}
}

// Root gives the root credentials: those of the environment, or those in the
// folder, or new ones, which are kept there for their owner's eyes only. It
// tells whether the environment gave them.
func (l Layout) Root(getenv func(string) string) (c Credentials, given bool, err error) {
	c, given, err = RootFromEnv(getenv)
	if given || err != nil {
		return c, given, err
	}
	c, err = LoadCredentials(l.at(FileRoot))
	if !errors.Is(err, fs.ErrNotExist) {
		return c, false, err
	}
	if c, err = NewCredentials(); err != nil {
		return c, false, err
	}
	return c, false, l.writeRoot(l.Dir, c)
}
