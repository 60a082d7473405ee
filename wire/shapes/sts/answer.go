package stsshapes

// GetCallerIdentityAnswer is the answer to GetCallerIdentity as the Query protocol frames it.
type GetCallerIdentityAnswer struct {
	XMLName          struct{}                  `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Result           GetCallerIdentityResponse `xml:"GetCallerIdentityResult"`
	ResponseMetadata ResponseMetadata          `xml:"ResponseMetadata"`
}

// ResponseMetadata ends each answer of the Query protocol.
type ResponseMetadata struct {
	RequestID string `xml:"RequestId"`
}
