package conformance

import (
	_ "embed"
	"testing"
)

//go:embed identity.sh
var identity []byte

// TestIdentityCLI walks through IAM, STS and KMS with the AWS CLI over TLS:
// each thing made is used, and seen refused without it.
func TestIdentityCLI(t *testing.T) {
	walk(t)
	t.Parallel()
	r, run := shell(t)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "FARHOLD="+path, "DATA="+r.data)
	run("identity.sh", identity)
}
