// Package policytest is an oracle for package policy: AWS's rules of evaluation
// once more, written from the user guide in the plainest way, slowly and
// without a line of policy's code, and a generator of questions for both.
// It knows documents only as what encoding/json makes of them and believes
// that they are well-formed.
package policytest

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"strconv"
	"strings"
	"time"
)

// Doc is a policy document.
type Doc struct {
	Raw        string
	statements []map[string]any
	vars       bool
}

// NewDoc decodes a document; it panics on one that is no JSON.
func NewDoc(raw string) *Doc {
	var m map[string]any
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		panic(err)
	}
	d := &Doc{Raw: raw, vars: m["Version"] == "2012-10-17"}
	for _, s := range list(m["Statement"]) {
		d.statements = append(d.statements, s.(map[string]any))
	}
	return d
}

// list makes a list of what may stand alone.
func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

func words(v any) []string {
	var out []string
	for _, x := range list(v) {
		switch x := x.(type) {
		case string:
			out = append(out, x)
		case bool:
			out = append(out, strconv.FormatBool(x))
		case float64:
			out = append(out, strconv.FormatFloat(x, 'f', -1, 64))
		}
	}
	return out
}

// Who asks.
type Who struct {
	Kind      string // anonymous, service, root, user or session
	Account   string
	ARN       string // of the user, the root or the role
	Session   string // ARN of the session
	ID        string // AIDA…, AROA…:session
	Service   string
	Canonical string
}

// Question is everything that a decision depends on.
type Question struct {
	Who             Who
	Action          string
	Resource        string
	Owner           string // account of the resource
	Context         map[string][]string
	Identity        []*Doc
	Boundary        *Doc
	Session         []*Doc
	HasSession      bool
	ServiceControl  [][]*Doc
	ResourceControl [][]*Doc
	Resources       []*Doc // the resource's policies
	Rules           bool   // the resource's policy has the last word
	Granted         bool
}

// Answer is the decision.
type Answer struct{ Allowed, Explicit bool }

// Decide answers a question.
func Decide(q *Question) Answer {
	// "By default, all requests are implicitly denied … an explicit deny
	// overrides any allow."
	var plain []*Doc
	plain = append(plain, q.Identity...)
	if q.Boundary != nil {
		plain = append(plain, q.Boundary)
	}
	if q.HasSession {
		plain = append(plain, q.Session...)
	}
	for _, level := range append(append([][]*Doc{}, q.ServiceControl...), q.ResourceControl...) {
		plain = append(plain, level...)
	}
	for _, d := range plain {
		if q.says(d, "Deny") {
			return Answer{Explicit: true}
		}
	}
	for _, d := range q.Resources {
		for _, s := range d.statements {
			if s["Effect"] == "Deny" && q.fits(d, s) && q.bound(s) {
				return Answer{Explicit: true}
			}
		}
	}
	// "… every level from the root through each OU must allow."
	for _, level := range append(append([][]*Doc{}, q.ServiceControl...), q.ResourceControl...) {
		if !q.any(level) {
			return Answer{}
		}
	}

	ways := q.ways()
	if q.Who.Kind == "anonymous" {
		return Answer{Allowed: len(ways) > 0 && !q.Rules}
	}
	if q.Who.Kind == "service" {
		return Answer{Allowed: len(ways) > 0}
	}

	boundary := q.Boundary == nil || q.says(q.Boundary, "Allow")
	session := !q.HasSession || q.any(q.Session)
	identity := q.Who.Kind == "root" || q.any(q.Identity)
	whole := identity && boundary && session

	// "Cross-account: both the identity's and the resource's policies must
	// allow."
	if q.Owner != "" && q.Owner != q.Who.Account {
		return Answer{Allowed: whole && len(ways) > 0}
	}
	// Within the account, by whom the resource's policy names.
	if ways["everybody"] || ways["session"] || ways["user"] && session || ways["role"] && boundary && session {
		return Answer{Allowed: true}
	}
	// "… unless you explicitly allow it in the key policy, you can't use IAM
	// policies to allow access to a key."
	if q.Rules && !ways["account"] {
		return Answer{}
	}
	return Answer{Allowed: whole}
}

// says tells whether a document without principals has a statement with this
// effect about the request.
func (q *Question) says(d *Doc, effect string) bool {
	for _, s := range d.statements {
		if s["Effect"] == effect && q.fits(d, s) {
			return true
		}
	}
	return false
}

func (q *Question) any(docs []*Doc) bool {
	for _, d := range docs {
		if q.says(d, "Allow") {
			return true
		}
	}
	return false
}

// names are those that a principal goes by, and how.
func (w *Who) names() map[string]string {
	switch w.Kind {
	case "anonymous":
		return nil
	case "service":
		return map[string]string{"Service " + w.Service: "everybody"}
	}
	n := map[string]string{
		"AWS " + w.Account:                        "account",
		"AWS arn:aws:iam::" + w.Account + ":root": "account",
		"CanonicalUser " + w.Canonical:            "account",
	}
	switch w.Kind {
	case "user":
		n["AWS "+w.ARN], n["AWS "+w.ID] = "user", "user"
	case "session":
		n["AWS "+w.ARN], n["AWS "+strings.SplitN(w.ID, ":", 2)[0]] = "role", "role"
		n["AWS "+w.Session] = "session"
	}
	return n
}

