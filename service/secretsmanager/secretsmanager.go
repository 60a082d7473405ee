// Package secretsmanager is Secrets Manager as far as it needs no store of
// secrets: it makes random passwords.
package secretsmanager

import (
	"context"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/secretsmanager"
)

// Service describes Secrets Manager for service.New.
func Service() service.Service {
	return service.Service{
		Name: "secretsmanager", Protocols: []service.Protocol{service.JSON11}, Target: shapes.TargetPrefix, Version: shapes.Version,
		Errors: service.Errors{Internal: awserr.New("InternalServiceError", 500, "An internal service error occurred.")},
		Known:  shapes.Operations(),
		Operations: []service.Operation{
			service.Op("GetRandomPassword", "secretsmanager:GetRandomPassword", service.On[shapes.GetRandomPasswordRequest]("*"), getRandomPassword),
		},
	}
}

func getRandomPassword(_ context.Context, _ *service.Call, in *shapes.GetRandomPasswordRequest) (*shapes.GetRandomPasswordResponse, error) {
	r := recipe{
		length: 32, require: true, space: on(in.IncludeSpace),
		without: [...]bool{on(in.ExcludeLowercase), on(in.ExcludeUppercase), on(in.ExcludeNumbers), on(in.ExcludePunctuation)},
	}
	if in.PasswordLength != nil {
		r.length = int(*in.PasswordLength)
	}
	if in.ExcludeCharacters != nil {
		r.exclude = *in.ExcludeCharacters
	}
	if in.RequireEachIncludedType != nil {
		r.require = *in.RequireEachIncludedType
	}
	p, err := r.password()
	if err != nil {
		return nil, err
	}
	return &shapes.GetRandomPasswordResponse{RandomPassword: &p}, nil
}

func on(b *bool) bool { return b != nil && *b }
