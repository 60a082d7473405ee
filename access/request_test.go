package access

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func request1(peer string, header ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = peer
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestClientIP(t *testing.T) {
	trusted := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	const xff = "X-Forwarded-For"
	for _, tt := range []struct {
		name string
		p    Proxies
		r    *http.Request
		want string
	}{
		{"the peer", trusted, request1("203.0.113.9:4711"), "203.0.113.9"},
		{"an untrusted peer's header says nothing", trusted, request1("203.0.113.9:4711", xff, "198.51.100.1"), "203.0.113.9"},
		{"nobody is trusted", nil, request1("10.1.2.3:80", xff, "198.51.100.1"), "10.1.2.3"},
		{"a proxy's word", trusted, request1("10.1.2.3:80", xff, "198.51.100.1"), "198.51.100.1"},
		{"what the client wrote itself is left of it", trusted, request1("10.1.2.3:80", xff, "192.0.2.1, 198.51.100.1, 10.9.9.9"), "198.51.100.1"},
		{"in several headers", trusted, request1("10.1.2.3:80", xff, "192.0.2.1", xff, "198.51.100.1"), "198.51.100.1"},
		{"proxies only", trusted, request1("10.1.2.3:80", xff, "10.4.4.4"), "10.4.4.4"},
		{"a proxy without a word", trusted, request1("10.1.2.3:80"), "10.1.2.3"},
		{"no address", trusted, request1("10.1.2.3:80", xff, "198.51.100.1, unknown"), ""},
		{"behind rubbish of the client", trusted, request1("10.1.2.3:80", xff, "rubbish, 198.51.100.1"), "198.51.100.1"},
		{"IPv6", trusted, request1("[fd00::1]:80", xff, "[2001:db8::7]:443"), "2001:db8::7"},
		{"IPv4 in IPv6", trusted, request1("[::ffff:203.0.113.9]:80"), "203.0.113.9"},
		{"a socket without address", trusted, request1("@"), ""},
	} {
		if got := tt.p.ClientIP(tt.r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSecure(t *testing.T) {
	trusted := Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	const proto = "X-Forwarded-Proto"
	over := request1("203.0.113.9:1")
	over.TLS = &tls.ConnectionState{}
	for _, tt := range []struct {
		name string
		p    Proxies
		r    *http.Request
		want bool
	}{
		{"plain", trusted, request1("203.0.113.9:1"), false},
		{"TLS", nil, over, true},
		{"a client's claim", trusted, request1("203.0.113.9:1", proto, "https"), false},
		{"a proxy's word", trusted, request1("10.0.0.1:1", proto, "https"), true},
		{"two words", trusted, request1("10.0.0.1:1", proto, "https", proto, "http"), false},
	} {
		if got := tt.p.Secure(tt.r); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestRequestContext(t *testing.T) {
	r := request1("203.0.113.9:4711", "User-Agent", "aws-cli/2", "Referer", "https://example.com/")
	c := RequestContext(r, time.Date(2026, 11, 21, 4, 5, 6, 7, time.FixedZone("", 3600)), "eu-west-1", true, nil)
	for key, want := range map[string]string{
		"aws:sourceip": "203.0.113.9", "aws:securetransport": "true", "aws:currenttime": "2026-11-21T03:05:06Z", "aws:epochtime": "1795230306",
		"aws:useragent": "aws-cli/2", "aws:referer": "https://example.com/", "aws:requestedregion": "eu-west-1", "aws:viaawsservice": "false",
	} {
		if got, ok := c.Value(key); !ok || len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	bare := RequestContext(httptest.NewRequest("GET", "/", nil), time.Now(), "", false, func(*http.Request) string { return "" })
	for _, key := range []string{"aws:sourceip", "aws:useragent", "aws:referer", "aws:requestedregion", "aws:principalarn"} {
		if got, ok := bare.Value(key); ok {
			t.Errorf("%s is %q", key, got)
		}
	}
}
