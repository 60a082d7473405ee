package policy

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/farhold/farhold/policy/policytest"
)

// perPool is how many questions are put to one pool of documents.
const perPool = 500

// questions gives questions, each with what the evaluator is asked, until
// yield has had so many or returns false.
func questions(t testing.TB, seed uint64, n int, yield func(q *policytest.Question, in *Input) bool) {
	for i := 0; i < n; {
		g := policytest.NewGenerator(seed, 40)
		seed++
		parsed := parsedDocs{t, map[*policytest.Doc]*Document{}}
		for j := 0; j < perPool && i < n; j++ {
			q := g.Question()
			if !yield(q, parsed.input(q)) {
				return
			}
			i++
		}
	}
}

type parsedDocs struct {
	t    testing.TB
	docs map[*policytest.Doc]*Document
}

func (p parsedDocs) one(d *policytest.Doc, k Kind) *Document {
	if d == nil {
		return nil
	}
	if p.docs[d] == nil {
		p.docs[d] = mustParse(p.t, k, d.Raw)
	}
	return p.docs[d]
}

func (p parsedDocs) list(docs []*policytest.Doc, k Kind) (out []*Document) {
	for _, d := range docs {
		out = append(out, p.one(d, k))
	}
	return out
}

func (p parsedDocs) levels(levels [][]*policytest.Doc) (out [][]*Document) {
	for _, l := range levels {
		out = append(out, p.list(l, Organization))
	}
	return out
}

func (p parsedDocs) input(q *policytest.Question) *Input {
	return &Input{
		Principal: Principal{
			Anonymous: q.Who.Kind == "anonymous", Account: q.Who.Account, ARN: q.Who.ARN, SessionARN: q.Who.Session, UserID: q.Who.ID,
			Root: q.Who.Kind == "root", Service: q.Who.Service, CanonicalID: q.Who.Canonical,
		},
		Action: q.Action, Resource: q.Resource, ResourceAccount: q.Owner, Context: Values(q.Context),
		Identity: p.list(q.Identity, Identity), Boundary: p.one(q.Boundary, Identity), Session: p.list(q.Session, Identity), HasSession: q.HasSession,
		ServiceControl: p.levels(q.ServiceControl), ResourceControl: p.levels(q.ResourceControl), ResourcePolicies: p.list(q.Resources, Resource),
		ResourceRules: q.Rules, Granted: q.Granted,
	}
}

func agrees(d Decision, a policytest.Answer) bool {
	return d.Allowed == a.Allowed && d.Explicit == a.Explicit
}

// tuples is FARHOLD_POLICY_TUPLES, or what is quick.
func tuples(t *testing.T, quick int) int {
	s := os.Getenv("FARHOLD_POLICY_TUPLES")
	if s == "" {
		return quick
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("FARHOLD_POLICY_TUPLES is %q", s)
	}
	return n
}

// TestOracle compares the evaluator with the oracle. make policy does so a
// million times.
func TestOracle(t *testing.T) {
	n := tuples(t, 40_000)
	count := map[policytest.Answer]int{}
	questions(t, 1, n, func(q *policytest.Question, in *Input) bool {
		want, got := policytest.Decide(q), Evaluate(in)
		count[want]++
		if !agrees(got, want) {
			t.Errorf("the oracle says %+v, the evaluator %+v of\n%s", want, got, describe(q))
			return false
		}
		in.Explain = true
		if e := Evaluate(in); e.Allowed != got.Allowed || e.Explicit != got.Explicit || e.By != got.By {
			t.Errorf("explained it is %+v, else %+v, of\n%s", e, got, describe(q))
			return false
		}
		return true
	})
	if t.Failed() {
		return
	}
	allowed, denied := count[policytest.Answer{Allowed: true}], count[policytest.Answer{Explicit: true}]
	t.Logf("%d tuples: %d allowed, %d denied, %d not allowed", n, allowed, denied, n-allowed-denied)
	if allowed*5 < n || denied*20 < n {
		t.Errorf("of %d tuples %d are allowed and %d denied: too few to prove anything", n, allowed, denied)
	}
}

func describe(q *policytest.Question) string {
	s := "who " + q.Who.Kind + " owner " + q.Owner + " action " + q.Action + " resource " + q.Resource + "\n"
	for k, v := range q.Context {
		s += "  " + k + " = " + strconv.Quote(k) + ":"
		for _, x := range v {
			s += " " + strconv.Quote(x)
		}
		s += "\n"
	}
	add := func(what string, docs ...*policytest.Doc) {
		for _, d := range docs {
			if d != nil {
				s += what + " " + d.Raw + "\n"
			}
		}
	}
	add("identity", q.Identity...)
	add("boundary", q.Boundary)
	add("session", q.Session...)
	for _, l := range q.ServiceControl {
		add("scp", l...)
	}
	for _, l := range q.ResourceControl {
		add("rcp", l...)
	}
	add("resource", q.Resources...)
	return s + "rules " + strconv.FormatBool(q.Rules) + " granted " + strconv.FormatBool(q.Granted) + " session " + strconv.FormatBool(q.HasSession) + "\n"
}

