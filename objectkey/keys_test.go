package objectkey_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/objectkey/fakekms"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
)

const account = "111122223333"

type fixture struct {
	t      *testing.T
	kms    *fakekms.KMS
	region *seal.RegionKeeper
	keys   *objectkey.Keys
	now    time.Time
	key    string
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, kms: fakekms.New("us-east-1"), now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	var err error
	if f.region, err = seal.NewRegionKeeper([]byte("0123456789abcdef0123456789abcdef")); err != nil {
		t.Fatal(err)
	}
	f.keys = objectkey.New(objectkey.Options{Region: f.region, KMS: f.kms, Now: func() time.Time { return f.now }})
	f.key = f.kms.Create(account, "alias/k")
	return f
}

func user(name string) access.Actor {
	return access.Actor{Caller: &access.Caller{Kind: access.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name, Via: "s3.us-east-1.amazonaws.com"}}
}

// about is what the store binds keys to.
var about = map[string]string{"farhold:bucket": "0011223344556677", "farhold:key": "a/b"}

func want(algorithm, keyID string, bucketKey bool) objectkey.Want {
	return objectkey.Want{By: user("alice"), Bucket: "bucket", Key: "a/b", UID: "0011223344556677", SSE: s3.SSE{Algorithm: algorithm, KeyID: keyID, BucketKey: bucketKey}}
}

// seal makes an object key.
func (f *fixture) seal(w objectkey.Want) (plain, wrapped []byte, sse s3.SSE) {
	f.t.Helper()
	k, sse, err := f.keys.Seal(f.t.Context(), &w)
	if err != nil {
		f.t.Fatal(err)
	}
	if k == nil {
		k = f.region
	}
	plain, wrapped, err = k.NewDataKey(f.t.Context(), "", about)
	if err != nil {
		f.t.Fatal(err)
	}
	return plain, wrapped, sse
}

func (f *fixture) open(w objectkey.Want, wrapped []byte, about map[string]string) ([]byte, error) {
	return f.keys.Open(&w).Unwrap(f.t.Context(), wrapped, about)
}

func customer(b byte) *objectkey.Customer {
	key := bytes.Repeat([]byte{b, b + 1}, 16)
	sum := md5.Sum(key)
	return &objectkey.Customer{Key: key, MD5: base64.StdEncoding.EncodeToString(sum[:])}
}

