package policy

import "fmt"

// Fault says what is wrong with a document.
type Fault uint8

// Faults, in the order in which they are looked for.
const (
	NotJSON         Fault = iota + 1 // not strict JSON, too long, nested too deep, or no object
	BadSyntax                        // a member that has another type than it must
	UnknownMember                    // Error.Member
	MissingMember                    // Error.Member
	EmptyMember                      // a list of nothing: Error.Member
	BadVersion                       // Error.Value
	NoStatement                      // a list without a statement
	BadSid                           // characters that a kind of policy does not allow; Error.Value
	DuplicateSid                     // Error.Value
	BadEffect                        // Error.Value
	BothMembers                      // Error.Member and its Not…
	ForbiddenMember                  // of another kind of policy: Error.Member
	BadPrincipal                     // Error.Member is AWS, Service, …; Error.Value
	BadAction                        // without a vendor; Error.Value
	BadResource                      // neither an ARN nor *; Error.Value
	UnknownOperator                  // of a condition; Error.Value
	BadCondition                     // a key or value that its operator can't have; Error.Member is the key
	BadVariable                      // ${ without its }; Error.Value
)

// Error tells why a document was refused. Services give their own texts for
// it; Text gives IAM's.
type Error struct {
	Fault         Fault
	Member, Value string
	Statement     int      // index, or -1 for the document itself
	At            Position // of what is wrong; zero when the document is no JSON
	Cause         error    // of NotJSON
}

// Error describes the fault for people who read logs.
func (e *Error) Error() string {
	s := "policy: " + e.Text()
	if e.At.Line > 0 {
		s += fmt.Sprintf(" (line %d, column %d)", e.At.Line, e.At.Column)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Text is the message that IAM's MalformedPolicyDocument has.
func (e *Error) Text() string {
	switch e.Fault {
	case MissingMember, EmptyMember:
		switch e.Member {
		case "Action":
			return "Policy statement must contain actions."
		case "Resource":
			return "Policy statement must contain resources."
		}
		return "Missing required field " + e.Member
	case ForbiddenMember:
		if e.Member == "Principal" || e.Member == "NotPrincipal" {
			return "Policy document should not specify a principal."
		}
		return "Has prohibited field " + e.Member
	case BadVersion:
		return "Policy document must be version 2012-10-17 or greater."
	case BadSid:
		return "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	case DuplicateSid:
		return "Statement IDs (SID) in a single policy must be unique."
	case BadAction:
		return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	case BadResource:
		return fmt.Sprintf(`Resource %s must be in ARN format or "*".`, e.Value)
	case BadPrincipal:
		if e.Member != "" {
			return fmt.Sprintf("Invalid principal in policy: %q:%q", e.Member, e.Value)
		}
		return "Invalid principal in policy"
	case UnknownOperator:
		return "Invalid Condition type : " + e.Value
	}
	return "Syntax errors in policy."
}
