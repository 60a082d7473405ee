package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/meter"
	"github.com/farhold/farhold/realm"
)

// Process is what a farhold process runs: public listeners, the front behind
// them, and one region or a whole realm.
type Process struct {
	Account string
	Root    config.Credentials
	CAFile  string // of the public doors' authority, where farhold dev made one
	Regions []*Region

	front   *Front
	publics []*public
	drain   time.Duration
	lock    *lock
}

// Serve runs one region, as farhold serve does. The public listeners are open
// first and answer 503 until the region is.
func Serve(ctx context.Context, cfg config.Region, p Parts) (*Process, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	p = p.withDefaults()
	proc := newProcess(cfg, FrontOptions{
		Limits: cfg.Limits, Hosts: append(Hosts(cfg.Region), cfg.Hosts...), MetricsToken: cfg.MetricsToken, Meter: p.Meter,
	})
	if err := proc.listen(cfg.Listen, cfg.Limits, p.Log); err != nil {
		return nil, errors.Join(err, proc.Close(ctx))
	}
	r, err := Open(ctx, cfg, p)
	if err != nil {
		return nil, errors.Join(err, proc.Close(ctx))
	}
	proc.Regions = []*Region{r}
	proc.front.Open(r)
	return proc, nil
}

// DevOptions says what farhold dev runs.
type DevOptions struct {
	Data         string   // folder
	Listen       string   // public address, host:port
	Regions      []string // nil: as before, or config.DevRegions
	TLS          bool     // with a certificate of an authority at Data/ca.pem
	InsecureHTTP bool     // plain HTTP although the address is not loopback
	Strict       bool
	OpenBuckets  bool
	Hosts        []string
	Limits       config.Limits
	Getenv       func(string) string // for secrets; nil means os.Getenv
}

// Dev runs a complete realm behind one public address. Its regions talk to each
// other through their real peer doors, on loopback.
func Dev(ctx context.Context, o DevOptions, p Parts) (*Process, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	p = p.withDefaults()
	layout := config.Layout{Dir: o.Data}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return nil, err
	}
	proc := newProcess(config.Region{}, FrontOptions{})
	var err error
	if proc.lock, err = lockFolder(o.Data); err != nil {
		return nil, err
	}
	if err := proc.dev(ctx, o, layout, p); err != nil {
		return nil, errors.Join(err, proc.Close(ctx))
	}
	return proc, nil
}

func (proc *Process) dev(ctx context.Context, o DevOptions, layout config.Layout, p Parts) error {
	root, given, err := layout.Root(o.Getenv)
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if !given && !config.IsLoopback(host) {
		return fmt.Errorf("listen %s: others can reach this address, so the root credentials must be chosen: set %s and %s", o.Listen, config.EnvRootAccessKey, config.EnvRootSecretKey)
	}
	listener := config.Listener{Address: o.Listen, InsecureHTTP: o.InsecureHTTP}
	if o.TLS {
		listener.Cert, listener.Key = filepath.Join(o.Data, config.FileTLS), filepath.Join(o.Data, config.FileTLSKey)
	}
	if err := listener.Check(); err != nil {
		return err
	}
	r, err := layout.Dev(o.Regions, time.Now())
	if err != nil {
		return err
	}
	names := make([]string, len(r.Regions))
	for i := range r.Regions {
		names[i] = r.Regions[i].Name
	}
	hosts := append(Hosts(names...), o.Hosts...)
	if o.TLS {
		if err := layout.WriteServerCert(o.Data, append(hosts, host), time.Now()); err != nil {
			return err
		}
		proc.CAFile = filepath.Join(o.Data, config.FileCA)
	}
	base := config.Region{Limits: o.Limits, MetricsToken: o.Getenv(config.EnvMetricsToken), Root: root, RegionKey: o.Getenv(config.EnvRegionKey), Strict: o.Strict, OpenBuckets: o.OpenBuckets, Hosts: hosts}
	if base.RealmKey, err = layout.DevRealmKey(r, o.Getenv); err != nil {
		return err
	}
	fresh := newProcess(base, FrontOptions{Limits: o.Limits, Hosts: hosts, MetricsToken: base.MetricsToken, Meter: p.Meter})
	proc.front, proc.drain, proc.Root, proc.Account = fresh.front, fresh.drain, root, r.Account
	if err := proc.listen([]config.Listener{listener}, o.Limits, p.Log); err != nil {
		return err
	}
	peers, err := listenPeers(r, proc.Addresses()[0])
	if err != nil {
		return err
	}
	defer func() {
		for _, l := range peers { // those that no region took
			l.Close()
		}
	}()
	if err := layout.SaveDev(r); err != nil {
		return err
	}
	for _, i := range r.Regions {
		cfg := base
		cfg.Region, cfg.Realm = i.Name, *r
		cfg.Data = filepath.Join(o.Data, i.Name, "data")
		cfg.Peer = layout.Peer(i.Name, i.Peer)
		parts := p
		parts.PeerListener = peers[i.Name]
		region, err := Open(ctx, cfg, parts)
		if err != nil {
			return err
		}
		delete(peers, i.Name)
		proc.Regions = append(proc.Regions, region)
	}
	proc.front.Open(proc.Regions...)
	return nil
}