// listed gives the names of a Principal element as "kind name".
func listed(p any) []string {
	if s, ok := p.(string); ok {
		return []string{"AWS " + s}
	}
	var out []string
	for kind, v := range p.(map[string]any) {
		for _, name := range words(v) {
			out = append(out, kind+" "+name)
		}
	}
	return out
}

// ways are the ways in which the resource's policies name the principal and
// allow the request.
func (q *Question) ways() map[string]bool {
	ways := map[string]bool{}
	if q.Granted {
		ways[map[string]string{"root": "account", "user": "user", "session": "role"}[q.Who.Kind]] = true
	}
	names := q.Who.names()
	for _, d := range q.Resources {
		for _, s := range d.statements {
			if s["Effect"] != "Allow" || !q.fits(d, s) {
				continue
			}
			if p, ok := s["Principal"]; ok {
				for _, l := range listed(p) {
					if l == "AWS *" {
						ways["everybody"] = true
					} else if way := names[l]; way != "" {
						ways[way] = true
					}
				}
				continue
			}
			hit := false
			for _, l := range listed(s["NotPrincipal"]) {
				hit = hit || l == "AWS *" || names[l] != ""
			}
			if !hit {
				ways["everybody"] = true
			}
		}
	}
	return ways
}

// bound tells whether a Deny of the resource's policy binds the principal.
func (q *Question) bound(s map[string]any) bool {
	names := q.Who.names()
	if p, ok := s["Principal"]; ok {
		for _, l := range listed(p) {
			if l == "AWS *" || names[l] != "" {
				return true
			}
		}
		return false
	}
	// NotPrincipal: account, user or role, and session must all be named.
	left := map[string]bool{}
	for _, way := range names {
		if way != "" {
			left[way] = true
		}
	}
	if q.Who.Kind == "anonymous" {
		left["anonymous"] = true
	}
	for _, l := range listed(s["NotPrincipal"]) {
		if l == "AWS *" {
			return false
		}
		delete(left, names[l])
	}
	return len(left) > 0
}

// fits tells whether action, resource and conditions of a statement are those
// of the request.
func (q *Question) fits(d *Doc, s map[string]any) bool {
	among := func(v any) bool {
		for _, w := range words(v) {
			if like([]rune(strings.ToLower(w)), []rune(strings.ToLower(q.Action))) {
				return true
			}
		}
		return false
	}
	if v, ok := s["Action"]; ok && !among(v) {
		return false
	}
	if v, ok := s["NotAction"]; ok && among(v) {
		return false
	}
	found, unknown := false, false
	about := s["Resource"]
	if about == nil {
		about = s["NotResource"]
	}
	for _, w := range words(about) {
		pattern, ok := q.fill(w, d.vars, true)
		unknown = unknown || !ok
		found = found || ok && like(pattern, []rune(q.Resource))
	}
	if s["Resource"] != nil && !found {
		return false
	}
	if s["NotResource"] != nil && (found || unknown && s["Effect"] == "Allow") {
		return false
	}
	c, _ := s["Condition"].(map[string]any)
	for op, keys := range c {
		for key, want := range keys.(map[string]any) {
			if !q.holds(d, op, key, words(want)) {
				return false
			}
		}
	}
	return true
}

// like matches the simplest way there is.
func like(p, s []rune) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	switch p[0] {
	case '*':
		return like(p[1:], s) || len(s) > 0 && like(p, s[1:])
	case '?':
		return len(s) > 0 && like(p[1:], s[1:])
	case quoted:
		return len(s) > 0 && p[1] == s[0] && like(p[2:], s[1:])
	}
	return len(s) > 0 && p[0] == s[0] && like(p[1:], s[1:])
}

// quoted says that the next rune of a pattern stands for itself.
const quoted = -1

// fill puts the values of variables into a text; wild has * and ? be
// wildcards. !ok when a variable has no value.
func (q *Question) fill(text string, vars, wild bool) ([]rune, bool) {
	var out []rune
	quote := func(s string) {
		for _, r := range s {
			out = append(out, quoted, r)
		}
	}
	for text != "" {
		if vars && strings.HasPrefix(text, "${") {
			inner, rest, _ := strings.Cut(text[2:], "}")
			text = rest
			if inner == "*" || inner == "?" || inner == "$" {
				quote(inner)
				continue
			}
			name, fallback, has := strings.Cut(inner, ",")
			v, ok := q.Context[keyName(name)]
			switch {
			case ok && len(v) == 1:
				quote(v[0])
			case (!ok || len(v) == 0) && has:
				quote(strings.Trim(strings.TrimSpace(fallback), "'"))
			default:
				return nil, false
			}
			continue
		}
		for i, r := range text {
			if i > 0 {
				text = text[i:]
				break
			}
			if wild && (r == '*' || r == '?') {
				out = append(out, r)
			} else {
				quote(string(r))
			}
			if len(string(r)) == len(text) {
				text = ""
			}
		}
	}
	return out, true
}

