package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/farhold/farhold/realm"
)

// Layout is the folder in which an operator keeps a realm: what belongs to all
// regions, and a folder for each region that can be carried to its machine as
// it stands.
//
//	realm.yaml, root.yaml              the realm; its root credentials (0600)
//	realm-ca.pem, realm-ca.key         who says which region is which (0600)
//	realm.key                          with which regions seal what is secret in the tables (0600)
//	ca.pem, ca.key                     who vouches for public doors with TLS (0600)
//	REGION/farhold.yaml                what farhold serve reads
//	REGION/realm.yaml, realm-ca.pem, realm.key, peer.pem, peer.key, root.yaml, tls.pem, tls.key
//	REGION/data                        made by farhold serve
type Layout struct{ Dir string }

// Names of files in a Layout.
const (
	FileRegion   = "farhold.yaml"
	FileRealm    = "realm.yaml"
	FileRoot     = "root.yaml"
	FileRealmCA  = "realm-ca.pem"
	fileRealmCK  = "realm-ca.key"
	FileRealmKey = "realm.key"
	FileCA       = "ca.pem"
	fileCAKey    = "ca.key"
	FilePeer     = "peer.pem"
	FilePeerKey  = "peer.key"
	FileTLS      = "tls.pem"
	FileTLSKey   = "tls.key"
)

// NewRegion describes a region that is added to a layout.
type NewRegion struct {
	Name     string
	Listen   string   // public door, host:port
	Peer     string   // peer door, host:port
	Endpoint string   // under which clients reach it; empty: Listen
	PeerAt   string   // under which other regions reach it; empty: Peer
	TLS      bool     // make a certificate for the public door
	Insecure bool     // plain HTTP off loopback
	Hosts    []string // further names for the certificate and virtual-hosted style
}

