package accesstest

// S3Codes are the codes of S3's refusals.
func S3Codes() map[Reason][]string {
	return map[Reason][]string{
		NoCredentials:  {"AccessDenied"},
		WrongSignature: {"SignatureDoesNotMatch"},
		UnsignedHeader: {"AccessDenied"},
		UnknownKey:     {"InvalidAccessKeyId"},
		Skewed:         {"RequestTimeTooSkewed"},
		Expired:        {"AccessDenied"},
		ForeignToken:   {"InvalidToken"},
		TwoMechanisms:  {"InvalidArgument"},
		NotAllowed:     {"AccessDenied"},
	}
}

// QueryCodes are the codes of the refusals of services that speak Query.
func QueryCodes() map[Reason][]string {
	return map[Reason][]string{
		NoCredentials:  {"MissingAuthenticationToken"},
		WrongSignature: {"SignatureDoesNotMatch"},
		UnknownKey:     {"InvalidClientTokenId"},
		Skewed:         {"SignatureDoesNotMatch"},
		ForeignToken:   {"InvalidClientTokenId"},
		NotAllowed:     {"AccessDenied"},
	}
}
