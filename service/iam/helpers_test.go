package iam

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/realm"
)

const (
	account = "111122223333"
	other   = "444455556666"
)

// inner is Rows under a name that does not hide its method.
type inner = Rows

// testRealm is a realm of one region, with rows that can be cut from home.
type testRealm struct {
	inner
	realm *realm.Realm
	down  atomic.Bool
}

func (r *testRealm) UpdateRows(ctx context.Context, fn func(Tx) error) error {
	if r.down.Load() {
		return realm.ErrUnavailable
	}
	return r.inner.UpdateRows(ctx, fn)
}

func newRealm(t testing.TB) *testRealm {
	t.Helper()
	keys, err := realm.ParseKeys(realm.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	r, err := realm.Open(t.Context(), realm.Options{
		Region: "us-east-1", Home: "us-east-1", Account: account, KV: memkv.New(), Now: time.Now, Keys: keys,
		Regions: []realm.RegionInfo{{Name: "us-east-1", Endpoint: "127.0.0.1:9000", Peer: "127.0.0.1:9001"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return &testRealm{inner: OfRealm(r), realm: r}
}

func newDirectory(t testing.TB, change func(*Options)) (*Directory, *testRealm) {
	t.Helper()
	r := newRealm(t)
	o := Options{
		Rows: r, Seal: r.realm, Account: account, RootKey: "AKIAROOTROOTROOTROOT", RootSecret: "a secret of the root user",
		Region: "us-east-1", Now: time.Now,
	}
	if change != nil {
		change(&o)
	}
	return NewDirectory(o), r
}

// write puts rows as another region's IAM would.
func write(t testing.TB, r Rows, fn func(tx Tx) error) {
	t.Helper()
	if err := r.UpdateRows(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func putEntity(t testing.TB, r Rows, e *entity) {
	t.Helper()
	row, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, r, func(tx Tx) error {
		tx.Put(e.key(), row)
		tx.Put(idKey(e.id), pointerTo(e).encode())
		return nil
	})
}

func putPolicy(t testing.TB, r Rows, p *managed) {
	t.Helper()
	row, err := p.encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, r, func(tx Tx) error { tx.Put(p.key(), row); return nil })
}

func putKey(t testing.TB, d *Directory, k *accessKey, secret string) {
	t.Helper()
	k.sealed = d.opt.Seal.Seal([]byte(secret), sealedFor(k.id, k.userID))
	row, err := k.encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.opt.Rows, func(tx Tx) error { tx.Put(accessKeyKey(k.id), row); return nil })
}

func allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

func deny(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

const trustS3 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}
