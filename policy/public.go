package policy

import "strings"

// Public tells whether a bucket's policy gives something to everybody, as S3
// defines that: an Allow for everybody, unless a condition holds it to fixed
// values of a key that says who somebody is or where they come from.
func Public(d *Document) bool {
	for i := range d.statements {
		if d.statements[i].public() {
			return true
		}
	}
	return false
}

func (s *statement) public() bool {
	if s.deny || s.principal == nil || !s.principal.all && !s.notPrincipal {
		return false
	}
	for i := range s.conditions {
		if c := &s.conditions[i]; c.narrows() && c.fixed() {
			return false
		}
	}
	return true
}

// narrows tells whether a condition demands a value of a key that identifies,
// rather than excluding one or being met by a key that is absent.
func (c *condition) narrows() bool {
	if c.not || c.ifExists || c.set == forAllValues {
		return false
	}
	switch c.key {
	case "aws:sourceip":
		return c.test == testIP && len(c.nets) > 0
	case "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount", "aws:userid", "aws:principalorgid", "aws:principalorgpaths",
		"aws:principalarn", "aws:principalaccount", "aws:sourceorgid", "aws:sourceorgpaths",
		"s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:dataaccesspointarn", "s3:dataaccesspointaccount":
		return len(c.patterns) > 0 || len(c.arns) > 0
	}
	return false
}

// fixed tells whether the values name somebody in particular. A range of
// addresses does unless it is wider than /8, or /32 of IPv6.
func (c *condition) fixed() bool {
	for _, n := range c.nets {
		if n.Bits() < 8 || n.Addr().Is6() && n.Bits() < 32 {
			return false
		}
	}
	for i := range c.patterns {
		p := &c.patterns[i]
		switch {
		case p.kind == exact && !strings.ContainsAny(p.text, "*?$"):
		case p.kind == prefix && c.key == "aws:userid" && isUniqueID(strings.TrimSuffix(p.text, ":")) && strings.HasSuffix(p.text, ":"): // any session of a role
		case p.kind == prefix && c.key == "s3:dataaccesspointarn" && fixedAccount(p.text):
		default:
			return false
		}
	}
	for i := range c.arns {
		a := &c.arns[i]
		for j := range a {
			named := a[j].kind == exact || a[j].kind == never
			if !named && !(j == 5 && c.key == "s3:dataaccesspointarn" && a[4].kind == exact && isAccount(a[4].text)) {
				return false
			}
		}
	}
	return true
}

// fixedAccount tells whether the beginning of an ARN reaches past its account.
func fixedAccount(s string) bool {
	part := strings.SplitN(s, ":", 6)
	return len(part) == 6 && isAccount(part[4])
}
