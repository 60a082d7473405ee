package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// run runs farhold to its end and wants it to succeed.
func run(t *testing.T, args ...string) string {
	t.Helper()
	b, err := farhold(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("farhold %s: %v\n%s", strings.Join(args, " "), err, b)
	}
	return string(b)
}

// refuses runs farhold and wants it to fail with a text.
func refuses(t *testing.T, want string, args ...string) {
	t.Helper()
	if b, err := farhold(args...).CombinedOutput(); err == nil || !strings.Contains(string(b), want) {
		t.Errorf("farhold %s: %v\n%swant %q", strings.Join(args, " "), err, b, want)
	}
}

func stsClient(region, address string, env map[string]string) *sts.Client {
	return sts.New(sts.Options{
		Region: region, BaseEndpoint: aws.String("http://" + address), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
	})
}

func whoIs(t *testing.T, address, region string, env map[string]string) (string, error) {
	out, err := stsClient(region, address, env).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		return "", err
	}
	return *out.Arn, nil
}

// sessionToken makes a session of a root user, which lasts an hour.
func sessionToken(t *testing.T, address string, env map[string]string) (session map[string]string, issued time.Time) {
	t.Helper()
	out, err := stsClient("us-east-1", address, env).GetSessionToken(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	return map[string]string{"AWS_ACCESS_KEY_ID": *c.AccessKeyId, "AWS_SECRET_ACCESS_KEY": *c.SecretAccessKey, "AWS_SESSION_TOKEN": *c.SessionToken}, c.Expiration.Add(-time.Hour)
}

func listBuckets(t *testing.T, address string, env map[string]string) error {
	c := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + address), UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"]),
	})
	_, err := c.ListBuckets(t.Context(), nil)
	return err
}