func keyName(k string) string {
	i := strings.Index(k, "/")
	if i < 0 {
		return strings.ToLower(k)
	}
	return strings.ToLower(k[:i]) + k[i:]
}

func (q *Question) holds(d *Doc, op, key string, want []string) bool {
	have, ok := q.Context[keyName(key)]
	if op == "Null" {
		for _, w := range want {
			if (w == "true") == (len(have) == 0) {
				return true
			}
		}
		return false
	}
	set := ""
	if i := strings.Index(op, ":"); i >= 0 {
		set, op = op[:i], op[i+1:]
	}
	ifExists := strings.HasSuffix(op, "IfExists")
	op = strings.TrimSuffix(op, "IfExists")
	negative := strings.Contains(op, "Not")
	op = strings.Replace(op, "Not", "", 1)
	if !ok || len(have) == 0 || set != "" && strings.Join(have, "") == "" {
		// "If the key is not in the request, the values don't match"; for negated
		// operators that is what is wanted; sets have their own rules.
		switch {
		case ifExists || set == "ForAllValues":
			return true
		case set == "ForAnyValue":
			return false
		}
		return negative
	}
	matching := 0
	for _, h := range have {
		for _, w := range want {
			if q.same(d, op, h, w) {
				matching++
				break
			}
		}
	}
	if set == "ForAllValues" {
		return negative && matching == 0 || !negative && matching == len(have)
	}
	if set == "ForAnyValue" {
		return negative && matching < len(have) || !negative && matching > 0
	}
	return negative != (matching > 0)
}

// same compares one value with one of the document's.
func (q *Question) same(d *Doc, op, have, want string) bool {
	switch op {
	case "StringEquals":
		p, ok := q.fill(want, d.vars, false)
		return ok && like(p, []rune(have))
	case "StringEqualsIgnoreCase":
		p, ok := q.fill(want, d.vars, false)
		var text string
		for i := 1; i < len(p); i += 2 {
			text += string(p[i])
		}
		return ok && strings.EqualFold(text, have)
	case "StringLike":
		p, ok := q.fill(want, d.vars, true)
		return ok && like(p, []rune(have))
	case "ArnEquals", "ArnLike":
		return q.sameARN(d, have, want)
	case "Bool":
		return strings.EqualFold(have, want)
	case "BinaryEquals":
		a, err := base64.StdEncoding.DecodeString(have)
		b, err2 := base64.StdEncoding.DecodeString(want)
		return err == nil && err2 == nil && string(a) == string(b)
	case "IpAddress":
		ip := net.ParseIP(have)
		if !strings.Contains(want, "/") {
			return ip != nil && ip.Equal(net.ParseIP(want))
		}
		_, n, err := net.ParseCIDR(want)
		return err == nil && ip != nil && n.Contains(ip)
	}
	if rest, ok := strings.CutPrefix(op, "Numeric"); ok {
		a, err := strconv.ParseFloat(have, 64)
		b, err2 := strconv.ParseFloat(want, 64)
		return err == nil && err2 == nil && compare(rest, a, b)
	}
	a, ok := moment(have)
	b, ok2 := moment(want)
	return ok && ok2 && compare(strings.TrimPrefix(op, "Date"), a, b)
}

func compare(op string, a, b float64) bool {
	switch op {
	case "Equals":
		return a == b
	case "LessThan":
		return a < b
	case "LessThanEquals":
		return a <= b
	case "GreaterThan":
		return a > b
	case "GreaterThanEquals":
		return a >= b
	}
	panic(op)
}

func moment(s string) (float64, bool) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return n, true
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02", s)
	}
	return float64(t.Unix()), err == nil
}

// sameARN compares part by part, so that no wildcard reaches over a colon
// before the last part.
func (q *Question) sameARN(d *Doc, have, want string) bool {
	h := strings.SplitN(have, ":", 6)
	if len(h) != 6 {
		return false
	}
	// The colons of variables are not the pattern's.
	var parts []string
	depth, from := 0, 0
	for i := 0; i < len(want) && len(parts) < 5; i++ {
		switch {
		case d.vars && strings.HasPrefix(want[i:], "${"):
			depth++
		case want[i] == '}' && depth > 0:
			depth--
		case want[i] == ':' && depth == 0:
			parts = append(parts, want[from:i])
			from = i + 1
		}
	}
	parts = append(parts, want[from:])
	if len(parts) < 6 {
		if !strings.HasSuffix(want, "*") {
			return false
		}
		for len(parts) < 6 {
			parts = append(parts, "*")
		}
	}
	for i := range parts {
		p, ok := q.fill(parts[i], d.vars, true)
		if !ok || !like(p, []rune(h[i])) {
			return false
		}
	}
	return true
}
