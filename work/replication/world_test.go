package replication_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/blob/memblob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/service/iam"
	"github.com/farhold/farhold/service/kms"
	"github.com/farhold/farhold/service/sts"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	kmsshapes "github.com/farhold/farhold/wire/shapes/kms"
	"github.com/farhold/farhold/work/replication"
	"github.com/farhold/farhold/work/replication/peer"
)

const (
	ours   = "111122223333"
	theirs = "444455556666"
	role   = "arn:aws:iam::" + ours + ":role/service-role/replication"
	trust  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// tables is what all regions know of roles: policies by ARN, as text.
type tables struct {
	trust, identity map[string]string
	control         map[string][]string // service control policies by account
	suspended       string              // an account
}

func (d *tables) parse(text string, k policy.Kind) (*policy.Document, error) {
	return policy.Parse([]byte(text), k)
}

// Role implements sts.Roles.
func (d *tables) Role(_ context.Context, arn string) (*iam.Role, bool, error) {
	text, ok := d.trust[arn]
	if !ok {
		return nil, false, nil
	}
	doc, err := d.parse(text, policy.Trust)
	return &iam.Role{ARN: arn, ID: "AROAEXAMPLE", Account: strings.Split(arn, ":")[4], Name: arn[strings.LastIndex(arn, "/")+1:], Trust: doc}, true, err
}

// Policies implements access.Directory.
func (d *tables) Policies(_ context.Context, c *access.Caller) (*access.Policies, error) {
	p := &access.Policies{}
	if text := d.identity[c.RoleARN]; text != "" {
		doc, err := d.parse(text, policy.Identity)
		if err != nil {
			return nil, err
		}
		p.Identity = append(p.Identity, doc)
	}
	if c.Account == d.suspended {
		p.ServiceControl = [][]*policy.Document{{}}
	}
	for _, text := range d.control[c.Account] {
		doc, err := d.parse(text, policy.Organization)
		if err != nil {
			return nil, err
		}
		p.ServiceControl = append(p.ServiceControl, []*policy.Document{doc})
	}
	return p, nil
}

// ResourceControl implements access.Directory.
func (d *tables) ResourceControl(_ context.Context, account string) ([][]*policy.Document, error) {
	if account == d.suspended {
		return [][]*policy.Document{{}}, nil
	}
	return nil, nil
}

// site is a region with all that decides in it, and its peer door.
type site struct {
	*store.Store
	w      *world
	region string
	keeper *seal.RegionKeeper
	clock  *stamp.Clock
	kms    *kms.Engine
	keys   *objectkey.Keys
	id     *replication.Identity
	door   *httptest.Server
}

// world is two regions, and the workers of the first that ship to the second.
type world struct {
	*testing.T
	now      time.Time
	dir      places
	tables   *tables
	src, dst *site
	workers  []*replication.Worker
	bodies   int // that were sent to dst
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), dir: places{}, tables: &tables{
		trust: map[string]string{role: trust}, identity: map[string]string{}, control: map[string][]string{},
	}}
	w.src, w.dst = w.site("us-east-1"), w.site("us-west-2")
	link := new(replication.Link)
	for _, to := range []*site{w.src, w.dst} {
		for _, lane := range []store.Lane{store.LaneSmall, store.LaneLarge} {
			for shard := range uint8(store.Shards) {
				var line replication.Transport = counting{&peer.Client{Dialer: dialer{w}}, &w.bodies}
				if to == w.src {
					line = replication.Local{Identity: w.src.id}
				}
				w.workers = append(w.workers, replication.NewWorker(replication.Options{
					Region: to.region, Lane: lane, Shard: shard, Store: w.src.Store, Transport: line, Identity: w.src.id, Clock: w.src.clock, Link: link,
				}))
			}
		}
	}
	return w
}

// dialer finds the peer doors.
type dialer struct{ w *world }

// Client implements peer.Dialer.
func (d dialer) Client(region string) (*http.Client, string, error) {
	for _, s := range []*site{d.w.src, d.w.dst} {
		if s.region == region {
			return s.door.Client(), s.door.URL, nil
		}
	}
	return nil, "", fmt.Errorf("no region %s", region)
}

// mux is a peer.Mux to which only us-east-1 speaks.
type mux struct{ *http.ServeMux }

// Handle implements peer.Mux.
func (m mux) Handle(pattern string, h func(http.ResponseWriter, *http.Request, string)) {
	m.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
		h(rw, r, "us-east-1")
	})
}

// counting counts the bodies that a Transport carries.
type counting struct {
	replication.Transport
	bodies *int
}

// Ship implements replication.Transport.
func (c counting) Ship(ctx context.Context, region string, batch []*replication.Shipment) error {
	for _, sh := range batch {
		if sh.Body != nil {
			*c.bodies++
		}
	}
	return c.Transport.Ship(ctx, region, batch)
}

