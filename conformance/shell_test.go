package conformance

import (
	_ "embed"
	"testing"
)

//go:embed helpers.sh
var helpers []byte

// shell starts a realm for a walk of the AWS CLI, over TLS. run runs the walk's
// script in it.
func shell(t *testing.T) (r *realm, run func(name string, script []byte)) {
	t.Helper()
	bash := need(t, "bash", "--version")
	aws := need(t, "aws", "--version")
	r = start(t, true)
	r.env = append(r.env, "AWS="+aws)
	return r, func(name string, script []byte) {
		t.Helper()
		r.write("helpers.sh", helpers)
		r.write(name, script)
		t.Log(r.run(bash, name))
	}
}
