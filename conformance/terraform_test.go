package conformance

import (
	"embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
)

//go:embed terraform/main.tf
var terraformFiles embed.FS

// TestTerraform has the AWS provider apply what a team keeps in Terraform, plan
// again, which must find nothing to do, and destroy it all.
func TestTerraform(t *testing.T) {
	walk(t)
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
	// S3 Control puts the account in front of the host. Where the resolver knows
	// that names under localhost are this machine that is enough; the proxy, which
	// is asked for those names alone, makes it so everywhere.
	endpoint := strings.Replace(r.base, "127.0.0.1", "localhost", 1)
	r.env = append(r.env, "TF_CLI_CONFIG_FILE="+r.dir+"/terraformrc", "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1",
		"HTTPS_PROXY="+tunnel(t, strings.TrimPrefix(r.base, "https://")), "TF_VAR_endpoint="+endpoint, "TF_VAR_suffix=tf", "AWS_ENDPOINT_URL="+endpoint)
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

// tunnel is a proxy that leads every CONNECT to one address. It ends with the
// test.
func tunnel(t *testing.T, to string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		up, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer up.Close()
		down, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer down.Close()
		io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { io.Copy(up, rw); up.(*net.TCPConn).CloseWrite() })
		both.Go(func() { io.Copy(down, up); down.Close() })
		both.Wait()
	}))
	t.Cleanup(srv.CloseClientConnections)
	t.Cleanup(srv.Close)
	return srv.URL
}
