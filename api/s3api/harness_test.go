package s3api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/blob/memblob"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/sigv4"
)

const (
	testAccount  = "111122223333"
	otherAccount = "999999999999"
	testKey      = "AKIAIOSFODNN7EXAMPLE"
	testSecret   = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var _ Realm = (*realm.Realm)(nil)

// fakeRealm is a realm in memory, shared by the doors of its regions.
type fakeRealm struct {
	mu        sync.Mutex
	names     map[string]realm.Name
	endpoints map[string]string
}

func (f *fakeRealm) Account() string { return testAccount }

func (f *fakeRealm) Locate(_ context.Context, bucket string) (store.Place, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.names[bucket]
	return store.Place{Region: n.Region, UID: n.UID, Owner: n.Owner}, ok, nil
}

func (f *fakeRealm) Create(_ context.Context, region, bucket, owner string, local func(uid s3.UID) error) error {
	f.mu.Lock()
	if n, ok := f.names[bucket]; ok {
		f.mu.Unlock()
		if n.Owner != owner {
			return realm.ErrExists
		}
		return realm.ErrOwnedByYou
	}
	uid := s3.UID(fmt.Sprintf("%016x", time.Now().UnixNano()))
	f.mu.Unlock()
	if err := local(uid); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names[bucket] = realm.Name{Name: bucket, Region: region, UID: uid, Owner: owner, Created: time.Now()}
	return nil
}

func (f *fakeRealm) Delete(_ context.Context, _, bucket string, local func() error) error {
	if err := local(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.names, bucket)
	return nil
}

func (f *fakeRealm) Names(_ context.Context, prefix, after string, limit int) (list []realm.Name, more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.names {
		if strings.HasPrefix(n.Name, prefix) && n.Name > after {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b realm.Name) int { return cmp.Compare(a.Name, b.Name) })
	if len(list) > limit {
		return list[:limit], true, nil
	}
	return list, false, nil
}

func (f *fakeRealm) Regions() []string { return []string{"eu-west-1", "us-east-1", "us-west-2"} }

func (f *fakeRealm) Endpoint(region string) string { return f.endpoints[region] }

// rootOf is the root user of an account.
func rootOf(account string) *access.Caller {
	return &access.Caller{Kind: access.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
}

// userOf is an IAM user.
func userOf(account, name string) *access.Caller {
	return &access.Caller{Kind: access.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name, UserID: "AIDA" + name, Name: name}
}

// directory says what binds the callers of the tests, by ARN. Those that it
// does not know have no policies.
type directory struct {
	mu       sync.Mutex
	policies map[string]*access.Policies
	controls map[string][]*policy.Document // resource control policies, by account
	fail     error
}

func (d *directory) Policies(_ context.Context, c *access.Caller) (*access.Policies, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.policies[c.ARN]; p != nil || d.fail != nil {
		return p, d.fail
	}
	return &access.Policies{}, nil
}

func (d *directory) ResourceControl(_ context.Context, account string) ([][]*policy.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if list := d.controls[account]; list != nil {
		return [][]*policy.Document{list}, nil
	}
	return nil, nil
}

// bind sets what binds a caller.
func (w *world) bind(arn string, p *access.Policies) {
	w.directory.mu.Lock()
	defer w.directory.mu.Unlock()
	if w.directory.policies == nil {
		w.directory.policies = map[string]*access.Policies{}
	}
	w.directory.policies[arn] = p
}

// onePolicy is identityPolicy as a list.
func onePolicy(t testing.TB, statements ...string) []*policy.Document {
	return []*policy.Document{identityPolicy(t, statements...)}
}

// identityPolicy parses an identity policy of statements.
func identityPolicy(t testing.TB, statements ...string) *policy.Document {
	t.Helper()
	doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`), policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// keys are the credentials of the tests.
type keys map[string]credential

type credential struct {
	secret string
	who    any
}

func (k keys) Secret(_ context.Context, accessKey, token string) (string, any, error) {
	e, ok := k[accessKey]
	switch {
	case !ok:
		return "", nil, sigv4.ErrUnknownKey
	case token != "":
		return "", nil, sigv4.ErrBadToken
	}
	return e.secret, e.who, nil
}

// world is one region's door over a real store in memory.
type world struct {
	t      testing.TB
	door   *Door
	server *httptest.Server
	realm  *fakeRealm
	store  *store.Store
	blobs  *memblob.Store // to make operations fail
	log    *logBuffer
	region string

	directory *directory
	keys      keys // of whom the door knows; tests add theirs before they use them
}

func newWorld(t testing.TB) *world {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	return newRegion(t, f, "us-east-1")
}

// newRegion adds a region to a realm.
func newRegion(t testing.TB, f *fakeRealm, region string) *world {
	t.Helper()
	keeper, err := seal.NewRegionKeeper([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	engine, blobs := memkv.New(), memblob.New(memblob.Options{})
	s, err := store.Open(t.Context(), store.Options{
		Region: region, KV: engine, Blobs: blobs, Keeper: keeper,
		Clock: stamp.NewClock(region, nil, nil), Directory: f,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, realm: f, store: s, blobs: blobs, log: &logBuffer{}, region: region, directory: &directory{}}
	w.keys = keys{
		testKey:      {testSecret, rootOf(testAccount)},
		"AKIAOTHER":  {"other secret", rootOf(otherAccount)},
		"AKIANOBODY": {"nobody's secret", nil},
		"AKIAALICE":  {"alice's secret", userOf(testAccount, "alice")},
		"AKIABOB":    {"bob's secret", userOf(otherAccount, "bob")},
	}
	hosts := Hosts{"localhost", "s3.amazonaws.com", "s3." + region + ".amazonaws.com"}
	w.door = New(Options{
		Region: region, Store: s, Realm: f, Hosts: hosts,
		Verifier: &sigv4.Verifier{
			Credentials: w.keys,
			Region:      region, Services: []string{"s3"},
			Bucket: func(r *http.Request) string { return hosts.Bucket(r.Host) },
		},
		Log:     slog.New(slog.NewTextHandler(w.log, nil)),
		Decider: &access.Decider{Directory: w.directory},
		KnownID: func(id string) bool { return id == canonicalID(testAccount) || id == canonicalID(otherAccount) },
		PassRole: func(_ context.Context, who access.Actor, _ string) error {
			if who.Caller.IsRoot() {
				return nil
			}
			return awserr.ErrAccessDenied
		},
	})
	w.server = httptest.NewServer(w.door)
	f.endpoints[region] = strings.TrimPrefix(w.server.URL, "http://")
	t.Cleanup(func() {
		w.server.Close()
	})
	return w
}

// logBuffer keeps the log for tests to read while requests end.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// sdk gives an SDK client of the world, path style unless told otherwise.
func (w *world) sdk(options ...func(*sdk.Options)) *sdk.Client {
	return sdk.New(sdk.Options{
		Region:           w.region,
		BaseEndpoint:     aws.String(w.server.URL),
		UsePathStyle:     true,
		Credentials:      credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
		RetryMaxAttempts: 1,
		// As the SDK's own configuration has it unless told otherwise.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}, options...)
}

// virtual makes a client speak virtual-hosted style: every name leads to the
// server.
func (w *world) virtual(o *sdk.Options) {
	addr := strings.TrimPrefix(w.server.URL, "http://")
	_, port, _ := net.SplitHostPort(addr)
	o.UsePathStyle = false
	o.BaseEndpoint = aws.String("http://localhost:" + port)
	o.HTTPClient = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}
}

// request builds a request with a raw path, which is sent as it stands.
func (w *world) request(method, target string, body []byte, headers ...string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	r.URL.Opaque = path
	r.URL.RawQuery = query
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header[http.CanonicalHeaderKey(headers[i])] = append(r.Header[http.CanonicalHeaderKey(headers[i])], headers[i+1])
		if http.CanonicalHeaderKey(headers[i]) == "Host" {
			r.Host = headers[i+1]
			r.Header.Del("Host")
		}
	}
	return r
}

// sign signs a request with V4 in its header, as the test's root.
func (w *world) sign(r *http.Request, body []byte) *http.Request {
	return w.signAs(r, body, testKey, testSecret, time.Now())
}

func (w *world) signAs(r *http.Request, body []byte, key, secret string, at time.Time) *http.Request {
	w.t.Helper()
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if v := r.Header.Get("X-Amz-Content-Sha256"); v != "" {
		hash = v
	}
	r.Header.Set("X-Amz-Content-Sha256", hash)
	// The signer wants to see the host in an opaque URL; the wire must not.
	path := r.URL.Opaque
	r.URL.Opaque = "//" + r.URL.Host + path
	defer func() { r.URL.Opaque = path }()
	err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
		SignHTTP(r.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, r, hash, "s3", w.region, at)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request and reads the answer, without following redirects.
func (w *world) send(r *http.Request) answer {
	w.t.Helper()
	// The signer wants the host in front of the path; on the wire it would be
	// an absolute URI.
	r.URL.Opaque = strings.TrimPrefix(r.URL.Opaque, "//"+r.URL.Host)
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s %s: reading the answer: %v", r.Method, r.URL, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// do signs and sends.
func (w *world) do(method, target string, body []byte, headers ...string) answer {
	w.t.Helper()
	return w.send(w.sign(w.request(method, target, body, headers...), body))
}

// code gives the error code of an answer, or "".
func (a answer) code() string { return a.element("Code") }

// element gives the text of the first element of a name.
func (a answer) element(name string) string {
	_, rest, ok := strings.Cut(a.body, "<"+name+">")
	if !ok {
		return ""
	}
	text, _, _ := strings.Cut(rest, "</"+name+">")
	return text
}

func (a answer) want(t testing.TB, status int, code string) {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Fatalf("answered %d %s, want %d %s\n%s", a.status, a.code(), status, code, a.body)
	}
}

// bucket makes a bucket.
func (w *world) bucket(name string) {
	w.t.Helper()
	in := &sdk.CreateBucketInput{Bucket: &name}
	if w.region != usEast1 {
		w.do("PUT", "/"+name, []byte(`<CreateBucketConfiguration><LocationConstraint>`+w.region+`</LocationConstraint></CreateBucketConfiguration>`)).want(w.t, 200, "")
		return
	}
	if _, err := w.sdk().CreateBucket(w.t.Context(), in); err != nil {
		w.t.Fatal(err)
	}
}

// codeOf gives the code of an SDK's error.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// md5Of gives the Content-MD5 of a body.
func md5Of(body string) string {
	sum := md5.Sum([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")
