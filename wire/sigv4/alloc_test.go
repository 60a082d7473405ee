//go:build !race

package sigv4

import "testing"

// Verification of a remembered key allocates its result and little else:
// what it costs is hashing. (The race detector makes sync.Pool forget.)
func TestAllocations(t *testing.T) {
	v, r := verifier(docTime), signedPut(t, docTime)
	if _, err := v.Verify(r); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() { v.Verify(r) }); n > 3 {
		t.Errorf("%v allocations", n)
	}
}
