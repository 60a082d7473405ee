package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/service"
)

const (
	ours   = "111122223333"
	theirs = "444455556666"
	region = "us-east-1"
)

var testRoot = []byte("0123456789abcdef0123456789ABCDEF")

// directory is what binds callers in tests, by their ARNs.
type directory map[string]string

func (d directory) Policies(_ context.Context, c *access.Caller) (*access.Policies, error) {
	p := &access.Policies{}
	arn := c.ARN
	if c.Kind == access.Role {
		arn = c.RoleARN
	}
	if text, ok := d[arn]; ok {
		doc, err := policy.Parse([]byte(text), policy.Identity)
		if err != nil {
			return nil, err
		}
		p.Identity = []*policy.Document{doc}
	}
	return p, nil
}

func (d directory) ResourceControl(context.Context, string) ([][]*policy.Document, error) {
	return nil, nil
}

// world is an engine and what is around it.
type world struct {
	*Engine
	t       testing.TB
	kv      kv.Store
	clock   time.Time
	users   directory
	exists  map[string]bool // principals besides users
	decider *access.Decider
	table   map[string]service.Operation
}

func newWorld(t testing.TB) *world { return worldOn(t, memkv.New(), region) }

func worldOn(t testing.TB, store kv.Store, region string) *world {
	w := &world{t: t, kv: store, clock: time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC), users: directory{}, exists: map[string]bool{}}
	w.decider = &access.Decider{Directory: w.users}
	w.open(region)
	return w
}

// open makes the engine anew on the same rows, as a restart does.
func (w *world) open(region string) {
	w.t.Helper()
	root, err := seal.NewRegionKeeper(testRoot)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Engine = New(Options{
		KV: w.kv, Root: root, Region: region, Now: func() time.Time { return w.clock }, Decider: w.decider,
		PrincipalExists: func(_ context.Context, arn string) (bool, error) {
			_, ok := w.users[arn]
			return ok || w.exists[arn], nil
		},
	})
	w.table = make(map[string]service.Operation)
	for _, o := range w.Operations() {
		if _, twice := w.table[o.Name]; twice {
			w.t.Fatalf("%s stands twice", o.Name)
		}
		w.table[o.Name] = o
	}
}

func root(account string) *access.Caller {
	return &access.Caller{Kind: access.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
}

// user is a user of ours with an identity policy, which may be empty.
func (w *world) user(account, name string, statements ...string) *access.Caller {
	c := &access.Caller{Kind: access.User, Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name, UserID: "AIDA" + strings.ToUpper(name) + "0123456789AB", Name: name}
	w.users[c.ARN] = `{"Version":"2012-10-17","Statement":[` + strings.Join(append(statements, `{"Effect":"Deny","Action":"x:y","Resource":"*"}`), ",") + `]}`
	return c
}

func allow(actions ...string) string {
	b, _ := json.Marshal(actions)
	return `{"Effect":"Allow","Action":` + string(b) + `,"Resource":"*"}`
}

// call does what a door does: it finds the targets, asks about each, performs.
func (w *world) call(c *access.Caller, op string, in any) (any, error) {
	w.t.Helper()
	o, ok := w.table[op]
	if !ok || o.Do == nil {
		w.t.Fatalf("%s is not served", op)
	}
	ctx := context.Background()
	call := &service.Call{Caller: c, Operation: op, Region: w.opt.Region, Now: w.clock, Secure: true, Decider: w.decider}
	targets, err := o.Targets(ctx, call, in)
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		w.t.Fatalf("%s has no target", op)
	}
	for _, t := range targets {
		if err := denied(call.May(ctx, o.Action, t)); err != nil {
			return nil, err
		}
	}
	return o.Do(ctx, call, in)
}

// must is call, for what must succeed.
func must[O any](w *world, c *access.Caller, op string, in any) *O {
	w.t.Helper()
	out, err := w.call(c, op, in)
	if err != nil {
		w.t.Fatalf("%s: %v", op, err)
	}
	if out == nil {
		return nil
	}
	return out.(*O)
}

// wants checks that err is an error of AWS: CODE or CODE: MESSAGE.
func wants(t testing.TB, what string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	e := awserr.From(err)
	if e == nil {
		t.Errorf("%s: %v, want %s", what, err, want)
		return
	}
	if got := e.Code + ": " + e.Message; got != want && e.Code != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
	if e.Status != 400 {
		t.Errorf("%s: status %d", what, e.Status)
	}
}

func asRoot() access.Actor { return access.Actor{Caller: root(ours)} }