func TestKinds(t *testing.T) {
	f := newFixture(t)
	object := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/a/b"}
	for _, c := range []struct {
		name    string
		want    objectkey.Want
		kind    seal.Kind
		size    int
		sse     s3.SSE
		context map[string]string // nil when KMS is not asked
	}{
		{"SSE-S3", want("AES256", "", false), seal.KindRegion, 32, s3.SSE{Algorithm: "AES256"}, nil},
		{"SSE-KMS", want("aws:kms", f.key, false), seal.KindKMS, 32, s3.SSE{Algorithm: "aws:kms", KeyID: f.key}, object},
		{"SSE-KMS by alias", want("aws:kms", "alias/k", false), seal.KindKMS, 32, s3.SSE{Algorithm: "aws:kms", KeyID: f.key}, object},
		{"bucket key", want("aws:kms", f.key, true), seal.KindBucketKey, 32, s3.SSE{Algorithm: "aws:kms", KeyID: f.key, BucketKey: true}, map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket"}},
		{"DSSE", want("aws:kms:dsse", f.key, true), seal.KindDouble, 64, s3.SSE{Algorithm: "aws:kms:dsse", KeyID: f.key}, object},
	} {
		plain, wrapped, sse := f.seal(c.want)
		if len(plain) != c.size || seal.KindOf(wrapped) != c.kind || sse != c.sse {
			t.Errorf("%s: key of %d bytes, kind %d, %+v", c.name, len(plain), seal.KindOf(wrapped), sse)
		}
		if bytes.Contains(wrapped, plain[:32]) || bytes.Contains(wrapped, plain[len(plain)-32:]) {
			t.Errorf("%s: the wrapped key shows the key", c.name)
		}
		read := c.want
		read.SSE = sse
		got, err := f.open(read, wrapped, about)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: opened %x, %v; want %x", c.name, got, err, plain)
		}
		calls := f.kms.Calls()
		if c.context == nil {
			if len(calls) > 0 {
				t.Errorf("%s: KMS was asked %+v", c.name, calls)
			}
			continue
		}
		if len(calls) != 2 || calls[0].Action != "kms:GenerateDataKey" || calls[1].Action != "kms:Decrypt" ||
			fmt.Sprint(calls[0].About) != fmt.Sprint(c.context) || fmt.Sprint(calls[1].About) != fmt.Sprint(c.context) ||
			calls[0].Via != "s3.us-east-1.amazonaws.com" || calls[0].Key != f.key {
			t.Errorf("%s: KMS was asked %+v", c.name, calls)
		}
		for name, other := range map[string]map[string]string{
			"another bucket": {"farhold:bucket": "ffffffffffffffff", "farhold:key": "a/b"},
			"another key":    {"farhold:bucket": "0011223344556677", "farhold:key": "a/c"},
		} {
			if _, err := f.open(read, wrapped, other); !errors.Is(err, seal.ErrCorrupt) {
				t.Errorf("%s: opened for %s: %v", c.name, name, err)
			}
		}
		moved := read
		moved.Bucket, moved.Key = "other", "x"
		if _, err := f.open(moved, wrapped, about); codeOf(err) != "KMS.InvalidCiphertextException" {
			t.Errorf("%s: opened under another context: %v", c.name, err)
		}
		for i := range wrapped {
			bad := slices.Clone(wrapped)
			bad[i] ^= 1
			if got, err := f.open(read, bad, about); err == nil {
				t.Fatalf("%s: byte %d changed, and opened %x", c.name, i, got)
			}
		}
		for n := range len(wrapped) {
			if _, err := f.open(read, wrapped[:n], about); err == nil {
				t.Fatalf("%s: cut to %d bytes, and opened", c.name, n)
			}
		}
		f.kms.Calls()
	}
}

func codeOf(err error) string {
	if e := awserr.From(err); e != nil {
		return e.Code
	}
	return fmt.Sprint(err)
}

func TestClientContext(t *testing.T) {
	f := newFixture(t)
	w := want("aws:kms", f.key, false)
	w.About = map[string]string{"team": "red", "a": "b"}
	plain, wrapped, sse := f.seal(w)
	read := want("", "", false)
	read.SSE = sse
	got, err := f.open(read, wrapped, about)
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatal(err)
	}
	for _, c := range f.kms.Calls() {
		if len(c.About) != 3 || c.About["team"] != "red" || c.About["aws:s3:arn"] != "arn:aws:s3:::bucket/a/b" {
			t.Errorf("%+v", c)
		}
	}
}

