package policytest

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Kinds of documents that Generator makes.
const (
	Identity = iota
	Resource
	Organization
	kinds
)

// Generator makes documents and questions out of few words, so that they meet.
type Generator struct {
	*rand.Rand
	pool [kinds][]*Doc
}

// NewGenerator makes one whose questions choose among so many documents of
// each kind.
func NewGenerator(seed uint64, docs int) *Generator {
	g := &Generator{Rand: rand.New(rand.NewPCG(seed, 1))}
	for k := range g.pool {
		for range docs {
			g.pool[k] = append(g.pool[k], NewDoc(g.Document(k)))
		}
	}
	return g
}

const (
	home    = "111122223333"
	abroad  = "444455556666"
	canonic = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
)

var (
	actions  = []string{"s3:GetObject", "s3:GetObject", "s3:PutObject", "s3:ListBucket", "kms:Decrypt"}
	patterns = []string{"*", "*", "*", "s3:*", "s3:*", "s3:Get*", "S3:GETOBJECT", "s3:?etObject", "s3:*Object", "kms:*", "s3:PutObject", "s3:*t*t", "s3:Get"}
	targets  = []string{"arn:aws:s3:::b/k", "arn:aws:s3:::b/k", "arn:aws:s3:::b", "arn:aws:s3:::b/home/bob/x", "arn:aws:s3:::b/home/é*/x", "arn:aws:s3:::b/home/red/x", "*"}
	abouts   = []string{"*", "*", "*", "*", "arn:aws:s3:::*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "arn:aws:s3:::b", "arn:aws:s3:::?/*", "arn:aws:s3:::b/home/${aws:username}/*",
		"arn:aws:s3:::b/home/${aws:PrincipalTag/team}/?", "arn:aws:s3:::b/home/${aws:PrincipalTag/team, 'red'}/x", "arn:aws:s3:::b/home/${*}/x", "arn:aws:s3:::*/home/??/*", "arn:aws:s3:::*k*", "arn:aws:s3*"}
	tests = []string{"String", "String", "StringLike", "StringFold", "Numeric", "Date", "Bool", "Binary", "Ip", "Arn", "Null"}
	keys  = map[string][]string{
		"String":  {"aws:username", "AWS:UserName", "aws:PrincipalTag/team", "s3:prefix", "aws:TagKeys"},
		"Numeric": {"s3:max-keys"}, "Date": {"aws:CurrentTime", "aws:EpochTime"}, "Bool": {"aws:SecureTransport"}, "Binary": {"x:bytes"},
		"Ip": {"aws:SourceIp"}, "Arn": {"aws:PrincipalArn", "aws:SourceArn"}, "Null": {"aws:username", "aws:TagKeys", "aws:SourceArn", "s3:prefix"},
	}
	wanted = map[string][]string{
		"String":  {"bob", "BOB", "é*", "b*", "?ob", "*", "red", "home/", "home/${aws:username}", "${aws:username, 'bob'}", "${aws:PrincipalTag/team}", "${*}", "", "blue"},
		"Numeric": {"10", "9", "10.0", "-1", "1000"}, "Date": {"2026-01-01T00:00:00Z", "1767225600", "2026-01-02", "2030-01-01T01:00:00+01:00"},
		"Bool": {"true", "false", "True"}, "Binary": {"AQID", "AQIE", "AA=="},
		"Ip":   {"192.0.2.0/24", "192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "2001:db8::7", "0.0.0.0/0"},
		"Arn":  {"arn:aws:iam::*:user/bob", "arn:aws:iam::" + home + ":*", "arn:aws:iam::${aws:PrincipalAccount}:role/*", "*", "arn:aws:s3:::b", "arn:aws:s3*", "arn:*:bob", "arn:aws:*:root"},
		"Null": {"true", "false"},
	}
	values = map[string][]string{
		"aws:username": {"bob", "BOB", "é*", "red", ""}, "aws:principaltag/team": {"red", "*", "bob", "??"}, "s3:prefix": {"home/", "home/bob", "", "bob"},
		"aws:tagkeys": {"bob", "red", "blue", "", "b"}, "s3:max-keys": {"10", "9", "11", "x", "1000"}, "aws:currenttime": {"2026-01-01T00:00:00Z", "2026-01-01T12:00:00Z", "2031-01-01T00:00:00Z", "soon"},
		"aws:epochtime": {"1767225600", "1767225601", "0"}, "aws:securetransport": {"true", "false"}, "x:bytes": {"AQID", "AA==", "?"},
		"aws:sourceip":     {"192.0.2.7", "192.0.2.8", "10.1.1.1", "2001:db8::7", "2001:db9::7", "::ffff:192.0.2.7", "nowhere"},
		"aws:principalarn": {"arn:aws:iam::" + home + ":user/bob", "arn:aws:iam::" + home + ":role/admin", "arn:aws:iam::" + abroad + ":root", "bob"},
		"aws:sourcearn":    {"arn:aws:s3:::b", "arn:aws:s3:::c:d"}, "aws:principalaccount": {home, abroad},
	}
)

func pick[T any](g *Generator, from []T) T { return from[g.IntN(len(from))] }

func (g *Generator) one(in int) bool { return g.IntN(in) == 0 }

// some picks one, or a few as a list.
func (g *Generator) some(from []string) any {
	if g.one(2) {
		return pick(g, from)
	}
	var out []string
	for range 1 + g.IntN(3) {
		out = append(out, pick(g, from))
	}
	return out
}

// Document makes a well-formed document of a kind.
func (g *Generator) Document(kind int) string {
	doc := map[string]any{"Version": "2012-10-17"}
	if g.one(8) {
		doc["Version"] = "2008-10-17"
	}
	var statements []any
	for range 1 + g.IntN(3) {
		statements = append(statements, g.statement(kind))
	}
	doc["Statement"] = statements
	if len(statements) == 1 && g.one(2) {
		doc["Statement"] = statements[0]
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func (g *Generator) statement(kind int) map[string]any {
	s := map[string]any{"Effect": "Allow"}
	if g.one(7) {
		s["Effect"] = "Deny"
	}
	not := func(name string, in int) string {
		if g.one(in) {
			return "Not" + name
		}
		return name
	}
	s[not("Action", 6)] = g.some(patterns)
	s[not("Resource", 6)] = g.some(abouts)
	if kind == Resource {
		s[not("Principal", 4)] = g.principal()
	}
	if kind == Organization && g.one(3) {
		s["Principal"] = "*"
	}
	if s["Effect"] == "Deny" || g.one(3) {
		c := map[string]any{}
		for range 1 + g.IntN(2) {
			op, about, values := g.operator()
			keys, _ := c[op].(map[string]any)
			if keys == nil {
				keys = map[string]any{}
				c[op] = keys
			}
			if !mentions(keys, about) {
				keys[about] = values
			}
		}
		s["Condition"] = c
	}
	return s
}

func mentions(keys map[string]any, key string) bool {
	for k := range keys {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}

func (g *Generator) operator() (op, key string, want any) {
	test := pick(g, tests)
	of := strings.TrimSuffix(strings.TrimSuffix(test, "Like"), "Fold")
	key, want = pick(g, keys[of]), g.some(wanted[of])
	not := pick(g, []string{"", "", "Not"})
	switch test {
	case "String":
		op = "String" + not + "Equals"
	case "StringFold":
		op = "String" + not + "EqualsIgnoreCase"
	case "StringLike":
		op = "String" + not + "Like"
	case "Numeric", "Date":
		op = test + pick(g, []string{"Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"})
	case "Binary":
		op = "BinaryEquals"
	case "Ip":
		op = not + "IpAddress"
	case "Arn":
		op = "Arn" + not + pick(g, []string{"Equals", "Like"})
	case "Null":
		return "Null", key, pick(g, []any{"true", "false", true, false})
	case "Bool":
		op = "Bool"
	}
	if g.one(4) {
		op += "IfExists"
	}
	if key == "aws:TagKeys" || g.one(8) {
		op = pick(g, []string{"ForAllValues:", "ForAnyValue:", ""}) + op
	}
	return op, key, want
}

func (g *Generator) principal() any {
	if g.one(6) {
		return "*"
	}
	m := map[string]any{"AWS": g.some([]string{
		home, abroad, "arn:aws:iam::" + home + ":root", "arn:aws:iam::" + abroad + ":root", "arn:aws:iam::" + home + ":user/bob", "arn:aws:iam::" + home + ":user/eve",
		"arn:aws:iam::" + home + ":role/admin", "arn:aws:sts::" + home + ":assumed-role/admin/sam", "AIDAEXAMPLEEXAMPLEBOB", "AROAEXAMPLEEXAMPLEADM", "arn:aws:iam::" + home + ":user/bob", "arn:aws:iam::" + home + ":role/admin",
	})}
	if g.one(12) {
		m["AWS"] = "*"
	}
	if g.one(4) {
		m["Service"] = g.some([]string{"s3.amazonaws.com", "ec2.amazonaws.com"})
	}
	if g.one(6) {
		m["CanonicalUser"] = canonic
	}
	if g.one(8) {
		m["AWS"] = []string{home, "arn:aws:iam::" + home + ":user/bob", "arn:aws:iam::" + home + ":role/admin", "arn:aws:sts::" + home + ":assumed-role/admin/sam"}
	}
	return m
}

func (g *Generator) docs(kind, most int) []*Doc {
	var out []*Doc
	for range g.IntN(most + 1) {
		out = append(out, pick(g, g.pool[kind]))
	}
	return out
}

func (g *Generator) levels() [][]*Doc {
	if !g.one(5) {
		return nil
	}
	var out [][]*Doc
	for range 1 + g.IntN(2) {
		out = append(out, append(g.docs(Organization, 1), g.docs(Organization, 3)...))
	}
	return out
}

// Question makes one.
func (g *Generator) Question() *Question {
	q := &Question{Action: pick(g, actions), Resource: pick(g, targets), Owner: pick(g, []string{"", home, home, abroad}), Context: map[string][]string{}}
	q.Who = pick(g, []Who{
		{Kind: "anonymous"}, {Kind: "service", Service: "s3.amazonaws.com"},
		{Kind: "root", Account: home, ARN: "arn:aws:iam::" + home + ":root", ID: home, Canonical: canonic},
		{Kind: "user", Account: home, ARN: "arn:aws:iam::" + home + ":user/bob", ID: "AIDAEXAMPLEEXAMPLEBOB", Canonical: canonic},
		{Kind: "user", Account: home, ARN: "arn:aws:iam::" + home + ":user/bob", ID: "AIDAEXAMPLEEXAMPLEBOB", Canonical: canonic},
		{Kind: "session", Account: home, ARN: "arn:aws:iam::" + home + ":role/admin", ID: "AROAEXAMPLEEXAMPLEADM:sam", Session: "arn:aws:sts::" + home + ":assumed-role/admin/sam", Canonical: canonic},
		{Kind: "session", Account: home, ARN: "arn:aws:iam::" + home + ":role/admin", ID: "AROAEXAMPLEEXAMPLEADM:sam", Session: "arn:aws:sts::" + home + ":assumed-role/admin/sam", Canonical: canonic},
	})
	for _, k := range slices.Sorted(maps.Keys(values)) {
		v := values[k]
		if g.one(4) {
			continue
		}
		q.Context[k] = []string{pick(g, v)}
		for k == "aws:tagkeys" && g.one(2) {
			q.Context[k] = append(q.Context[k], pick(g, v))
		}
		if g.one(20) {
			q.Context[k] = nil
		}
	}
	if q.Who.Kind == "user" || q.Who.Kind == "session" {
		q.Identity = g.docs(Identity, 3)
		if g.one(3) {
			q.Boundary = pick(g, g.pool[Identity])
		}
	}
	if q.Who.Kind == "session" && g.one(2) || g.one(20) {
		q.HasSession, q.Session = true, g.docs(Identity, 2)
	}
	if q.Who.Account != "" {
		q.ServiceControl = g.levels()
	}
	q.ResourceControl = g.levels()
	q.Resources = g.docs(Resource, 2)
	q.Rules, q.Granted = g.one(4), g.one(12)
	return q
}
