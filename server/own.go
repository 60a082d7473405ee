package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/farhold/farhold/meter"
)

// readyTimeout bounds how long a region may take to say that it can serve.
const readyTimeout = 2 * time.Second

// serveOwn serves Farhold's own paths.
func (f *Front) serveOwn(w http.ResponseWriter, r *http.Request) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		text(w, r, http.StatusMethodNotAllowed, "only GET and HEAD are served here\n")
		return
	}
	switch path {
	case "/-/healthy":
		text(w, r, http.StatusOK, "healthy\n")
	case "/-/ready":
		if why := f.unready(r.Context()); why != "" {
			text(w, r, http.StatusServiceUnavailable, why+"\n")
			return
		}
		text(w, r, http.StatusOK, "ready\n")
	case "/-/metrics":
		f.metrics(w, r)
	default:
		text(w, r, http.StatusNotFound, "there is no such page\n")
	}
}

// unready tells why requests can't be served, or "".
func (f *Front) unready(ctx context.Context) string {
	d := f.doors.Load()
	if d == nil {
		return "not ready: starting or stopping"
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, r := range d.regions {
		if err := r.Check(ctx); err != nil {
			return "not ready: region " + r.Name() + " can't serve"
		}
	}
	return ""
}

func (f *Front) metrics(w http.ResponseWriter, r *http.Request) {
	if !f.mayScrape(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		text(w, r, http.StatusUnauthorized, "metrics need a bearer token\n")
		return
	}
	w.Header().Set("Content-Type", meter.ContentType)
	if r.Method == http.MethodHead {
		return
	}
	f.meter.WriteTo(w)
}

// mayScrape lets callers on this machine see the metrics, and others with the
// token. A request that a proxy passed on comes from elsewhere, whatever
// address the proxy has.
func (f *Front) mayScrape(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	forwarded := r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("X-Real-Ip") != "" || r.Header.Get("Via") != ""
	if err == nil && ip != nil && ip.IsLoopback() && !forwarded {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || f.token == "" {
		return false
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(f.token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func text(w http.ResponseWriter, r *http.Request, status int, s string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, s)
	}
}
