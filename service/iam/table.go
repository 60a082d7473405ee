package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

// Service describes IAM for the door of the services.
func (s *Service) Service() service.Service {
	return service.Service{
		Name: "iam", Protocols: []service.Protocol{service.Query}, Version: iamshapes.Version, Space: iamshapes.Namespace,
		Global: true, Operations: s.Operations(), Known: iamshapes.Operations(), HideValues: true,
	}
}

// Operations is the table of IAM's operations: those that are served, and by
// name those that are not, with the reason.
func (s *Service) Operations() []service.Operation {
	table := slices.Concat(s.users(), s.accessKeys(), s.groups(), s.roles(), s.policies(), s.grants(), s.account(), s.simulator(), s.empty())
	served := map[string]bool{}
	for i := range table {
		served[table[i].Name] = true
		table[i].Targets = proven(table[i].Targets)
	}
	for _, name := range iamshapes.Operations() {
		if !served[name] {
			table = append(table, service.Operation{Name: name, Action: "iam:" + name, Why: why(name)})
		}
	}
	return table
}

// proven keeps out credentials of GetSessionToken: AWS lets those call IAM with
// a second factor alone, which nobody has here.
func proven(of targetsOf) targetsOf {
	return func(ctx context.Context, c *service.Call, in any) ([]service.Target, error) {
		if s := c.Caller.Session; s != nil && c.Caller.Kind != access.Role && !s.MFA {
			return nil, errSessionToken
		}
		return of(ctx, c, in)
	}
}

type targetsOf = func(ctx context.Context, c *service.Call, in any) ([]service.Target, error)

// why says why an operation is not served.
func why(name string) string {
	for _, r := range []struct{ part, reason string }{
		{"MFADevice", "There are no multi-factor devices."},
		{"LoginProfile", "There are no passwords: access keys alone let in."},
		{"Password", "There are no passwords: access keys alone let in."},
		{"InstanceProfile", "There are no instances."},
		{"SAMLProvider", "There is no federation yet."},
		{"OpenIDConnectProvider", "There is no federation yet."},
		{"FederationRoot", "There is no federation yet."},
		{"WebIdentity", "There is no federation yet."},
		{"Certificate", "Certificates of the doors are configuration."},
		{"SSHPublicKey", "There is nothing that SSH keys let in to."},
		{"ServiceSpecificCredential", "There is no service that has credentials of its own."},
		{"ServiceLinked", "No service of a realm has roles of its own."},
		{"Organizations", "Organisation policies are attached with farhold realm account attach-scp."},
		{"Delegation", "There is no delegation."},
		{"LastAccessed", "What a policy was used for is not recorded."},
		{"CredentialReport", "Reports are not made."},
	} {
		if strings.Contains(name, r.part) {
			return r.reason
		}
	}
	return "It is not served."
}
