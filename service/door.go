package service

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/query"
	"github.com/farhold/farhold/wire/rpccbor"
	"github.com/farhold/farhold/wire/sigv4"
	"github.com/farhold/farhold/wire/validate"
)

// globalRegion is the one under which clients sign for global services.
const globalRegion = "us-east-1"

// inflatedMax bounds a compressed body once it is inflated, in bytes.
const inflatedMax = 4 << 20

// workMax is how long a request may work once its body has been read. Clients
// of AWS give up after a minute.
const workMax = time.Minute

// Door serves a service. It is safe for concurrent use.
type Door struct {
	service Service
	opt     Options
	ops     map[string]*Operation
	routes  router
	cbor    *rpccbor.Codec
	style   validate.Style
}

// exchange is a request and its answer.
type exchange struct {
	door   *Door
	r      *http.Request
	id     string
	begun  time.Time
	proto  Protocol
	json10 bool // the JSON that the client speaks is 1.0
	op     *Operation
	body   []byte     // as it came
	form   query.Form // of Query
	route  *route     // of REST
	labels map[string]string
	region string // of the scope
	call   *Call
	in     any
	out    any
}

// ServeHTTP serves one request: it takes the stages in order, of which the
// first that fails gives the answer. Once the body is there its work does not
// end with the client: net/http ends its own context also when a client shuts
// its sending side and waits for the answer, and what has been begun, here or in
// the home region, is not to be left half done by one that goes away.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{door: d, r: r, id: requestID(), begun: d.opt.Now(), proto: d.protocol(r)}
	x.json10 = strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.0")
	x.record(w, x.serve())
}

func (x *exchange) serve() error {
	if err := x.find(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), workMax)
	defer cancel()
	x.r = x.r.WithContext(ctx)
	for _, stage := range []func(context.Context) error{x.identify, x.decode, x.validate, x.authorise, x.perform} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// protocol tells what a request speaks, whether the service does or not: the
// answer is to be read by who sent it.
func (d *Door) protocol(r *http.Request) Protocol {
	_, _, isRPC := rpcPath(r.URL.Path)
	switch {
	case r.Header.Get("Smithy-Protocol") == rpccbor.Protocol || isRPC:
		return CBOR
	case r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1."):
		return JSON11
	case d.speaks(RESTXML):
		return RESTXML
	case !d.speaks(Query) && d.speaks(CBOR):
		return CBOR
	case !d.speaks(Query):
		return JSON11
	}
	return Query
}

// rpcPath takes /service/TARGET/operation/OP apart. What stands before
// /service is a base path of the client's.
func rpcPath(path string) (target, op string, ok bool) {
	i := strings.LastIndex(path, "/service/")
	if i < 0 {
		return "", "", false
	}
	target, op, ok = strings.Cut(path[i+len("/service/"):], "/operation/")
	if !ok || target == "" || strings.Contains(target, "/") || op == "" || strings.Contains(op, "/") {
		return "", "", false
	}
	return target, op, true
}

// find reads the body, which no service here streams, and finds the operation.
func (x *exchange) find() error {
	if err := x.read(); err != nil {
		return err
	}
	d := x.door
	own := d.errors(x.proto)
	name := ""
	switch x.proto {
	case Query:
		switch x.r.Method {
		case http.MethodGet, http.MethodPost:
		default:
			return errMethod
		}
		if err := x.parameters(); err != nil {
			return err
		}
		name = x.form["Action"]
		version := x.form["Version"]
		switch {
		case name == "":
			return errMissingAction
		case d.ops[name] == nil || version != d.service.Version:
			if version == "" {
				version = "NO_VERSION_SPECIFIED"
			}
			return own.Unknown.Text("Could not find operation %s for version %s", clip(name), clip(version))
		}
	case JSON10, JSON11:
		target, op, ok := cutLast(x.r.Header.Get("X-Amz-Target"), '.')
		if !ok || target != d.service.Target || x.r.Method != http.MethodPost || !d.speaks(JSON10) && !d.speaks(JSON11) {
			return own.Unknown
		}
		name = op
	case CBOR:
		target, op, ok := rpcPath(x.r.URL.Path)
		if !ok || target != d.service.Target || x.r.Method != http.MethodPost || !d.speaks(CBOR) ||
			x.r.Header.Get("Smithy-Protocol") != rpccbor.Protocol {
			return own.Unknown
		}
		name = op
	case RESTXML:
		x.route, x.labels = d.routes.find(x.r)
		if x.route == nil {
			return own.Unknown
		}
		name = x.route.op
	}
	if x.op = d.ops[name]; x.op == nil {
		return own.Unknown
	}
	return nil
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// clip shortens what a client sent, for an answer that repeats it.
func clip(s string) string {
	if len(s) > 128 {
		return strings.ToValidUTF8(s[:128], "")
	}
	return s
}

func (x *exchange) read() error {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return nil
	}
	if x.r.ContentLength > sigv4.BodyMax {
		return errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(x.r.Body, sigv4.BodyMax+1))
	if err != nil {
		return errIncomplete.Because(err)
	}
	if len(body) > sigv4.BodyMax {
		return errTooLarge
	}
	closer := x.r.Body
	x.body = body
	x.r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(body), closer}
	return nil
}

