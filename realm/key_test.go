package realm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestXAES holds the two vectors of the specification.
func TestXAES(t *testing.T) {
	for _, v := range []struct {
		key         byte
		about, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		key := [32]byte(bytes.Repeat([]byte{v.key}, 32))
		x, nonce := newXAES(&key), []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
		got := x.seal(nil, nonce, []byte("XAES-256-GCM"), []byte(v.about))
		if hex.EncodeToString(got) != v.want {
			t.Errorf("key %d: %x", v.key, got)
		}
		if plain, err := x.open(nonce, got, []byte(v.about)); err != nil || string(plain) != "XAES-256-GCM" {
			t.Errorf("key %d: opens to %q, %v", v.key, plain, err)
		}
	}
}

func testKeys(t *testing.T, text string) *Keyring {
	t.Helper()
	k, err := ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestBox(t *testing.T) {
	k := testKeys(t, NewKey())
	box, secret := NewBox(k, "rows"), []byte("a secret that is long enough")
	sealed := box.Seal(secret, "iam/1/key")
	if bytes.Contains(sealed, secret[:8]) || len(sealed) != len(secret)+BoxOverhead {
		t.Fatalf("sealed: %q", sealed)
	}
	if plain, err := NewBox(k, "rows").Open(sealed, "iam/1/key"); err != nil || !bytes.Equal(plain, secret) {
		t.Errorf("opens to %q, %v", plain, err)
	}
	if bytes.Equal(sealed, box.Seal(secret, "iam/1/key")) {
		t.Error("the same bytes twice")
	}
	for name, open := range map[string]func() ([]byte, error){
		"about another row": func() ([]byte, error) { return box.Open(sealed, "iam/2/key") },
		"another purpose":   func() ([]byte, error) { return NewBox(k, "tokens").Open(sealed, "iam/1/key") },
		"another realm":     func() ([]byte, error) { return NewBox(testKeys(t, NewKey()), "rows").Open(sealed, "iam/1/key") },
		"short":             func() ([]byte, error) { return box.Open(sealed[:BoxOverhead-1], "iam/1/key") },
		"nothing":           func() ([]byte, error) { return box.Open(nil, "iam/1/key") },
	} {
		if _, err := open(); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		if _, err := box.Open(bad, "iam/1/key"); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
}

func TestKeysRotate(t *testing.T) {
	old, fresh := NewKey(), NewKey()
	before := NewBox(testKeys(t, old), "rows").Seal([]byte("old"), "x")
	both := testKeys(t, "# the realm's keys\n"+fresh+"\n"+old+"\n")
	if plain, err := NewBox(both, "rows").Open(before, "x"); err != nil || string(plain) != "old" {
		t.Errorf("after a rotation: %q, %v", plain, err)
	}
	after := NewBox(both, "rows").Seal([]byte("new"), "x")
	if plain, err := NewBox(testKeys(t, fresh), "rows").Open(after, "x"); err != nil || string(plain) != "new" {
		t.Errorf("the first key does not seal: %q, %v", plain, err)
	}
	if ids := both.IDs(); len(ids) != 2 || ids[0] != testKeys(t, fresh).IDs()[0] || ids[1] != testKeys(t, old).IDs()[0] {
		t.Errorf("IDs %v", ids)
	}
}

func TestParseKeysRefuses(t *testing.T) {
	k := NewKey()
	for name, text := range map[string]string{
		"nothing": "", "a comment": "# nothing\n", "short": k[:20], "no base64": strings.Repeat("?", 44),
		"twice": k + "\n" + k, "many": strings.Repeat(NewKey()+"\n", 1) + func() (s string) {
			for range keysMax {
				s += NewKey() + "\n"
			}
			return s
		}(),
	} {
		if _, err := ParseKeys(text); err == nil || strings.Contains(err.Error(), k[:12]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
