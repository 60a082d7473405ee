package server

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/farhold/farhold/api/s3api"
	"github.com/farhold/farhold/config"
	"github.com/farhold/farhold/meter"
)

// Front is what stands between public listeners and the doors of the regions
// that this process serves: one in farhold serve, the whole realm in farhold
// dev.
type Front struct {
	limits   config.Limits
	hosts    s3api.Hosts
	token    string
	meter    *meter.Registry
	requests *meter.Requests
	handler  http.Handler

	// doors is nil until requests can be served, and again when that is over.
	doors atomic.Pointer[doors]
}

// FrontOptions says what a Front is made of.
type FrontOptions struct {
	Limits       config.Limits
	Hosts        []string // base names for virtual-hosted style, of all regions
	MetricsToken string   // for /-/metrics off loopback; empty refuses it there
	Meter        *meter.Registry
}

// NewFront makes a front that is not ready yet: it answers 503 until Open.
func NewFront(o FrontOptions) *Front {
	if o.Meter == nil {
		o.Meter = meter.New()
	}
	f := &Front{limits: o.Limits.WithDefaults(), hosts: o.Hosts, token: o.MetricsToken, meter: o.Meter, requests: meter.NewRequests(o.Meter)}
	f.handler = f.pipeline()
	return f
}

// stage is a step that a request takes before the one that it is given.
type stage func(next http.Handler) http.Handler

// pipeline puts the stages in the order in which a request passes them. Before
// the first stand the listener's own: the number of connections is bounded,
// TLS is negotiated, and the framing of HTTP/1 is checked; see public and
// guard. Behind the last the doors go on: identify, authorise, perform, record.
func (f *Front) pipeline() http.Handler {
	stages := []stage{
		f.count,   // what is under way
		f.secure,  // whether it came over TLS is known
		f.proceed, // who waits for 100 Continue gets it
		f.bound,   // bodies move, or end
		f.own,     // paths that are Farhold's
	}
	var h http.Handler = http.HandlerFunc(f.dispatch) // the region and service that it is for
	for i := len(stages) - 1; i >= 0; i-- {
		h = stages[i](h)
	}
	return h
}

// ServeHTTP serves one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.handler.ServeHTTP(w, r) }

func (f *Front) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Begin()
		defer f.requests.End()
		next.ServeHTTP(w, r)
	})
}

// secure gives requests of HTTP/1.1 over TLS the state of their connection,
// which net/http does not see behind the guard.
func (f *Front) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guardKey{}).(*guard); ok && g.tls != nil {
			r.TLS = g.tls
		}
		next.ServeHTTP(w, r)
	})
}

// proceed answers 100 Continue to a client of HTTP/1.1 that waits for it with an
// empty body. net/http sends it when a body is read, and closes the connection
// when none was; with an empty body it does neither, as it may. But botocore,
// and with it the AWS CLI, then takes the answer's status for that of the next
// request on the connection too, and hangs.
func (f *Front) proceed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 && r.ProtoMajor == 1 && r.ProtoAtLeast(1, 1) && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
			w.WriteHeader(http.StatusContinue)
		}
		next.ServeHTTP(w, r)
	})
}

// bound ends requests whose bodies do not move.
func (f *Front) bound(next http.Handler) http.Handler {
	window := f.limits.Progress.Duration()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctl := http.NewResponseController(w)
		sw := &slowWriter{ResponseWriter: w, ctl: ctl, window: window}
		defer sw.end()
		if r.Body != nil && r.Body != http.NoBody {
			// A copy, because net/http looks at the body of its own request to see
			// whether the client still waits for 100 Continue. Where it does not
			// see that, it waits for the body before it sends a refusal.
			inner := *r
			body := &slowBody{ReadCloser: r.Body, ctl: ctl, window: window, left: window}
			defer body.end()
			inner.Body = body
			r = &inner
		}
		next.ServeHTTP(sw, r)
	})
}

// own serves the paths that begin with /-/, wherever the Host names no bucket.
// A bucket's key can begin so too, in virtual-hosted style.
func (f *Front) own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.RequestURI, "/-/") && f.hosts.Bucket(r.Host) == "" {
			f.serveOwn(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