func (w *world) site(region string) *site {
	w.Helper()
	s := &site{w: w, region: region}
	var key [seal.KeySize]byte
	rand.Read(key[:])
	var err error
	if s.keeper, err = seal.NewRegionKeeper(key[:]); err != nil {
		w.Fatal(err)
	}
	now := func() time.Time { return w.now }
	s.clock = stamp.NewClock(region, now, nil)
	var rows kv.Store = memkv.New(memkv.Seed(1))
	s.Store, err = store.Open(w.Context(), store.Options{
		Region: region, KV: rows, Blobs: memblob.New(memblob.Options{}), Keeper: s.keeper, Clock: s.clock, Directory: w.dir,
	})
	if err != nil {
		w.Fatal(err)
	}
	decider := &access.Decider{Directory: w.tables}
	s.kms = kms.New(kms.Options{KV: rows, Root: s.keeper, Region: region, Now: now, Decider: decider})
	s.keys = objectkey.New(objectkey.Options{Region: s.keeper, KMS: s.kms, Now: now})
	s.id = &replication.Identity{
		Region: region, Store: s.Store, Decider: decider, Keys: s.keys, Now: now,
		Roles: sts.NewIssuer(sts.IssuerOptions{Roles: w.tables, Decider: decider, Now: now}),
	}
	m := mux{http.NewServeMux()}
	(&peer.Door{Identity: s.id}).Mount(m)
	s.door = httptest.NewUnstartedServer(m)
	s.door.EnableHTTP2 = true
	s.door.StartTLS()
	w.Cleanup(s.door.Close)
	return s
}

