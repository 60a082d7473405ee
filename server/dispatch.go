package server

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/farhold/farhold/api/s3api"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/restxml"
	"github.com/farhold/farhold/wire/sigv4"
)

// doors are the regions behind a front.
type doors struct {
	regions []*Region
	byName  map[string]*Region
	main    *Region // home, if it is here: for requests that name no region
}

// Open lets the front serve these regions: from here it is ready.
func (f *Front) Open(regions ...*Region) {
	d := &doors{regions: regions, byName: map[string]*Region{}, main: regions[0]}
	for _, r := range regions {
		d.byName[r.Name()] = r
		if r.Realm().IsHome() {
			d.main = r
		}
	}
	f.doors.Store(d)
}

// Shut ends readiness. Requests under way go on.
func (f *Front) Shut() { f.doors.Store(nil) }

var (
	errNotServed = awserr.New("NotImplemented", 501, "The service is not served here.")
	// errTwoAccounts is answered where the host and the header of S3 Control name
	// different accounts.
	errTwoAccounts = awserr.New("InvalidRequest", 400, "The account ID in the host and in x-amz-account-id are not the same.")
	errStarting    = awserr.New("ServiceUnavailable", 503, "Service is unable to handle request.")
)

// dispatch hands a request to the region and the service that it is for. Its
// credential scope names both; what is not signed, or signed in a way that has
// no region, goes to the region of its bucket.
func (f *Front) dispatch(w http.ResponseWriter, r *http.Request) {
	d := f.doors.Load()
	if d == nil {
		w.Header().Set("Retry-After", "1")
		refuseXML(w, r, errStarting)
		return
	}
	region, scope, scoped := sigv4.Scope(r)
	name := f.serviceOf(d, r, scope, scoped)
	if name == s3Service {
		f.region(d, r, region).s3.ServeHTTP(w, r)
		return
	}
	if account := f.accountLabel(r.Host); account != "" && name == controlService {
		if said := r.Header.Get("X-Amz-Account-Id"); said != "" && said != account {
			refuseXML(w, r, errTwoAccounts)
			return
		}
	}
	if door := d.pick(region).services[name]; door != nil {
		door.ServeHTTP(w, r)
		return
	}
	refuseService(w, r, name)
}

// pick gives a region of this process, or the main one.
func (d *doors) pick(region string) *Region {
	if r := d.byName[region]; r != nil {
		return r
	}
	return d.main
}

// region finds the region for a request of S3. One that names a region that
// is not here goes to its bucket's too, which tells it the right one.
func (f *Front) region(d *doors, r *http.Request, region string) *Region {
	if reg := d.byName[region]; reg != nil {
		return reg
	}
	if len(d.regions) == 1 {
		return d.main
	}
	if bucket := f.bucket(r); bucket != "" {
		place, ok, err := d.main.realm.Locate(r.Context(), bucket)
		if err == nil && ok {
			return d.pick(place.Region)
		}
	}
	return d.main
}

// bucket gives the bucket that a request names by its host or its path. A path
// that can't be read is the door's to refuse.
func (f *Front) bucket(r *http.Request) string {
	if b := f.hosts.Bucket(r.Host); b != "" {
		return b
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(r.RequestURI, "/"), "?")
	name, _, _ := strings.Cut(path, "/")
	if strings.Contains(name, "%") {
		name, _ = url.PathUnescape(name)
	}
	return name
}

// refuseXML answers with an error as S3 shows it, where no door could.
func refuseXML(w http.ResponseWriter, r *http.Request, e *awserr.Error) {
	id := requestID()
	x := restxml.NewWriter(nil)
	x.Open("Error")
	x.Elem("Code", e.Code)
	x.Elem("Message", e.Message)
	x.Elem("RequestId", id)
	x.Close("Error")
	w.Header().Set("X-Amz-Request-Id", id)
	w.Header().Set("Content-Type", "application/xml")
	send(w, r, e.Status, x.Bytes())
}

func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// Hosts gives the base names under which a region of a process is reached,
// besides those that are configured: its own, and AWS's where a resolver leads
// them here.
func Hosts(regions ...string) s3api.Hosts {
	h := s3api.Hosts{"localhost", "s3.localhost", "s3.amazonaws.com"}
	for _, r := range regions {
		h = append(h, "s3."+r+".localhost", "s3."+r+".amazonaws.com", "s3.dualstack."+r+".amazonaws.com")
	}
	return h
}
