package iam

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/wire/sigv4"
)

// may asks the evaluator what a caller's own policies allow.
func may(t testing.TB, d *Directory, c *access.Caller, action, resource string) bool {
	t.Helper()
	p, err := d.Policies(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Evaluate(&policy.Input{
		Principal: c.Principal(), Action: action, Resource: resource, Context: policy.Values{},
		Identity: p.Identity, Boundary: p.Boundary, Session: p.Session, HasSession: p.HasSession, ServiceControl: p.ServiceControl,
	}).Allowed
}

func bob(change func(*entity)) *entity {
	e := &entity{kind: userKind, account: account, name: "Bob", path: "/team/", id: "AIDABOB", created: time.UnixMilli(1)}
	if change != nil {
		change(e)
	}
	return e
}

func callerOf(e *entity) *access.Caller {
	return &access.Caller{Kind: access.User, Account: e.account, ARN: e.arn(), UserID: e.id, Name: e.name}
}

// TestPolicies: a user's policies are its inline and attached ones and those of
// its groups, and a change of any row counts at once.
func TestPolicies(t *testing.T) {
	d, r := newDirectory(t, nil)
	u := bob(func(e *entity) { e.inline = []inline{{"own", allow("s3:GetObject", "*")}} })
	putEntity(t, r, u)
	c := callerOf(u)
	if !may(t, d, c, "s3:GetObject", "arn:aws:s3:::b/k") || may(t, d, c, "s3:PutObject", "arn:aws:s3:::b/k") {
		t.Error("the inline policy does not count as it stands")
	}

	p := &managed{account: account, name: "Put", path: "/", id: "ANPA1", standard: 1, last: 1, versions: []version{{1, allow("s3:PutObject", "*"), time.UnixMilli(1)}}}
	putPolicy(t, r, p)
	u.attached = []string{p.arn(), "arn:aws:iam::aws:policy/IAMReadOnlyAccess"}
	putEntity(t, r, u)
	if !may(t, d, c, "s3:PutObject", "arn:aws:s3:::b/k") || !may(t, d, c, "iam:GetUser", "*") {
		t.Error("attached policies do not count")
	}

	p.standard, p.versions = 2, append(p.versions, version{2, allow("s3:PutObject", "arn:aws:s3:::b/*"), time.UnixMilli(2)})
	putPolicy(t, r, p)
	if may(t, d, c, "s3:PutObject", "arn:aws:s3:::c/k") || !may(t, d, c, "s3:PutObject", "arn:aws:s3:::b/k") {
		t.Error("the new default version does not count")
	}

	g := &entity{kind: groupKind, account: account, name: "G", path: "/", id: "AGPA1", members: 1, inline: []inline{{"no", deny("s3:GetObject", "*")}}}
	putEntity(t, r, g)
	u.groups = []string{g.id}
	putEntity(t, r, u)
	if may(t, d, c, "s3:GetObject", "arn:aws:s3:::b/k") {
		t.Error("the group's Deny does not count")
	}
	g.inline = nil
	putEntity(t, r, g)
	if !may(t, d, c, "s3:GetObject", "arn:aws:s3:::b/k") {
		t.Error("the group's Deny counts although it is gone")
	}

	u.boundary = p.arn()
	u.tags = []tag{{"Team", "blue"}}
	putEntity(t, r, u)
	if may(t, d, c, "s3:GetObject", "arn:aws:s3:::b/k") || !may(t, d, c, "s3:PutObject", "arn:aws:s3:::b/k") {
		t.Error("the boundary does not bound")
	}
	if b, _ := d.Policies(t.Context(), c); b.Tags["Team"] != "blue" {
		t.Errorf("tags %v", b.Tags)
	}
	// What can't be found might deny: it is an error, never nothing.
	u.attached = append(u.attached, "arn:aws:iam::"+account+":policy/Gone")
	putEntity(t, r, u)
	if _, err := d.Policies(t.Context(), c); err == nil || errors.Is(err, access.ErrGone) {
		t.Errorf("an attached policy that is not there: %v", err)
	}
}

// TestGone: who was deleted is gone, and who was made anew under the same name
// does not inherit what the old one's sessions and keys may.
func TestGone(t *testing.T) {
	d, r := newDirectory(t, nil)
	u := bob(nil)
	putEntity(t, r, u)
	putKey(t, d, &accessKey{id: "AKIABOBBOBBOBBOBBOB1", account: account, userID: u.id, created: time.UnixMilli(1)}, "bob's")
	role := &entity{kind: roleKind, account: account, name: "R", path: "/", id: "AROA1", trust: trustS3, maxSession: 3600}
	putEntity(t, r, role)
	session := &access.Caller{
		Kind: access.Role, Account: account, ARN: "arn:aws:sts::" + account + ":assumed-role/R/s", UserID: "AROA1:s", Name: "R", RoleARN: role.arn(),
		Session: &access.Session{Name: "s"},
	}
	for _, c := range []*access.Caller{callerOf(u), session} {
		if _, err := d.Policies(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	wantErr(t, second(d.Policies(t.Context(), &access.Caller{Kind: access.Role, Account: account, UserID: u.id + ":s"})), access.ErrGone)
	wantErr(t, second(d.Policies(t.Context(), &access.Caller{Kind: access.User, Account: other, UserID: u.id})), access.ErrGone)

	write(t, r, func(tx Tx) error { tx.Delete(idKey(u.id)); tx.Delete(idKey(role.id)); return nil })
	u2 := bob(func(e *entity) { e.id = "AIDABOB2"; e.inline = []inline{{"all", allow("*", "*")}} })
	role2 := *role
	role2.id, role2.inline = "AROA2", u2.inline
	putEntity(t, r, u2)
	putEntity(t, r, &role2)
	for _, c := range []*access.Caller{callerOf(u), session} {
		wantErr(t, second(d.Policies(t.Context(), c)), access.ErrGone)
	}
	_, _, err := d.Secret(t.Context(), "AKIABOBBOBBOBBOBBOB1", "")
	wantErr(t, err, sigv4.ErrUnknownKey)
	if !may(t, d, callerOf(u2), "s3:GetObject", "*") {
		t.Error("the new user has nothing")
	}
}

func second[A any](_ A, err error) error { return err }

// TestSession: session policies bound, also managed ones, and one that is gone
// allows nothing.
func TestSession(t *testing.T) {
	d, r := newDirectory(t, nil)
	role := &entity{kind: roleKind, account: account, name: "R", path: "/", id: "AROA1", trust: trustS3, maxSession: 3600, inline: []inline{{"all", allow("*", "*")}}}
	putEntity(t, r, role)
	p := &managed{account: account, name: "Put", path: "/", id: "ANPA1", standard: 1, last: 1, versions: []version{{1, allow("s3:PutObject", "*"), time.UnixMilli(1)}}}
	putPolicy(t, r, p)
	caller := func(s *access.Session) *access.Caller {
		return &access.Caller{Kind: access.Role, Account: account, ARN: "arn:aws:sts::" + account + ":assumed-role/R/s", UserID: "AROA1:s", RoleARN: role.arn(), Session: s}
	}
	plain := caller(&access.Session{})
	if b, err := d.Policies(t.Context(), plain); err != nil || b.HasSession || !may(t, d, plain, "s3:GetObject", "*") {
		t.Errorf("a session without policies is bounded: %v %v", b, err)
	}
	bounded := caller(&access.Session{Policies: []string{allow("s3:GetObject", "*")}, PolicyARNs: []string{p.arn()}})
	if !may(t, d, bounded, "s3:GetObject", "*") || !may(t, d, bounded, "s3:PutObject", "*") || may(t, d, bounded, "s3:DeleteObject", "*") {
		t.Error("session policies do not bound")
	}
	write(t, r, func(tx Tx) error { tx.Delete(p.key()); return nil })
	if may(t, d, bounded, "s3:PutObject", "*") {
		t.Error("a session policy that is gone allows")
	}
	broken := caller(&access.Session{Policies: []string{`{`}})
	if _, err := d.Policies(t.Context(), broken); err == nil {
		t.Error("a session policy that can't be read is passed over")
	}
}

func TestSecret(t *testing.T) {
	d, r := newDirectory(t, func(o *Options) { o.Sessions = sessions{} })
	u := bob(nil)
	putEntity(t, r, u)
	k := &accessKey{id: "AKIABOBBOBBOBBOBBOB1", account: account, userID: u.id, created: time.UnixMilli(1)}
	putKey(t, d, k, "bob's secret")
	if row, _ := r.Row(accessKeyKey(k.id)); strings.Contains(string(row), "secret") {
		t.Error("the secret lies in clear")
	}

	secret, who, err := d.Secret(t.Context(), k.id, "")
	if c, ok := who.(*access.Caller); err != nil || secret != "bob's secret" || !ok || c.ARN != "arn:aws:iam::111122223333:user/team/Bob" || c.UserID != u.id || c.Kind != access.User || c.AccessKey != k.id {
		t.Errorf("%q %+v %v", secret, who, err)
	}
	secret, who, err = d.Secret(t.Context(), "AKIAROOTROOTROOTROOT", "")
	if c, ok := who.(*access.Caller); err != nil || secret != "a secret of the root user" || !ok || !c.IsRoot() || c.UserID != account {
		t.Errorf("%q %+v %v", secret, who, err)
	}
	if secret, _, err = d.Secret(t.Context(), "ASIA1", "a token"); err != nil || secret != "temporary" {
		t.Errorf("%q %v", secret, err)
	}
	for _, bad := range []struct {
		key, token string
		want       error
	}{
		{k.id, "a token", sigv4.ErrBadToken},
		{"AKIAROOTROOTROOTROOT", "a token", sigv4.ErrBadToken},
		{"ASIA1", "", sigv4.ErrBadToken},
		{"AKIANOBODYNOBODYNOBO", "", sigv4.ErrUnknownKey},
		{"AKIANOBODYNOBODYNOBO", "a token", sigv4.ErrBadToken},
		{"", "", sigv4.ErrUnknownKey},
		{"../key", "", sigv4.ErrUnknownKey},
		{"ASIA2", "a token", sigv4.ErrExpiredToken},
	} {
		secret, who, err := d.Secret(t.Context(), bad.key, bad.token)
		if !errors.Is(err, bad.want) || secret != "" || who != nil {
			t.Errorf("%q %q: %q %v %v, want %v", bad.key, bad.token, secret, who, err, bad.want)
		}
	}

	k.inactive = true
	putKey(t, d, k, "bob's secret")
	wantErr(t, third(d.Secret(t.Context(), k.id, "")), sigv4.ErrUnknownKey)
	k.inactive = false
	putKey(t, d, k, "bob's secret")
	wantErr(t, third(d.Secret(t.Context(), k.id, "")), nil)

	// A sealed secret opens in its own row alone.
	row, _ := r.Row(accessKeyKey(k.id))
	k2, err := decodeAccessKey(row)
	if err != nil {
		t.Fatal(err)
	}
	k2.id = "AKIABOBBOBBOBBOBBOB2"
	moved, _ := k2.encode()
	write(t, r, func(tx Tx) error { tx.Put(accessKeyKey(k2.id), moved); return nil })
	wantErr(t, third(d.Secret(t.Context(), k2.id, "")), realm.ErrSealed)
}

func third[A, B any](_ A, _ B, err error) error { return err }

type sessions struct{}

func (sessions) Open(key, token string, _ time.Time) (string, *access.Caller, error) {
	if key != "ASIA1" {
		return "", nil, sigv4.ErrExpiredToken
	}
	return "temporary", &access.Caller{Kind: access.Root, Account: account}, nil
}

// TestAskHome: what this region does not have yet, home is asked for, and is
// not kept; that home can't be asked is absence.
func TestAskHome(t *testing.T) {
	d, r := newDirectory(t, nil)
	u := bob(func(e *entity) { e.inline = []inline{{"own", allow("s3:GetObject", "*")}} })
	putEntity(t, r, u)
	k := &accessKey{id: "AKIABOBBOBBOBBOBBOB1", account: account, userID: u.id, created: time.UnixMilli(1)}
	putKey(t, d, k, "bob's secret")

	far := &farRows{inner: newRealm(t), home: r}
	d2 := NewDirectory(Options{Rows: far, Seal: r.realm, Account: account, Now: time.Now})
	if _, _, err := d2.Secret(t.Context(), k.id, ""); err != nil {
		t.Fatal(err)
	}
	if !may(t, d2, callerOf(u), "s3:GetObject", "*") {
		t.Error("home's policies do not count")
	}
	asked := far.asked
	if _, _, err := d2.Secret(t.Context(), k.id, ""); err != nil || far.asked == asked {
		t.Errorf("what home said was kept: %v", err)
	}
	far.home = nil
	wantErr(t, third(d2.Secret(t.Context(), k.id, "")), sigv4.ErrUnknownKey)
	wantErr(t, second(d2.Policies(t.Context(), callerOf(u))), access.ErrGone)
	wantErr(t, third(d2.Role(t.Context(), "arn:aws:iam::"+account+":role/x")), nil)
}

// farRows is a region that has nothing yet.
type farRows struct {
	inner
	home  Rows
	asked int
}

func (f *farRows) FetchRow(_ context.Context, key string) ([]byte, bool, error) {
	f.asked++
	if f.home == nil {
		return nil, false, realm.ErrUnavailable
	}
	row, ok := f.home.Row(key)
	return row, ok, nil
}

func TestPrincipals(t *testing.T) {
	d, r := newDirectory(t, nil)
	u := bob(nil)
	putEntity(t, r, u)
	role := &entity{
		kind: roleKind, account: account, name: "R", path: "/service/", id: "AROA1", trust: trustS3, maxSession: 7200, tags: []tag{{"a", "b"}},
		boundary: "arn:aws:iam::aws:policy/AdministratorAccess",
	}
	putEntity(t, r, role)
	got, ok, err := d.Role(t.Context(), "arn:aws:iam::111122223333:role/service/R")
	if err != nil || !ok || got.ID != "AROA1" || got.Path != "/service/" || got.MaxSession != 2*time.Hour || got.Tags["a"] != "b" || got.Trust.Statements() != 1 || got.Boundary != role.boundary {
		t.Errorf("%+v %v %v", got, ok, err)
	}
	for principal, want := range map[string]bool{
		"*":                              true,
		account:                          true,
		other:                            false,
		"arn:aws:iam::111122223333:root": true,
		"arn:aws:iam::444455556666:root": false,
		"arn:aws:iam::111122223333:user/team/Bob":          true,
		"arn:aws:iam::111122223333:user/Bob":               false,
		"arn:aws:iam::111122223333:user/team/bob":          false,
		"arn:aws:iam::444455556666:user/team/Bob":          false,
		"arn:aws:iam::111122223333:role/service/R":         true,
		"arn:aws:iam::111122223333:role/R":                 false,
		"arn:aws:sts::111122223333:assumed-role/R/session": true,
		"arn:aws:sts::111122223333:assumed-role/X/session": false,
		"arn:aws:sts::111122223333:assumed-role/R":         false,
		"arn:aws:iam::111122223333:group/team/Bob":         false,
		"AIDABOB": true, "AROA1": true, "AIDANOBODY": false,
		"bob": false, "": false, "arn:aws:s3:::bucket": false, "arn:aws:iam::111122223333:user/": false,
	} {
		if ok, err := d.PrincipalExists(t.Context(), principal); ok != want || err != nil {
			t.Errorf("%q: %v %v", principal, ok, err)
		}
	}
	if id, ok, err := d.IDOf(t.Context(), u.arn()); id != u.id || !ok || err != nil {
		t.Errorf("%q %v %v", id, ok, err)
	}
	if a, ok, err := d.ARNOf(t.Context(), u.id); a != u.arn() || !ok || err != nil {
		t.Errorf("%q %v %v", a, ok, err)
	}
	for _, bad := range []string{"arn:aws:iam::111122223333:role/r", "arn:aws:iam::111122223333:role/service/r", "x", "arn:aws:iam::111122223333:user/team/Bob"} {
		if _, ok, err := d.Role(t.Context(), bad); ok || err != nil {
			t.Errorf("%q: %v %v", bad, ok, err)
		}
	}
}

// TestHotPath: what each request asks costs no memory.
func TestHotPath(t *testing.T) {
	d, r := newDirectory(t, nil)
	u := bob(func(e *entity) {
		e.inline = []inline{{"own", allow("s3:GetObject", "*")}}
		e.attached = []string{"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}
	})
	putEntity(t, r, u)
	k := &accessKey{id: "AKIABOBBOBBOBBOBBOB1", account: account, userID: u.id, created: time.UnixMilli(1)}
	putKey(t, d, k, "bob's secret")
	_, who, err := d.Secret(t.Context(), k.id, "")
	if err != nil {
		t.Fatal(err)
	}
	c := who.(*access.Caller)
	d.Used(c, "s3")
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		d.Secret(ctx, k.id, "")
		d.Policies(ctx, c)
		d.Used(c, "s3")
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPolicies(b *testing.B) {
	d, r := newDirectory(b, nil)
	u := bob(func(e *entity) { e.inline = []inline{{"own", allow("s3:GetObject", "*")}} })
	putEntity(b, r, u)
	c := callerOf(u)
	ctx := context.Background()
	for b.Loop() {
		if _, err := d.Policies(ctx, c); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCacheBound: a cache that is full lets some of it go.
func TestCacheBound(t *testing.T) {
	r := newRealm(t)
	c := newCache[int](16)
	for i := range 100 {
		c.put(strings.Repeat("k", i+1), i, nil, 0)
	}
	if len(c.m) > 16 {
		t.Errorf("%d entries", len(c.m))
	}
	if v, ok := c.get(strings.Repeat("k", 100), 0, r); !ok || v != 99 {
		t.Error("the last one is not there")
	}
}

func TestAWSPolicies(t *testing.T) {
	all := awsPolicies()
	for arn, p := range all {
		if _, err := policy.Parse([]byte(p.current().document), policy.Identity); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if p.created.Year() < 2015 || p.updated.Before(p.created) || len(p.id) != 21 || !strings.HasPrefix(p.id, policyID) || p.description == "" {
			t.Errorf("%s: %+v", arn, p)
		}
		if a, path, name, ok := splitPolicyARN(arn); !ok || a != awsAccount || path != p.path || name != p.name {
			t.Errorf("%s does not split", arn)
		}
	}
	for _, name := range []string{"AdministratorAccess", "PowerUserAccess", "ReadOnlyAccess", "IAMFullAccess", "IAMReadOnlyAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "AWSKeyManagementServicePowerUser"} {
		if all["arn:aws:iam::aws:policy/"+name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

// TestUsed: the last use is kept in memory, written rarely, and goes with its
// key.
func TestUsed(t *testing.T) {
	now := time.Date(2026, 11, 21, 4, 30, 12, 0, time.UTC)
	d, r := newDirectory(t, func(o *Options) { o.Now = func() time.Time { return now } })
	u := bob(nil)
	putEntity(t, r, u)
	k := &accessKey{id: "AKIABOBBOBBOBBOBBOB1", account: account, userID: u.id, created: time.UnixMilli(1)}
	putKey(t, d, k, "bob's secret")
	c := callerOf(u)
	c.AccessKey = k.id
	if _, ok := d.lastUse(k.id); ok {
		t.Fatal("used before it was")
	}
	d.Used(c, "s3")
	want := use{time.Date(2026, 11, 21, 4, 30, 0, 0, time.UTC), "us-east-1", "s3"}
	if got, ok := d.lastUse(k.id); !ok || got != want {
		t.Errorf("%+v", got)
	}
	if _, err := d.UsedStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Another region reads it from the row.
	d2 := NewDirectory(Options{Rows: r, Seal: r.realm, Account: account, Now: d.opt.Now})
	if got, ok := d2.lastUse(k.id); !ok || got != want {
		t.Errorf("%+v", got)
	}
	row, _ := r.Row(usedKey(k.id))
	now = now.Add(20 * time.Minute)
	d.Used(c, "sts")
	d.UsedStep(t.Context())
	if again, _ := r.Row(usedKey(k.id)); !slices.Equal(row, again) {
		t.Error("the row is written within the hour")
	}
	if got, _ := d.lastUse(k.id); got.service != "sts" {
		t.Errorf("%+v", got)
	}
	now = now.Add(time.Hour)
	d.Used(c, "iam")
	write(t, r, func(tx Tx) error { tx.Delete(accessKeyKey(k.id)); tx.Delete(usedKey(k.id)); return nil })
	if _, err := d.UsedStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Row(usedKey(k.id)); ok {
		t.Error("the row of a deleted key came back")
	}
	if _, ok := d.lastUse(k.id); ok {
		t.Error("a deleted key is still in memory")
	}
}

// FuzzRows: no row makes a reader fall over, and what is read is written as it
// was, unknown fields included.
func FuzzRows(f *testing.F) {
	e, _ := bob(func(e *entity) {
		e.inline, e.tags, e.groups, e.keys = []inline{{"own", allow("s3:*", "*")}}, []tag{{"a", "b"}}, []string{"AGPA1"}, []string{"AKIA1"}
		e.trusted = []identified{{"arn", "AIDA1"}}
	}).encode()
	long, _ := bob(func(e *entity) { e.inline = []inline{{"own", strings.Repeat(" ", 1<<17)}} }).encode()
	p, _ := awsPolicies()["arn:aws:iam::aws:policy/AWSDenyAll"].encode()
	k, _ := (&accessKey{id: "AKIA1", account: account, userID: "AIDA1", sealed: []byte{1}, inactive: true}).encode()
	none := []byte("\x01X0*\f000000000000\x1a\x03000") // a version without a number
	for _, row := range [][]byte{nil, {1}, {2}, {9}, none, e, long, p, k, pointer{userKind, account, "bob"}.encode(), use{time.UnixMilli(60000), "r", "s"}.encode(), encodeText("x")} {
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		decodePointer(row)
		decodeText(row)
		decodeUse(row)
		again := func(b []byte, err error) []byte {
			if err != nil && !errors.Is(err, errRowLong) {
				t.Fatal(err)
			}
			return b
		}
		if e, err := decodeEntity(row); err == nil {
			if b := again(e.encode()); b != nil {
				e2, err := decodeEntity(b)
				if err != nil || !slices.Equal(again(e2.encode()), b) {
					t.Errorf("%+v is read as %+v, %v", e, e2, err)
				}
			}
		}
		if p, err := decodePolicy(row); err == nil {
			if b := again(p.encode()); b != nil {
				p2, err := decodePolicy(b)
				if err != nil || !slices.Equal(again(p2.encode()), b) {
					t.Errorf("%+v is read as %+v, %v", p, p2, err)
				}
			}
		}
		if k, err := decodeAccessKey(row); err == nil {
			if b := again(k.encode()); b != nil {
				if k2, err := decodeAccessKey(b); err != nil || !slices.Equal(again(k2.encode()), b) {
					t.Errorf("%+v is read as %+v, %v", k, k2, err)
				}
			}
		}
	})
}