// TestAccountsOfDev makes an account while farhold dev runs, binds it, and moves
// home.
func TestAccountsOfDev(t *testing.T) {
	dir, address := t.TempDir(), freePorts(t, 1)[0]
	refuses(t, "no such file", "realm", "account", "list", "--dir", dir)
	p := startFarhold(t, "dev", "--data", dir, "--listen", address)
	p.ready(address)
	made := run(t, "realm", "account", "create", "Partner", "--dir", dir)
	env := exports(made)
	id := strings.TrimSuffix(strings.Fields(made)[1], ",")
	for _, region := range []string{"us-east-1", "us-west-2", "eu-west-1"} {
		if arn, err := whoIs(t, address, region, env); err != nil || arn != "arn:aws:iam::"+id+":root" {
			t.Errorf("%s: %q, %v", region, arn, err)
		}
	}
	refuses(t, "is there already", "realm", "account", "create", "partner", "--dir", dir)
	if out := run(t, "realm", "account", "list", "--dir", dir); !strings.Contains(out, id+"  Partner") || !strings.Contains(out, "root") || strings.Contains(out, env["AWS_SECRET_ACCESS_KEY"]) {
		t.Errorf("list:\n%s", out)
	}
	policy := filepath.Join(t.TempDir(), "scp.json")
	if err := os.WriteFile(policy, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:CreateBucket","Resource":"*"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "realm", "account", "attach-scp", "Partner", "--name", "no-buckets", "--policy", policy, "--dir", dir)
	if out := run(t, "realm", "account", "list-scps", id, "--dir", dir); !strings.Contains(out, "no-buckets") || !strings.Contains(out, "FullAWSAccess") {
		t.Errorf("list-scps:\n%s", out)
	}
	c := client("us-east-1", address, env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("partner")}); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("what the organisation denies: %v", err)
	}
	run(t, "realm", "account", "detach-scp", "Partner", "--name", "no-buckets", "--dir", dir)
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("partner")}); err != nil {
		t.Error(err)
	}
	refuses(t, "manages the realm", "realm", "account", "attach-scp", "root", "--name", "x", "--policy", policy, "--dir", dir)
	refuses(t, "--region is needed", "realm", "promote", "--dir", dir)
	if out := run(t, "realm", "promote", "--dir", dir, "--region", "us-west-2"); !strings.Contains(out, "nothing is lost") || !strings.Contains(out, "us-west-2 is home") {
		t.Errorf("promote:\n%s", out)
	}
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("partner-2")}); err != nil {
		t.Errorf("a bucket after home has moved: %v", err)
	}
	p.stop()
	p = startFarhold(t, "dev", "--data", dir, "--listen", address)
	p.ready(address)
	if out := run(t, "realm", "promote", "--dir", dir, "--region", "us-west-2"); !strings.Contains(out, "is home already") {
		t.Errorf("home has not stayed where it was moved:\n%s", out)
	}
	if arn, err := whoIs(t, address, "eu-west-1", env); err != nil || !strings.Contains(arn, id) {
		t.Errorf("the account after a restart: %q, %v", arn, err)
	}
	session, issued := sessionToken(t, address, env)
	renewed := exports(run(t, "realm", "account", "reset-key", "Partner", "--dir", dir))
	for _, region := range []string{"us-east-1", "us-west-2", "eu-west-1"} {
		if arn, err := whoIs(t, address, region, renewed); err != nil || arn != "arn:aws:iam::"+id+":root" {
			t.Errorf("%s, the new key: %q, %v", region, arn, err)
		}
		if _, err := whoIs(t, address, region, env); err == nil || !strings.Contains(err.Error(), "InvalidClientTokenId") {
			t.Errorf("%s, the key that was replaced: %v", region, err)
		}
	}
	// A session that the old key made lasts, as reset-key says, unless it is denied.
	if err := listBuckets(t, address, session); err != nil {
		t.Errorf("a session of the key that was replaced: %v", err)
	}
	if err := os.WriteFile(policy, fmt.Appendf(nil, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*",
		"Condition":{"DateLessThan":{"aws:TokenIssueTime":%q}}}]}`, issued.Add(time.Second).UTC().Format(time.RFC3339)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "realm", "account", "attach-scp", "Partner", "--name", "old-sessions", "--policy", policy, "--dir", dir)
	if err := listBuckets(t, address, session); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("a session that the organisation denies: %v", err)
	}
	if err := listBuckets(t, address, renewed); err != nil {
		t.Errorf("the new key beside it: %v", err)
	}
	run(t, "realm", "account", "detach-scp", "Partner", "--name", "old-sessions", "--dir", dir)
	refuses(t, "root.yaml", "realm", "account", "reset-key", "root", "--dir", dir)
	refuses(t, "no such account", "realm", "account", "reset-key", "nobody", "--dir", dir)
	if help := run(t, "realm", "account", "reset-key", "--help"); !strings.Contains(help, "aws:TokenIssueTime") {
		t.Errorf("reset-key does not say how sessions end:\n%s", help)
	}
	env = renewed
	run(t, "realm", "account", "suspend", "Partner", "--dir", dir)
	if _, err := whoIs(t, address, "us-east-1", env); err == nil || !strings.Contains(err.Error(), "InvalidClientTokenId") {
		t.Errorf("a suspended account: %v", err)
	}
	p.stop()
	refuses(t, "no region answers", "realm", "account", "list", "--dir", dir)
}

// TestHomeOfProcessesIsLost kills the home of a realm of processes, promotes
// another region, and brings the old home back.
func TestHomeOfProcessesIsLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "realm")
	ports := freePorts(t, 10)
	env := exports(run(t, "realm", "init", dir, "--home", "us-east-1", "--regions", "us-west-2,eu-west-1", "--listen", ports[0], "--peer", ports[5]))
	at := map[string]string{"us-east-1": ports[0], "us-west-2": ports[1], "eu-west-1": ports[2]}
	procs := map[string]*proc{}
	start := func(region string) {
		t.Helper()
		procs[region] = startFarhold(t, "serve", "--config", filepath.Join(dir, region, "farhold.yaml"))
		procs[region].ready(at[region])
	}
	for region := range at {
		start(region)
	}
	create := func(region, name string) error {
		in := &s3.CreateBucketInput{Bucket: &name}
		if region != "us-east-1" {
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
		}
		_, err := client(region, at[region], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]).CreateBucket(t.Context(), in)
		return err
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it did not happen that %s", what)
			}
		}
	}
	for region := range at {
		eventually(region+" makes a bucket", func() bool { return create(region, "first-"+region) == nil })
	}
	partner := exports(run(t, "realm", "account", "create", "Partner", "--dir", dir))
	// A listing comes from the region's own copy of the tables: it has followed.
	for region := range at {
		eventually(region+" follows", func() bool {
			out, err := client(region, at[region], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]).ListBuckets(t.Context(), &s3.ListBucketsInput{})
			return err == nil && len(out.Buckets) == len(at)
		})
	}
	procs["us-east-1"].kill()
	if err := create("eu-west-1", "without-home"); err == nil {
		t.Error("a bucket was made without home")
	}
	if arn, err := whoIs(t, at["eu-west-1"], "eu-west-1", partner); err != nil {
		t.Errorf("who exists, without home: %q, %v", arn, err)
	}
	// In the folder of the one region, as on its machine.
	out := run(t, "realm", "promote", "--dir", filepath.Join(dir, "us-west-2"))
	if !strings.Contains(out, "us-east-1 does not answer") || !strings.Contains(out, "eu-west-1 follows") {
		t.Errorf("promote:\n%s", out)
	}
	for _, region := range []string{"us-west-2", "eu-west-1"} {
		if err := create(region, "second-"+region); err != nil {
			t.Errorf("%s: a bucket under the new home: %v", region, err)
		}
	}
	run(t, "realm", "account", "create", "Second", "--dir", dir)
	start("us-east-1")
	if err := create("us-east-1", "third"); err != nil {
		t.Errorf("the old home, back again, makes a bucket: %v", err)
	}
	list := ""
	eventually("the old home follows", func() bool {
		b, _ := farhold("realm", "account", "list", "--dir", filepath.Join(dir, "us-east-1")).CombinedOutput()
		list = string(b)
		return strings.Contains(list, "Second") && strings.Contains(list, "Partner")
	})
	if out := run(t, "realm", "promote", "--dir", dir, "--region", "us-east-1"); !strings.Contains(out, "us-west-2 handed over") {
		t.Errorf("home goes back:\n%s", out)
	}
	if err := create("eu-west-1", "fourth"); err != nil {
		t.Error(err)
	}
	for _, p := range procs {
		p.stop()
	}
}