func TestCustomer(t *testing.T) {
	f := newFixture(t)
	w := want("", "", false)
	w.Customer = customer('a')
	plain, wrapped, sse := f.seal(w)
	if len(plain) != 32 || seal.KindOf(wrapped) != seal.KindCustomer || sse != (s3.SSE{Algorithm: "AES256", CustomerKeyMD5: w.Customer.MD5}) {
		t.Fatalf("%+v", sse)
	}
	read := w
	read.SSE = sse
	// The object goes to other buckets as it lies.
	got, err := f.open(read, wrapped, map[string]string{"farhold:bucket": "ffffffffffffffff", "farhold:key": "a/b"})
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatal(err)
	}
	if _, err := f.open(read, wrapped, map[string]string{"farhold:key": "a/c"}); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("for another key: %v", err)
	}
	for name, c := range map[string]struct {
		customer *objectkey.Customer
		want     error
	}{
		"none":         {nil, objectkey.ErrKeyRequired},
		"another":      {customer('b'), objectkey.ErrWrongKey},
		"short":        {&objectkey.Customer{Key: []byte("short"), MD5: sse.CustomerKeyMD5}, objectkey.ErrWrongKey},
		"MD5 of right": {&objectkey.Customer{Key: customer('b').Key, MD5: sse.CustomerKeyMD5}, objectkey.ErrWrongKey},
	} {
		for _, known := range []string{sse.CustomerKeyMD5, ""} {
			read.Customer, read.SSE.CustomerKeyMD5 = c.customer, known
			_, err := f.open(read, wrapped, about)
			if name == "MD5 of right" && known != "" {
				// Only damage, or a caller that did not check, brings this about.
				if !errors.Is(err, seal.ErrCorrupt) {
					t.Errorf("%s: %v", name, err)
				}
			} else if !errors.Is(err, c.want) || err.Error() != c.want.Error() {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	_, region, err := f.region.NewDataKey(t.Context(), "", about)
	if err != nil {
		t.Fatal(err)
	}
	read.Customer = customer('a')
	if _, err := f.open(read, region, about); !errors.Is(err, objectkey.ErrNotApplicable) {
		t.Errorf("a customer's key for an object of none: %v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v", w.Customer, w.Customer, w.Customer); strings.Contains(s, "ab") || !strings.Contains(s, w.Customer.MD5) {
		t.Errorf("printed %s", s)
	}
}

// TestBucketKey sees who asks KMS, and when.
func TestBucketKey(t *testing.T) {
	f := newFixture(t)
	w := want("aws:kms", "alias/k", true)
	blobs := map[string]bool{}
	put := func(w objectkey.Want, calls int) []byte {
		t.Helper()
		_, wrapped, sse := f.seal(w)
		if n := len(f.kms.Calls()); n != calls {
			t.Fatalf("KMS was asked %d times, want %d", n, calls)
		}
		if sse.KeyID != f.key || !sse.BucketKey {
			t.Fatalf("%+v", sse)
		}
		blobs[string(wrapped[3:3+int(wrapped[1])<<8+int(wrapped[2])])] = true
		return wrapped
	}
	first := put(w, 1)
	put(w, 0)
	other := w
	other.Key = "another"
	put(other, 0)
	if len(blobs) != 1 {
		t.Fatalf("%d data keys in one bucket", len(blobs))
	}
	bob := w
	bob.By = user("bob")
	put(bob, 1) // decided anew, but the key is shared
	put(bob, 0)
	f.now = f.now.Add(objectkey.DecisionMax)
	put(w, 1)
	if len(blobs) != 1 {
		t.Fatalf("%d data keys in one bucket", len(blobs))
	}
	for name, change := range map[string]func(*objectkey.Want){
		"bucket":  func(w *objectkey.Want) { w.Bucket = "second" },
		"UID":     func(w *objectkey.Want) { w.UID = "8899aabbccddeeff" },
		"context": func(w *objectkey.Want) { w.About = map[string]string{"a": "b"} },
		"account": func(w *objectkey.Want) {
			w.By = access.Actor{Caller: &access.Caller{Kind: access.User, Account: "999999999999", ARN: "arn:aws:iam::999999999999:user/x"}}
			w.SSE.KeyID = f.key
		},
	} {
		before := len(blobs)
		x := w
		change(&x)
		put(x, 1)
		if len(blobs) != before+1 {
			t.Errorf("another %s shares the data key", name)
		}
	}
	before := len(blobs)
	f.now = f.now.Add(objectkey.BucketKeyMax)
	put(w, 1)
	if len(blobs) != before+1 {
		t.Error("the bucket key outlived its time")
	}

	// Reading: each caller is decided about.
	read := w
	read.SSE.KeyID = f.key
	get := func(w objectkey.Want, calls int) {
		t.Helper()
		if _, err := f.open(w, first, about); err != nil {
			t.Fatal(err)
		}
		if n := len(f.kms.Calls()); n != calls {
			t.Fatalf("KMS was asked %d times, want %d", n, calls)
		}
	}
	get(read, 1)
	get(read, 0)
	bob = read
	bob.By = user("bob")
	get(bob, 1)
	f.now = f.now.Add(objectkey.DecisionMax)
	get(read, 1)
	f.keys.Forget()
	get(read, 1)
	// Also what was decided between two tidyings ends in time.
	f.now = f.now.Add(objectkey.DecisionMax - time.Second)
	bob.By = user("carol")
	get(bob, 1)
	f.now = f.now.Add(2 * time.Second) // tidied here
	get(bob, 0)
	f.now = f.now.Add(objectkey.DecisionMax - 2*time.Second)
	get(bob, 1)
	get(read, 1)
	f.now = f.now.Add(-time.Hour) // a clock set back makes no decision last
	get(read, 1)
}

// TestRevoked sees that a decision lasts no longer than it may.
func TestRevoked(t *testing.T) {
	f := newFixture(t)
	w := want("aws:kms", f.key, true)
	_, wrapped, sse := f.seal(w)
	read := w
	read.SSE = sse
	_, own, _ := f.seal(want("aws:kms", f.key, false))
	try := func(by string) (sealing, opening, openingOwn string) {
		x, y := w, read
		x.By, y.By = user(by), user(by)
		_, _, err := f.keys.Seal(t.Context(), &x)
		_, err2 := f.open(y, wrapped, about)
		_, err3 := f.open(y, own, about)
		return codeOf(err), codeOf(err2), codeOf(err3)
	}
	both := func(when, by, want, wantOwn string) {
		t.Helper()
		if a, b, c := try(by); a != want || b != want || c != wantOwn {
			t.Errorf("%s: %s, %s and %s; want %s and %s", when, a, b, c, want, wantOwn)
		}
	}
	both("at first", "alice", "<nil>", "<nil>")
	f.kms.May = func(by access.Actor, _, _ string, _ map[string]string) bool {
		return !strings.HasSuffix(by.Caller.ARN, "/alice")
	}
	both("revoked, a moment ago", "alice", "<nil>", "AccessDenied")
	f.now = f.now.Add(objectkey.DecisionMax)
	both("revoked", "alice", "AccessDenied", "AccessDenied")
	both("somebody else", "bob", "<nil>", "<nil>")
	both("revoked still, though bob's key is at hand", "alice", "AccessDenied", "AccessDenied")
	f.kms.May = nil
	both("allowed again", "alice", "<nil>", "<nil>")
	f.kms.State(f.key, "Disabled")
	f.keys.Forget()
	both("disabled", "alice", "KMS.DisabledException", "KMS.DisabledException")
	f.kms.State(f.key, "PendingDeletion")
	both("to be deleted", "bob", "KMS.KMSInvalidStateException", "KMS.KMSInvalidStateException")
	f.kms.State(f.key, "Enabled")
	f.kms.Rotate(f.key)
	both("rotated", "alice", "<nil>", "<nil>")
}

// between is a KMS that lets something happen between a decision and its answer.
type between struct {
	*fakekms.KMS
	do func()
}

func (b between) GenerateDataKey(ctx context.Context, by access.Actor, keyID string, n int, about map[string]string) (objectkey.DataKey, error) {
	defer b.do()
	return b.KMS.GenerateDataKey(ctx, by, keyID, n, about)
}

func (b between) Decrypt(ctx context.Context, by access.Actor, blob []byte, about map[string]string) ([]byte, string, error) {
	defer b.do()
	return b.KMS.Decrypt(ctx, by, blob, about)
}

// TestForgotten: what was decided before a change does not count after it, also
// where the answer comes later than the change.
func TestForgotten(t *testing.T) {
	for _, forget := range []func(*objectkey.Keys){(*objectkey.Keys).Forget, (*objectkey.Keys).ForgetDecisions} {
		f := newFixture(t)
		change := func() {}
		f.keys = objectkey.New(objectkey.Options{Region: f.region, KMS: between{f.kms, func() { change() }}, Now: func() time.Time { return f.now }})
		w := want("aws:kms", f.key, true)
		_, wrapped, sse := f.seal(w)
		read := w
		read.SSE = sse
		both := func(what, want string) {
			t.Helper()
			_, _, sealing := f.keys.Seal(t.Context(), &w)
			_, opening := f.open(read, wrapped, about)
			if codeOf(sealing) != want || codeOf(opening) != want {
				t.Errorf("%s: sealing %v, opening %v, want %s", what, sealing, opening, want)
			}
		}
		both("allowed", "<nil>")
		f.kms.May = func(access.Actor, string, string, map[string]string) bool { return false }
		both("revoked, and nobody says so", "<nil>")
		forget(f.keys)
		both("revoked", "AccessDenied")
		f.kms.May = nil
		forget(f.keys)
		change = func() {
			f.kms.May = func(access.Actor, string, string, map[string]string) bool { return false }
			forget(f.keys)
		}
		_, _, err := f.keys.Seal(t.Context(), &w)
		f.kms.May = nil
		_, opened := f.open(read, wrapped, about)
		if err != nil || opened != nil {
			t.Errorf("decided before the change: %v, %v", err, opened)
		}
		change = func() {}
		both("revoked while it was decided", "AccessDenied")
	}
}

func TestErrors(t *testing.T) {
	f := newFixture(t)
	denied := "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: kms:GenerateDataKey on resource: " + f.key + " because no identity-based policy allows the kms:GenerateDataKey action"
	for _, c := range []struct {
		name, key, code, message string
		status                   int
		deny                     bool
	}{
		{"no ID", "fake-key-id", "KMS.NotFoundException", "Invalid keyId 'fake-key-id'", 400, false},
		{"no such key", "134f2428-cec1-4b25-a1ae-9048164dba47", "KMS.NotFoundException", "Key 'arn:aws:kms:us-east-1:111122223333:key/134f2428-cec1-4b25-a1ae-9048164dba47' does not exist", 400, false},
		{"another region's", "arn:aws:kms:us-west-2:111122223333:key/134f2428-cec1-4b25-a1ae-9048164dba47", "KMS.NotFoundException", "Invalid arn us-west-2", 400, false},
		{"no such alias", "alias/none", "KMS.NotFoundException", "Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found.", 400, false},
		{"denied", f.key, "AccessDenied", denied, 403, true},
	} {
		f.kms.May = func(access.Actor, string, string, map[string]string) bool { return !c.deny }
		for _, bucketKey := range []bool{false, true} {
			w := want("aws:kms", c.key, bucketKey)
			_, _, err := f.keys.Seal(t.Context(), &w)
			if e := awserr.From(err); e == nil || e.Code != c.code || e.Message != c.message || e.Status != c.status {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	without := objectkey.New(objectkey.Options{Region: f.region})
	w := want("aws:kms", "", false)
	if _, _, err := without.Seal(t.Context(), &w); !errors.Is(err, objectkey.ErrNoKMS) || without.KMS() {
		t.Errorf("without KMS: %v", err)
	}
	throttled := objectkey.New(objectkey.Options{Region: f.region, KMS: failing{awserr.New("ThrottlingException", 400, "Rate exceeded")}})
	if _, _, err := throttled.Seal(t.Context(), &w); !errors.Is(err, awserr.ErrSlowDown) {
		t.Errorf("throttled: %v", err)
	}
	broken := objectkey.New(objectkey.Options{Region: f.region, KMS: failing{errors.New("no disk")}})
	if _, _, err := broken.Seal(t.Context(), &w); err == nil || awserr.From(err) != nil {
		t.Errorf("broken: %v", err)
	}
}

// failing is a KMS that answers one error.
type failing struct{ err error }

func (f failing) GenerateDataKey(context.Context, access.Actor, string, int, map[string]string) (objectkey.DataKey, error) {
	return objectkey.DataKey{}, f.err
}

func (f failing) Encrypt(context.Context, access.Actor, string, []byte, map[string]string) ([]byte, string, error) {
	return nil, "", f.err
}

func (f failing) Decrypt(context.Context, access.Actor, []byte, map[string]string) ([]byte, string, error) {
	return nil, "", f.err
}

func (f failing) Resolve(context.Context, string, string) (string, error) { return "", f.err }

// TestEncryptDoes: for replicas either permission is enough.
func TestEncryptDoes(t *testing.T) {
	f := newFixture(t)
	only := ""
	f.kms.May = func(_ access.Actor, action, _ string, _ map[string]string) bool {
		return action == only || action == "kms:Decrypt"
	}
	for _, bucketKey := range []bool{false, true} {
		for _, only = range []string{"kms:Encrypt", "kms:GenerateDataKey"} {
			f.keys.Forget()
			w := want("aws:kms", f.key, bucketKey)
			w.EncryptDoes = true
			plain, wrapped, sse := f.seal(w)
			w.SSE = sse
			if got, err := f.open(w, wrapped, about); err != nil || !bytes.Equal(got, plain) || sse.KeyID != f.key {
				t.Errorf("%s: %+v, %v", only, sse, err)
			}
			w.EncryptDoes = false
			if _, _, err := f.keys.Seal(t.Context(), &w); (err == nil) != (only == "kms:GenerateDataKey") {
				t.Errorf("%s, of one who makes an object: %v", only, err)
			}
		}
		only = "kms:Decrypt"
		f.keys.Forget()
		w := want("aws:kms", f.key, bucketKey)
		w.EncryptDoes = true
		if _, _, err := f.keys.Seal(t.Context(), &w); codeOf(err) != "AccessDenied" {
			t.Errorf("neither: %v", err)
		}
	}
}

// TestCallersApart: what a decision may depend on tells callers apart.
func TestCallersApart(t *testing.T) {
	f := newFixture(t)
	w := want("aws:kms", f.key, true)
	session := func(change func(*access.Caller, *access.Session)) access.Actor {
		c := *user("alice").Caller
		s := access.Session{Name: "s"}
		change(&c, &s)
		c.Session = &s
		return access.Actor{Caller: &c}
	}
	from := func(ip string) access.Actor {
		a := user("alice")
		a.Context = policyValues{"aws:sourceip": {ip}}
		return a
	}
	grants := user("alice")
	grants.Grants = []string{"token"}
	for name, by := range map[string]access.Actor{
		"user":          user("alice"),
		"access key":    session(func(c *access.Caller, _ *access.Session) { c.AccessKey = "ASIA" }),
		"session":       session(func(*access.Caller, *access.Session) {}),
		"policy":        session(func(_ *access.Caller, s *access.Session) { s.Policies = []string{"{}"} }),
		"policy ARN":    session(func(_ *access.Caller, s *access.Session) { s.PolicyARNs = []string{"{}"} }),
		"tag":           session(func(_ *access.Caller, s *access.Session) { s.Tags = map[string]string{"a": "b"} }),
		"expiry":        session(func(_ *access.Caller, s *access.Session) { s.Expiry = f.now }),
		"via":           session(func(c *access.Caller, _ *access.Session) { c.Via = "" }),
		"address":       from("203.0.113.1"),
		"other address": from("203.0.113.2"),
		"grant":         grants,
	} {
		w.By = by
		if _, _, err := f.keys.Seal(t.Context(), &w); err != nil {
			t.Fatal(err)
		}
		if n := len(f.kms.Calls()); n != 1 {
			t.Errorf("%s: KMS was asked %d times: somebody else's decision counted", name, n)
		}
	}
}

type policyValues map[string][]string

func (v policyValues) Value(key string) ([]string, bool) { x, ok := v[key]; return x, ok }

// TestBounded fills the caches: each caller costs a call, and memory stays.
func TestBounded(t *testing.T) {
	f := newFixture(t)
	w := want("aws:kms", f.key, true)
	for i := range 20_000 {
		w.By = user(fmt.Sprint(i))
		if _, _, err := f.keys.Seal(t.Context(), &w); err != nil {
			t.Fatal(err)
		}
	}
	if n := objectkey.Kept(f.keys); n > 8192+1 {
		t.Errorf("%d entries kept", n)
	}
	f.now = f.now.Add(time.Hour)
	if _, _, err := f.keys.Seal(t.Context(), &w); err != nil {
		t.Fatal(err)
	}
	if n := objectkey.Kept(f.keys); n != 2 {
		t.Errorf("%d entries kept after an hour", n)
	}
}