// listenPeers opens a peer door's listener for each region, where it was before
// if that is free, and notes the addresses.
func listenPeers(r *config.Realm, endpoint string) (map[string]net.Listener, error) {
	all := map[string]net.Listener{}
	for i := range r.Regions {
		info := &r.Regions[i]
		var l net.Listener
		var err error
		if info.Peer != "" {
			l, err = net.Listen("tcp", info.Peer)
		}
		if l == nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			for _, l := range all {
				l.Close()
			}
			return nil, fmt.Errorf("peer door of %s: %w", info.Name, err)
		}
		all[info.Name] = l
		info.Peer, info.Endpoint = l.Addr().String(), endpoint
	}
	return all, nil
}

func (p Parts) withDefaults() Parts {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Meter == nil {
		p.Meter = meter.New()
	}
	return p
}

func newProcess(cfg config.Region, o FrontOptions) *Process {
	return &Process{front: NewFront(o), drain: cfg.Limits.WithDefaults().Drain.Duration(), Root: cfg.Root, Account: cfg.Realm.Account}
}

// listen opens the public listeners.
func (proc *Process) listen(list []config.Listener, limits config.Limits, log *slog.Logger) error {
	for _, at := range list {
		var cert *realm.KeyPair
		if at.TLS() {
			var err error
			cert, err = realm.LoadKeyPair(at.Cert, at.Key, func(err error) {
				log.Error("a certificate can't be reloaded; the old one goes on", "address", at.Address, "error", err)
			})
			if err != nil {
				return err
			}
		}
		l, err := net.Listen("tcp", at.Address)
		if err != nil {
			return err
		}
		p := newPublic(l, cert, proc.front, limits.WithDefaults(), log)
		proc.publics = append(proc.publics, p)
		p.serve()
	}
	return nil
}

// Addresses gives where the public listeners are, as host:port.
func (proc *Process) Addresses() []string {
	var list []string
	for _, p := range proc.publics {
		list = append(list, p.l.Addr().String())
	}
	return list
}

// Endpoints gives the public listeners as URLs.
func (proc *Process) Endpoints() []string {
	var list []string
	for _, p := range proc.publics {
		scheme := "http://"
		if p.tls != nil {
			scheme = "https://"
		}
		list = append(list, scheme+p.l.Addr().String())
	}
	return list
}

// Close stops accepting, lets requests under way end within the drain time,
// and closes the regions. A ctx that ends earlier cuts the drain short.
func (proc *Process) Close(ctx context.Context) error {
	proc.front.Shut()
	ctx, cancel := context.WithTimeout(ctx, proc.drain)
	defer cancel()
	var mu sync.Mutex
	var errs []error
	each := func(n int, f func(i int) error) {
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				err := f(i)
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		}
		wg.Wait()
	}
	each(len(proc.publics), func(i int) error { return proc.publics[i].shutdown(ctx) })
	each(len(proc.Regions), func(i int) error { return proc.Regions[i].Close(ctx) })
	if proc.lock != nil {
		errs = append(errs, proc.lock.release())
	}
	return errors.Join(errs...)
}
