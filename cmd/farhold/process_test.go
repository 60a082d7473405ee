package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// asFarhold, set in its environment, makes the test binary be farhold.
const asFarhold = "FARHOLD_TEST_AS_FARHOLD"

func TestMain(m *testing.M) {
	if os.Getenv(asFarhold) != "" {
		os.Unsetenv(asFarhold)
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// proc is a farhold process.
type proc struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan error
}

func startFarhold(t *testing.T, args ...string) *proc {
	t.Helper()
	p := &proc{t: t, cmd: farhold(args...), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { p.kill() })
	return p
}

func farhold(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{asFarhold + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir()}
	return cmd
}

// stop sends SIGTERM and wants an orderly end within seconds.
func (p *proc) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("after SIGTERM: %v\n%s", err, p.out.String())
		}
		p.done <- nil
	case <-time.After(20 * time.Second):
		p.t.Error("it goes on after SIGTERM")
		p.kill()
	}
}

// kill sends SIGKILL and waits until the process is gone.
func (p *proc) kill() {
	p.cmd.Process.Kill()
	p.done <- <-p.done
}

func (p *proc) ready(address string) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get("http://" + address + "/-/ready")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == 200 {
				return
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			p.t.Fatalf("it ended: %v\n%s", err, p.out.String())
		default:
		}
		if time.Now().After(end) {
			p.t.Fatalf("not ready: %v\n%s", err, p.out.String())
		}
	}
}

// freePorts gives addresses on loopback that nobody listens on now: n in a row.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		first := l.Addr().(*net.TCPAddr).Port
		l.Close()
		var list []string
		var open []net.Listener
		for i := range n {
			a := fmt.Sprintf("127.0.0.1:%d", first+i)
			if l, err := net.Listen("tcp", a); err == nil {
				open, list = append(open, l), append(list, a)
			}
		}
		for _, l := range open {
			l.Close()
		}
		if len(list) == n {
			return list
		}
	}
	t.Fatal("no free ports")
	return nil
}

func client(region, address, key, secret string) *s3.Client {
	return s3.New(s3.Options{
		Region: region, BaseEndpoint: aws.String("http://" + address), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		Retryer:     aws.NopRetryer{},
		HTTPClient:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	})
}

// exports reads the variables that were printed to be pasted.
func exports(out string) map[string]string {
	env := map[string]string{}
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, "export "); ok {
			for _, pair := range strings.Fields(rest) {
				k, v, _ := strings.Cut(pair, "=")
				env[k] = v
			}
		}
	}
	return env
}

func TestDevProcess(t *testing.T) {
	dir := t.TempDir()
	address := freePorts(t, 1)[0]
	args := []string{"dev", "--data", dir, "--listen", address, "--regions", "us-east-1,us-west-2"}
	p := startFarhold(t, args...)
	p.ready(address)
	var env map[string]string
	for end := time.Now().Add(10 * time.Second); env["AWS_REGION"] == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, _ := os.ReadFile(filepath.Join(dir, "root.yaml"))
		env = map[string]string{"AWS_REGION": "us-east-1"}
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				env[k] = v
			}
		}
	}
	c := client("us-east-1", address, env["access-key"], env["secret-key"])
	ctx := t.Context()
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	put := func(key, body string) {
		t.Helper()
		if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &key, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	put("small", "kept")
	put("large", strings.Repeat("kept", 1<<20))

	second := farhold(args...)
	if b, err := second.CombinedOutput(); err == nil || !strings.Contains(string(b), fmt.Sprintf("is in use by process %d", p.cmd.Process.Pid)) {
		t.Errorf("a second process: %v %s", err, b)
	}
	p.kill() // kill -9
	p = startFarhold(t, args...)
	p.ready(address)
	for key, want := range map[string]string{"small": "kept", "large": strings.Repeat("kept", 1<<20)} {
		got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(got.Body); err != nil || string(b) != want {
			t.Errorf("%s after kill -9: %d bytes, %v", key, len(b), err)
		}
	}
	// A request under way is answered before the process ends.
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "PUT /bucket/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe")
	time.Sleep(100 * time.Millisecond)
	go func() {
		time.Sleep(500 * time.Millisecond)
		io.WriteString(conn, "llo")
	}()
	p.stop()
	if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || res.StatusCode != 403 {
		t.Errorf("a request under way at SIGTERM: %v, %v", res, err)
	}
	if out := p.out.String(); exports(out)["AWS_ACCESS_KEY_ID"] != env["access-key"] || exports(out)["AWS_ENDPOINT_URL"] != "http://"+address || !strings.Contains(out, "account ") {
		t.Errorf("printed\n%s", out)
	}
}

