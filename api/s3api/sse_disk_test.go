package s3api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/blob/diskblob"
	"github.com/farhold/farhold/kv/pebblekv"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/service/kms"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
)

// secrets are all keys that were made while a test ran.
type secrets struct {
	mu   sync.Mutex
	keys map[string][]byte
}

func (s *secrets) add(what string, key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[fmt.Sprintf("%s %d", what, len(s.keys))] = bytes.Clone(key)
}

// listening is a Keeper whose keys are overheard.
type listening struct {
	seal.Keeper
	what string
	to   *secrets
}

func (l listening) NewDataKey(ctx context.Context, key string, about map[string]string) (plain, wrapped []byte, err error) {
	plain, wrapped, err = l.Keeper.NewDataKey(ctx, key, about)
	l.hear(plain)
	return plain, wrapped, err
}

func (l listening) Unwrap(ctx context.Context, wrapped []byte, about map[string]string) ([]byte, error) {
	plain, err := l.Keeper.Unwrap(ctx, wrapped, about)
	l.hear(plain)
	return plain, err
}

func (l listening) hear(plain []byte) {
	for at := 0; at < len(plain); at += seal.KeySize {
		l.to.add(l.what, plain[at:at+seal.KeySize])
	}
}

// listeningKMS is a KMS whose data keys are overheard.
type listeningKMS struct {
	objectkey.KMS
	to *secrets
}

func (l listeningKMS) GenerateDataKey(ctx context.Context, by access.Actor, keyID string, n int, about map[string]string) (objectkey.DataKey, error) {
	d, err := l.KMS.GenerateDataKey(ctx, by, keyID, n, about)
	if err == nil {
		l.to.add("data key", d.Plain)
	}
	return d, err
}

// onDisk is a door over a region's engines on disk.
type onDisk struct {
	*vault
	dir   string
	known *secrets
	close func()
}

