package bench

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Target is where requests go and how they are signed.
type Target struct {
	// Endpoints are URLs (http or https, no path). Client i talks to endpoint
	// i modulo their number.
	Endpoints []string
	// Region is the one in the signature's scope, and where a bucket is made.
	Region string
	// AccessKey and SecretKey sign; SessionToken goes along when not empty.
	AccessKey, SecretKey, SessionToken string
	// Bucket is addressed in the path.
	Bucket string
	// RootCAs verify an https endpoint; nil means the system's.
	RootCAs *x509.CertPool
	// Insecure accepts any certificate.
	Insecure bool
	// UnsignedPayload sends UNSIGNED-PAYLOAD instead of the body's SHA-256.
	UnsignedPayload bool
	// Headers are sent with every request, unsigned, as "Name: value".
	Headers []string
	// Timeout bounds one request, 0 means a minute.
	Timeout time.Duration
}

// ErrTarget is wrapped by every complaint about a Target.
var ErrTarget = errors.New("bench: bad target")

// endpoint is one parsed address of a Target.
type endpoint struct {
	host    string // as the Host header says it
	address string // host:port to dial
	tls     *tls.Config
}

func (t *Target) check() error {
	if len(t.Endpoints) == 0 {
		return fmt.Errorf("%w: no endpoint", ErrTarget)
	}
	if t.AccessKey == "" || t.SecretKey == "" {
		return fmt.Errorf("%w: no access key and secret key", ErrTarget)
	}
	if t.Region == "" {
		return fmt.Errorf("%w: no region", ErrTarget)
	}
	if t.Bucket == "" {
		return fmt.Errorf("%w: no bucket", ErrTarget)
	}
	for _, h := range t.Headers {
		name, _, ok := strings.Cut(h, ":")
		if !ok || name == "" || strings.ContainsAny(h, "\r\n") {
			return fmt.Errorf("%w: header %q is not of the form Name: value", ErrTarget, h)
		}
	}
	for i := range t.Endpoints {
		if _, err := t.endpoint(i); err != nil {
			return err
		}
	}
	return nil
}

// endpoint gives the parsed endpoint of client i.
func (t *Target) endpoint(i int) (*endpoint, error) {
	raw := t.Endpoints[i%len(t.Endpoints)]
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: endpoint %q: %w", ErrTarget, raw, err)
	}
	if u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, fmt.Errorf("%w: endpoint %q is not of the form http://host:port", ErrTarget, raw)
	}
	e := &endpoint{host: u.Host}
	port := u.Port()
	switch u.Scheme {
	case "http":
		if port == "" {
			port = "80"
		}
	case "https":
		if port == "" {
			port = "443"
		}
		e.tls = &tls.Config{
			RootCAs: t.RootCAs, InsecureSkipVerify: t.Insecure, ServerName: u.Hostname(),
			MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		}
	default:
		return nil, fmt.Errorf("%w: endpoint %q: scheme must be http or https", ErrTarget, raw)
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	return e, nil
}

func (t *Target) timeout() time.Duration {
	if t.Timeout > 0 {
		return t.Timeout
	}
	return time.Minute
}
