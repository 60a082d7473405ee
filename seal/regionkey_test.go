package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func testKeeper(t testing.TB, keys ...[]byte) *RegionKeeper {
	t.Helper()
	k, err := NewRegionKeeper(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var about = map[string]string{"bucket": "b-1", "a": "", "region": "us-east-1"}

func TestKeeper(t *testing.T) {
	k := testKeeper(t, testKey)
	var _ Keeper = k
	seen := make(map[string]bool)
	for range 100 {
		plain, wrapped, err := k.NewDataKey(t.Context(), "", about)
		if err != nil || len(plain) != KeySize || len(wrapped) != wrappedSize {
			t.Fatalf("%d, %d bytes, %v", len(plain), len(wrapped), err)
		}
		if seen[string(plain)] || seen[string(wrapped[wrapCountAt:wrapSealAt])] {
			t.Fatal("a key or a nonce came twice")
		}
		seen[string(plain)], seen[string(wrapped[wrapCountAt:wrapSealAt])] = true, true
		got, err := k.Unwrap(t.Context(), wrapped, maps.Clone(about))
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("unwrap: %v", err)
		}
	}
	if _, _, err := k.NewDataKey(t.Context(), "alias/x", nil); !errors.Is(err, ErrKeyUnavailable) {
		t.Errorf("a named key: %v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(s, hex.EncodeToString(testKey[:4])) || strings.Contains(s, "7, 1, 9") {
		t.Errorf("prints its key: %s", s)
	}
}

func TestWrappedIsBound(t *testing.T) {
	k := testKeeper(t, testKey)
	plain, wrapped, err := k.NewDataKey(t.Context(), "", about)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []map[string]string{
		nil, {},
		{"bucket": "b-1", "region": "us-east-1"},
		{"bucket": "b-2", "a": "", "region": "us-east-1"},
		{"bucket": "b-1", "a": "", "region": "us-east-1", "x": ""},
		{"bucketb-1": "", "a": "", "region": "us-east-1"},
		{"bucket": "b-1a", "": "", "region": "us-east-1"},
	} {
		if _, err := k.Unwrap(t.Context(), wrapped, other); !errors.Is(err, ErrCorrupt) {
			t.Errorf("about %v: %v", other, err)
		}
	}
	for i := range wrapped {
		bad := bytes.Clone(wrapped)
		bad[i] ^= 1
		got, err := k.Unwrap(t.Context(), bad, about)
		want := ErrCorrupt
		switch {
		case i == 0:
			want = ErrFormat
		case i < wrapEpochAt:
			want = ErrKeyUnavailable
		}
		if !errors.Is(err, want) || got != nil {
			t.Errorf("byte %d changed: %v, want %v", i, err, want)
		}
	}
	for n := range wrapped {
		if _, err := k.Unwrap(t.Context(), wrapped[:n], about); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	if got, err := k.Unwrap(t.Context(), wrapped, about); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("in the end: %v", err)
	}
}

func TestRotation(t *testing.T) {
	next := bytes.Repeat([]byte{1, 2}, 16)
	old := testKeeper(t, testKey)
	plain, wrapped, err := old.NewDataKey(t.Context(), "", about)
	if err != nil {
		t.Fatal(err)
	}
	both := testKeeper(t, next, testKey)
	if got, err := both.Unwrap(t.Context(), wrapped, about); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("with the former key: %v", err)
	}
	if _, wrapped, _ := both.NewDataKey(t.Context(), "", about); bytes.Equal(wrapped[1:wrapEpochAt], old.id[:]) {
		t.Error("wraps under the former key")
	}
	if _, err := testKeeper(t, next).Unwrap(t.Context(), wrapped, about); !errors.Is(err, ErrKeyUnavailable) {
		t.Errorf("without the key: %v", err)
	}
	// Another start of the same region: another epoch, the same keys.
	if got, err := testKeeper(t, testKey).Unwrap(t.Context(), wrapped, about); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("after a restart: %v", err)
	}
}

