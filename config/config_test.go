package config

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/realm"
)

var testRoot = Credentials{"AKIA0123456789ABCDEF", "0123456789abcdef0123456789abcdef"}

func noEnv(string) string { return "" }

func newLayout(t *testing.T) Layout {
	t.Helper()
	l := Layout{Dir: filepath.Join(t.TempDir(), "realm")}
	if _, err := l.Init("acme", NewRegion{Name: "us-east-1", Listen: "127.0.0.1:9000", Peer: "127.0.0.1:9100"}, testRoot, time.Now()); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLayout(t *testing.T) {
	l := newLayout(t)
	r, err := l.AddRegion(NewRegion{Name: "us-west-2", Listen: "10.0.0.1:443", Peer: "10.0.0.1:9100", Endpoint: "s3.example.com:443", PeerAt: "peer.example.com:9100", TLS: true, Hosts: []string{"s3.example.com"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Regions) != 2 || r.Regions[1] != (realm.RegionInfo{Name: "us-west-2", Endpoint: "s3.example.com:443", Peer: "peer.example.com:9100"}) {
		t.Errorf("regions %+v", r.Regions)
	}
	var accounts []string
	for _, name := range []string{"us-east-1", "us-west-2"} {
		c, err := LoadRegion(filepath.Join(l.Dir, name, FileRegion), noEnv)
		if err != nil {
			t.Fatal(err)
		}
		if c.Region != name || c.Root != testRoot || c.Realm.Name != "acme" || c.Realm.Home != "us-east-1" || len(c.Realm.Regions) != 2 ||
			c.Data != filepath.Join(l.Dir, name, "data") || c.Listen[0].TLS() != (name == "us-west-2") {
			t.Errorf("%s: %+v", name, c)
		}
		accounts = append(accounts, c.Realm.Account)
		// The certificate is good for this region and no other.
		ca, err := os.ReadFile(c.Peer.CA)
		if err != nil {
			t.Fatal(err)
		}
		id := realm.PeerIdentity{Realm: "acme", Region: name}
		if id.Pair, err = realm.LoadKeyPair(c.Peer.Cert, c.Peer.Key, nil); err != nil {
			t.Fatal(err)
		}
		id.Roots = pool(t, ca)
		if err := id.Check(); err != nil {
			t.Error(err)
		}
	}
	if accounts[0] != accounts[1] {
		t.Errorf("accounts %v", accounts)
	}
	// Nothing that is secret can be read by others.
	filepath.WalkDir(l.Dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
			return nil
		}
		info, _ := d.Info()
		b, _ := os.ReadFile(p)
		if (strings.Contains(string(b), "PRIVATE KEY") || strings.Contains(string(b), testRoot.SecretKey)) && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", p, info.Mode())
		}
		return nil
	})
}