// bucket makes a versioned bucket.
func (s *site) bucket(name, owner, ownership string, lock bool) {
	s.w.Helper()
	uid := s3.UID(fmt.Sprintf("%016x", len(s.w.dir)+1))
	if _, err := s.CreateBucket(s.w.Context(), store.NewBucket{Name: name, UID: uid, Owner: owner, Ownership: ownership, ObjectLock: lock}); err != nil {
		s.w.Fatal(err)
	}
	s.w.dir[name] = store.Place{Region: s.region, UID: uid, Owner: owner}
	s.document(name, "versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
}

// document sets a bucket's document; "" removes it.
func (s *site) document(bucket, doc, text string) {
	s.w.Helper()
	err := s.ChangeDocument(s.w.Context(), bucket, doc, "", func(*store.Bucket, []byte) ([]byte, error) {
		if text == "" {
			return nil, nil
		}
		return []byte(text), nil
	})
	if err != nil {
		s.w.Fatal(err)
	}
}

// policy gives a bucket statements of a policy.
func (s *site) policy(bucket string, statements ...string) {
	s.document(bucket, "policy", document(statements...))
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// allow is a statement of an identity policy.
func allow(resource string, actions ...string) string {
	return statement("Allow", "", resource, actions)
}

// grant and deny are statements of a bucket's policy about the role.
func grant(resource string, actions ...string) string {
	return statement("Allow", `"Principal":{"AWS":"`+role+`"},`, resource, actions)
}

func deny(resource string, actions ...string) string {
	return statement("Deny", `"Principal":"*",`, resource, actions)
}

func statement(effect, principal, resource string, actions []string) string {
	return fmt.Sprintf(`{"Effect":%q,%s"Action":["%s"],"Resource":%q}`, effect, principal, strings.Join(actions, `","`), resource)
}

// rule replicates everything of source to a bucket. more goes into Destination.
func (w *world) rule(to, more string) {
	w.Helper()
	criteria := ""
	if strings.Contains(more, "ReplicaKmsKeyID") {
		criteria = "<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>"
	}
	w.src.document("source", "replication", `<ReplicationConfiguration><Role>`+role+`</Role><Rule><ID>r</ID><Priority>1</Priority>`+
		`<Status>Enabled</Status><Filter><Prefix></Prefix></Filter><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication>`+criteria+
		`<Destination><Bucket>arn:aws:s3:::`+to+`</Bucket>`+more+`</Destination></Rule></ReplicationConfiguration>`)
}

func kmsRule(key string) string {
	return "<EncryptionConfiguration><ReplicaKmsKeyID>" + key + "</ReplicaKmsKeyID></EncryptionConfiguration>"
}

// do performs an operation of KMS as the root of an account.
func (s *site) do(account, op string, in any) any {
	s.w.Helper()
	ops := s.kms.Operations()
	i := slices.IndexFunc(ops, func(o service.Operation) bool { return o.Name == op })
	root := &access.Caller{Kind: access.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
	out, err := ops[i].Do(s.w.Context(), &service.Call{Caller: root, Operation: op, Region: s.region, Now: s.w.now, Secure: true, Decider: s.id.Decider.(*access.Decider)}, in)
	if err != nil {
		s.w.Fatalf("%s: %v", op, err)
	}
	return out
}

// key makes a key and gives its ARN.
func (s *site) key(account string) string {
	s.w.Helper()
	return *s.do(account, "CreateKey", &kmsshapes.CreateKeyRequest{}).(*kmsshapes.CreateKeyResponse).KeyMetadata.Arn
}

func (s *site) disable(key string) {
	s.do(strings.Split(key, ":")[4], "DisableKey", &kmsshapes.DisableKeyRequest{KeyId: &key})
	s.keys.Forget()
}

func (s *site) enable(key string) {
	s.do(strings.Split(key, ":")[4], "EnableKey", &kmsshapes.EnableKeyRequest{KeyId: &key})
	s.keys.Forget()
}

// put writes an object into source; change may be nil.
func (w *world) put(key string, body []byte, change func(in *store.PutInput)) *s3.Version {
	w.Helper()
	in := &store.PutInput{Bucket: "source", Key: key, Size: int64(len(body)), Owner: ours}
	if change != nil {
		change(in)
	}
	v, err := w.src.Put(w.Context(), in, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	return v
}

// sealed has an object sealed as its owner's root asks.
func (w *world) sealed(key, algorithm, kmsKey string, bucketKey bool, customer *objectkey.Customer) func(in *store.PutInput) {
	return func(in *store.PutInput) {
		b, err := w.src.Bucket(w.Context(), "source")
		if err != nil {
			w.Fatal(err)
		}
		root := &access.Caller{Kind: access.Root, Account: ours, ARN: "arn:aws:iam::" + ours + ":root", Via: "s3.us-east-1.amazonaws.com"}
		k, sse, err := w.src.keys.Seal(w.Context(), &objectkey.Want{
			By: access.Actor{Caller: root}, Bucket: "source", Key: key, UID: b.UID, Customer: customer,
			SSE: s3.SSE{Algorithm: algorithm, KeyID: kmsKey, BucketKey: bucketKey},
		})
		if err != nil {
			w.Fatal(err)
		}
		in.Keeper, in.SSE = k, sse
	}
}

// step lets every worker take a step.
func (w *world) step() {
	w.Helper()
	for _, x := range w.workers {
		if _, err := x.Step(w.Context()); err != nil {
			w.Fatal(err)
		}
	}
}

// later lets time pass until whatever was refused is due, and then a step.
func (w *world) later() {
	w.Helper()
	w.now = w.now.Add(2 * time.Minute)
	w.step()
}

func (w *world) want(key string, status s3.Status, reason string) {
	w.Helper()
	o, err := w.src.Open(w.Context(), "source", key, "")
	if err != nil {
		w.Fatal(err)
	}
	defer o.Close()
	if got := o.ReplicationStatus(); got != status || o.Targets[0].Reason != reason {
		w.Errorf("%s is %s %q, want %s %q", key, got, o.Targets[0].Reason, status, reason)
	}
}

// there opens a replica as somebody who may use any key.
func (w *world) there(bucket, key string, customer *objectkey.Customer) (*store.Object, []byte) {
	w.Helper()
	o, err := w.dst.Open(w.Context(), bucket, key, "")
	if err != nil {
		w.Fatalf("%s at the destination: %v", key, err)
	}
	defer o.Close()
	root := &access.Caller{Kind: access.Root, Account: ours, ARN: "arn:aws:iam::" + ours + ":root", Via: "s3.us-west-2.amazonaws.com"}
	if p := strings.Split(o.SSE.KeyID, ":"); len(p) > 4 {
		root.Account, root.ARN = p[4], "arn:aws:iam::"+p[4]+":root"
	}
	o.Use(w.dst.keys.Open(&objectkey.Want{By: access.Actor{Caller: root}, Bucket: bucket, Key: key, UID: o.Bucket.UID, SSE: o.SSE, Customer: customer}))
	body, err := o.Body(w.Context(), 0, -1)
	if err != nil {
		w.Fatalf("%s at the destination: %v", key, err)
	}
	defer body.Close()
	all, err := io.ReadAll(body)
	if err != nil {
		w.Fatalf("%s at the destination: %v", key, err)
	}
	return o, all
}

func (w *world) absent(bucket, key string) {
	w.Helper()
	if o, err := w.dst.Open(w.Context(), bucket, key, ""); err == nil {
		o.Close()
		w.Errorf("%s is at the destination", key)
	}
}

func customer() *objectkey.Customer {
	key := make([]byte, 32)
	rand.Read(key)
	sum := md5.Sum(key)
	return &objectkey.Customer{Key: key, MD5: base64.StdEncoding.EncodeToString(sum[:])}
}