func TestManyEpochs(t *testing.T) {
	k := testKeeper(t, testKey)
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range openersMax {
				plain := body(KeySize)
				o := testKeeper(t, testKey)
				if got, err := k.Unwrap(t.Context(), o.Wrap(plain, nil), nil); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("unwrap: %v", err)
				}
			}
		}()
	}
	wg.Wait()
	if len(k.openers) > openersMax {
		t.Errorf("%d ciphers kept", len(k.openers))
	}
}

func TestParseRegionKey(t *testing.T) {
	other := bytes.Repeat([]byte{1, 2}, 16)
	for _, s := range []string{
		hex.EncodeToString(testKey), strings.ToUpper(hex.EncodeToString(testKey)),
		base64.StdEncoding.EncodeToString(testKey), base64.RawStdEncoding.EncodeToString(testKey),
		base64.URLEncoding.EncodeToString(testKey), base64.RawURLEncoding.EncodeToString(testKey),
		" " + hex.EncodeToString(testKey) + "\n",
		hex.EncodeToString(testKey) + "," + base64.StdEncoding.EncodeToString(other),
	} {
		k, err := ParseRegionKey(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		} else if k.id != keyID(testKey) {
			t.Errorf("%q: another key", s)
		}
	}
	k, err := ParseRegionKey(hex.EncodeToString(other) + ", " + hex.EncodeToString(testKey))
	if err != nil || len(k.keys) != 2 {
		t.Errorf("two keys: %v", err)
	}
	for _, s := range []string{
		"", " ", ",", "secret", hex.EncodeToString(testKey)[1:], hex.EncodeToString(testKey) + "00",
		strings.Repeat("0", 64), strings.Repeat("f", 64), base64.StdEncoding.EncodeToString(testKey[:31]),
		hex.EncodeToString(testKey) + ",no",
	} {
		if k, err := ParseRegionKey(s); !errors.Is(err, ErrRegionKey) || k != nil {
			t.Errorf("%q: %v", s, err)
		} else if len(s) > 8 && strings.Contains(err.Error(), s) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	k, err := LoadOrCreateRegionKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, KeyFile)
	info, err := os.Stat(name)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	again, err := LoadOrCreateRegionKey(dir)
	if err != nil || again.id != k.id {
		t.Fatalf("another key the second time: %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left in the folder: %v", names)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}

	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o660, 0o777} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateRegionKey(dir); !errors.Is(err, ErrRegionKey) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if err := os.Chmod(name, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateRegionKey(dir); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}

	former := keyLine + hex.EncodeToString(testKey) + "\n"
	bad := []string{"", "\n", string(text[:len(text)-1]), string(text[1:]), string(text) + "\n", string(text) + "x\n", strings.Replace(former, "0", "g", 1), keyLine + "\n", strings.Repeat(former, 1000)}
	for _, s := range bad {
		if err := os.WriteFile(name, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateRegionKey(dir); !errors.Is(err, ErrRegionKey) {
			t.Errorf("%.100q: %v", s, err)
		}
		if kept, _ := os.ReadFile(name); string(kept) != s {
			t.Errorf("%.100q: the file was changed", s)
		}
	}
	if err := os.WriteFile(name, append(text, former...), 0o600); err != nil {
		t.Fatal(err)
	}
	both, err := LoadOrCreateRegionKey(dir)
	if err != nil || both.id != k.id || len(both.keys) != 2 {
		t.Errorf("two lines: %v", err)
	}
	os.Remove(name)
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateRegionKey(dir); !errors.Is(err, ErrRegionKey) {
		t.Errorf("a folder: %v", err)
	}
}

// Of many that start together one makes the key, and all have it.
func TestKeyFileRace(t *testing.T) {
	dir := t.TempDir()
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k, err := LoadOrCreateRegionKey(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.KeyID()
		}()
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("different keys: %v", ids)
		}
	}
}
