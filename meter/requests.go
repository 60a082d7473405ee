package meter

import (
	"strconv"
	"time"
)

// Requests counts the requests of a door by operation and HTTP status.
type Requests struct {
	count   *CounterVec
	latency *HistogramVec
	in, out *CounterVec
	flight  *Gauge
}

// NewRequests makes the families.
func NewRequests(r *Registry) *Requests {
	return &Requests{
		count:   r.Counter("farhold_requests_total", "Requests answered, by region, service, operation and HTTP status.", "region", "service", "operation", "status"),
		latency: r.Histogram("farhold_request_seconds", "Time from the request's header to the end of its answer.", LatencyBounds(), "region", "service", "operation"),
		in:      r.Counter("farhold_request_bytes_total", "Bytes of request bodies read.", "region", "service", "operation"),
		out:     r.Counter("farhold_response_bytes_total", "Bytes of response bodies written.", "region", "service", "operation"),
		flight:  r.Gauge("farhold_requests_in_flight", "Requests being answered now.").With(),
	}
}

// Begin notes that a request came, End that it is over.
func (q *Requests) Begin() { q.flight.Add(1) }

// End notes that a request is over.
func (q *Requests) End() { q.flight.Add(-1) }

// Count counts an answer of a door, named service (such as "s3"), of a region.
// in and out are body bytes.
func (q *Requests) Count(region, service, operation string, status int, in, out int64, took time.Duration) {
	q.count.With(region, service, operation, statusText(status)).Inc()
	q.latency.With(region, service, operation).Observe(took.Seconds())
	if in > 0 {
		q.in.With(region, service, operation).Add(uint64(in))
	}
	if out > 0 {
		q.out.With(region, service, operation).Add(uint64(out))
	}
}

// statusText gives the digits of a status without making them anew for the
// usual ones; strconv keeps those below 100 only.
func statusText(status int) string {
	switch status {
	case 200:
		return "200"
	case 204:
		return "204"
	case 206:
		return "206"
	case 304:
		return "304"
	case 403:
		return "403"
	case 404:
		return "404"
	case 412:
		return "412"
	case 503:
		return "503"
	}
	return strconv.Itoa(status)
}
