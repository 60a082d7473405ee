package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/farhold/farhold/realm"
)

// Door is the peer door of a region whose folder is at hand: whoever has the
// folder has the region's certificate, with which it is administered.
type Door struct {
	Region string
	dialer *realm.Peers
}

// Doors gives the peer doors of the regions whose folders are in a realm's
// folder, home's first. The folder of a single region, which was carried to its
// machine, is one too. Close them.
func Doors(dir string) (*Realm, []Door, error) {
	r, err := LoadRealm(filepath.Join(dir, FileRealm))
	if err != nil {
		return nil, nil, err
	}
	folders := map[string]string{}
	var own RegionFile
	switch err := readYAML(filepath.Join(dir, FileRegion), &own); {
	case err == nil:
		folders[own.Region] = dir
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err
	default:
		for _, i := range r.Regions {
			at := filepath.Join(dir, i.Name)
			if _, err := os.Stat(filepath.Join(at, FilePeer)); err == nil {
				folders[i.Name] = at
			}
		}
	}
	var doors []Door
	for _, i := range r.Regions {
		at, ok := folders[i.Name]
		if !ok {
			continue
		}
		d, err := openDoor(r.Name, i, at)
		if err != nil {
			CloseDoors(doors)
			return nil, nil, err
		}
		doors = append(doors, d)
	}
	if len(doors) == 0 {
		return nil, nil, fmt.Errorf("%s: no region's folder is here", dir)
	}
	slices.SortStableFunc(doors, func(a, b Door) int {
		switch r.Home {
		case a.Region:
			return -1
		case b.Region:
			return 1
		}
		return 0
	})
	return r, doors, nil
}

func openDoor(realmName string, i realm.RegionInfo, dir string) (Door, error) {
	id := realm.PeerIdentity{Realm: realmName, Region: i.Name, Roots: x509.NewCertPool()}
	ca, err := os.ReadFile(filepath.Join(dir, FileRealmCA))
	if err != nil {
		return Door{}, err
	}
	if !id.Roots.AppendCertsFromPEM(ca) {
		return Door{}, fmt.Errorf("%s: no certificate", filepath.Join(dir, FileRealmCA))
	}
	if id.Pair, err = realm.LoadKeyPair(filepath.Join(dir, FilePeer), filepath.Join(dir, FilePeerKey), nil); err != nil {
		return Door{}, err
	}
	if err := id.Check(); err != nil {
		return Door{}, err
	}
	p := realm.NewPeers(id, nil)
	p.SetRegions([]realm.RegionInfo{i})
	return Door{Region: i.Name, dialer: p}, nil
}

// Dialer gives the way to the region.
func (d Door) Dialer() realm.Dialer { return d.dialer }

// CloseDoors gives up their connections.
func CloseDoors(doors []Door) {
	for _, d := range doors {
		d.dialer.Close()
	}
}

// SetHome notes in the files that are here where home is. Regions that run know
// it better; it is for those that begin, and for people.
func (l Layout) SetHome(r *Realm, home string) error {
	if r.Home == home {
		return nil
	}
	if !r.Has(home) {
		return fmt.Errorf("config: region %s is not one of realm %s's", home, r.Name)
	}
	r.Home = home
	return l.writeRealm(r)
}
