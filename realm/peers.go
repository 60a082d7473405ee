package realm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// What a connection between regions may hold in flight. A window of 16 MiB
// fills a line of 1 Gbit/s at a round trip of 128 ms.
const (
	peerStreamWindow = 8 << 20
	peerConnWindow   = 16 << 20
	peerFrameMax     = 1 << 20
	peerStreamsMax   = 1000
	peerDialTimeout  = 5 * time.Second
	peerPingAfter    = 5 * time.Second // a connection on which nothing comes is asked
	peerPingTimeout  = 5 * time.Second // and given up when it says nothing
)

// PeerIdentity is what a region shows to its peers and what it believes of
// them.
type PeerIdentity struct {
	Realm  string         // the realm's name
	Region string         // this region
	Pair   *KeyPair       // its certificate, which names it
	Roots  *x509.CertPool // the realm's authority
}

// Check tells whether the identity's own certificate is good for it.
func (i *PeerIdentity) Check() error {
	leaf, err := x509.ParseCertificate(i.Pair.Get().Certificate[0])
	if err != nil {
		return err
	}
	region, err := verify([]*x509.Certificate{leaf}, i.Roots, i.Realm, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return err
	}
	if region != i.Region {
		return fmt.Errorf("realm: the peer certificate is for region %s, not %s", region, i.Region)
	}
	return nil
}

// Peers gives the way to the other regions: a client per region that speaks
// HTTP/2 over mutual TLS and talks to nobody but that region.
type Peers struct {
	id   PeerIdentity
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	address map[string]string
	clients map[string]*http.Client
}

// NewPeers makes the way to the other regions. SetRegions tells where they
// are. A nil dial dials TCP.
func NewPeers(id PeerIdentity, dial func(ctx context.Context, network, address string) (net.Conn, error)) *Peers {
	if dial == nil {
		dial = (&net.Dialer{Timeout: peerDialTimeout, KeepAlive: 15 * time.Second}).DialContext
	}
	return &Peers{id: id, dial: dial, address: map[string]string{}, clients: map[string]*http.Client{}}
}

// SetRegions tells where the regions' peer doors are. Connections to a region
// that has moved are given up once they are idle.
func (p *Peers) SetRegions(list []RegionInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range list {
		if old, ok := p.address[i.Name]; ok && old != i.Peer {
			if c := p.clients[i.Name]; c != nil {
				c.CloseIdleConnections()
			}
		}
		p.address[i.Name] = i.Peer
	}
}

// ErrNoPeer is returned for a region that the realm does not have, or whose
// peer door has no address.
var ErrNoPeer = errors.New("realm: no such region, or it has no peer address")

// Client gives the client for a region's peer door and the URL, without a slash
// at its end, under which its paths lie. The client has no timeout of its own
// and is shared: bound requests with their context.
func (p *Peers) Client(region string) (client *http.Client, baseURL string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address[region] == "" {
		return nil, "", fmt.Errorf("%w: %s", ErrNoPeer, region)
	}
	c := p.clients[region]
	if c == nil {
		c = p.newClient(region)
		p.clients[region] = c
	}
	// The host is the region's name: the address is looked up when dialled, so
	// that a region can move without new clients.
	return c, "https://" + region + ".peer", nil
}

// Addresses of dialled regions change; see Client.
func (p *Peers) addressOf(region string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address[region]
}

// TLS gives the configuration with which a region is dialled: it shows this
// region's certificate and accepts only one that speaks for that region.
func (p *Peers) TLS(region string) *tls.Config {
	id := p.id
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"h2"},
		ServerName: region + ".peer",
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return id.Pair.Get(), nil
		},
		// The name to check is the URI in the certificate, not a host name, so
		// the check is VerifyConnection's alone.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			got, err := verify(s.PeerCertificates, id.Roots, id.Realm, x509.ExtKeyUsageServerAuth)
			if err != nil {
				return err
			}
			if got != region {
				return fmt.Errorf("realm: %s answers where %s was called", got, region)
			}
			return nil
		},
	}
}

func (p *Peers) newClient(region string) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return p.dial(ctx, network, p.addressOf(region))
			},
			TLSClientConfig:       p.TLS(region),
			TLSHandshakeTimeout:   peerDialTimeout,
			Protocols:             &protocols,
			DisableCompression:    true,
			IdleConnTimeout:       5 * time.Minute,
			ExpectContinueTimeout: time.Second,
			HTTP2: &http.HTTP2Config{
				MaxReceiveBufferPerStream:     peerStreamWindow,
				MaxReceiveBufferPerConnection: peerConnWindow,
				MaxReadFrameSize:              peerFrameMax,
				SendPingTimeout:               peerPingAfter,
				PingTimeout:                   peerPingTimeout,
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close gives up all idle connections.
func (p *Peers) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.CloseIdleConnections()
	}
}