func openOnDisk(t *testing.T, dir string, names *fakeRealm, known *secrets) *onDisk {
	t.Helper()
	w := newRegion(t, names, "us-east-1")
	root, err := seal.LoadOrCreateRegionKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := pebblekv.Open(pebblekv.Options{Dir: filepath.Join(dir, "meta"), CacheSize: 1 << 20, MemTableSize: 1 << 20, Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := diskblob.Open(diskblob.Options{Dir: filepath.Join(dir, "blobs"), Volume: "v"})
	if err != nil {
		t.Fatal(err)
	}
	keeper := listening{root, "key under the region's", known}
	s, err := store.Open(t.Context(), store.Options{
		Region: "us-east-1", KV: engine, Blobs: blobs, Keeper: keeper, Clock: stamp.NewClock("us-east-1", nil, nil), Directory: names,
	})
	if err != nil {
		t.Fatal(err)
	}
	e := kms.New(kms.Options{
		KV: engine, Root: listening{root, "material of KMS", known}, Region: "us-east-1", Now: time.Now,
		Decider: &access.Decider{Directory: w.directory},
	})
	w.store, w.door.opt.Store = s, s
	w.door.opt.Keys = objectkey.New(objectkey.Options{Region: keeper, KMS: listeningKMS{e, known}})
	v := &vault{world: w}
	v.serveTLS()
	return &onDisk{vault: v, dir: dir, known: known, close: func() {
		if err := closeAll(engine, blobs); err != nil {
			t.Fatal(err)
		}
	}}
}

func closeAll(closers ...interface{ Close() error }) (err error) {
	for _, c := range closers {
		if e := c.Close(); err == nil {
			err = e
		}
	}
	return err
}

// TestNothingInClearOnDisk looks into every file of a region's folder for pieces
// of bodies, and for every key that there was, however it might be written.
func TestNothingInClearOnDisk(t *testing.T) {
	dir := t.TempDir()
	known := &secrets{keys: map[string][]byte{}}
	names := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	d := openOnDisk(t, dir, names, known)
	d.make("bucket")

	// Four places where bodies lie, and each way to encrypt them.
	random := rand.NewChaCha8([32]byte{7})
	body := func(n int) []byte {
		b := make([]byte, n)
		random.Read(b)
		return b
	}
	places := map[string][][]byte{
		"row":   {body(3000)},
		"pack":  {body(200_000)},
		"file":  {body(3 << 20)},
		"parts": {body(5 << 20), body(100_000)},
	}
	const sse = "X-Amz-Server-Side-Encryption"
	customer := customerKey('c', ofObject)
	ways := map[string][2][]string{
		"SSE-S3":     {nil, nil},
		"SSE-KMS":    {{sse, "aws:kms"}, nil},
		"bucket key": {{sse, "aws:kms", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true"}, nil},
		"DSSE-KMS":   {{sse, "aws:kms:dsse"}, nil},
		"SSE-C":      {customer, customer},
	}
	for way, h := range ways {
		for place, parts := range places {
			target := "/bucket/marker-" + strings.ReplaceAll(way, " ", "-") + "-" + place
			if len(parts) == 1 {
				d.do("PUT", target, parts[0], h[0]...).want(t, 200, "")
				continue
			}
			a := d.do("POST", target+"?uploads", nil, h[0]...)
			a.want(t, 200, "")
			id := a.element("UploadId")
			var etags []string
			for i, p := range parts {
				a := d.do("PUT", fmt.Sprintf("%s?partNumber=%d&uploadId=%s", target, i+1, id), p, h[1]...)
				a.want(t, 200, "")
				etags = append(etags, a.header.Get("Etag"))
			}
			d.do("POST", target+"?uploadId="+id, completion(etags)).want(t, 200, "")
		}
	}
	for way, h := range ways {
		for place := range places {
			o, err := d.store.Open(t.Context(), "bucket", "marker-"+strings.ReplaceAll(way, " ", "-")+"-"+place, "")
			if err != nil {
				t.Fatal(err)
			}
			by := rootOf(testAccount)
			by.Via = "s3.us-east-1.amazonaws.com"
			want := objectkey.Want{By: access.Actor{Caller: by}, Bucket: "bucket", Key: o.Key, UID: o.Bucket.UID, SSE: o.SSE}
			if h[1] != nil {
				want.Customer = &objectkey.Customer{Key: bytes.Repeat([]byte{'c', 'c' ^ 0x55}, 16), MD5: h[1][5]}
			}
			o.Use(listening{d.door.opt.Keys.Open(&want), "object key", known})
			if err := o.Unlock(t.Context()); err != nil {
				t.Fatal(err)
			}
			o.Close()
		}
	}
	known.add("customer's key", bytes.Repeat([]byte{'c', 'c' ^ 0x55}, 16))
	d.close()

	type needle struct {
		what  string
		bytes []byte
	}
	var needles []needle
	for place, parts := range places {
		for i, p := range parts {
			for _, at := range []int{0, 1000, len(p) / 2, len(p) - 24} {
				needles = append(needles, needle{fmt.Sprintf("body in %s, part %d at %d", place, i, at), p[at : at+24]})
			}
		}
	}
	region, err := os.ReadFile(filepath.Join(dir, seal.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	fieldsOf := strings.Fields(string(region))
	rootKey, err := hex.DecodeString(fieldsOf[len(fieldsOf)-1])
	if err != nil {
		t.Fatal(err)
	}
	known.add("region's key", rootKey)
	kinds := map[string]bool{}
	for what, key := range known.keys {
		kinds[strings.TrimRight(what, " 0123456789")] = true
		text := base64.StdEncoding.EncodeToString(key)
		needles = append(needles,
			needle{what, key[:16]}, needle{what, key[16:]},
			needle{what + " in hex", []byte(hex.EncodeToString(key))[:32]},
			needle{what + " in base64", []byte(text)[:24]})
	}
	for _, kind := range []string{"material of KMS", "data key", "object key", "key under the region's", "customer's key", "region's key"} {
		if !kinds[kind] {
			t.Errorf("no %s was seen: the test looks for nothing", kind)
		}
	}
	found := map[string]bool{} // that the search finds what is there
	files := 0
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == seal.KeyFile {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, n := range needles {
			if bytes.Contains(b, n.bytes) {
				t.Errorf("%s holds a %s", path, n.what)
			}
		}
		for _, magic := range []string{"marker-SSE-C-row", "FHSH"} {
			if bytes.Contains(b, []byte(magic)) {
				found[magic] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || files < 5 {
		t.Errorf("%d files, of what is there for sure only %v was found", files, found)
	}
	for _, n := range needles {
		if strings.Contains(d.log.String(), string(n.bytes)) {
			t.Errorf("the log holds a %s", n.what)
		}
	}

	// All of it can be read after a restart.
	d = openOnDisk(t, dir, names, known)
	defer d.close()
	for way, h := range ways {
		for place, parts := range places {
			a := d.do("GET", "/bucket/marker-"+strings.ReplaceAll(way, " ", "-")+"-"+place, nil, h[1]...)
			if a.status != 200 || a.body != string(bytes.Join(parts, nil)) {
				t.Errorf("%s in %s after a restart: %d", way, place, a.status)
			}
		}
	}
}
