// Package server is where everything meets: it builds a region bottom up, lets
// its workers run, and stands in front of its doors with what every request
// passes first.
package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/farhold/farhold/api/s3api"
	"github.com/farhold/farhold/api/s3control"
	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/meter"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/sigv4"
	"github.com/farhold/farhold/work"
	"github.com/farhold/farhold/work/replication"
	"github.com/farhold/farhold/work/replication/peer"
)

// Parts are what a region is given rather than makes. All may be left zero.
type Parts struct {
	Log   *slog.Logger
	Meter *meter.Registry
	// PeerListener is the peer door's listener, opened already: whoever needs to
	// know its port before the other regions start. Else Peer.Listen is opened.
	PeerListener net.Listener
	KV           kv.Store   // instead of the engine in the data folder
	Blobs        blob.Store // likewise
	Now          func() time.Time
}

// Region is a region that runs: its engines, its state, its workers and its
// doors. Public listeners are a Front's.
type Region struct {
	cfg    config.Region
	log    *slog.Logger
	meter  *meter.Registry
	lock   *lock
	kv     kv.Store
	blobs  blob.Store
	keeper seal.Keeper
	clock  *stamp.Clock
	store  *store.Store
	realm  *realm.Realm
	peers  *realm.Peers
	runner *work.Runner
	peer   *realm.PeerServer
	s3     *s3api.Door

	who      identity
	control  *s3control.Service
	services map[string]*service.Door // by name

	replication *shipping
	peerDone    chan error
	peerAt      string
	closers     []func() error // undo Open, last first
}

