package access

import (
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/policy"
)

// keys are the condition keys that follow from a caller, before those of the
// request: nothing that a client sends can take their place.
type keys struct {
	caller  *Caller
	request *Request
	account string            // owner of the resource
	tags    map[string]string // of the user or role
}

var _ policy.Context = (*keys)(nil)

// Value implements policy.Context.
func (k *keys) Value(key string) ([]string, bool) {
	if v, ours := k.own(key); ours {
		return present(v)
	}
	if k.request.Context == nil {
		return nil, false
	}
	return k.request.Context.Value(key)
}

// own gives the value of a key that is the caller's alone to have; empty when
// this one has none. The request is not asked for those.
func (k *keys) own(key string) (value string, ours bool) {
	if tag, ok := strings.CutPrefix(key, "aws:principaltag/"); ok {
		return k.tag(tag), true
	}
	c := k.caller
	switch key {
	case "aws:principalarn":
		if c.Kind == Role {
			return c.RoleARN, true
		}
		if c.Kind == Service {
			return "", true
		}
		return c.ARN, true
	case "aws:principalaccount":
		return c.Account, true
	case "aws:principaltype":
		return principalType(c.Kind), true
	case "aws:userid":
		if c.Kind == Anonymous {
			return "anonymous", true
		}
		return c.UserID, true
	case "aws:username":
		if c.Kind == User {
			return c.Name, true
		}
		return "", true
	case "aws:principalisawsservice":
		if c.Kind == Anonymous {
			return "", true
		}
		return strconv.FormatBool(c.Kind == Service), true
	case "aws:principalservicename", "aws:principalservicenameslist":
		return c.Service, true
	case "aws:resourceaccount", "s3:resourceaccount":
		return k.account, true
	case "kms:calleraccount":
		return c.Account, true
	case "kms:viaservice":
		return c.Via, true
	case "aws:calledvia", "aws:calledviafirst", "aws:calledvialast":
		return globalName(c.Via), true
	case "aws:viaawsservice":
		// Without one the request says that it came straight here.
		return "true", c.Via != ""
	}
	return k.session(key)
}

// session gives the keys that temporary credentials bring along. Long-term
// ones have none of them, not even aws:MultiFactorAuthPresent.
func (k *keys) session(key string) (value string, ours bool) {
	s := k.caller.Session
	switch key {
	case "aws:multifactorauthpresent":
		if s != nil {
			return strconv.FormatBool(s.MFA), true
		}
	case "aws:multifactorauthage":
		if s != nil && s.MFA && k.request.Context != nil {
			if now, ok := k.request.Context.Value("aws:epochtime"); ok && len(now) == 1 {
				if n, err := strconv.ParseInt(now[0], 10, 64); err == nil {
					return strconv.FormatInt(max(0, n-s.Issued.Unix()), 10), true
				}
			}
		}
	case "aws:tokenissuetime":
		if s != nil {
			return s.Issued.UTC().Format(time.RFC3339), true
		}
	case "aws:sourceidentity":
		if s != nil {
			return s.SourceIdentity, true
		}
	default:
		return "", false
	}
	return "", true
}

// principalType is the value of aws:PrincipalType; a service has none.
func principalType(k Kind) string {
	switch k {
	case Anonymous:
		return "Anonymous"
	case Root:
		return "Account"
	case User:
		return "User"
	case Role:
		return "AssumedRole"
	case Federated:
		return "FederatedUser"
	}
	return ""
}

// tag finds a tag of the session, or else of the user or role behind it. Case
// does not tell the keys of tags of principals apart.
func (k *keys) tag(key string) string {
	if s := k.caller.Session; s != nil {
		if v, ok := foldGet(s.Tags, key); ok {
			return v
		}
	}
	v, _ := foldGet(k.tags, key)
	return v
}

func foldGet(m map[string]string, key string) (string, bool) {
	if v, ok := m[key]; ok {
		return v, true
	}
	for name, v := range m {
		if strings.EqualFold(name, key) {
			return v, true
		}
	}
	return "", false
}

// globalName makes s3.amazonaws.com of s3.us-east-1.amazonaws.com.
func globalName(via string) string {
	service, rest, ok := strings.Cut(via, ".")
	if !ok || strings.Count(rest, ".") < 2 {
		return via
	}
	_, domain, _ := strings.Cut(rest, ".")
	return service + "." + domain
}
