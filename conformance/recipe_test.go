package conformance

import (
	_ "embed"
	"testing"
)

//go:embed recipe.sh
var recipe []byte

// TestRecipe runs the replication recipe with the AWS CLI over TLS: keys, role,
// policies, rules, data, checks on both destinations, and the clean-up.
func TestRecipe(t *testing.T) {
	walk(t)
	t.Parallel()
	_, run := shell(t)
	run("recipe.sh", recipe)
}