// Open builds a region from the bottom up and lets it run. When it returns, the
// peer door answers and requests can be served.
func Open(ctx context.Context, cfg config.Region, p Parts) (r *Region, err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Meter == nil {
		p.Meter = meter.New()
	}
	r = &Region{cfg: cfg, log: p.Log.With("region", cfg.Region), meter: p.Meter}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("region %s: %w", cfg.Region, err), r.undo())
			r = nil
		}
	}()
	for _, build := range []func(context.Context, Parts) error{
		r.openFolder, r.openEngines, r.openKeeper, r.openRealm, r.openIdentity, r.openStore, r.openDoors, r.openWorkers, r.openPeerDoor,
	} {
		if err := build(ctx, p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Region) onClose(f func() error) { r.closers = append(r.closers, f) }

func (r *Region) undo() error {
	var errs []error
	for i := len(r.closers) - 1; i >= 0; i-- {
		errs = append(errs, r.closers[i]())
	}
	r.closers = nil
	return errors.Join(errs...)
}

func (r *Region) openFolder(context.Context, Parts) error {
	if err := os.MkdirAll(r.cfg.Data, 0o700); err != nil {
		return err
	}
	var err error
	if r.lock, err = lockFolder(r.cfg.Data); err != nil {
		return err
	}
	r.onClose(r.lock.release)
	return nil
}

func (r *Region) openEngines(_ context.Context, p Parts) error {
	var err error
	if r.kv = p.KV; r.kv == nil {
		if r.kv, err = openKV(filepath.Join(r.cfg.Data, "meta"), r.log); err != nil {
			return err
		}
		r.onClose(r.kv.Close)
	}
	if r.blobs = p.Blobs; r.blobs == nil {
		if r.blobs, err = openBlobs(filepath.Join(r.cfg.Data, "blobs")); err != nil {
			return err
		}
		r.onClose(r.blobs.Close)
	}
	return nil
}

func (r *Region) openKeeper(context.Context, Parts) (err error) {
	if r.cfg.RegionKey != "" {
		r.keeper, err = seal.ParseRegionKey(r.cfg.RegionKey)
	} else {
		r.keeper, err = seal.LoadOrCreateRegionKey(r.cfg.Data)
	}
	return err
}

func (r *Region) openRealm(ctx context.Context, p Parts) error {
	id, err := r.identity()
	if err != nil {
		return err
	}
	keys, err := realm.ParseKeys(r.cfg.RealmKey)
	if err != nil {
		return err
	}
	r.clock = stamp.NewClock(r.cfg.Region, p.Now, nil)
	r.peers = realm.NewPeers(id, nil)
	r.onClose(func() error { r.peers.Close(); return nil })
	r.replication = &shipping{r: r, links: map[string]*replication.Link{}}
	r.realm, err = realm.Open(ctx, realm.Options{
		Region: r.cfg.Region, Home: r.cfg.Realm.Home, Account: r.cfg.Realm.Account, Regions: r.cfg.Realm.Regions,
		KV: r.kv, Now: r.clock.Now, Peers: r.peers, Keys: keys, Log: r.log,
		OnRegions: func(list []realm.RegionInfo) {
			r.peers.SetRegions(list)
			r.replication.regions(list)
		},
	})
	return err
}

// identity is what this region shows to its peers.
func (r *Region) identity() (realm.PeerIdentity, error) {
	id := realm.PeerIdentity{Realm: r.cfg.Realm.Name, Region: r.cfg.Region, Roots: x509.NewCertPool()}
	ca, err := os.ReadFile(r.cfg.Peer.CA)
	if err != nil {
		return id, err
	}
	if !id.Roots.AppendCertsFromPEM(ca) {
		return id, fmt.Errorf("%s: no certificate", r.cfg.Peer.CA)
	}
	id.Pair, err = realm.LoadKeyPair(r.cfg.Peer.Cert, r.cfg.Peer.Key, func(err error) {
		r.log.Error("the peer certificate can't be reloaded; the old one goes on", "error", err)
	})
	if err != nil {
		return id, err
	}
	return id, id.Check()
}

func (r *Region) openStore(ctx context.Context, _ Parts) (err error) {
	r.store, err = store.Open(ctx, store.Options{
		Region: r.cfg.Region, KV: r.kv, Blobs: r.blobs, Keeper: r.keeper, Clock: r.clock, Directory: directory{r.realm},
	})
	if err != nil {
		return err
	}
	r.realm.Attach(localBuckets{r.store})
	return nil
}

// directory tells the store where destinations are.
type directory struct{ r *realm.Realm }

// Locate implements store.Directory.
func (d directory) Locate(ctx context.Context, name string) (store.Place, bool, error) {
	return d.r.Locate(ctx, name)
}

// localBuckets tells the realm which buckets are here.
type localBuckets struct{ s *store.Store }

// Bucket implements realm.Local.
func (l localBuckets) Bucket(ctx context.Context, name string) (realm.LocalBucket, bool, error) {
	b, err := l.s.Bucket(ctx, name)
	if errors.Is(err, store.ErrNoSuchBucket) {
		return realm.LocalBucket{}, false, nil
	}
	if err != nil {
		return realm.LocalBucket{}, false, err
	}
	return realm.LocalBucket{Name: b.Name, UID: b.UID, Owner: b.Owner}, true, nil
}

// Buckets implements realm.Local.
func (l localBuckets) Buckets(ctx context.Context, after string, max int) ([]realm.LocalBucket, error) {
	page, _, err := l.s.Buckets(ctx, "", after, max)
	list := make([]realm.LocalBucket, len(page))
	for i, b := range page {
		list[i] = realm.LocalBucket{Name: b.Name, UID: b.UID, Owner: b.Owner}
	}
	return list, err
}

func (r *Region) openDoors(context.Context, Parts) error {
	requests := meter.NewRequests(r.meter)
	observe := func(service string) func(string, int, int64, int64, time.Duration) {
		return func(op string, status int, in, out int64, took time.Duration) {
			if op == "" {
				op = "none"
			}
			requests.Count(r.cfg.Region, service, op, status, in, out, took)
		}
	}
	keys := r.who.directory
	hosts := append(Hosts(r.cfg.Region), r.cfg.Hosts...)
	r.control = s3control.New(s3control.RealmRows(r.realm), s3control.StoreBuckets(r.store))
	accounts := newCanonicalAccounts(r.realm)
	var displayName func(string) string
	if r.cfg.OpenBuckets {
		displayName = accounts.displayName
	}
	r.s3 = s3api.New(s3api.Options{
		Region: r.cfg.Region, Store: r.store, Realm: r.realm, Hosts: hosts, Strict: r.cfg.Strict, OpenBuckets: r.cfg.OpenBuckets,
		Verifier: &sigv4.Verifier{
			Credentials: keys, Region: r.cfg.Region, Services: []string{"s3"}, Now: r.clock.Now,
			Bucket: func(q *http.Request) string { return hosts.Bucket(q.Host) },
		},
		Decider:      r.who.decider,
		Keys:         r.who.keys,
		AccountBlock: r.control.AccountBlock,
		PassRole:     r.who.passRole,
		Used:         r.who.used("s3"),
		KnownID:      accounts.known,
		Principals:   r.who.directory,
		DisplayName:  displayName,
		Proxies:      r.cfg.TrustedProxies,
		Versioning:   r.versioning,
		CreateIn:     r.createIn,
		Now:          r.clock.Now,
		Log:          r.log,
		Observe:      observe("s3"),
	})
	return r.openServices(observe)
}

func (r *Region) openPeerDoor(_ context.Context, p Parts) error {
	l := p.PeerListener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", r.cfg.Peer.Listen); err != nil {
			return fmt.Errorf("peer door: %w", err)
		}
	}
	id, err := r.identity()
	if err != nil {
		return err
	}
	mux := realm.NewPeerMux()
	r.realm.Mount(mux)
	(&peer.Door{Identity: r.replication.identity()}).Mount(mux)
	r.mountVersioning(mux)
	r.mountCreate(mux)
	r.peer = realm.NewPeerServer(id, mux, r.log)
	r.peerAt, r.peerDone = l.Addr().String(), make(chan error, 1)
	go func() { r.peerDone <- r.peer.Serve(l) }()
	return nil
}

// Close ends the region in the order in which nothing is pulled from under
// what stands on it: the workers, the peer door, the store, the engines. Public
// doors are closed before by their Front. ctx bounds how long work under way
// may go on; what is cut off then comes again after the next start.
func (r *Region) Close(ctx context.Context) error {
	r.realm.Close()
	var errs []error
	var wg sync.WaitGroup
	var peerErr error
	wg.Go(func() {
		peerErr = errors.Join(r.peer.Shutdown(ctx), <-r.peerDone)
	})
	errs = append(errs, r.runner.Stop(ctx))
	wg.Wait()
	errs = append(errs, peerErr, r.undo())
	return errors.Join(errs...)
}

// Name gives the region's name.
func (r *Region) Name() string { return r.cfg.Region }

// Realm gives the region's part of the realm.
func (r *Region) Realm() *realm.Realm { return r.realm }

// Store gives the region's state.
func (r *Region) Store() *store.Store { return r.store }

// Check tells why the region can't serve requests, or nil.
func (r *Region) Check(ctx context.Context) error { return r.kv.Barrier(ctx) }

// PeerAddress gives where the peer door is, as host:port.
func (r *Region) PeerAddress() string { return r.peerAt }