// TestMutants makes each mistake on purpose: the comparison must see it soon.
func TestMutants(t *testing.T) {
	const bound = 40_000
	left := map[mutant]bool{}
	for m := noMutant + 1; m < mutants; m++ {
		left[m] = true
	}
	if len(left) < 20 {
		t.Fatalf("%d mutants", len(left))
	}
	n := 0
	questions(t, 1, bound, func(q *policytest.Question, in *Input) bool {
		n++
		want := policytest.Decide(q)
		for m := range left {
			if !agrees(evaluate(in, m), want) {
				t.Logf("mutant %d is seen after %d tuples", m, n)
				delete(left, m)
			}
		}
		return len(left) > 0
	})
	for m := range left {
		t.Errorf("mutant %d survives %d tuples", m, bound)
	}
}

// TestLaws holds what must be so whatever the rules are.
func TestLaws(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	moved := map[string]int{}
	questions(t, 1_000_000, tuples(t, 20_000), func(q *policytest.Question, in *Input) bool {
		was := Evaluate(in)
		in.Explain = r.IntN(2) == 0

		// The order of documents and of their statements does not matter.
		if d := Evaluate(shuffled(r, in)); d.Allowed != was.Allowed || d.Explicit != was.Explicit || d.By != was.By {
			t.Errorf("another order makes %+v of %+v:\n%s", d, was, describe(q))
		}
		// A Deny more never grants, and an Allow less never does.
		more := *in
		deny := mustParse(t, Identity, `{"Statement":{"Effect":"Deny","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"}}`)
		denyAll := mustParse(t, Resource, `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"}}`)
		switch r.IntN(4) {
		case 0:
			more.Identity = append(more.Identity[:len(more.Identity):len(more.Identity)], deny)
		case 1:
			more.ResourcePolicies = append(more.ResourcePolicies[:len(more.ResourcePolicies):len(more.ResourcePolicies)], denyAll)
		case 2:
			more.ServiceControl = append(more.ServiceControl[:len(more.ServiceControl):len(more.ServiceControl)], []*Document{deny})
		default:
			more.ResourceControl = append(more.ResourceControl[:len(more.ResourceControl):len(more.ResourceControl)], []*Document{deny})
		}
		if d := Evaluate(&more); d.Allowed && !was.Allowed {
			t.Errorf("a Deny grants:\n%s", describe(q))
		} else if d.Allowed != was.Allowed {
			moved["deny"]++
		}
		if d := Evaluate(without(r, in)); d.Allowed && !was.Allowed {
			t.Errorf("an Allow less grants:\n%s", describe(q))
		} else if d.Allowed != was.Allowed {
			moved["allow"]++
		}
		// What a session with policies may, its role may.
		whole := *in
		whole.Session, whole.HasSession = nil, false
		if d := Evaluate(&whole); was.Allowed && !d.Allowed {
			t.Errorf("the session may what its role may not:\n%s", describe(q))
		} else if d.Allowed != was.Allowed {
			moved["session"]++
		}
		return !t.Failed()
	})
	for _, law := range []string{"deny", "allow", "session"} {
		if moved[law] < 10 {
			t.Errorf("the law of %s was put to the test %d times", law, moved[law])
		}
	}
}

func shuffled(r *rand.Rand, in *Input) *Input {
	docs := func(list []*Document) []*Document {
		out := make([]*Document, len(list))
		for i, d := range list {
			c := *d
			c.statements = append([]statement(nil), d.statements...)
			r.Shuffle(len(c.statements), func(i, j int) { c.statements[i], c.statements[j] = c.statements[j], c.statements[i] })
			out[i] = &c
		}
		r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out
	}
	levels := func(list [][]*Document) (out [][]*Document) {
		for _, l := range list {
			out = append(out, docs(l))
		}
		r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out
	}
	c := *in
	c.Identity, c.Session, c.ResourcePolicies = docs(c.Identity), docs(c.Session), docs(c.ResourcePolicies)
	c.ServiceControl, c.ResourceControl = levels(c.ServiceControl), levels(c.ResourceControl)
	return &c
}

// without leaves one Allow out of one document.
func without(r *rand.Rand, in *Input) *Input {
	c := *in
	lists := []*[]*Document{&c.Identity, &c.Session, &c.ResourcePolicies}
	c.ServiceControl = append([][]*Document(nil), c.ServiceControl...)
	c.ResourceControl = append([][]*Document(nil), c.ResourceControl...)
	for i := range c.ServiceControl {
		lists = append(lists, &c.ServiceControl[i])
	}
	for i := range c.ResourceControl {
		lists = append(lists, &c.ResourceControl[i])
	}
	if c.Boundary != nil && r.IntN(3) == 0 {
		c.Boundary = thinned(r, c.Boundary)
		return &c
	}
	for range 8 {
		l := lists[r.IntN(len(lists))]
		if len(*l) == 0 {
			continue
		}
		docs := append([]*Document(nil), *l...)
		i := r.IntN(len(docs))
		docs[i] = thinned(r, docs[i])
		*l = docs
		break
	}
	return &c
}

func thinned(r *rand.Rand, d *Document) *Document {
	c := *d
	c.statements = nil
	gone := r.IntN(len(d.statements))
	for i, s := range d.statements {
		if i != gone || s.deny {
			c.statements = append(c.statements, s)
		}
	}
	return &c
}
