package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/realm"
)

// keysOf gives what the regions' folders have.
func keysOf(t *testing.T, l Layout, regions ...string) (all []string) {
	t.Helper()
	for _, name := range regions {
		c, err := LoadRegion(filepath.Join(l.Dir, name, FileRegion), noEnv)
		if err != nil {
			t.Fatal(err)
		}
		k, err := realm.ParseKeys(c.RealmKey)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Join(k.IDs(), " "))
		if info, err := os.Stat(filepath.Join(l.Dir, name, FileRealmKey)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	return all
}

func TestRealmKeys(t *testing.T) {
	l := newLayout(t)
	west := NewRegion{Name: "us-west-2", Listen: "127.0.0.1:9001", Peer: "127.0.0.1:9101"}
	r, err := l.AddRegion(west, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	has := func(ids []string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Join(ids, " ")
		if got := keysOf(t, l, "us-east-1", "us-west-2"); !slices.Equal(got, []string{want, want}) {
			t.Errorf("the regions have the keys %q, want %q", got, want)
		}
	}
	first, err := l.EnsureRealmKey(r)
	has(first, err)
	two, err := l.AddRealmKey(r)
	has(two, err)
	if len(two) != 2 || two[0] != first[0] {
		t.Errorf("a further key: %v behind %v", two, first)
	}
	used, err := l.SealWith(r, two[1])
	has(used, err)
	if !slices.Equal(used, []string{two[1], two[0]}) {
		t.Errorf("another key seals: %v of %v", used, two)
	}
	if _, err := l.DropRealmKey(r, used[0]); err == nil {
		t.Error("the key that seals was removed")
	}
	if _, err := l.DropRealmKey(r, "00000000"); err == nil || !strings.Contains(err.Error(), used[1]) {
		t.Errorf("a key that is not there: %v", err)
	}
	left, err := l.DropRealmKey(r, used[1])
	has(left, err)
	if !slices.Equal(left, used[:1]) {
		t.Errorf("left: %v of %v", left, used)
	}
}

// TestRealmMadeBeforeKeys: a region without a key says what to do, and does
// after it was done.
func TestRealmMadeBeforeKeys(t *testing.T) {
	for name, mend := range map[string]func(l Layout, r *Realm) error{
		"key": func(l Layout, r *Realm) error { _, err := l.EnsureRealmKey(r); return err },
		"add-region": func(l Layout, r *Realm) error {
			_, err := l.AddRegion(NewRegion{Name: "us-west-2", Listen: "127.0.0.1:9001", Peer: "127.0.0.1:9101"}, time.Now())
			return err
		},
	} {
		l := newLayout(t)
		file := filepath.Join(l.Dir, "us-east-1", FileRegion)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		old := strings.Replace(string(b), "realm-key-file: realm.key\n", "", 1)
		if old == string(b) {
			t.Fatalf("%s does not name the key:\n%s", file, b)
		}
		if err := os.WriteFile(file, []byte(old), 0o644); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(l.Dir, FileRealmKey))
		os.Remove(filepath.Join(l.Dir, "us-east-1", FileRealmKey))
		if _, err := LoadRegion(file, noEnv); err == nil || !strings.Contains(err.Error(), "farhold realm key") {
			t.Errorf("%s: a region without key: %v", name, err)
		}
		k := realm.NewKey()
		if c, err := LoadRegion(file, func(n string) string { return map[string]string{EnvRealmKey: k}[n] }); err != nil || c.RealmKey != k {
			t.Errorf("%s: the key of the environment: %v", name, err)
		}
		r, err := LoadRealm(filepath.Join(l.Dir, FileRealm))
		if err != nil {
			t.Fatal(err)
		}
		if err := mend(l, r); err != nil {
			t.Fatal(err)
		}
		keysOf(t, l, "us-east-1")
	}
}

// TestAKeyIsNotMadeTwice: where a region still has the key, it counts.
func TestAKeyIsNotMadeTwice(t *testing.T) {
	l := newLayout(t)
	before := keysOf(t, l, "us-east-1")
	os.Remove(filepath.Join(l.Dir, FileRealmKey))
	r, err := LoadRealm(filepath.Join(l.Dir, FileRealm))
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := l.EnsureRealmKey(r); err != nil || ids[0] != before[0] {
		t.Errorf("keys %v, %v; before %v", ids, err, before)
	}
	os.Remove(filepath.Join(l.Dir, FileRealmKey))
	os.Chmod(filepath.Join(l.Dir, "us-east-1", FileRealmKey), 0o644)
	if _, err := l.EnsureRealmKey(r); err == nil {
		t.Error("a key that others can read was passed over, and another made")
	}
}

func TestDevRealmKey(t *testing.T) {
	l := Layout{Dir: t.TempDir()}
	r, err := l.Dev(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first, err := l.DevRealmKey(r, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.DevRealmKey(r, noEnv)
	if err != nil || again != first {
		t.Errorf("another key at the second start: %v", err)
	}
	if k, err := l.DevRealmKey(r, func(string) string { return "k" }); err != nil || k != "k" {
		t.Errorf("the environment's key: %q, %v", k, err)
	}
}
