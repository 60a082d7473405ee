// Package config holds what a region is told before it starts, and the files
// that say it. Files are read strictly: an unknown or repeated field is an
// error, because a setting that is misspelt must not look as if it held.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/realm"
)

// Names of the environment variables that take precedence over files.
const (
	EnvRootAccessKey = "FARHOLD_ROOT_ACCESS_KEY"
	EnvRootSecretKey = "FARHOLD_ROOT_SECRET_KEY"
	EnvRegionKey     = "FARHOLD_REGION_KEY"
	EnvRealmKey      = "FARHOLD_REALM_KEY"
	EnvMetricsToken  = "FARHOLD_METRICS_TOKEN"
)

// Region is everything that a region is told.
type Region struct {
	Region string // its name, such as us-east-1
	Data   string // folder of its data
	Realm  Realm
	Listen []Listener // public doors; farhold dev has one for all regions
	Peer   Peer
	Hosts  []string // base names for virtual-hosted style: lower case, no port
	Root   Credentials
	// RegionKey is the region's master key as seal.ParseRegionKey reads it;
	// empty keeps one in the data folder.
	RegionKey string
	// RealmKey is the realm's keys as realm.ParseKeys reads them. All regions
	// of a realm have the same.
	RealmKey     string
	MetricsToken string // bearer token for /-/metrics off loopback; empty refuses
	Strict       bool   // AWS's letter where Farhold is more lenient
	// OpenBuckets has new buckets begin as AWS made them before April 2023: ACLs
	// work, and neither public access nor SSE-C is blocked, until the bucket's
	// documents say so.
	OpenBuckets bool
	// TrustedProxies are those whose X-Forwarded-For says where a request came
	// from.
	TrustedProxies []netip.Prefix
	Limits         Limits
}

// Realm describes the realm as every region of it is told.
type Realm struct {
	Name    string // of the realm: letters, digits and hyphens
	Account string // the root account: 12 digits
	Home    string // the home region
	Regions []realm.RegionInfo
	// File is where this stands, to be read again when it changes; empty for a
	// realm that stands in no file.
	File string
}

// Listener is a public door.
type Listener struct {
	Address      string `yaml:"address"`                 // host:port
	Cert         string `yaml:"cert,omitempty"`          // PEM file; with Key: TLS
	Key          string `yaml:"key,omitempty"`           // PEM file
	InsecureHTTP bool   `yaml:"insecure-http,omitempty"` // plain HTTP although the address is not loopback
}

// TLS tells whether the door speaks TLS.
func (l Listener) TLS() bool { return l.Cert != "" }

// Peer is a peer door.
type Peer struct {
	Listen string `yaml:"listen"` // host:port
	Cert   string `yaml:"cert"`   // PEM file: this region's certificate
	Key    string `yaml:"key"`    // PEM file
	CA     string `yaml:"ca"`     // PEM file: the realm's authority
}

// Credentials are those of the root account.
type Credentials struct {
	AccessKey string `yaml:"access-key"`
	SecretKey string `yaml:"secret-key"`
}

// Limits bound what clients can take of a public door. Zero fields take the
// default.
type Limits struct {
	// Connections is how many a listener has at once; 8,192 by default. Beyond
	// it the connection that has been idle longest goes.
	Connections int `yaml:"connections,omitempty"`
	// Header is the time in which a request's head must arrive; 10 s.
	Header Seconds `yaml:"header-seconds,omitempty"`
	// Idle is the time after which an idle connection is closed; 120 s.
	Idle Seconds `yaml:"idle-seconds,omitempty"`
	// Progress is how long a body may take for each 16 KiB of it, in either
	// direction; 30 s.
	Progress Seconds `yaml:"progress-seconds,omitempty"`
	// Drain is how long requests under way may go on after SIGTERM; 10 s.
	Drain Seconds `yaml:"drain-seconds,omitempty"`
}

// Seconds is a length of time that files give as a whole number of seconds.
type Seconds int

// Duration gives it as such.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// WithDefaults fills the fields that are zero.
func (l Limits) WithDefaults() Limits {
	if l.Connections == 0 {
		l.Connections = 8192
	}
	for _, f := range []struct {
		to *Seconds
		v  Seconds
	}{{&l.Header, 10}, {&l.Idle, 120}, {&l.Progress, 30}, {&l.Drain, 10}} {
		if *f.to == 0 {
			*f.to = f.v
		}
	}
	return l
}