// newKey makes a key of ours and gives its ID.
func (w *world) newKey() string {
	w.t.Helper()
	id := newID()
	if err := w.create(context.Background(), &draft{id: id, account: ours, manager: managerCustomer, policy: policyRoot(ours)}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestRoundTrip(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	id := w.newKey()
	about := map[string]string{"aws:s3:arn": "arn:aws:s3:::b/k", "b": "2", "a": "1"}
	for _, n := range []int{1, 16, 4096} {
		plain := bytes.Repeat([]byte{7}, n)
		blob, arn, err := w.Encrypt(ctx, asRoot(), id, plain, about)
		if err != nil {
			t.Fatal(err)
		}
		if arn != w.keyARN(ours, id) || len(blob) != n+blobOverhead || len(blob) > 6144 {
			t.Errorf("%s, %d bytes", arn, len(blob))
		}
		got, arn, err := w.Decrypt(ctx, asRoot(), blob, map[string]string{"a": "1", "b": "2", "aws:s3:arn": "arn:aws:s3:::b/k"})
		if err != nil || !bytes.Equal(got, plain) || arn != w.keyARN(ours, id) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	k, err := w.GenerateDataKey(ctx, asRoot(), w.keyARN(ours, id), 32, nil)
	if err != nil || len(k.Plain) != 32 {
		t.Fatal(err)
	}
	if got, _, err := w.Decrypt(ctx, asRoot(), k.Blob, map[string]string{}); err != nil || !bytes.Equal(got, k.Plain) {
		t.Errorf("a data key: %v", err)
	}
	if again, _ := w.GenerateDataKey(ctx, asRoot(), id, 32, nil); bytes.Equal(again.Plain, k.Plain) || bytes.Equal(again.Blob, k.Blob) {
		t.Error("the same data key twice")
	}
}

func TestContextIsAuthenticated(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	about := map[string]string{"one": "1", "two": "2"}
	blob, _, err := w.Encrypt(t.Context(), asRoot(), id, []byte("secret"), about)
	if err != nil {
		t.Fatal(err)
	}
	for what, wrong := range map[string]map[string]string{
		"none": nil, "one less": {"one": "1"}, "one more": {"one": "1", "two": "2", "three": "3"}, "another value": {"one": "1", "two": "3"},
		"swapped": {"one": "2", "two": "1"}, "case of a name": {"One": "1", "two": "2"}, "case of a value": {"one": "1", "two": "2 "},
		"moved border": {"one1": "", "two": "2"}, "joined": {"one": "1two2"},
	} {
		_, _, err := w.Decrypt(t.Context(), asRoot(), blob, wrong)
		wants(t, what, err, "InvalidCiphertextException: ")
	}
}

func TestTamperedBlob(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	w.newKey()
	blob, _, err := w.Encrypt(t.Context(), asRoot(), id, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range blob {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(blob)
			bad[i] ^= bit
			plain, _, err := w.Decrypt(t.Context(), asRoot(), bad, nil)
			want := "InvalidCiphertextException"
			if i >= blobKeyAt && i < blobMatAt {
				want = "AccessDeniedException"
			}
			if e := awserr.From(err); e == nil || e.Code != want || plain != nil {
				t.Errorf("byte %d: %v, want %s", i, err, want)
			}
		}
	}
	for n := range blob {
		if _, _, err := w.Decrypt(t.Context(), asRoot(), blob[:n], nil); !errors.Is(err, ErrInvalidCiphertext) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	if _, _, err := w.Decrypt(t.Context(), asRoot(), append(bytes.Clone(blob), 0), nil); !errors.Is(err, ErrInvalidCiphertext) {
		t.Errorf("longer: %v", err)
	}
}

// TestBlobIsOfItsKey moves a ciphertext to another key, account and region.
func TestBlobIsOfItsKey(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	blob, _, err := w.Encrypt(t.Context(), asRoot(), id, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	other := w.newKey()
	moved := bytes.Clone(blob)
	parseID(other, moved[blobKeyAt:blobKeyAt])
	k, err := w.key(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	copy(moved[blobMatAt:], k.current().name[:])
	_, _, err = w.Decrypt(t.Context(), asRoot(), moved, nil)
	wants(t, "another key", err, "InvalidCiphertextException: ")

	// The same rows in another region: neither unwraps nor opens.
	w.open("eu-west-1")
	if plain, _, err := w.Decrypt(t.Context(), asRoot(), blob, nil); err == nil || plain != nil || !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("another region: %v", err)
	}
	// A blob for a key that this region doesn't have.
	far := worldOn(t, memkv.New(), "eu-west-1")
	_, _, err = far.Decrypt(t.Context(), asRoot(), blob, nil)
	wants(t, "no such key here", err, "AccessDeniedException: User: arn:aws:iam::111122223333:root is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access")
}

// TestRestart reads old ciphertext with an engine made anew, before and after
// rotations.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	id := w.newKey()
	var blobs [][]byte
	for i := range 4 {
		blob, _, err := w.Encrypt(t.Context(), asRoot(), id, fmt.Append(nil, "secret ", i), nil)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, blob)
		k, err := w.key(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.rotateOnDemand(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		w.open(region)
		for j, b := range blobs {
			got, _, err := w.Decrypt(t.Context(), asRoot(), b, nil)
			if err != nil || string(got) != fmt.Sprint("secret ", j) {
				t.Errorf("after rotation %d: ciphertext %d: %q, %v", i, j, got, err)
			}
		}
	}
	names := map[materialName]bool{}
	for _, b := range blobs {
		p, _ := parseBlob(b)
		names[p.material] = true
	}
	if len(names) != 4 {
		t.Errorf("4 rotations, %d materials in use", len(names))
	}
}

func FuzzParseBlob(f *testing.F) {
	material := bytes.Repeat([]byte{3}, materialSize)
	name := materialName{1, 2, 3}
	const id, arn = "01234567-89ab-4cde-8f01-23456789abcd", "arn:aws:kms:us-east-1:111122223333:key/01234567-89ab-4cde-8f01-23456789abcd"
	good := sealBlob(material, name, id, arn, map[string]string{"a": "b"}, []byte("secret"))
	f.Add(good)
	f.Add(good[:blobHeader])
	f.Add([]byte("FK\x01\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, ok := parseBlob(raw)
		if !ok {
			return
		}
		if !validID(b.key) {
			t.Errorf("key %q", b.key)
		}
		plain, ok := b.open(material, arn, map[string]string{"a": "b"})
		if ok && string(plain) != "secret" {
			t.Errorf("opens to %q", plain)
		}
		if _, ok := b.open(material, arn, nil); ok {
			t.Error("opens without its context")
		}
	})
}