// Init makes a realm of its home region. The folder must not hold one yet.
func (l Layout) Init(name string, home NewRegion, root Credentials, now time.Time) (*Realm, error) {
	if _, err := os.Stat(l.at(FileRealm)); err == nil {
		return nil, fmt.Errorf("%s: there is a realm already; add regions with farhold realm add-region", l.Dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return nil, err
	}
	account, err := NewAccount()
	if err != nil {
		return nil, err
	}
	r := &Realm{Name: name, Account: account, Home: home.Name, File: l.at(FileRealm)}
	if err := l.check(r, home); err != nil {
		return nil, err
	}
	if err := l.newCA("farhold realm "+name, FileRealmCA, fileRealmCK, now); err != nil {
		return nil, err
	}
	if err := l.writeRoot(l.Dir, root); err != nil {
		return nil, err
	}
	return r, l.add(r, home, now)
}

// AddRegion adds a region to the realm in the folder. Processes of the home
// region that run on the folder notice and tell the others.
func (l Layout) AddRegion(n NewRegion, now time.Time) (*Realm, error) {
	r, err := LoadRealm(l.at(FileRealm))
	if err != nil {
		return nil, err
	}
	if r.Has(n.Name) {
		return nil, fmt.Errorf("%s: the realm has a region %s already", l.Dir, n.Name)
	}
	if err := l.check(r, n); err != nil {
		return nil, err
	}
	return r, l.add(r, n, now)
}

// check refuses what add could not write, before anything is written.
func (l Layout) check(r *Realm, n NewRegion) error {
	c := *r
	c.Regions = append(slices.Clone(r.Regions), n.info())
	if err := c.Check(); err != nil {
		return err
	}
	for _, i := range r.Regions {
		if i.Endpoint == n.info().Endpoint || i.Peer == n.info().Peer {
			return fmt.Errorf("config: region %s has that address already", i.Name)
		}
	}
	if _, _, err := net.SplitHostPort(n.Peer); err != nil {
		return fmt.Errorf("config: peer door: %w", err)
	}
	pl := Listener{Address: n.Listen, InsecureHTTP: n.Insecure}
	if n.TLS {
		pl.Cert, pl.Key = FileTLS, FileTLSKey
	}
	return pl.Check()
}

func (n NewRegion) info() realm.RegionInfo {
	i := realm.RegionInfo{Name: n.Name, Endpoint: n.Endpoint, Peer: n.PeerAt}
	if i.Endpoint == "" {
		i.Endpoint = n.Listen
	}
	if i.Peer == "" {
		i.Peer = n.Peer
	}
	return i
}

// add writes a region's folder first and the realm's file, which names it,
// last: a crash leaves a realm without the region, to which it can be added
// again.
func (l Layout) add(r *Realm, n NewRegion, now time.Time) error {
	dir := filepath.Join(l.Dir, n.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := LoadCredentials(l.at(FileRoot))
	if err != nil {
		return err
	}
	f := RegionFile{
		Region: n.Name, Data: "data", Realm: FileRealm, RootCredentials: FileRoot, RealmKeyFile: FileRealmKey,
		Listen: []Listener{{Address: n.Listen, InsecureHTTP: n.Insecure}},
		Peer:   Peer{Listen: n.Peer, Cert: FilePeer, Key: FilePeerKey, CA: FileRealmCA},
		Hosts:  n.Hosts,
	}
	if err := errors.Join(l.writePeer(dir, r.Name, n.Name, now), l.writeRoot(dir, root)); err != nil {
		return err
	}
	if n.TLS {
		f.Listen[0].Cert, f.Listen[0].Key = FileTLS, FileTLSKey
		if err := l.WriteServerCert(dir, append(n.Hosts, hostsOf(n.Listen, n.info().Endpoint)...), now); err != nil {
			return err
		}
	}
	if err := WriteYAML(filepath.Join(dir, FileRegion), "Region "+n.Name+" of realm "+r.Name+". Start it with: farhold serve --config "+FileRegion, f, 0o644); err != nil {
		return err
	}
	r.Regions = append(r.Regions, n.info())
	if _, err := l.EnsureRealmKey(r); err != nil {
		return err
	}
	return l.writeRealm(r)
}

// writePeer makes the certificate by which a region is known to its peers, and
// puts that of the realm's authority beside it.
func (l Layout) writePeer(dir, name, region string, now time.Time) error {
	ca, err := l.loadCA(FileRealmCA, fileRealmCK)
	if err != nil {
		return err
	}
	cert, key, err := ca.IssuePeer(name, region, now)
	if err != nil {
		return err
	}
	caPEM, err := os.ReadFile(l.at(FileRealmCA))
	if err != nil {
		return err
	}
	return errors.Join(
		WriteFile(filepath.Join(dir, FilePeerKey), key, 0o600),
		WriteFile(filepath.Join(dir, FilePeer), cert, 0o644),
		WriteFile(filepath.Join(dir, FileRealmCA), caPEM, 0o644),
	)
}

// writeRealm writes the realm's file into every region's folder that is still
// here, and last into the layout itself.
func (l Layout) writeRealm(r *Realm) error {
	const comment = "The regions of the realm. The copy in the home region's folder counts; the others serve to find it."
	for _, i := range r.Regions {
		dir := filepath.Join(l.Dir, i.Name)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue // it was carried to its machine
		}
		if err := WriteYAML(filepath.Join(dir, FileRealm), comment, r.Lines(), 0o644); err != nil {
			return err
		}
	}
	return WriteYAML(l.at(FileRealm), comment, r.Lines(), 0o644)
}

func (l Layout) writeRoot(dir string, c Credentials) error {
	return WriteYAML(filepath.Join(dir, FileRoot), "The root account's credentials: they may do everything.", c, 0o600)
}

// WriteServerCert makes a certificate for a public door into dir, under the
// authority of the layout for clients, which it makes when there is none.
func (l Layout) WriteServerCert(dir string, hosts []string, now time.Time) error {
	if err := l.newCA("Farhold clients' authority", FileCA, fileCAKey, now); err != nil {
		return err
	}
	ca, err := l.loadCA(FileCA, fileCAKey)
	if err != nil {
		return err
	}
	cert, key, err := ca.IssueServer(certHosts(hosts), now)
	if err != nil {
		return err
	}
	return errors.Join(WriteFile(filepath.Join(dir, FileTLSKey), key, 0o600), WriteFile(filepath.Join(dir, FileTLS), cert, 0o644))
}

// certHosts gives names for a certificate: each, and what lies below it where
// it is a name, for virtual-hosted style.
func certHosts(hosts []string) []string {
	var out []string
	for _, h := range append(hosts, "localhost", "127.0.0.1", "::1") {
		if h == "" || slices.Contains(out, h) {
			continue
		}
		if ip := net.ParseIP(h); ip != nil {
			if !ip.IsUnspecified() {
				out = append(out, h)
			}
			continue
		}
		out = append(out, h, "*."+h)
	}
	return out
}

func hostsOf(addresses ...string) (hosts []string) {
	for _, a := range addresses {
		if h, _, err := net.SplitHostPort(a); err == nil {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// newCA makes an authority, unless there is one.
func (l Layout) newCA(name, certFile, keyFile string, now time.Time) error {
	if _, err := os.Stat(l.at(certFile)); err == nil {
		return nil
	}
	ca, err := realm.NewCA(name, now)
	if err != nil {
		return err
	}
	cert, key, err := ca.PEM()
	if err != nil {
		return err
	}
	return errors.Join(WriteFile(l.at(keyFile), key, 0o600), WriteFile(l.at(certFile), cert, 0o644))
}

func (l Layout) loadCA(certFile, keyFile string) (*realm.CA, error) {
	if err := private(l.at(keyFile)); err != nil {
		return nil, err
	}
	cert, err := os.ReadFile(l.at(certFile))
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(l.at(keyFile))
	if err != nil {
		return nil, err
	}
	return realm.ParseCA(cert, key)
}

func (l Layout) at(name string) string { return filepath.Join(l.Dir, name) }

// NewAccount gives a random account ID.
func NewAccount() (string, error) {
	// AWS's IDs can begin with 0; spreadsheets and YAML then lose it, so these
	// don't.
	n, err := rand.Int(rand.Reader, big.NewInt(900_000_000_000))
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(100_000_000_000+n.Int64(), 10), nil
}

// NewCredentials gives random credentials of AWS's form.
func NewCredentials() (Credentials, error) {
	key, err := random(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
	if err != nil {
		return Credentials{}, err
	}
	secret, err := random(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
	return Credentials{"AKIA" + key, secret}, err
}

// random gives n characters of an alphabet, each as likely as the others.
func random(n int, alphabet string) (string, error) {
	b := make([]byte, n)
	for i := range b {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return "", err
		}
		b[i] = alphabet[k.Int64()]
	}
	return string(b), nil
}