// makeRole makes a role that S3 may assume and that may do everything with S3.
func makeRole(t *testing.T, address, key, secret, account string) string {
	t.Helper()
	c := iam.New(iam.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + address), Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
	if _, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("s3"), PolicyDocument: aws.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}]}`)}); err != nil {
		t.Fatal(err)
	}
	return "arn:aws:iam::" + account + ":role/r"
}

// TestRealmOfProcesses is the walk of the README's four commands: init and a
// process for each of three regions; then one is killed and comes back, home
// goes away, and a fourth region joins.
func TestRealmOfProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "realm")
	ports := freePorts(t, 10)
	initCmd := farhold("realm", "init", dir, "--home", "us-east-1", "--regions", "us-west-2,eu-west-1", "--listen", ports[0], "--peer", ports[5])
	b, err := initCmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	env := exports(string(b))
	regions := map[string]string{"us-east-1": ports[0], "us-west-2": ports[1], "eu-west-1": ports[2]}
	procs := map[string]*proc{}
	start := func(region string) {
		t.Helper()
		procs[region] = startFarhold(t, "serve", "--config", filepath.Join(dir, region, "farhold.yaml"), "--log-format", "json")
		procs[region].ready(regions[region])
	}
	clients := map[string]*s3.Client{}
	for region := range regions {
		start(region)
		clients[region] = client(region, regions[region], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
	}
	ctx := t.Context()
	create := func(region, name string) error {
		in := &s3.CreateBucketInput{Bucket: &name}
		if region != "us-east-1" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
		}
		_, err := clients[region].CreateBucket(ctx, in)
		return err
	}
	for region, name := range map[string]string{"us-east-1": "source", "us-west-2": "copy"} {
		if err := create(region, name); err != nil {
			t.Fatal(err)
		}
		if _, err := clients[region].PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
			t.Fatal(err)
		}
	}
	account := ""
	if _, rest, ok := strings.Cut(string(b), "account "); ok {
		account = rest[:12]
	}
	role := makeRole(t, ports[0], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], account)
	if _, err := clients["us-east-1"].PutBucketReplication(ctx, &s3.PutBucketReplicationInput{Bucket: aws.String("source"), ReplicationConfiguration: &types.ReplicationConfiguration{
		Role: &role,
		Rules: []types.ReplicationRule{{
			ID: aws.String("all"), Status: types.ReplicationRuleStatusEnabled, Priority: aws.Int32(1), Filter: &types.ReplicationRuleFilter{Prefix: aws.String("")},
			DeleteMarkerReplication: &types.DeleteMarkerReplication{Status: types.DeleteMarkerReplicationStatusDisabled},
			Destination:             &types.Destination{Bucket: aws.String("arn:aws:s3:::copy")},
		}},
	}}); err != nil {
		t.Fatal(err)
	}
	put := func(key string) {
		t.Helper()
		if _, err := clients["us-east-1"].PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("source"), Key: &key, Body: strings.NewReader("body of " + key)}); err != nil {
			t.Fatal(err)
		}
	}
	status := func(key string) string {
		h, err := clients["us-east-1"].HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("source"), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		return string(h.ReplicationStatus)
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it did not happen that %s", what)
			}
		}
	}
	put("first")
	eventually("first is replicated", func() bool { return status("first") == "COMPLETED" })

	procs["us-west-2"].kill()
	for i := range 50 {
		put(fmt.Sprintf("while-down-%d", i))
	}
	if s := status("while-down-0"); s != "PENDING" {
		t.Errorf("while the destination is down: %s", s)
	}
	start("us-west-2")
	eventually("everything arrives", func() bool {
		list, err := clients["us-west-2"].ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("copy")})
		return err == nil && len(list.Contents) == 51
	})
	eventually("and its source knows", func() bool { return status("while-down-49") == "COMPLETED" })

	// Home goes: what there is goes on; a new bucket needs home.
	procs["us-east-1"].stop()
	if _, err := clients["us-west-2"].GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("copy"), Key: aws.String("first")}); err != nil {
		t.Errorf("reading while home is down: %v", err)
	}
	if err := create("eu-west-1", "needs-home"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("making a bucket while home is down: %v", err)
	}
	start("us-east-1")
	eventually("a bucket can be made again", func() bool { return create("eu-west-1", "needs-home") == nil })

	// A region joins the running realm.
	add := farhold("realm", "add-region", "ap-south-1", "--dir", dir, "--listen", ports[4], "--peer", ports[9])
	if b, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	regions["ap-south-1"] = ports[4]
	clients["ap-south-1"] = client("ap-south-1", ports[4], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
	start("ap-south-1")
	eventually("the new region can make a bucket", func() bool { return create("ap-south-1", "joined") == nil })
	all, err := clients["us-west-2"].ListBuckets(ctx, nil)
	if err != nil || len(all.Buckets) != 4 {
		t.Errorf("%d buckets, %v", len(all.Buckets), err)
	}
	for _, p := range procs {
		p.stop()
		for line := range strings.Lines(p.out.String()) {
			if strings.Contains(line, env["AWS_SECRET_ACCESS_KEY"]) {
				t.Errorf("the log shows the secret key: %s", line)
			}
			if !json.Valid([]byte(line)) {
				t.Errorf("the log is not JSON: %s", line)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
		fail bool
	}{
		{"version", "farhold ", false},
		{"serve", "--config is needed", true},
		{"serve --config nothing.yaml", "nothing.yaml", true},
		{"realm", "add-region", false},
		{"dev --listen nowhere", "missing port", true},
		{"dev --log-level loud", "--log-level", true},
		{"dev --unknown", "unknown flag", true},
		{"dev extra", "extra", true},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		cmd := newRootCommand()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		args := strings.Fields(tt.args)
		if args[0] == "dev" {
			args = append(args, "--data", t.TempDir())
		}
		cmd.SetArgs(args)
		err := cmd.ExecuteContext(ctx)
		cancel()
		text := out.String() + fmt.Sprint(err)
		if (err != nil) != tt.fail || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %v %s; want %q", tt.args, err, out.String(), tt.want)
		}
	}
}
