// Package arn holds the names of accounts, regions and resources as AWS
// writes them: arn:partition:service:region:account:resource.
package arn

import (
	"errors"
	"strings"
)

// ARN is a parsed Amazon Resource Name.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// ErrMalformed is returned for a string that is no ARN.
var ErrMalformed = errors.New("arn: malformed")

// Parse splits an ARN. The resource keeps any further colons.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, ErrMalformed
	}
	return ARN{p[1], p[2], p[3], p[4], p[5]}, nil
}

// String joins the parts.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Bucket is the ARN of an S3 bucket.
func Bucket(name string) ARN { return ARN{Partition: "aws", Service: "s3", Resource: name} }

// BucketName gives the bucket's name of a plain S3 bucket ARN, or "".
func (a ARN) BucketName() string {
	if a.Service != "s3" || a.Region != "" || a.Account != "" || strings.ContainsAny(a.Resource, "/:") {
		return ""
	}
	return a.Resource
}

// ValidAccount tells whether s is an account ID: 12 digits.
func ValidAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
