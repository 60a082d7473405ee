package policy

// Evaluate decides as AWS does. An explicit Deny in any policy wins. Without
// one, each level of the organisation must allow; then the resource's policy,
// the principal's own policies, its boundary and its session's policies are
// weighed: within one account either side may allow, across accounts both
// must, and a resource with ResourceRules must always.
//
// A nil document in a list is one that could not be read: it refuses.
func Evaluate(in *Input) Decision { return evaluate(in, noMutant) }

// evaluator is one evaluation.
type evaluator struct {
	in     *Input
	mutant mutant
	match  []Match // in the order in which they were found; with Explain only
}

// voice is what some policies of one kind say.
type voice struct{ allow, deny bool }

func evaluate(in *Input, m mutant) Decision {
	e := evaluator{in: in, mutant: m}

	// Everything is asked before anything is decided, so that no Deny is
	// overlooked. With no policies of a kind that costs nothing.
	service := e.levels(in.ServiceControl, FromServiceControl)
	control := e.levels(in.ResourceControl, FromResourceControl)
	how, resourceDeny := e.resource()
	identity := e.documents(in.Identity, FromIdentity)
	boundary := voice{allow: true}
	if in.Boundary != nil {
		boundary = e.document(in.Boundary, FromBoundary)
	}
	session := voice{allow: true}
	if in.HasSession || len(in.Session) > 0 {
		session = e.documents(in.Session, FromSession)
	}
	switch {
	case service.deny:
		return e.denied(FromServiceControl)
	case control.deny:
		return e.denied(FromResourceControl)
	case resourceDeny && m != mutantResourceDeny:
		return e.denied(FromResource)
	case identity.deny && m != mutantIdentityDeny:
		return e.denied(FromIdentity)
	case boundary.deny && m != mutantBoundaryDeny:
		return e.denied(FromBoundary)
	case session.deny && m != mutantSessionDeny:
		return e.denied(FromSession)
	case !control.allow && m != mutantNoResourceControl:
		return Decision{By: FromResourceControl}
	case !service.allow && m != mutantNoServiceControl:
		return Decision{By: FromServiceControl}
	}
	if m == mutantNoBoundary {
		boundary.allow = true
	}
	if m == mutantNoSession {
		session.allow = true
	}

	who := &in.Principal
	if who.Anonymous || who.Service != "" {
		// They have no policies of their own. Who is not known can't be handed
		// what a key or a role is for.
		if how == gradeNone || who.Anonymous && in.ResourceRules {
			return Decision{By: FromResource}
		}
		return e.allowed(FromResource)
	}

	// own is what the principal's side says; the root user needs no policy.
	own := None
	switch {
	case !identity.allow && !who.Root:
		own = FromIdentity
	case !boundary.allow:
		own = FromBoundary
	case !session.allow:
		own = FromSession
	}
	crosses := in.ResourceAccount != "" && in.ResourceAccount != who.Account
	switch {
	case crosses && m != mutantCrossEither:
		if own != None {
			return Decision{By: own}
		}
		if how == gradeNone && m != mutantCrossIdentity {
			return Decision{By: FromResource}
		}
		return e.allowed(FromResource)
	case e.direct(how, boundary.allow, session.allow):
		return e.allowed(FromResource)
	case in.ResourceRules && how == gradeNone && m != mutantNoRules:
		return Decision{By: FromResource}
	case how == gradeAccount && m == mutantAccountGrants:
		return e.allowed(FromResource)
	case own != None:
		return Decision{By: own}
	}
	return e.allowed(FromIdentity)
}

// direct tells whether the resource's policy alone gives access, within one
// account: it names the principal itself, and what may still narrow that does
// not. An account's name gives nothing by itself.
func (e *evaluator) direct(how grade, boundary, session bool) bool {
	switch how {
	case gradeDirect:
		return true
	case gradeUser:
		return session
	case gradeRole:
		return boundary && session || e.mutant == mutantRoleDirect
	}
	return false
}

func (e *evaluator) value(key string) ([]string, bool) {
	if e.in.Context == nil {
		return nil, false
	}
	return e.in.Context.Value(key)
}

// levels tells whether each level allows, and whether any policy denies.
func (e *evaluator) levels(levels [][]*Document, by Source) voice {
	all := voice{allow: true}
	for _, l := range levels {
		v := e.documents(l, by)
		all.allow = all.allow && v.allow || e.mutant == mutantLevelsOr && v.allow
		all.deny = all.deny || v.deny
	}
	return all
}