// parameters reads those of the query and, for a POST, of the form.
func (x *exchange) parameters() (err error) {
	texts := []string{x.r.URL.RawQuery}
	if x.r.Method == http.MethodPost {
		if len(x.body) > 0 {
			mt, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";")
			if !strings.EqualFold(strings.TrimSpace(mt), "application/x-www-form-urlencoded") {
				return errFormType
			}
		}
		plain, err := x.inflated()
		if err != nil {
			return err
		}
		texts = append(texts, string(plain))
	}
	x.form, err = query.Parse(texts...)
	return err
}

// inflated gives the body without its content encoding.
func (x *exchange) inflated() ([]byte, error) {
	switch enc := x.r.Header.Get("Content-Encoding"); {
	case enc == "" || strings.EqualFold(enc, "identity") || len(x.body) == 0:
		return x.body, nil
	case !strings.EqualFold(enc, "gzip"):
		return nil, errEncoding
	}
	z, err := gzip.NewReader(bytes.NewReader(x.body))
	if err != nil {
		return nil, errEncoding.Because(err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, inflatedMax+1))
	switch {
	case err != nil:
		return nil, errEncoding.Because(err)
	case len(plain) > inflatedMax:
		return nil, errTooLarge
	}
	return plain, nil
}

// identify verifies who sent the request.
func (x *exchange) identify(ctx context.Context) error {
	d := x.door
	res, err := d.opt.Verifier.Verify(x.r)
	if err != nil {
		return refused(x.proto, err)
	}
	if res.Kind == sigv4.Anonymous {
		return refused(x.proto, nil)
	}
	if x.proto == RESTXML {
		if err := x.payload(res); err != nil {
			return err
		}
	}
	if !d.accepts(res.Region) {
		if x.proto == Query || x.proto == RESTXML {
			return errRegion
		}
		return errRegionJSON
	}
	caller, ok := res.Identity.(*access.Caller)
	if !ok || caller == nil || caller.Kind == access.Anonymous || caller.Account == "" {
		return awserr.ErrAccessDenied
	}
	if d.opt.Used != nil {
		d.opt.Used(caller)
	}
	x.region = res.Region
	now := d.opt.Now()
	secure := d.opt.Proxies.Secure(x.r)
	x.call = &Call{
		Caller: caller, Operation: x.op.Name, Region: d.opt.Region, ID: x.id, Now: now, SourceIP: d.opt.Proxies.ClientIP(x.r), Secure: secure,
		UserAgent: x.r.UserAgent(), Context: access.RequestContext(x.r, now, res.Region, secure, d.opt.Proxies.ClientIP), Decider: d.opt.Decider,
	}
	return nil
}

// accepts tells whether a region may stand in the scope.
func (d *Door) accepts(region string) bool {
	if region == d.opt.Region || d.service.Global && region == globalRegion {
		return true
	}
	return d.opt.Regions != nil && slices.Contains(d.opt.Regions(), region)
}

// decode reads the input.
func (x *exchange) decode(context.Context) error {
	d := x.door
	if x.op.Do == nil {
		e := d.errors(x.proto).NotServed.Text("The operation %s is not implemented.", x.op.Name)
		if x.op.Why != notServed {
			e = e.Text("%s %s", e.Message, x.op.Why)
		}
		return e
	}
	x.in = x.op.New()
	switch x.proto {
	case Query:
		return x.form.Decode(x.in)
	case RESTXML:
		return x.decodeREST()
	}
	body, err := x.inflated()
	if err != nil {
		return err
	}
	if x.proto == CBOR {
		return d.cbor.Decode(body, x.in)
	}
	return decodeJSON(body, x.in)
}

func (x *exchange) validate(context.Context) error {
	if wrong := x.door.style.Check(x.in); wrong != "" {
		e := *x.door.errors(x.proto).Validation
		e.Message = wrong
		return &e
	}
	return nil
}

// authorise asks whether the caller may, for each target. There is no way
// around it: an operation that is not Open has an action and targets.
func (x *exchange) authorise(ctx context.Context) error {
	if x.op.Open {
		return nil
	}
	targets, err := x.op.Targets(ctx, x.call, x.in)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errNoTargets
	}
	for _, t := range targets {
		if t.ARN == "" {
			return errNoTargets
		}
		if err := x.call.May(ctx, x.op.Action, t); err != nil {
			return err
		}
	}
	return nil
}

func (x *exchange) perform(ctx context.Context) (err error) {
	x.out, err = x.op.Do(ctx, x.call, x.in)
	return err
}

// record answers, and tells whoever watches.
func (x *exchange) record(w http.ResponseWriter, err error) {
	d := x.door
	var a answer
	if err == nil {
		a, err = x.answer()
	}
	observed := a.status
	if err != nil {
		e := d.told(x.proto, err)
		a = x.refusal(e)
		observed = e.Status
		switch {
		case e.Status == http.StatusServiceUnavailable:
			d.opt.Log.Warn("a request can't be served now", "service", d.service.Name, "request", x.id, "operation", x.name(), "error", err)
		case e.Status >= 500 && e.Status != http.StatusNotImplemented:
			d.opt.Log.Error("a request failed", "service", d.service.Name, "request", x.id, "operation", x.name(), "error", err)
		}
	}
	n := a.send(w)
	if d.opt.Observe != nil {
		d.opt.Observe(x.name(), observed, int64(len(x.body)), n, d.opt.Now().Sub(x.begun))
	}
}

func (x *exchange) name() string {
	if x.op == nil {
		return ""
	}
	return x.op.Name
}

// requestID gives a random UUID.
func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
