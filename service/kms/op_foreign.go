package kms

import (
	"context"
	"time"

	"github.com/farhold/farhold/service"
	shapes "github.com/farhold/farhold/wire/shapes/kms"
)

// foreignOperations are those that AWS has for keys of other kinds. On the keys
// that are here they answer what AWS answers on such keys, to requests that
// its model lets through.
func (e *Engine) foreignOperations() []service.Operation {
	return []service.Operation{
		foreign(e, "DeriveSharedSecret", func(in *deriveSharedSecretRequest) **string { return &in.KeyId }, notItsUsage),
		foreign(e, "GenerateMac", func(in *generateMacRequest) **string { return &in.KeyId }, notItsUsage),
		foreign(e, "Sign", func(in *signRequest) **string { return &in.KeyId }, notItsUsage),
		foreign(e, "Verify", func(in *verifyRequest) **string { return &in.KeyId }, notItsUsage),
		foreign(e, "VerifyMac", func(in *verifyMacRequest) **string { return &in.KeyId }, notItsUsage),
		foreign(e, "DeleteImportedKeyMaterial", func(in *deleteImportedKeyMaterialRequest) **string { return &in.KeyId }, notImported),
		foreign(e, "GetParametersForImport", func(in *getParametersForImportRequest) **string { return &in.KeyId }, notImported),
		foreign(e, "ImportKeyMaterial", func(in *importKeyMaterialRequest) **string { return &in.KeyId }, notImported),
		foreign(e, "ReplicateKey", func(in *replicateKeyRequest) **string { return &in.KeyId }, notPrimary),
		foreign(e, "UpdatePrimaryRegion", func(in *updatePrimaryRegionRequest) **string { return &in.KeyId }, notPrimary),
	}
}

// foreign is an operation that no key here is of the kind for.
func foreign[I any](e *Engine, op string, keyID func(in *I) **string, refuse func(op string, k *entry) error) service.Operation {
	return keyed(e, op, keyID,
		func(_ *service.Call, _ *I, a *ask) error { a.Aliases, a.Foreign = true, true; return nil },
		func(_ context.Context, _ *service.Call, _ *I, k *entry) (*struct{}, error) { return nil, refuse(op, k) })
}

func notItsUsage(op string, k *entry) error {
	return ErrInvalidKeyUsage.Text("%s key usage is ENCRYPT_DECRYPT which is not valid for %s.", k.arn, op)
}

func notImported(_ string, k *entry) error {
	return ErrUnsupported.Text("%s origin is AWS_KMS which is not valid for this operation.", k.arn)
}

func notPrimary(_ string, k *entry) error {
	return ErrUnsupported.Text("%s is not a multi-region primary key.", k.arn)
}

