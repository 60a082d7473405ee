package conformance

import (
	_ "embed"
	"strings"
	"testing"
)

//go:embed refusals_boto3.py
var refusalsBoto3 []byte

// newAccount makes an account in the realm while it runs, and gives its root
// user's credentials, NAME=value.
func (r *realm) newAccount(name string) []string {
	r.t.Helper()
	out, err := command(r.t, "realm", "account", "create", name, "--dir", r.data).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return exports(string(out))
}

// TestRefusalsBoto3: replication that is refused says why, and comes through
// once it may: a denied role, a disabled key, another account's bucket.
func TestRefusalsBoto3(t *testing.T) {
	t.Parallel()
	python := need(t, "python3", "-c", "import boto3; print('boto3', boto3.__version__)")
	r := start(t, true)
	for _, v := range r.newAccount("other") {
		v = strings.Replace(v, "AWS_ACCESS_KEY_ID", "OTHER_ID", 1)
		r.env = append(r.env, strings.Replace(v, "AWS_SECRET_ACCESS_KEY", "OTHER_SECRET", 1))
	}
	r.write("refusals.py", refusalsBoto3)
	t.Log(r.run(python, "refusals.py"))
}
