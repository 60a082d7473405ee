package realm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newIdentity(t *testing.T, ca *CA, realm, region, claims string) PeerIdentity {
	t.Helper()
	cert, key, err := ca.IssuePeer(realm, claims, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := NewKeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return PeerIdentity{Realm: realm, Region: region, Pair: pair, Roots: ca.Pool()}
}

// startDoor serves mux as a region's peer door on loopback.
func startDoor(t *testing.T, id PeerIdentity, mux *PeerMux) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewPeerServer(id, mux, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func newTestCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestPeersSpeakForTheirRegion(t *testing.T) {
	ca := newTestCA(t)
	mux := NewPeerMux()
	mux.Handle("POST /echo", func(w http.ResponseWriter, r *http.Request, from string) {
		b, _ := io.ReadAll(r.Body)
		io.WriteString(w, r.Proto+" "+from+" "+string(b))
	})
	addr := startDoor(t, newIdentity(t, ca, "r", "us-west-2", "us-west-2"), mux)
	p := NewPeers(newIdentity(t, ca, "r", "us-east-1", "us-east-1"), nil)
	defer p.Close()
	if _, _, err := p.Client("us-west-2"); !errors.Is(err, ErrNoPeer) {
		t.Errorf("Client of an unknown region: %v", err)
	}
	p.SetRegions([]RegionInfo{{Name: "us-west-2", Peer: addr}, {Name: "eu-west-1", Peer: addr}})
	client, base, err := p.Client("us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Post(base+"/echo", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); string(b) != "HTTP/2.0 us-east-1 hello" {
		t.Errorf("got %q", b)
	}
	// us-west-2 answers at the address that we hold for eu-west-1's.
	client, base, _ = p.Client("eu-west-1")
	if _, err := client.Post(base+"/echo", "text/plain", strings.NewReader("x")); err == nil || !strings.Contains(err.Error(), "us-west-2 answers where eu-west-1 was called") {
		t.Errorf("a region answered for another: %v", err)
	}
}

func TestPeerDoorRefusesStrangers(t *testing.T) {
	ca := newTestCA(t)
	mux := NewPeerMux()
	served := false
	mux.Handle("/", func(http.ResponseWriter, *http.Request, string) { served = true })
	addr := startDoor(t, newIdentity(t, ca, "r", "us-west-2", "us-west-2"), mux)

	call := func(id PeerIdentity) error {
		p := NewPeers(id, nil)
		defer p.Close()
		p.SetRegions([]RegionInfo{{Name: "us-west-2", Peer: addr}})
		client, base, err := p.Client("us-west-2")
		if err != nil {
			return err
		}
		res, err := client.Get(base + "/")
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	other := newTestCA(t)
	stranger := newIdentity(t, other, "r", "us-east-1", "us-east-1")
	stranger.Roots = ca.Pool() // it believes us; we don't believe it
	otherRealm := newIdentity(t, ca, "s", "us-east-1", "us-east-1")
	otherRealm.Realm = "r"
	server, key, err := ca.IssueServer([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := NewKeyPair(server, key)
	if err != nil {
		t.Fatal(err)
	}
	noRegion := PeerIdentity{Realm: "r", Region: "us-east-1", Pair: pair, Roots: ca.Pool()}
	for name, id := range map[string]PeerIdentity{"other authority": stranger, "other realm": otherRealm, "no region": noRegion} {
		if err := call(id); err == nil {
			t.Errorf("%s: let in", name)
		}
	}
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err == nil {
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err = c.Read(make([]byte, 1)); err == nil {
			t.Error("a caller without certificate was let in")
		}
		c.Close()
	}
	if err := noRegion.Check(); err == nil {
		t.Error("an identity without region checks")
	}
	wrong := newIdentity(t, ca, "r", "us-east-1", "us-west-2")
	if err := wrong.Check(); err == nil || !strings.Contains(err.Error(), "us-west-2") {
		t.Errorf("a certificate of another region: %v", err)
	}
	if served {
		t.Error("a stranger was served")
	}
}

// TestRealmOverTLS is the whole way once: a claim, the feed and an answer over
// real doors.
func TestRealmOverTLS(t *testing.T) {
	c := newCluster(t, Options{PollWait: time.Second})
	ca := newTestCA(t)
	var infos []RegionInfo
	ids := map[string]PeerIdentity{}
	for _, n := range c.regions {
		ids[n.name] = newIdentity(t, ca, "r", n.name, n.name)
		infos = append(infos, RegionInfo{Name: n.name, Peer: startDoor(t, ids[n.name], n.mux)})
	}
	for _, n := range c.regions {
		p := NewPeers(ids[n.name], nil)
		p.SetRegions(infos)
		defer p.Close()
		n.realm.opt.Peers = p
		n.realm.opt.AskTimeout = 20 * time.Second
		n.live()
		defer n.stop()
	}
	if err := c.regions["us-west-2"].create("b"); err != nil {
		t.Fatal(err)
	}
	if at, err := c.regions["eu-west-1"].locate("b"); err != nil || at != "us-west-2" {
		t.Errorf("Locate = %q, %v", at, err)
	}
}

func TestKeyPairFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	ca := newTestCA(t)
	write := func(host string) {
		t.Helper()
		cert, key, err := ca.IssueServer([]string{host}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(certFile, cert, 0o600), os.WriteFile(keyFile, key, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("one.example")
	var complaints []error
	k, err := LoadKeyPair(certFile, keyFile, func(err error) { complaints = append(complaints, err) })
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		k.looked = time.Time{} // the second is over
		leaf, err := x509.ParseCertificate(k.Get().Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.DNSNames[0]
	}
	if got := name(); got != "one.example" {
		t.Fatalf("serves %s", got)
	}
	// Half of the exchange: the key is still the old one.
	old, _ := os.ReadFile(keyFile)
	write("two.example")
	fresh, _ := os.ReadFile(keyFile)
	os.WriteFile(keyFile, old, 0o600)
	if got := name(); got != "one.example" || len(complaints) != 1 {
		t.Errorf("half exchanged: serves %s, complaints %v", got, complaints)
	}
	name()
	if len(complaints) != 1 {
		t.Errorf("%d complaints about one thing", len(complaints))
	}
	os.WriteFile(keyFile, fresh, 0o600)
	os.Chtimes(keyFile, time.Now(), time.Now().Add(time.Second))
	if got := name(); got != "two.example" {
		t.Errorf("after the exchange: serves %s", got)
	}
	os.Remove(certFile)
	if got := name(); got != "two.example" || len(complaints) != 2 {
		t.Errorf("without the file: serves %s, complaints %v", got, complaints)
	}
}

func TestCARoundTrip(t *testing.T) {
	ca := newTestCA(t)
	cert, key, err := ca.PEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseCA(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	id := newIdentity(t, again, "r", "us-east-1", "us-east-1")
	id.Roots = ca.Pool()
	if err := id.Check(); err != nil {
		t.Error(err)
	}
	_, otherKey, _ := newTestCA(t).PEM()
	if _, err := ParseCA(cert, otherKey); err == nil {
		t.Error("an authority with another's key was taken")
	}
	if _, _, err := ca.IssuePeer("r", "No Region", time.Now()); err == nil {
		t.Error("a certificate was made for no region")
	}
}
