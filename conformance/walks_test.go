package conformance

import (
	"os"
	"testing"
)

// walk skips what starts a client hundreds of times, unless make conformance
// asks for it: the AWS CLI alone takes half a second to start.
func walk(t *testing.T) {
	t.Helper()
	if os.Getenv("FARHOLD_CONFORMANCE") == "" {
		t.Skip("not run: make conformance runs it")
	}
}