func TestLayoutRefuses(t *testing.T) {
	l := newLayout(t)
	if _, err := l.Init("acme", NewRegion{Name: "us-east-1", Listen: "127.0.0.1:9000", Peer: "127.0.0.1:9100"}, testRoot, time.Now()); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second init: %v", err)
	}
	for name, tt := range map[string]struct {
		n    NewRegion
		want string
	}{
		"there already":       {NewRegion{Name: "us-east-1", Listen: "127.0.0.1:9001", Peer: "127.0.0.1:9101"}, "already"},
		"no name":             {NewRegion{Name: "US East", Listen: "127.0.0.1:9001", Peer: "127.0.0.1:9101"}, "no name for a region"},
		"same endpoint":       {NewRegion{Name: "a", Listen: "127.0.0.1:9000", Peer: "127.0.0.1:9101"}, "that address"},
		"same peer door":      {NewRegion{Name: "a", Listen: "127.0.0.1:9001", Peer: "127.0.0.1:9100"}, "that address"},
		"plain HTTP to all":   {NewRegion{Name: "a", Listen: "0.0.0.0:9001", Peer: "127.0.0.1:9101"}, "plain HTTP"},
		"no port":             {NewRegion{Name: "a", Listen: "127.0.0.1", Peer: "127.0.0.1:9101"}, "missing port"},
		"no port of the peer": {NewRegion{Name: "a", Listen: "127.0.0.1:9001", Peer: "127.0.0.1"}, "missing port"},
	} {
		if _, err := l.AddRegion(tt.n, time.Now()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, err := (Layout{Dir: t.TempDir()}).AddRegion(NewRegion{Name: "a"}, time.Now()); err == nil {
		t.Error("a region was added to no realm")
	}
}

func TestFilesAreReadStrictly(t *testing.T) {
	l := newLayout(t)
	file := filepath.Join(l.Dir, "us-east-1", FileRegion)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ change, want string }{
		"unknown field":   {"\naws-stricct: true\n", "aws-stricct"},
		"repeated field":  {"\nregion: us-east-1\n", "region"},
		"wrong type":      {"\nhosts: 7\n", "sequence"},
		"bad host":        {"\nhosts: [\"S3.Example.com\"]\n", "base host name"},
		"negative limit":  {"\nlimits: {connections: -1}\n", "negative"},
		"unknown limit":   {"\nlimits: {conections: 1}\n", "conections"},
		"no YAML":         {"\n\t{", "farhold.yaml"},
		"missing secrets": {"\nmetrics-token-file: nothing\n", "nothing"},
	} {
		if err := os.WriteFile(file, append(append([]byte(nil), good...), tt.change...), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadRegion(file, noEnv); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	for name, body := range map[string]string{"empty": "", "another region": strings.Replace(string(good), "region: us-east-1", "region: us-west-9", 1), "no listener": strings.Split(string(good), "listen:")[0]} {
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadRegion(file, noEnv); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	if _, err := LoadRegion(filepath.Join(l.Dir, "none.yaml"), noEnv); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestSecrets(t *testing.T) {
	l := newLayout(t)
	file := filepath.Join(l.Dir, "us-east-1", FileRegion)
	root := filepath.Join(l.Dir, "us-east-1", FileRoot)
	env := map[string]string{EnvRootAccessKey: "AKIAENVIRONMENT00000", EnvRootSecretKey: "fedcba9876543210fedcba9876543210", EnvRegionKey: "k", EnvMetricsToken: "0123456789abcdef"}
	c, err := LoadRegion(file, func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	if c.Root.AccessKey != env[EnvRootAccessKey] || c.RegionKey != "k" || c.MetricsToken != env[EnvMetricsToken] {
		t.Errorf("the environment does not take precedence: %+v", c)
	}
	delete(env, EnvRootSecretKey)
	if _, err := LoadRegion(file, func(k string) string { return env[k] }); err == nil || !strings.Contains(err.Error(), "belong together") {
		t.Errorf("half of the credentials: %v", err)
	}
	if err := os.Chmod(root, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadRegion(file, noEnv); err == nil || !strings.Contains(err.Error(), "others can read it") {
		t.Errorf("credentials that others can read: %v", err)
	}
	for _, bad := range []Credentials{{"short", testRoot.SecretKey}, {testRoot.AccessKey, "short"}, {"AKIA/with/slashes/0", testRoot.SecretKey}, {}} {
		if bad.Check() == nil {
			t.Errorf("%q passes", bad.AccessKey)
		}
	}
	a, err := NewCredentials()
	if err != nil || a.Check() != nil {
		t.Errorf("made %+v, %v", a, err)
	}
	if b, _ := NewCredentials(); a == b {
		t.Error("the same credentials twice")
	}
}

func TestDevKeepsItsRealm(t *testing.T) {
	l := Layout{Dir: t.TempDir()}
	r, err := l.Dev(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r.Home != "us-east-1" || len(r.Regions) != 3 {
		t.Errorf("%+v", r)
	}
	r.Regions[0].Peer = "127.0.0.1:1"
	if err := l.SaveDev(r); err != nil {
		t.Fatal(err)
	}
	again, err := l.Dev([]string{"us-west-2", "ap-south-1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if again.Account != r.Account || again.Home != "us-east-1" || len(again.Regions) != 4 || again.Regions[0].Peer != "127.0.0.1:1" {
		t.Errorf("%+v", again)
	}
	c, given, err := l.Root(noEnv)
	if err != nil || given {
		t.Fatal(given, err)
	}
	if d, _, _ := l.Root(noEnv); d != c {
		t.Error("the root credentials changed")
	}
	if _, err := newLayout(t).Dev(nil, time.Now()); err == nil || !strings.Contains(err.Error(), "farhold serve") {
		t.Errorf("dev on a realm of processes: %v", err)
	}
}

func TestWriteFileReplaces(t *testing.T) {
	dir := t.TempDir()
	f := filepath.Join(dir, "f")
	for _, s := range []string{"one", "two"} {
		if err := WriteFile(f, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(f); string(b) != s {
			t.Errorf("holds %q", b)
		}
	}
	if err := WriteFile(filepath.Join(dir, "none", "f"), nil, 0o600); err == nil {
		t.Error("written into a folder that is not there")
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "::1": true, "localhost": true, "127.1.2.3": true, "": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "example.com": false} {
		if got := IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %v", host, got)
		}
	}
}

func pool(t *testing.T, pem []byte) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	return p
}