func (e *evaluator) documents(docs []*Document, by Source) voice {
	var all voice
	for _, d := range docs {
		v := e.document(d, by)
		all.allow = all.allow || v.allow
		all.deny = all.deny || v.deny
	}
	return all
}

func (e *evaluator) document(d *Document, by Source) voice {
	if d == nil {
		return voice{deny: true}
	}
	var all voice
	for i := range d.statements {
		s := &d.statements[i]
		// What could not change the outcome is left out.
		if (s.deny && all.deny || !s.deny && all.allow) && !e.in.Explain || !e.applies(s) {
			continue
		}
		if s.principal != nil && !s.principal.all {
			all.deny = true // a document of another kind: somebody's mistake
			continue
		}
		if s.deny {
			all.deny = true
		} else {
			all.allow = true
		}
		e.found(d, i, by)
	}
	return all
}

// resource tells in which way the resource's policies allow, at best, and
// whether one denies.
func (e *evaluator) resource() (best grade, deny bool) {
	if e.in.Granted {
		best = e.granted()
	}
	for _, d := range e.in.ResourcePolicies {
		if d == nil {
			deny = true
			continue
		}
		for i := range d.statements {
			s := &d.statements[i]
			if s.principal == nil {
				deny = true // a document of another kind: somebody's mistake
				continue
			}
			if s.deny && deny && !e.in.Explain {
				continue
			}
			how := e.names(s)
			if how == gradeNone || !s.deny && how <= best && !e.in.Explain || !e.applies(s) {
				continue
			}
			if s.deny {
				deny = true
			} else {
				best = max(best, how)
			}
			e.found(d, i, FromResource)
		}
	}
	return best, deny
}

// granted is the grade of a grant that is no policy: it names the principal as
// a policy with its ARN would.
func (e *evaluator) granted() grade {
	switch who := &e.in.Principal; {
	case who.Anonymous, who.Service != "":
		return gradeDirect
	case who.Root:
		return gradeAccount
	case who.SessionARN != "":
		return gradeRole
	}
	return gradeUser
}

// names tells how a statement speaks about the principal.
func (e *evaluator) names(s *statement) grade {
	who := &e.in.Principal
	how := s.principal.grade(who)
	switch {
	case !s.notPrincipal:
		if e.mutant == mutantDenyUserOnly && s.deny && how == gradeAccount && !who.Root {
			return gradeNone
		}
		return how
	case s.deny && e.mutant != mutantNotPrincipal:
		if s.principal.exempts(who) {
			return gradeNone
		}
		return gradeDirect
	case how != gradeNone || s.principal.all:
		return gradeNone
	}
	return gradeDirect
}

// applies tells whether action, resource and conditions of a statement fit.
func (e *evaluator) applies(s *statement) bool {
	if e.action(s) == (s.notAction && e.mutant != mutantNotAction) {
		return false
	}
	if !e.covers(s) {
		return false
	}
	all, some := true, len(s.conditions) == 0
	for i := range s.conditions {
		if e.holds(&s.conditions[i]) {
			some = true
		} else if all = false; !e.in.Explain && e.mutant != mutantAnyCondition {
			return false
		}
	}
	return all || some && e.mutant == mutantAnyCondition
}

func (e *evaluator) action(s *statement) bool {
	for i := range s.actions {
		if s.actions[i].matchFold(e.in.Action) {
			return true
		}
	}
	return false
}

// covers tells whether a statement is about the resource. A variable without a
// value makes Resource not match; in NotResource, where that would widen an
// Allow, the statement does not apply unless it denies.
func (e *evaluator) covers(s *statement) bool {
	if len(s.resources) == 0 {
		return true
	}
	for i := range s.resources {
		if e.like(&s.resources[i], e.in.Resource) {
			return !s.notResource
		}
	}
	if !s.notResource || e.mutant == mutantNotResource {
		return false
	}
	for i := range s.resources {
		if _, ok := e.filled(&s.resources[i]); !ok && !s.deny {
			return false
		}
	}
	return true
}

func (e *evaluator) found(d *Document, i int, by Source) {
	if e.in.Explain {
		e.match = append(e.match, Match{Document: d, Statement: i, By: by})
	}
}

// denied is the outcome when a policy denies.
func (e *evaluator) denied(by Source) Decision {
	return e.outcome(Decision{Explicit: true, By: by}, true)
}

func (e *evaluator) allowed(by Source) Decision {
	return e.outcome(Decision{Allowed: true, By: by}, false)
}

func (e *evaluator) outcome(d Decision, deny bool) Decision {
	for _, m := range e.match {
		if m.Document.statements[m.Statement].deny == deny {
			d.Matched = append(d.Matched, m)
		}
	}
	return d
}
