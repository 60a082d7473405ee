package realm

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

const account = "123456789012"

// cluster is a realm whose regions reach each other in memory.
type cluster struct {
	t       *testing.T
	opt     Options
	mu      sync.Mutex
	now     time.Time
	cut     map[string]bool // "a>b": a can't reach b
	regions map[string]*node
	infos   []RegionInfo
	keys    *Keyring
	// configured is the home that the regions' configuration names.
	configured string
	lose       func() bool // whether the next answer is lost; nil means never
}

type node struct {
	c      *cluster
	name   string
	kv     kv.Store
	store  *fakeStore
	realm  *Realm
	mux    *PeerMux
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// fakeStore is a region's buckets, which survive a restart.
type fakeStore struct {
	mu      sync.Mutex
	buckets map[string]s3.UID
}

func (s *fakeStore) Bucket(_ context.Context, name string) (LocalBucket, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uid, ok := s.buckets[name]
	return LocalBucket{name, uid, account}, ok, nil
}

func (s *fakeStore) Buckets(_ context.Context, after string, max int) (list []LocalBucket, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		if name > after && len(list) < max {
			list = append(list, LocalBucket{name, s.buckets[name], account})
		}
	}
	return list, nil
}

func (s *fakeStore) make(name string) func(s3.UID) error {
	return func(uid s3.UID) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.buckets[name] = uid
		return nil
	}
}

func (s *fakeStore) remove(name string) func() error {
	return func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.buckets[name]; !ok {
			return store.ErrNoSuchBucket
		}
		delete(s.buckets, name)
		return nil
	}
}

// newCluster opens us-east-1 (home), us-west-2 and eu-west-1. Nothing runs by
// itself: follow and sweep step by hand, unless live is called.
func newCluster(t *testing.T, opt Options) *cluster {
	c := &cluster{t: t, configured: "us-east-1", opt: opt, now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), cut: map[string]bool{}, regions: map[string]*node{}}
	if c.opt.PollWait == 0 {
		c.opt.PollWait, c.opt.ApplyWait = -1, -1
	}
	c.keys = testKeys(t, NewKey())
	for _, name := range []string{"us-east-1", "us-west-2", "eu-west-1"} {
		c.infos = append(c.infos, RegionInfo{Name: name, Endpoint: name + ".example:9000", Peer: name + ".example:9443"})
	}
	for _, i := range c.infos {
		n := &node{c: c, name: i.Name, kv: memkv.New(), store: &fakeStore{buckets: map[string]s3.UID{}}}
		c.regions[i.Name] = n
		n.open()
	}
	t.Cleanup(func() {
		for _, n := range c.regions {
			n.stop()
		}
	})
	return c
}

func (n *node) open() {
	o := n.c.opt
	o.Region, o.Home, o.Account, o.Regions = n.name, n.c.configured, account, n.c.infos
	o.KV, o.Peers, o.Keys = n.kv, &memDialer{n.c, n.name}, n.c.keys
	o.Now = func() time.Time { n.c.mu.Lock(); defer n.c.mu.Unlock(); return n.c.now }
	o.OnRegions = func([]RegionInfo) {}
	r, err := Open(context.Background(), o)
	if err != nil {
		n.c.t.Fatal(err)
	}
	mux := NewPeerMux()
	r.Mount(mux)
	r.Attach(n.store)
	n.c.mu.Lock()
	n.realm, n.mux = r, mux
	n.c.mu.Unlock()
}

// live runs a region's follower until stop.
func (n *node) live() {
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := n.realm.FollowStep(ctx); err != nil {
				select {
				case <-time.After(5 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}
	})
}

func (n *node) stop() {
	if n.cancel != nil {
		n.cancel()
	}
	n.realm.Close()
	n.wg.Wait()
	n.cancel = nil
}

// restart is what a crash and a new start leave: the rows and the buckets.
func (n *node) restart() {
	n.stop()
	n.open()
}

func (n *node) create(bucket string) error {
	return n.realm.Create(context.Background(), n.name, bucket, account, n.store.make(bucket))
}

func (n *node) delete(bucket string) error {
	return n.realm.Delete(context.Background(), n.name, bucket, n.store.remove(bucket))
}

func (n *node) locate(bucket string) (string, error) {
	p, ok, err := n.realm.Locate(context.Background(), bucket)
	if err != nil || !ok {
		return "", err
	}
	return p.Region, nil
}

// follow lets every region but home catch up; those cut off can't.
func (c *cluster) follow() {
	for _, n := range c.regions {
		for range 100 {
			again, err := n.realm.FollowStep(context.Background())
			if err != nil || again.IsZero() {
				break
			}
		}
	}
}

func (c *cluster) sweep() {
	for _, n := range c.regions {
		if _, err := n.realm.SweepStep(context.Background()); err != nil {
			c.t.Errorf("sweep in %s: %v", n.name, err)
		}
	}
}

func (c *cluster) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// partition cuts a region off from all others, in both directions.
func (c *cluster) partition(name string, off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.regions {
		c.cut[name+">"+other], c.cut[other+">"+name] = off, off
	}
}

func (c *cluster) loses() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lose != nil && c.lose()
}

type memDialer struct {
	c    *cluster
	from string
}

func (d *memDialer) Client(region string) (*http.Client, string, error) {
	return &http.Client{Transport: &memTransport{d, region}}, "http://" + region, nil
}

type memTransport struct {
	d  *memDialer
	to string
}

var errCut = errors.New("the line is cut")

func (m *memTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := m.d.c
	line := func() (*PeerMux, bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.regions[m.to].mux, !c.cut[m.d.from+">"+m.to]
	}
	mux, ok := line()
	if !ok {
		return nil, errCut
	}
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		mux.ServePeer(w, req, m.d.from)
	}()
	select {
	case <-done:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if _, ok := line(); !ok || c.loses() {
		return nil, errCut // the answer is lost
	}
	return w.Result(), nil
}
