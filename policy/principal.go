package policy

import (
	"slices"
	"strings"
)

// principals are those that a statement names.
type principals struct {
	all       bool     // *, or "AWS": "*"
	arns      []string // of users, roles and sessions
	ids       []string // AIDA… and AROA…: what is left of a user or role that is gone
	accounts  []string
	services  []string
	canonical []string
	federated []string
}

// grade says in which way an Allow of a resource's policy names a principal,
// and so what can still narrow it. A greater one is narrowed by less.
type grade uint8

const (
	gradeNone    grade = iota
	gradeAccount       // its account: what it may is the account's to say
	gradeRole          // the role of a session: boundary and session policies narrow it
	gradeUser          // the user: session policies narrow it
	gradeDirect        // everybody, or this very session or service: nothing narrows it
)

func (p *parser) principal(v *value, s *statement) error {
	if p.doc.kind == Identity {
		for _, name := range []string{"Principal", "NotPrincipal"} {
			if f := v.member(name); f != nil {
				return p.fault(ForbiddenMember, f, name, "")
			}
		}
		return nil
	}
	if p.doc.kind != Resource {
		if f := v.member("NotPrincipal"); f != nil {
			return p.fault(ForbiddenMember, f, "NotPrincipal", "")
		}
	}
	if p.doc.kind == Organization && v.member("Principal") == nil {
		return nil
	}
	field, not, err := p.pair(v, "Principal")
	if err != nil {
		return err
	}
	s.notPrincipal, s.principal = not, &principals{}
	if field.kind == stringValue && field.text == "*" {
		s.principal.all = true
		return nil
	}
	// Resource control policies speak about everybody.
	if field.kind != objectValue || len(field.names) == 0 || p.doc.kind == Organization {
		return p.fault(BadPrincipal, field, "", "")
	}
	if err := p.only(field, "AWS", "Service", "CanonicalUser", "Federated"); err != nil {
		return err
	}
	for i, kind := range field.names {
		list, ok := texts(&field.items[i])
		if !ok {
			return p.fault(BadPrincipal, &field.items[i], "", "")
		}
		for _, name := range list {
			if !s.principal.add(kind, name.text) {
				return p.fault(BadPrincipal, name, kind, name.text)
			}
			p.doc.canonical = p.doc.canonical || kind == "CanonicalUser"
		}
	}
	return nil
}

// add takes a principal in, unless it has a form that none has.
func (p *principals) add(kind, name string) bool {
	switch kind {
	case "AWS":
		switch {
		case name == "*":
			p.all = true
		case isAccount(name):
			p.accounts = append(p.accounts, name)
		case isUniqueID(name):
			p.ids = append(p.ids, name)
		default:
			return p.addARN(name)
		}
	case "Service":
		if name == "" || strings.ContainsAny(name, "*?") || !strings.Contains(name, ".") {
			return false
		}
		p.services = append(p.services, name)
	case "CanonicalUser":
		if len(name) != 64 || strings.Trim(name, "0123456789abcdef") != "" {
			return false
		}
		p.canonical = append(p.canonical, name)
	case "Federated":
		if name == "" || strings.ContainsAny(name, "*?") {
			return false
		}
		p.federated = append(p.federated, name)
	default:
		return false
	}
	return true
}

func (p *principals) addARN(name string) bool {
	part := strings.SplitN(name, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[1] == "" || part[3] != "" || !isAccount(part[4]) || strings.ContainsAny(name, "*?") {
		return false
	}
	kind, rest, _ := strings.Cut(part[5], "/")
	switch {
	case part[2] == "iam" && part[5] == "root":
		p.accounts = append(p.accounts, part[4])
		return true
	case part[2] == "iam" && (kind == "user" || kind == "role") && rest != "",
		part[2] == "sts" && (kind == "assumed-role" || kind == "federated-user") && rest != "":
		p.arns = append(p.arns, name)
		return true
	}
	return false
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func isUniqueID(s string) bool {
	return len(s) >= 16 && (strings.HasPrefix(s, "AIDA") || strings.HasPrefix(s, "AROA")) &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// id is the unique ID of the user or role: of AROA…:session it is the first
// part.
func (w *Principal) id() string {
	id, _, _ := strings.Cut(w.UserID, ":")
	return id
}

// grade tells how p names a principal. The anonymous are named by * alone, and
// services by * and their names.
func (p *principals) grade(w *Principal) grade {
	switch {
	case p.all:
		return gradeDirect
	case w.Anonymous:
		return gradeNone
	case w.Service != "":
		if slices.Contains(p.services, w.Service) {
			return gradeDirect
		}
		return gradeNone
	case w.SessionARN != "" && slices.Contains(p.arns, w.SessionARN):
		return gradeDirect
	case !w.Root && (w.ARN != "" && slices.Contains(p.arns, w.ARN) || len(p.ids) > 0 && slices.Contains(p.ids, w.id())):
		if w.SessionARN != "" {
			return gradeRole
		}
		return gradeUser
	case p.hasAccount(w):
		return gradeAccount
	}
	return gradeNone
}

func (p *principals) hasAccount(w *Principal) bool {
	return w.Account != "" && slices.Contains(p.accounts, w.Account) || w.CanonicalID != "" && slices.Contains(p.canonical, w.CanonicalID)
}

// exempts tells whether a NotPrincipal of a Deny leaves a principal out. As
// AWS says, it looks at the account, then at the user or role, then at the
// session: each of them must be named, or the Deny binds.
func (p *principals) exempts(w *Principal) bool {
	switch {
	case p.all:
		return true
	case w.Anonymous:
		return false
	case w.Service != "":
		return slices.Contains(p.services, w.Service)
	case !p.hasAccount(w):
		return false
	case w.Root:
		return true
	case !slices.Contains(p.arns, w.ARN) && !slices.Contains(p.ids, w.id()):
		return false
	}
	return w.SessionARN == "" || slices.Contains(p.arns, w.SessionARN)
}
