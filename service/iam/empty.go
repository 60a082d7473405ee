package iam

import (
	"context"

	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/shapes/iam"
)

// empty are the operations that list what a realm has none of: passwords,
// multi-factor devices, certificates, instance profiles, identity providers.
// Tools ask for them before they delete a user or a role.
func (s *Service) empty() []service.Operation {
	return []service.Operation{
		service.Op("GetLoginProfile", "iam:GetLoginProfile", onEntity(s, userKind, func(in *iamshapes.GetLoginProfileRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.GetLoginProfileRequest) (*iamshapes.GetLoginProfileResponse, error) {
				name, err := s.ofUser(ctx, c, in.UserName)
				if err != nil {
					return nil, err
				}
				return nil, ErrNoSuchEntity.Text("Login Profile for User %s cannot be found.", name)
			}),
		service.Op("DeleteLoginProfile", "iam:DeleteLoginProfile", onEntity(s, userKind, func(in *deleteLoginProfileRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *deleteLoginProfileRequest) (*struct{}, error) {
				name, err := s.ofUser(ctx, c, in.UserName)
				if err != nil {
					return nil, err
				}
				return nil, ErrNoSuchEntity.Text("Login Profile for User %s cannot be found.", name)
			}),
		service.Op("GetAccountPasswordPolicy", "iam:GetAccountPasswordPolicy", service.On[getAccountPasswordPolicyRequest]("*"),
			func(_ context.Context, c *service.Call, _ *getAccountPasswordPolicyRequest) (*struct{}, error) {
				return nil, ErrNoSuchEntity.Text("The Password Policy with domain name %s cannot be found.", c.Caller.Account)
			}),
		service.Op("ListMFADevices", "iam:ListMFADevices", onEntity(s, userKind, func(in *iamshapes.ListMFADevicesRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListMFADevicesRequest) (*iamshapes.ListMFADevicesResponse, error) {
				_, err := s.ofUser(ctx, c, in.UserName)
				return &iamshapes.ListMFADevicesResponse{MFADevices: []iamshapes.MFADevice{}, IsTruncated: ptr(false)}, err
			}),
		service.Op("ListSSHPublicKeys", "iam:ListSSHPublicKeys", onEntity(s, userKind, func(in *iamshapes.ListSSHPublicKeysRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListSSHPublicKeysRequest) (*iamshapes.ListSSHPublicKeysResponse, error) {
				_, err := s.ofUser(ctx, c, in.UserName)
				return &iamshapes.ListSSHPublicKeysResponse{SSHPublicKeys: []iamshapes.SSHPublicKeyMetadata{}, IsTruncated: ptr(false)}, err
			}),
		service.Op("ListSigningCertificates", "iam:ListSigningCertificates", onEntity(s, userKind, func(in *iamshapes.ListSigningCertificatesRequest) *string { return in.UserName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListSigningCertificatesRequest) (*iamshapes.ListSigningCertificatesResponse, error) {
				_, err := s.ofUser(ctx, c, in.UserName)
				return &iamshapes.ListSigningCertificatesResponse{Certificates: []iamshapes.SigningCertificate{}, IsTruncated: ptr(false)}, err
			}),
		service.Op("ListServiceSpecificCredentials", "iam:ListServiceSpecificCredentials", targets(func(ctx context.Context, c *service.Call, in *iamshapes.ListServiceSpecificCredentialsRequest) (service.Target, error) {
			if value(in.AllUsers) {
				return service.Target{ARN: "arn:aws:iam::" + c.Caller.Account + ":user/*", Account: c.Caller.Account}, nil
			}
			name, err := userName(c, in.UserName)
			if err != nil {
				return service.Target{}, err
			}
			return s.on(ctx, userKind, c.Caller.Account, name, nil)
		}), func(ctx context.Context, c *service.Call, in *iamshapes.ListServiceSpecificCredentialsRequest) (*iamshapes.ListServiceSpecificCredentialsResponse, error) {
			if !value(in.AllUsers) {
				if _, err := s.ofUser(ctx, c, in.UserName); err != nil {
					return nil, err
				}
			}
			if in.ServiceName != nil && !hasOwnCredentials(*in.ServiceName) {
				return nil, ErrNoSuchEntity.Text("No such service %s is supported for Service Specific Credentials", *in.ServiceName)
			}
			return &iamshapes.ListServiceSpecificCredentialsResponse{ServiceSpecificCredentials: []iamshapes.ServiceSpecificCredentialMetadata{}, IsTruncated: ptr(false)}, nil
		}),
		service.Op("ListVirtualMFADevices", "iam:ListVirtualMFADevices", service.On[iamshapes.ListVirtualMFADevicesRequest]("*"),
			func(context.Context, *service.Call, *iamshapes.ListVirtualMFADevicesRequest) (*iamshapes.ListVirtualMFADevicesResponse, error) {
				return &iamshapes.ListVirtualMFADevicesResponse{VirtualMFADevices: []iamshapes.VirtualMFADevice{}, IsTruncated: ptr(false)}, nil
			}),
		service.Op("ListInstanceProfilesForRole", "iam:ListInstanceProfilesForRole", onEntity(s, roleKind, func(in *iamshapes.ListInstanceProfilesForRoleRequest) *string { return in.RoleName }, nil),
			func(ctx context.Context, c *service.Call, in *iamshapes.ListInstanceProfilesForRoleRequest) (*iamshapes.ListInstanceProfilesForRoleResponse, error) {
				_, err := s.find(ctx, roleKind, c.Caller.Account, *in.RoleName)
				return &iamshapes.ListInstanceProfilesForRoleResponse{InstanceProfiles: []iamshapes.InstanceProfile{}, IsTruncated: ptr(false)}, err
			}),
		service.Op("ListInstanceProfiles", "iam:ListInstanceProfiles", listed[iamshapes.ListInstanceProfilesRequest]("instance-profile", func(in *iamshapes.ListInstanceProfilesRequest) *string { return in.PathPrefix }),
			func(context.Context, *service.Call, *iamshapes.ListInstanceProfilesRequest) (*iamshapes.ListInstanceProfilesResponse, error) {
				return &iamshapes.ListInstanceProfilesResponse{InstanceProfiles: []iamshapes.InstanceProfile{}, IsTruncated: ptr(false)}, nil
			}),
		service.Op("ListServerCertificates", "iam:ListServerCertificates", listed[iamshapes.ListServerCertificatesRequest]("server-certificate", func(in *iamshapes.ListServerCertificatesRequest) *string { return in.PathPrefix }),
			func(context.Context, *service.Call, *iamshapes.ListServerCertificatesRequest) (*iamshapes.ListServerCertificatesResponse, error) {
				return &iamshapes.ListServerCertificatesResponse{ServerCertificateMetadataList: []iamshapes.ServerCertificateMetadata{}, IsTruncated: ptr(false)}, nil
			}),
		service.Op("ListOpenIDConnectProviders", "iam:ListOpenIDConnectProviders", service.On[iamshapes.ListOpenIDConnectProvidersRequest]("*"),
			func(context.Context, *service.Call, *iamshapes.ListOpenIDConnectProvidersRequest) (*iamshapes.ListOpenIDConnectProvidersResponse, error) {
				return &iamshapes.ListOpenIDConnectProvidersResponse{OpenIDConnectProviderList: []iamshapes.OpenIDConnectProviderListEntry{}}, nil
			}),
		service.Op("ListSAMLProviders", "iam:ListSAMLProviders", service.On[iamshapes.ListSAMLProvidersRequest]("*"),
			func(context.Context, *service.Call, *iamshapes.ListSAMLProvidersRequest) (*iamshapes.ListSAMLProvidersResponse, error) {
				return &iamshapes.ListSAMLProvidersResponse{SAMLProviderList: []iamshapes.SAMLProviderListEntry{}}, nil
			}),
	}
}

// hasOwnCredentials tells whether a service of AWS's has credentials of its own.
func hasOwnCredentials(name string) bool {
	switch name {
	case "bedrock.amazonaws.com", "cassandra.amazonaws.com", "codecommit.amazonaws.com", "logs.amazonaws.com":
		return true
	}
	return false
}

// Requests of operations that have one answer here, an error, as AWS's model
// has them.
type (
	deleteLoginProfileRequest struct {
		UserName *string `len:"1,64" pattern:"[\\w+=,.@-]+"`
	}
	getAccountPasswordPolicyRequest struct{}
)

// ofUser sees that the user exists whom a request is about.
func (s *Service) ofUser(ctx context.Context, c *service.Call, name *string) (string, error) {
	n, err := userName(c, name)
	if err != nil {
		return "", err
	}
	_, err = s.find(ctx, userKind, c.Caller.Account, n)
	return n, err
}
