package realm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// How long certificates are good for. The realm's own are exchanged by hand,
// so they last; those for clients follow what public authorities may issue.
const (
	caYears     = 20
	peerYears   = 10
	serverDays  = 397
	clockLeeway = time.Hour // certificates are good a little before they are made: clocks differ
)

// CA is a certificate authority: the realm's, which says which region is which,
// or the one that farhold dev makes for its clients.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes an authority: an ECDSA P-256 key and a certificate for 20 years.
func NewCA(commonName string, now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-clockLeeway),
		NotAfter:              now.AddDate(caYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	if t.SerialNumber, err = serial(); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{cert: cert, key: key}, nil
}

// ParseCA reads an authority from its certificate and its key, in PEM.
func ParseCA(certPEM, keyPEM []byte) (*CA, error) {
	c, _ := pem.Decode(certPEM)
	k, _ := pem.Decode(keyPEM)
	if c == nil || k == nil {
		return nil, errors.New("realm: the authority's certificate and key are not PEM")
	}
	cert, err := x509.ParseCertificate(c.Bytes)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(k.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || !cert.IsCA || !ec.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("realm: that is no authority's certificate and key")
	}
	return &CA{cert: cert, key: ec}, nil
}

// PEM gives the authority's certificate and its key.
func (c *CA) PEM() (certPEM, keyPEM []byte, err error) {
	return encodePair(c.cert.Raw, c.key)
}

// Pool gives a pool of this authority alone.
func (c *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c.cert)
	return p
}

// IssuePeer makes the certificate by which a region is known to its peers.
func (c *CA) IssuePeer(realm, region string, now time.Time) (certPEM, keyPEM []byte, err error) {
	if err := CheckRegionName(region); err != nil {
		return nil, nil, err
	}
	return c.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: region},
		URIs:        []*url.URL{identity(realm, region)},
		NotBefore:   now.Add(-clockLeeway),
		NotAfter:    now.AddDate(peerYears, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	})
}

// IssueServer makes a certificate for a public door under these host names and
// addresses, good for 397 days.
func (c *CA) IssueServer(hosts []string, now time.Time) (certPEM, keyPEM []byte, err error) {
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		NotBefore:   now.Add(-clockLeeway),
		NotAfter:    now.AddDate(0, 0, serverDays),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return c.issue(t)
}

func (c *CA) issue(t *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if t.SerialNumber, err = serial(); err != nil {
		return nil, nil, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, key.Public(), c.key)
	if err != nil {
		return nil, nil, err
	}
	return encodePair(der, key)
}

func encodePair(der []byte, key *ecdsa.PrivateKey) (certPEM, keyPEM []byte, err error) {
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k}), nil
}

func serial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// identity is what a region is called in its certificate.
func identity(realm, region string) *url.URL {
	return &url.URL{Scheme: "farhold", Host: realm, Path: "/region/" + region}
}

// regionOf gives the region that a certificate speaks for: it has exactly one
// name, of this realm.
func regionOf(cert *x509.Certificate, realm string) (string, error) {
	if len(cert.URIs) != 1 {
		return "", errors.New("realm: the certificate names no region")
	}
	u := cert.URIs[0]
	region, ok := strings.CutPrefix(u.Path, "/region/")
	if !ok || CheckRegionName(region) != nil || u.String() != identity(realm, region).String() {
		return "", fmt.Errorf("realm: the certificate is for %s, which is no region of realm %s", u, realm)
	}
	return region, nil
}

// verify checks a peer's certificates against the realm's authority and gives
// the region that they speak for.
func verify(certs []*x509.Certificate, roots *x509.CertPool, realm string, usage x509.ExtKeyUsage) (string, error) {
	if len(certs) == 0 {
		return "", errors.New("realm: the peer has no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err != nil {
		return "", err
	}
	return regionOf(certs[0], realm)
}
