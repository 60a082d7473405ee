// Package realm holds what all regions share: accounts, the names of buckets,
// and the regions with their addresses.
//
// The tables live in the home region. Each change there is one commit: the
// row, the next entry of an ordered feed, and the head that counts it. Every
// other region follows the feed over its peer door and keeps a copy of the
// tables in its own kv, so that everything that exists goes on everywhere when
// home is gone; only making buckets and changing services' rows waits for home.
//
// Services such as IAM keep rows of their own in the tables: see Row and
// UpdateRows.
//
// A bucket is made in three steps, because its name lives at home and its data
// where it is wanted: the name is claimed (pending, with a UID), the region
// makes the bucket, the claim is confirmed. It is deleted in the region first
// and its name given back after. Sweep settles what a crash left in between.
package realm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
)

// Errors of the realm as AWS words them.
var (
	ErrOwnedByYou  = store.ErrBucketExists
	ErrExists      = awserr.New("BucketAlreadyExists", 409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")
	ErrInProgress  = awserr.New("OperationAborted", 409, "A conflicting conditional operation is currently in progress against this resource. Please try again.")
	ErrUnavailable = awserr.New("ServiceUnavailable", 503, "Service is unable to handle request.")
)

// ErrStale is returned when a region that was home speaks although the realm
// has moved on to a later epoch, or when home's tables are not those that this
// region has been following.
var ErrStale = errors.New("realm: not the tables that this region follows")

// RegionInfo describes a region of the realm.
type RegionInfo struct {
	Name     string // such as us-east-1
	Endpoint string // host and port of its public door
	Peer     string // host and port of its peer door
}

// Local is what the realm asks of a region's store.
type Local interface {
	// Bucket gives a bucket of this region, or false.
	Bucket(ctx context.Context, name string) (LocalBucket, bool, error)
	// Buckets lists the region's buckets by name: up to max behind the given one.
	Buckets(ctx context.Context, after string, max int) ([]LocalBucket, error)
}

// LocalBucket is a bucket as its region's store has it.
type LocalBucket struct {
	Name  string
	UID   s3.UID
	Owner string // account ID
}

// Dialer gives the way to other regions. Peers is one.
type Dialer interface {
	// Client gives a client for the peer door of a region and the URL, without
	// a slash at its end, under which its paths lie.
	Client(region string) (client *http.Client, baseURL string, err error)
}

// Options says what a realm's part in one region is made of.
type Options struct {
	Region  string           // this region
	Home    string           // the home region
	Account string           // the root account: 12 digits
	Regions []RegionInfo     // as configured; at home these are published
	KV      kv.Store         // this region's rows; the realm's begin with Prefix
	Now     func() time.Time // this region's wall clock
	Peers   Dialer           // may be nil in a realm of one region
	Keys    Keys             // the realm's keys: what is secret in the tables is sealed with them
	// OnRegions hears of the regions, at the start and whenever they change.
	// It may be nil.
	OnRegions func([]RegionInfo)

	// Log takes what an operator should know; nil drops it.
	Log *slog.Logger

	// PollWait is how long home holds a follower's request while there is
	// nothing new; zero means 10 s, negative not at all.
	PollWait time.Duration
	// ApplyWait is how long a change of names waits for the reachable regions
	// to apply it; zero means 1 s, negative not at all.
	ApplyWait time.Duration
	// Grace is how old a claim must be before it is given up because its
	// region says that it has no such bucket; zero means 30 s.
	Grace time.Duration
	// AskTimeout bounds a request to another region; zero means 3 s.
	AskTimeout time.Duration
}

// Realm is one region's part of the realm. It is safe for concurrent use.
type Realm struct {
	opt   Options
	table *table
	box   *Box // for secrets in rows
	seat  atomic.Pointer[seat]
	heard atomic.Int64 // when home answered the follower last, Unix ns; 0 after a failure

	mu       sync.Mutex
	local    Local
	busy     map[string]s3.UID // names of buckets being made or deleted here now
	owed     map[string]s3.UID // buckets deleted here whose names home still has
	watchers []watcher
	closed   chan struct{}

	misses    misses[store.Place]
	rowMisses misses[[]byte]
	copying   sync.Mutex // held over a copy of the tables
	promoting sync.Mutex // held over moving home here
	// reconciled is the epoch in which this region's buckets were compared with
	// the names; under mu.
	reconciled uint64
	looked     time.Time // when the other regions were asked where home is; under mu
}

// Open opens the realm's part of a region. Attach the store, mount the peer
// door with Mount, and run Follow and Sweep, for it to be of use.
func Open(ctx context.Context, o Options) (*Realm, error) {
	o = o.withDefaults()
	if !arn.ValidAccount(o.Account) {
		return nil, fmt.Errorf("realm: %q is no account ID: it has 12 digits", o.Account)
	}
	if err := CheckRegions(o.Regions); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(o.Regions, func(i RegionInfo) bool { return i.Name == o.Region }) {
		return nil, fmt.Errorf("realm: region %s is not one of the realm's", o.Region)
	}
	if !slices.ContainsFunc(o.Regions, func(i RegionInfo) bool { return i.Name == o.Home }) {
		return nil, fmt.Errorf("realm: the home region %s is not one of the realm's", o.Home)
	}
	if o.Keys == nil {
		return nil, errors.New("realm: no realm key")
	}
	r := &Realm{opt: o, box: NewBox(o.Keys, "rows"), busy: map[string]s3.UID{}, owed: map[string]s3.UID{}, closed: make(chan struct{})}
	r.table = newTable(o.KV, r.changed)
	if err := r.table.load(ctx); err != nil {
		return nil, err
	}
	if err := r.loadOwed(ctx); err != nil {
		return nil, err
	}
	s, err := r.loadSeat(ctx)
	if err != nil {
		return nil, err
	}
	elsewhere := *s
	r.seat.Store(&elsewhere)
	if o.Region == s.region {
		if hd := r.table.headNow(); hd.history != "" && hd.oldest == 0 {
			return nil, errors.New("realm: this region's tables are a copy: it is made home by farhold realm promote, not by its configuration")
		}
		s.home = newHome(r.table, o)
		if err := s.home.publish(ctx, o.Account, r.toPublish(s)); err != nil {
			return nil, err
		}
		s.home.check = r.confirmHome
	}
	r.seat.Store(s)
	r.tellRegions()
	return r, nil
}

// toPublish gives the regions that home publishes when it opens: all that are
// configured. Where home has moved, the configuration of its new place may be
// older than the tables, and only says what they lack.
func (r *Realm) toPublish(s *seat) []RegionInfo {
	if s.epoch == 0 {
		return r.opt.Regions
	}
	list := r.table.regions()
	for _, i := range r.opt.Regions {
		if !slices.ContainsFunc(list, func(j RegionInfo) bool { return i.Name == j.Name }) {
			list = append(list, i)
		}
	}
	return list
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.PollWait, 10*time.Second)
	def(&o.ApplyWait, time.Second)
	def(&o.Grace, 30*time.Second)
	def(&o.AskTimeout, 3*time.Second)
	return o
}