// Requests of operations that have one answer here, an error, as AWS's model
// has them: what breaks the model is a ValidationException, whatever the key.
// The algorithms of MACs stand in the order in which AWS lists them.
type (
	deriveSharedSecretRequest struct {
		KeyId                 *string  `required:"true" len:"1,2048"`
		KeyAgreementAlgorithm *string  `required:"true" enum:"ECDH"`
		PublicKey             []byte   `required:"true" len:"1,8192"`
		GrantTokens           []string `len:"0,10" elem.len:"1,8192"`
		DryRun                *bool
		Recipient             *shapes.RecipientInfo
	}
	generateMacRequest struct {
		Message      []byte   `required:"true" len:"1,4096" sensitive:"true"`
		KeyId        *string  `required:"true" len:"1,2048"`
		MacAlgorithm *string  `required:"true" enum:"HMAC_SHA_384,HMAC_SHA_256,HMAC_SHA_224,HMAC_SHA_512"`
		GrantTokens  []string `len:"0,10" elem.len:"1,8192"`
		DryRun       *bool
	}
	verifyMacRequest struct {
		Message      []byte   `required:"true" len:"1,4096" sensitive:"true"`
		KeyId        *string  `required:"true" len:"1,2048"`
		MacAlgorithm *string  `required:"true" enum:"HMAC_SHA_384,HMAC_SHA_256,HMAC_SHA_224,HMAC_SHA_512"`
		Mac          []byte   `required:"true" len:"1,6144"`
		GrantTokens  []string `len:"0,10" elem.len:"1,8192"`
		DryRun       *bool
	}
	signRequest struct {
		KeyId            *string  `required:"true" len:"1,2048"`
		Message          []byte   `required:"true" len:"1,4096" sensitive:"true"`
		MessageType      *string  `enum:"RAW,DIGEST,EXTERNAL_MU"`
		GrantTokens      []string `len:"0,10" elem.len:"1,8192"`
		SigningAlgorithm *string  `required:"true" enum:"RSASSA_PSS_SHA_256,RSASSA_PSS_SHA_384,RSASSA_PSS_SHA_512,RSASSA_PKCS1_V1_5_SHA_256,RSASSA_PKCS1_V1_5_SHA_384,RSASSA_PKCS1_V1_5_SHA_512,ECDSA_SHA_256,ECDSA_SHA_384,ECDSA_SHA_512,SM2DSA,ML_DSA_SHAKE_256,ED25519_SHA_512,ED25519_PH_SHA_512"`
		DryRun           *bool
	}
	verifyRequest struct {
		KeyId            *string  `required:"true" len:"1,2048"`
		Message          []byte   `required:"true" len:"1,4096" sensitive:"true"`
		MessageType      *string  `enum:"RAW,DIGEST,EXTERNAL_MU"`
		Signature        []byte   `required:"true" len:"1,6144"`
		SigningAlgorithm *string  `required:"true" enum:"RSASSA_PSS_SHA_256,RSASSA_PSS_SHA_384,RSASSA_PSS_SHA_512,RSASSA_PKCS1_V1_5_SHA_256,RSASSA_PKCS1_V1_5_SHA_384,RSASSA_PKCS1_V1_5_SHA_512,ECDSA_SHA_256,ECDSA_SHA_384,ECDSA_SHA_512,SM2DSA,ML_DSA_SHAKE_256,ED25519_SHA_512,ED25519_PH_SHA_512"`
		GrantTokens      []string `len:"0,10" elem.len:"1,8192"`
		DryRun           *bool
	}
	deleteImportedKeyMaterialRequest struct {
		KeyId         *string `required:"true" len:"1,2048"`
		KeyMaterialId *string `len:"64,64" pattern:"^[a-f0-9]+$"`
	}
	getParametersForImportRequest struct {
		KeyId             *string `required:"true" len:"1,2048"`
		WrappingAlgorithm *string `required:"true" enum:"RSAES_PKCS1_V1_5,RSAES_OAEP_SHA_1,RSAES_OAEP_SHA_256,RSA_AES_KEY_WRAP_SHA_1,RSA_AES_KEY_WRAP_SHA_256,SM2PKE"`
		WrappingKeySpec   *string `required:"true" enum:"RSA_2048,RSA_3072,RSA_4096,SM2"`
	}
	importKeyMaterialRequest struct {
		KeyId                  *string `required:"true" len:"1,2048"`
		ImportToken            []byte  `required:"true" len:"1,6144"`
		EncryptedKeyMaterial   []byte  `required:"true" len:"1,6144"`
		ValidTo                *time.Time
		ExpirationModel        *string `enum:"KEY_MATERIAL_EXPIRES,KEY_MATERIAL_DOES_NOT_EXPIRE"`
		ImportType             *string `enum:"NEW_KEY_MATERIAL,EXISTING_KEY_MATERIAL"`
		KeyMaterialDescription *string `len:"0,256" pattern:"^[a-zA-Z0-9:/_\\s.-]+$"`
		KeyMaterialId          *string `len:"64,64" pattern:"^[a-f0-9]+$"`
	}
	replicateKeyRequest struct {
		KeyId                          *string `required:"true" len:"1,2048"`
		ReplicaRegion                  *string `required:"true" len:"1,32" pattern:"^([a-z]+-){2,3}\\d+$"`
		Policy                         *string `len:"1,131072" pattern:"[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"`
		BypassPolicyLockoutSafetyCheck *bool
		Description                    *string `len:"0,8192"`
		Tags                           []shapes.Tag
	}
	updatePrimaryRegionRequest struct {
		KeyId         *string `required:"true" len:"1,2048"`
		PrimaryRegion *string `required:"true" len:"1,32" pattern:"^([a-z]+-){2,3}\\d+$"`
	}
)
