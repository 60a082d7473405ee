package conformance

import (
	"embed"
	"fmt"
	"os"
	"strings"
	"testing"
)

//go:embed terraform/main.tf
var terraformFiles embed.FS

// TestTerraform has the AWS provider apply what a team keeps in Terraform, plan
// again, which must find nothing to do, and destroy it all.
func TestTerraform(t *testing.T) {
	t.Parallel()
	terraform := need(t, "terraform", "version")
	mirror := os.Getenv("FARHOLD_TERRAFORM_MIRROR")
	if mirror == "" {
		leaveOut(t, "Terraform's AWS provider (FARHOLD_TERRAFORM_MIRROR names a folder with registry.terraform.io/hashicorp/aws)")
	}
	r := start(t, true)
	main, err := terraformFiles.ReadFile("terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	r.write("main.tf", main)
	r.write("terraformrc", fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror))
	// By this name *.localhost leads here too: S3 Control puts the account in front.
	endpoint := strings.Replace(r.base, "127.0.0.1", "localhost", 1)
	r.env = append(r.env, "TF_CLI_CONFIG_FILE="+r.dir+"/terraformrc", "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
		"TF_VAR_endpoint="+endpoint, "TF_VAR_suffix=tf", "AWS_ENDPOINT_URL="+endpoint)
	r.run(terraform, "init", "-no-color")
	t.Log(last(r.run(terraform, "apply", "-auto-approve", "-no-color"), 400))
	// 0: nothing to do; 2: something is not as it was written.
	if out, err := r.try(terraform, "plan", "-detailed-exitcode", "-no-color"); err != nil {
		t.Errorf("planned again, it is not empty: %v\n%s", err, out)
	}
	t.Log(last(r.run(terraform, "destroy", "-auto-approve", "-no-color"), 400))
	if out := r.run(terraform, "state", "list"); strings.TrimSpace(out) != "" {
		t.Errorf("destroyed, there is still\n%s", out)
	}
}

// last gives the end of a text.
func last(s string, n int) string { return s[max(0, len(s)-n):] }
