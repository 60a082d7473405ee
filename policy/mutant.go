package policy

// mutant names one mistake that an evaluator could have. Tests evaluate with
// each, to prove that the comparison with the oracle would see it; Evaluate
// has none.
type mutant uint8

const (
	noMutant mutant = iota
	mutantIdentityDeny
	mutantResourceDeny
	mutantBoundaryDeny
	mutantSessionDeny
	mutantNoServiceControl
	mutantNoResourceControl
	mutantLevelsOr
	mutantNoBoundary
	mutantNoSession
	mutantCrossEither
	mutantCrossIdentity
	mutantNoRules
	mutantAccountGrants
	mutantRoleDirect
	mutantNotPrincipal
	mutantDenyUserOnly
	mutantNotAction
	mutantNotResource
	mutantAnyCondition
	mutantMissingHolds
	mutantNoIfExists
	mutantForAllMissing
	mutantForAllAny
	mutantNotMissing
	mutantFold
	mutantVariableWild
	mutants // how many there are, with noMutant
)
