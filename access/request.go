package access

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/policy"
)

// Proxies are the addresses of the proxies in front of a listener whose word on
// where a request came from counts. Nil trusts none.
type Proxies []netip.Prefix

// trusts tells whether an address is a proxy's.
func (p Proxies) trusts(a netip.Addr) bool {
	for _, x := range p {
		if x.Contains(a) {
			return true
		}
	}
	return false
}

// ClientIP gives the address that a request came from: the peer's, unless that
// is a trusted proxy. Then it is the right-most entry of X-Forwarded-For that
// is none, because everything left of it was written by who knows whom. It is
// empty when the address can't be told; such a request has no aws:SourceIp.
func (p Proxies) ClientIP(r *http.Request) string {
	peer, ok := peerAddr(r)
	if !ok {
		return ""
	}
	if !p.trusts(peer) {
		return peer.String()
	}
	entries := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	last := peer
	for i := len(entries) - 1; i >= 0; i-- {
		text := strings.TrimSpace(entries[i])
		if text == "" && len(entries) == 1 {
			break
		}
		a, ok := parseAddr(text)
		if !ok {
			return "" // a trusted proxy wrote what is no address: nobody knows
		}
		if last = a; !p.trusts(a) {
			break
		}
	}
	return last.String()
}

// Secure tells whether a request came over TLS: to this listener, or to a
// trusted proxy that says so by X-Forwarded-Proto.
func (p Proxies) Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, ok := peerAddr(r)
	if !ok || !p.trusts(peer) {
		return false
	}
	said := r.Header.Values("X-Forwarded-Proto")
	return len(said) == 1 && strings.EqualFold(said[0], "https")
}

func peerAddr(r *http.Request) (netip.Addr, bool) { return parseAddr(r.RemoteAddr) }

// parseAddr reads an address with or without a port or brackets. Addresses of
// IPv4 in the clothes of IPv6 are those of IPv4, as policies write them.
func parseAddr(s string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// request gives the global condition keys that follow from a request alone.
type request struct {
	r        *http.Request
	now      time.Time
	region   string
	secure   bool
	clientIP func(*http.Request) string
}

// RequestContext gives the condition keys that follow from a request alone:
// aws:SourceIp, aws:SecureTransport, aws:CurrentTime, aws:EpochTime,
// aws:UserAgent, aws:Referer, aws:RequestedRegion and aws:ViaAWSService, which
// is false: who sends requests is no service. Nothing is computed before it is
// asked for. secure is what the listener, or a proxy that is trusted, says:
// see Proxies.Secure. clientIP gives "" for an address that nobody knows; nil
// takes the peer's.
func RequestContext(r *http.Request, now time.Time, region string, secure bool, clientIP func(*http.Request) string) policy.Context {
	if clientIP == nil {
		clientIP = Proxies(nil).ClientIP
	}
	return &request{r, now, region, secure, clientIP}
}

// Value implements policy.Context.
func (c *request) Value(key string) ([]string, bool) {
	switch key {
	case "aws:sourceip":
		return present(c.clientIP(c.r))
	case "aws:securetransport":
		return []string{strconv.FormatBool(c.secure)}, true
	case "aws:currenttime":
		return []string{c.now.UTC().Format("2006-01-02T15:04:05Z")}, true
	case "aws:epochtime":
		return []string{strconv.FormatInt(c.now.Unix(), 10)}, true
	case "aws:useragent":
		return present(c.r.UserAgent())
	case "aws:referer":
		return present(c.r.Referer())
	case "aws:requestedregion":
		return present(c.region)
	case "aws:viaawsservice":
		return []string{"false"}, true
	}
	return nil, false
}

func present(s string) ([]string, bool) {
	if s == "" {
		return nil, false
	}
	return []string{s}, true
}
