package service

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/wire/rpccbor"
	"github.com/farhold/farhold/wire/shape"
	"github.com/farhold/farhold/wire/sigv4"
	"github.com/farhold/farhold/wire/validate"
)

// Protocol is one of AWS's.
type Protocol uint8

// Protocols.
const (
	Query   Protocol = iota // forms in, XML out
	JSON10                  // application/x-amz-json-1.0
	JSON11                  // application/x-amz-json-1.1
	CBOR                    // Smithy RPC v2 CBOR
	RESTXML                 // methods and paths, XML in and out
)

// Service describes a service: its name, what it speaks, and its table.
type Service struct {
	Name  string // in logs and metrics, such as secretsmanager
	Scope string // in credential scopes: the signing name; empty means Name
	// Protocols that it speaks, at least one. One of JSON's serves both.
	Protocols []Protocol
	Target    string // of X-Amz-Target, before the dot, and of the path of RPC v2: TrentService
	Version   string // of the API, which Query requests name: 2010-05-08
	Space     string // XML namespace of answers
	// Global services are reached under the scope us-east-1 too, wherever they
	// are, as AWS's clients sign for them.
	Global bool
	// Operations is the table of what is served.
	Operations []Operation
	// Known names all operations of the service. One that is not in Operations
	// is answered as not served, and any other as unknown.
	Known []string
	// HTTP tells how operations of REST services travel; others leave it nil.
	HTTP func(op string) (method, uri string, status int)
	// HideValues leaves values out of validation errors, as IAM does.
	HideValues bool
	// Errors replaces the errors that its protocols have by default.
	Errors Errors
	// QueryErrors gives the codes that clients of services which came from Query
	// to JSON or CBOR still want (X-Amzn-Query-Mode), by the codes that are
	// answered; those that are the same need no entry.
	QueryErrors map[string]string
}

// Errors are those of a door. Nil takes the protocol's own.
type Errors struct {
	AccessDenied *awserr.Error // its message is replaced by the decision's
	NotServed    *awserr.Error // for operations that are known and not served
	Unknown      *awserr.Error // for operations that nobody knows
	Internal     *awserr.Error
	Validation   *awserr.Error // its message is replaced by what is wrong
}

// Options say where a service runs.
type Options struct {
	Region   string          // this region
	Verifier *sigv4.Verifier // of the service's scope, any region; its identities are *access.Caller
	Decider  *access.Decider
	// Regions gives those whose scope is accepted, for services that answer alike
	// everywhere; nil accepts Region alone.
	Regions func() []string
	Proxies access.Proxies   // whose word on where a request came from counts
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // takes what went wrong on our side; nil drops it
	// Used is told who was let in, for IAM's notes of when keys were used last.
	// May be nil; it must be quick.
	Used func(who *access.Caller)
	// Observe is told about every request when it is over. op is "" when none
	// was found. May be nil.
	Observe func(op string, status int, bytesIn, bytesOut int64, took time.Duration)
}

// New makes the door of a service. It refuses a table in which an operation
// can be reached that names neither what a caller needs nor what it is about,
// and is not Open either: such a door must not start.
func New(s Service, o Options) (*Door, error) {
	d := &Door{service: s, opt: o, ops: map[string]*Operation{}, style: validate.Style{HideValues: s.HideValues}}
	if d.service.Scope == "" {
		d.service.Scope = s.Name
	}
	if d.opt.Log == nil {
		d.opt.Log = slog.New(slog.DiscardHandler)
	}
	if d.opt.Now == nil {
		d.opt.Now = time.Now
	}
	if err := d.build(); err != nil {
		return nil, fmt.Errorf("service %s: %w", s.Name, err)
	}
	return d, nil
}

func (d *Door) build() (err error) {
	s := &d.service
	switch {
	case s.Name == "" || len(s.Protocols) == 0 || len(s.Operations) == 0:
		return errors.New("a service needs a name, a protocol and an operation")
	case d.opt.Verifier == nil || d.opt.Decider == nil || d.opt.Region == "":
		return errors.New("a door needs a verifier, a decider and a region")
	case !slices.Contains(d.opt.Verifier.Services, s.Scope):
		return fmt.Errorf("the verifier does not accept the scope %s", s.Scope)
	case d.speaks(RESTXML) && s.HTTP == nil:
		return errors.New("a REST service needs to know how its operations travel")
	case (d.speaks(JSON10) || d.speaks(JSON11) || d.speaks(CBOR)) && s.Target == "":
		return errors.New("a service that speaks JSON or CBOR needs a target")
	}
	if d.cbor, err = rpccbor.New(); err != nil {
		return err
	}
	for i := range s.Operations {
		op := s.Operations[i] // a copy: nobody changes the table of a door
		if err := check(&op); err != nil {
			return fmt.Errorf("%s: %w", op.Name, err)
		}
		if d.ops[op.Name] != nil {
			return fmt.Errorf("%s stands twice", op.Name)
		}
		if s.Known != nil && !slices.Contains(s.Known, op.Name) {
			return fmt.Errorf("the service has no operation %s", op.Name)
		}
		d.ops[op.Name] = &op
	}
	for _, name := range s.Known {
		if d.ops[name] == nil {
			d.ops[name] = &Operation{Name: name, Why: notServed}
		}
	}
	if d.speaks(RESTXML) {
		return d.routes.build(d.ops, s.HTTP)
	}
	return nil
}

// notServed is the reason of operations that are known and not in the table.
const notServed = "not in the table"

// check refuses a row that could be performed without a decision.
func check(op *Operation) (err error) {
	switch {
	case op.Name == "":
		return errors.New("an operation without a name")
	case op.Why != "" && op.Do != nil:
		return errors.New("it is served, and there is a reason why not")
	case op.Why != "":
		return nil
	case op.Do == nil || op.New == nil:
		return errors.New("it can't be performed")
	case op.Open && (op.Action != "" || op.Targets != nil):
		return errors.New("it is open, and names what a caller needs")
	case op.Open:
	case op.Action == "" || strings.TrimSpace(op.Action) != op.Action || !strings.Contains(op.Action, ":"):
		return errors.New("it names no action that a caller needs")
	case op.Targets == nil:
		return errors.New("it does not say what it is about")
	}
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("its input: %v", x)
		}
	}()
	walk(reflect.TypeOf(op.New()).Elem(), map[reflect.Type]bool{})
	return nil
}

// walk reads the schemas of a type and of all that it reaches, so that a type
// without a form on the wire is found at the start.
func walk(t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	st := shape.Of(t)
	for i := range st.Fields {
		for x := st.Fields[i].Type; x != nil; x = x.Elem {
			if x.Kind == shape.Structure {
				walk(x.Go, seen)
			}
		}
	}
}

// Speaks tells whether the service speaks a protocol.
func (s *Service) Speaks(p Protocol) bool { return slices.Contains(s.Protocols, p) }

func (d *Door) speaks(p Protocol) bool { return d.service.Speaks(p) }

// Operations gives the whole table: what is served, and with Why what is known
// and is not, in the order of the names.
func (d *Door) Operations() []Operation {
	out := make([]Operation, 0, len(d.ops))
	for _, op := range d.ops {
		out = append(out, *op)
	}
	slices.SortFunc(out, func(a, b Operation) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Service gives the description.
func (d *Door) Service() Service { return d.service }