func (l Limits) check() error {
	if l.Connections < 0 || l.Header < 0 || l.Idle < 0 || l.Progress < 0 || l.Drain < 0 {
		return fmt.Errorf("config: a limit is negative")
	}
	return nil
}

// Check tells what of a region's configuration can't hold.
func (r *Region) Check() error {
	if err := r.Realm.Check(); err != nil {
		return err
	}
	if !r.Realm.Has(r.Region) {
		return fmt.Errorf("config: region %s is not one of realm %s's", r.Region, r.Realm.Name)
	}
	if r.Data == "" {
		return fmt.Errorf("config: region %s has no data folder", r.Region)
	}
	if err := r.Root.Check(); err != nil {
		return err
	}
	if _, err := realm.ParseKeys(r.RealmKey); err != nil {
		return fmt.Errorf("config: region %s: %w", r.Region, err)
	}
	for _, l := range r.Listen {
		if err := l.Check(); err != nil {
			return err
		}
	}
	if _, _, err := net.SplitHostPort(r.Peer.Listen); err != nil {
		return fmt.Errorf("config: peer door: %w", err)
	}
	if r.MetricsToken != "" && len(r.MetricsToken) < 16 {
		return fmt.Errorf("config: the metrics token is shorter than 16 characters")
	}
	for _, h := range r.Hosts {
		if h == "" || h != strings.ToLower(h) || strings.ContainsAny(h, ":/ ") {
			return fmt.Errorf("config: %q is no base host name: lower case, without port", h)
		}
	}
	return r.Limits.check()
}

// Check tells what of a listener can't hold: plain HTTP off loopback must be
// asked for by name.
func (l Listener) Check() error {
	host, _, err := net.SplitHostPort(l.Address)
	if err != nil {
		return fmt.Errorf("config: listen: %w", err)
	}
	if (l.Cert == "") != (l.Key == "") {
		return fmt.Errorf("config: listen %s: a certificate needs its key, and a key its certificate", l.Address)
	}
	if !l.TLS() && !l.InsecureHTTP && !IsLoopback(host) {
		return fmt.Errorf("config: listen %s: plain HTTP off loopback would show everything to the network; give a certificate, or say insecure-http", l.Address)
	}
	return nil
}

// IsLoopback tells whether a host of a listen address is reached from this
// machine alone. An empty host is every address, and a name other than
// localhost can be anything.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Check tells what of a realm's description can't hold.
func (r *Realm) Check() error {
	if err := realm.CheckRegionName(r.Name); err != nil {
		return fmt.Errorf("config: %q is no name for a realm: lower-case letters, digits and hyphens", r.Name)
	}
	if !arn.ValidAccount(r.Account) {
		return fmt.Errorf("config: %q is no account ID: it has 12 digits", r.Account)
	}
	if err := realm.CheckRegions(r.Regions); err != nil {
		return err
	}
	if !r.Has(r.Home) {
		return fmt.Errorf("config: the home region %q is not one of the realm's", r.Home)
	}
	return nil
}

// Has tells whether the realm has a region.
func (r *Realm) Has(region string) bool {
	for _, i := range r.Regions {
		if i.Name == region {
			return true
		}
	}
	return false
}

// Check tells what of credentials can't hold. AWS's access keys have 16 to 128
// word characters, and so must these, because clients check.
func (c Credentials) Check() error {
	if len(c.AccessKey) < 16 || len(c.AccessKey) > 128 {
		return fmt.Errorf("config: the root access key has %d characters; 16 to 128 are allowed", len(c.AccessKey))
	}
	for i := range len(c.AccessKey) {
		b := c.AccessKey[i]
		if (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' {
			return fmt.Errorf("config: the root access key has a character that is no letter, digit or underscore")
		}
	}
	if len(c.SecretKey) < 16 || len(c.SecretKey) > 256 {
		return fmt.Errorf("config: the root secret key has %d characters; 16 to 256 are allowed", len(c.SecretKey))
	}
	return nil
}
