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
	bash := need(t, "bash", "--version")
	aws := need(t, "aws", "--version")
	r := start(t, true)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "AWS="+aws, "FARHOLD="+path, "DATA="+r.data)
	r.write("identity.sh", identity)
	t.Log(r.run(bash, "identity.sh"))
}