// CheckRegions tells what is wrong with a list of regions: a name that is none,
// given twice, or whose tag in stamps another one has.
func CheckRegions(list []RegionInfo) error {
	tags := map[uint32]string{}
	for _, i := range list {
		if err := CheckRegionName(i.Name); err != nil {
			return err
		}
		other, taken := tags[stamp.Tag(i.Name)]
		if taken && other == i.Name {
			return fmt.Errorf("realm: region %s is given twice", i.Name)
		}
		if taken {
			return fmt.Errorf("realm: regions %s and %s can't be in one realm: their stamps could not be told apart", other, i.Name)
		}
		tags[stamp.Tag(i.Name)] = i.Name
	}
	return nil
}

// CheckRegionName tells what is wrong with a region's name. Names are made of
// lower-case letters, digits and hyphens, 1 to 63 of them, as those of AWS.
func CheckRegionName(name string) error {
	if len(name) < 1 || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return fmt.Errorf("realm: %q is no name for a region", name)
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("realm: %q is no name for a region", name)
		}
	}
	return nil
}

// Attach gives the realm the region's store. It is called once, before the
// doors open: the store itself asks the realm where buckets live.
func (r *Realm) Attach(l Local) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.local = l
}

// Close lets requests that wait for news answer. The kv stays open.
func (r *Realm) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.closed:
	default:
		close(r.closed)
	}
}

// Account gives the root account's ID.
func (r *Realm) Account() string { return r.opt.Account }

// Region gives the name of this region.
func (r *Realm) Region() string { return r.opt.Region }

// Position gives how far this region's copy of the tables is.
func (r *Realm) Position() Position { return r.table.position() }

// Infos lists the regions: as home has published them, and those of this
// region's own configuration that home has not. Where home is, the own
// configuration says: a home that has moved can't tell.
func (r *Realm) Infos() []RegionInfo {
	list := r.table.regions()
	for _, i := range r.opt.Regions {
		at := slices.IndexFunc(list, func(j RegionInfo) bool { return i.Name == j.Name })
		switch {
		case at < 0:
			list = append(list, i)
		case i.Name == r.opt.Home && i.Name == r.Home() && !r.IsHome():
			list[at] = i
		}
	}
	slices.SortFunc(list, func(a, b RegionInfo) int { return compare(a.Name, b.Name) })
	return list
}

// Regions lists the names of the regions.
func (r *Realm) Regions() []string {
	infos := r.Infos()
	names := make([]string, len(infos))
	for i := range infos {
		names[i] = infos[i].Name
	}
	return names
}

// Endpoint gives the host and port under which a region's public door is
// reached, or "" for a region that the realm does not have.
func (r *Realm) Endpoint(region string) string {
	for _, i := range r.Infos() {
		if i.Name == region {
			return i.Endpoint
		}
	}
	return ""
}

// SetRegions publishes a changed list of regions. It does nothing in a region
// that is not home: there the feed brings them.
func (r *Realm) SetRegions(ctx context.Context, list []RegionInfo) error {
	h := r.homeHere()
	if h == nil {
		return nil
	}
	if err := CheckRegions(list); err != nil {
		return err
	}
	return h.publish(ctx, r.opt.Account, list)
}

// changed is told by the table what was applied to it.
func (r *Realm) changed(kind byte, key string) {
	switch kind {
	case kindName:
		r.misses.forget(key)
	case kindRegion:
		r.tellRegions()
	case kindService:
		r.rowChanged(key)
	}
}

func (r *Realm) tellRegions() {
	if r.opt.OnRegions != nil {
		r.opt.OnRegions(r.Infos())
	}
}
