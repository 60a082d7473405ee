package s3api

import (
	"net/netip"
	"strings"

	"github.com/farhold/farhold/awserr"
)

var errInvalidBucketName = awserr.New("InvalidBucketName", 400, "The specified bucket is not valid.")

// checkBucketName holds the name of a new bucket against AWS's rules: 3 to 63
// lower-case letters, digits, hyphens and full stops, letters or digits at both
// ends, nothing that a DNS name or one of AWS's own names would be mistaken for.
func checkBucketName(name string) error {
	bad := errInvalidBucketName.With("BucketName", name)
	if len(name) < 3 || len(name) > 63 || strings.Contains(name, "..") {
		return bad
	}
	for i := range len(name) {
		c := name[i]
		inner := (c == '-' || c == '.') && i > 0 && i < len(name)-1
		if !(inner || 'a' <= c && c <= 'z' || '0' <= c && c <= '9') {
			return bad
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return bad
	}
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, prefix) {
			return bad
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return bad
		}
	}
	return nil
}
