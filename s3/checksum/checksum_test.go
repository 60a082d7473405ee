package checksum

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/minio/crc64nvme"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
)

// Digests of "123456789", the check value of every CRC catalogue, and of
// nothing, from the algorithms' own publications.
func TestKnownDigests(t *testing.T) {
	for _, tc := range []struct {
		alg  s3.ChecksumAlgorithm
		in   string
		want string
	}{
		{s3.CRC32, "123456789", "cbf43926"},
		{s3.CRC32C, "123456789", "e3069283"},
		{s3.CRC64NVME, "123456789", "ae8b14860a799888"},
		{s3.SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{s3.SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{s3.SHA512, "", "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
		{s3.MD5, "", "d41d8cd98f00b204e9800998ecf8427e"},
		{s3.XXHASH64, "", "ef46db3751d8e999"},
		{s3.XXHASH64, "abc", "44bc2cf5ad770999"},
		{s3.XXHASH3, "", "2d06800538d394c2"},
		{s3.XXHASH3, "abc", "78af5f94892f3950"},
		{s3.XXHASH128, "", "99aa06d3014798d86001c324468d497f"},
		{s3.XXHASH128, "abc", "06b05ab6733a618578af5f94892f3950"},
	} {
		h := New(tc.alg)
		h.Write([]byte(tc.in))
		if got := hex.EncodeToString(h.Sum(nil)); got != tc.want {
			t.Errorf("%s(%q) = %s, want %s", tc.alg, tc.in, got, tc.want)
		}
		if h.Size() != Size(tc.alg) {
			t.Errorf("%s: Size %d, hash says %d", tc.alg, Size(tc.alg), h.Size())
		}
	}
	// What boto3 sends for "hello".
	h := New(s3.CRC32)
	h.Write([]byte("hello"))
	if got := Encode(h.Sum(nil)); got != "NhCmhg==" {
		t.Errorf("CRC32 of hello = %s", got)
	}
	if New("CRC16") != nil || Size("CRC16") != 0 {
		t.Error("an unknown algorithm has a hash")
	}
}

func TestNamesAndHeaders(t *testing.T) {
	for _, alg := range Algorithms() {
		if got, ok := Parse(strings.ToLower(string(alg))); !ok || got != alg {
			t.Errorf("Parse(%s) = %s %v", alg, got, ok)
		}
		if got, ok := ByHeader(http.CanonicalHeaderKey(Header(alg))); !ok || got != alg {
			t.Errorf("ByHeader(%s) = %s %v", Header(alg), got, ok)
		}
	}
	if Header(s3.CRC64NVME) != "x-amz-checksum-crc64nvme" {
		t.Error(Header(s3.CRC64NVME))
	}
	for _, name := range []string{"x-amz-checksum-", "x-amz-checksum-crc16", "x-amz-checksum", "content-md5", ""} {
		if alg, ok := ByHeader(name); ok {
			t.Errorf("ByHeader(%q) = %s", name, alg)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for _, v := range []string{"", "NhCmhg=", "NhCmhg", "NhCmhg== ", "NhCmhh==", "NhCm\nhg==", "NhCmhg==NhCmhg==", "_hCmhg==", strings.Repeat("A", 1<<20)} {
		err := Validate(s3.CRC32, v)
		if e := awserr.From(err); e == nil || e.Code != "InvalidRequest" || e.Message != "Value for x-amz-checksum-crc32 header is invalid." {
			t.Errorf("Validate(%.20q) = %v", v, err)
		}
	}
	if err := Validate(s3.CRC32, "NhCmhg=="); err != nil {
		t.Error(err)
	}
	if Validate("CRC16", "NhCmhg==") == nil {
		t.Error("an unknown algorithm has a valid value")
	}
}

func TestRequested(t *testing.T) {
	h := func(kv ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(kv); i += 2 {
			h.Add(kv[i], kv[i+1])
		}
		return h
	}
	for _, tc := range []struct {
		name string
		h    http.Header
		want Request
		err  *awserr.Error
	}{
		{"none", h("Content-Type", "x", "x-amz-checksum-mode", "ENABLED", "x-amz-checksum-algorithm", "CRC32", "x-amz-checksum-type", "COMPOSITE"), Request{}, nil},
		{"header", h("x-amz-checksum-crc32", "NhCmhg=="), Request{Algorithm: s3.CRC32, Value: "NhCmhg=="}, nil},
		{"header and sdk", h("x-amz-checksum-crc32", "NhCmhg==", "x-amz-sdk-checksum-algorithm", "crc32"), Request{Algorithm: s3.CRC32, Value: "NhCmhg=="}, nil},
		{"trailer", h("x-amz-trailer", "X-Amz-Checksum-Sha256", "x-amz-sdk-checksum-algorithm", "SHA256"), Request{Algorithm: s3.SHA256, Trailer: true}, nil},
		{"two headers", h("x-amz-checksum-crc32", "NhCmhg==", "x-amz-checksum-crc32c", "NhCmhg=="), Request{}, ErrMultiple},
		{"one header twice", h("x-amz-checksum-crc32", "NhCmhg==", "x-amz-checksum-crc32", "NhCmhg=="), Request{}, ErrMultiple},
		{"header and trailer", h("x-amz-checksum-crc32", "NhCmhg==", "x-amz-trailer", "x-amz-checksum-crc32"), Request{}, ErrMultiple},
		{"two trailers", h("x-amz-trailer", "x-amz-checksum-crc32,x-amz-checksum-sha1"), Request{}, ErrMultiple},
		{"unknown header", h("x-amz-checksum-crc16", "AAA="), Request{}, ErrUnknownHeader},
		{"unknown trailer", h("x-amz-trailer", "x-amz-meta-a"), Request{}, ErrTrailer},
		{"bad value", h("x-amz-checksum-crc32", "hello"), Request{}, InvalidValue(s3.CRC32)},
		{"sdk unknown", h("x-amz-sdk-checksum-algorithm", "CRC16"), Request{}, ErrInvalidSDK},
		{"sdk alone", h("x-amz-sdk-checksum-algorithm", "CRC32"), Request{}, ErrNoHeader},
		{"sdk other", h("x-amz-checksum-crc32", "NhCmhg==", "x-amz-sdk-checksum-algorithm", "CRC32C"), Request{}, ErrInvalidSDK},
	} {
		got, err := Requested(tc.h)
		if tc.err == nil && err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
		if tc.err != nil {
			if e := awserr.From(err); e == nil || e.Code != tc.err.Code || e.Message != tc.err.Message {
				t.Errorf("%s: error %v, want %v", tc.name, err, tc.err)
			}
		}
	}
}

func TestTypes(t *testing.T) {
	for _, tc := range []struct {
		alg, typ string
		want     s3.ChecksumType
		message  string
	}{
		{"", "", "", ""},
		{"crc64nvme", "", s3.FullObject, ""},
		{"CRC64NVME", "FULL_OBJECT", s3.FullObject, ""},
		{"CRC64NVME", "COMPOSITE", "", "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm."},
		{"CRC32", "", s3.Composite, ""},
		{"CRC32", "FULL_OBJECT", s3.FullObject, ""},
		{"CRC32C", "COMPOSITE", s3.Composite, ""},
		{"SHA256", "", s3.Composite, ""},
		{"SHA256", "FULL_OBJECT", "", "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm."},
		{"MD5", "FULL_OBJECT", "", "The FULL_OBJECT checksum type cannot be used with the md5 checksum algorithm."},
		{"XXHASH3", "", s3.Composite, ""},
		{"", "COMPOSITE", "", ErrTypeAlone.Message},
		{"CRC16", "", "", ErrUnknownAlgorithm.Message},
		{"CRC32", "HALF", "", ErrUnknownType.Message},
	} {
		alg, typ, err := CheckType(tc.alg, tc.typ)
		if tc.message != "" {
			if e := awserr.From(err); e == nil || e.Message != tc.message || e.Code != "InvalidRequest" {
				t.Errorf("%s %s: %v", tc.alg, tc.typ, err)
			}
			continue
		}
		if err != nil || typ != tc.want || !strings.EqualFold(string(alg), tc.alg) {
			t.Errorf("%s %s: %s %s %v", tc.alg, tc.typ, alg, typ, err)
		}
	}
}

func part(alg s3.ChecksumAlgorithm, n int, body []byte) s3.Part {
	h := New(alg)
	h.Write(body)
	return s3.Part{Number: n, Size: int64(len(body)), Checksum: s3.Checksum{Algorithm: alg, Value: Encode(h.Sum(nil))}}
}

// A FULL_OBJECT checksum is that of the bytes, however they were cut.
func TestFullObjectEqualsWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, alg := range []s3.ChecksumAlgorithm{s3.CRC32, s3.CRC32C, s3.CRC64NVME} {
		for range 60 {
			var whole []byte
			var parts []s3.Part
			for n := range 1 + rng.IntN(6) {
				body := make([]byte, rng.IntN(5000))
				for i := range body {
					body[i] = byte(rng.Uint32())
				}
				whole = append(whole, body...)
				parts = append(parts, part(alg, n+1, body))
			}
			got, err := OfParts(alg, s3.FullObject, parts)
			want := part(alg, 0, whole).Checksum.Value
			if err != nil || got.Value != want || got.Type != s3.FullObject {
				t.Fatalf("%s of %d parts: %+v %v, want %s", alg, len(parts), got, err, want)
			}
		}
	}
}

func TestCombineCRC64NVME(t *testing.T) {
	a, b := []byte("five hundred"), bytes.Repeat([]byte("miles"), 100)
	got := CombineCRC64NVME(crc64nvme.Checksum(a), crc64nvme.Checksum(b), int64(len(b)))
	if want := crc64nvme.Checksum(append(a, b...)); got != want {
		t.Errorf("%x, want %x", got, want)
	}
	if got := CombineCRC64NVME(0, crc64nvme.Checksum(a), int64(len(a))); got != crc64nvme.Checksum(a) {
		t.Errorf("after nothing: %x", got)
	}
	if got := EncodeCRC64NVME(0xae8b14860a799888); got != "rosUhgp5mIg=" {
		t.Error(got)
	}
}

// Lengths past 4 GiB need more than 32 bits: shifting by 5 GiB is shifting by
// 1 GiB five times.
func TestShiftIsAdditive(t *testing.T) {
	for _, alg := range []s3.ChecksumAlgorithm{s3.CRC32, s3.CRC32C, s3.CRC64NVME} {
		f := fieldOf(alg)
		want := uint64(0x12345678)
		for range 5 {
			want = f.shift(want, 1<<30)
		}
		if got := f.shift(0x12345678, 5<<30); got != want {
			t.Errorf("%s: %x, want %x", alg, got, want)
		}
	}
}

func TestComposite(t *testing.T) {
	for _, alg := range Algorithms() {
		if !Supports(alg, s3.Composite) {
			continue
		}
		parts := []s3.Part{part(alg, 1, []byte("one")), part(alg, 2, []byte("two"))}
		var raw []byte
		for _, p := range parts {
			d, err := Decode(alg, p.Checksum.Value)
			if err != nil {
				t.Fatal(err)
			}
			raw = append(raw, d...)
		}
		want := part(alg, 0, raw).Checksum.Value + "-2"
		if got, err := OfParts(alg, s3.Composite, parts); err != nil || got.Value != want {
			t.Errorf("%s: %+v %v, want %s", alg, got, err, want)
		}
	}
	crc := []s3.Part{part(s3.CRC32, 1, []byte("one"))}
	if got, err := OfParts(s3.CRC32, s3.Composite, crc); err != nil || !strings.HasSuffix(got.Value, "-1") || got.Value == crc[0].Checksum.Value+"-1" {
		t.Errorf("composite of one part: %+v %v", got, err)
	}
}

func TestDamagedPartsAreNoClientsFault(t *testing.T) {
	good := part(s3.CRC32, 1, []byte("one"))
	for name, p := range map[string]s3.Part{
		"no checksum":       {Number: 1, Size: 3},
		"other algorithm":   part(s3.CRC32C, 1, []byte("one")),
		"malformed":         {Number: 1, Checksum: s3.Checksum{Algorithm: s3.CRC32, Value: "x"}},
		"negative size":     {Number: 1, Size: -1, Checksum: good.Checksum},
		"composite of part": {Number: 1, Checksum: s3.Checksum{Algorithm: s3.CRC32, Value: good.Checksum.Value + "-1"}},
	} {
		for _, typ := range []s3.ChecksumType{s3.FullObject, s3.Composite} {
			if _, err := OfParts(s3.CRC32, typ, []s3.Part{p}); !errors.Is(err, errPart) || awserr.From(err) != nil {
				t.Errorf("%s %s: %v", name, typ, err)
			}
		}
	}
	if _, err := OfParts(s3.SHA256, s3.FullObject, nil); err == nil {
		t.Error("SHA256 has a full object checksum")
	}
}

func TestMulti(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 5000) // more than one stride
	m := NewMulti(true, append(Algorithms(), s3.CRC32, "CRC16")...)
	for i := 0; i < len(body); i += 7777 {
		m.Write(body[i:min(i+7777, len(body))])
	}
	if m.Size() != int64(len(body)) {
		t.Error(m.Size())
	}
	for _, alg := range Algorithms() {
		if got, want := m.Sum(alg), part(alg, 0, body).Checksum.Value; got != want {
			t.Errorf("%s: %s, want %s", alg, got, want)
		}
	}
	md5 := New(s3.MD5)
	md5.Write(body)
	if m.ETag() != hex.EncodeToString(md5.Sum(nil)) {
		t.Error(m.ETag())
	}
	none := NewMulti(false, s3.CRC32)
	if none.MD5() != nil || none.ETag() != "" || none.Sum(s3.SHA1) != "" || none.Sum(s3.CRC32) != Encode(make([]byte, 4)) {
		t.Error("a hash that nobody asked for")
	}
	if only := NewMulti(false, s3.MD5); only.Sum(s3.MD5) != "1B2M2Y8AsgTpgAmY7PhCfg==" || only.MD5() != nil {
		t.Error("MD5 as a checksum alone")
	}
}

func TestTexts(t *testing.T) {
	for got, want := range map[*awserr.Error]string{
		Mismatch(s3.CRC32):                    "BadDigest: The CRC32 you specified did not match the calculated checksum.",
		PartMissing(s3.CRC32, 1):              "InvalidRequest: The upload was created using a crc32 checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request.",
		TypeChanged(s3.FullObject):            "InvalidRequest: The upload was created using the FULL_OBJECT checksum mode. The complete request must use the same checksum mode.",
		AlgorithmChanged(s3.SHA256, s3.CRC32): "InvalidRequest: Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32",
		AlgorithmChanged("", s3.CRC32):        "InvalidRequest: Checksum Type mismatch occurred, expected checksum Type: null, actual checksum Type: crc32",
		SizeMismatch(5, 4):                    "InvalidRequest: The provided 'x-amz-mp-object-size' header value 5 does not match what was computed: 4",
		ErrMultiple:                           "InvalidRequest: Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
	} {
		if got.Error() != want || got.Status != 400 {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

func BenchmarkMulti(b *testing.B) {
	body := make([]byte, 1<<20)
	for _, tc := range []struct {
		name string
		etag bool
		algs []s3.ChecksumAlgorithm
	}{
		{"md5", true, nil},
		{"md5+crc64nvme", true, []s3.ChecksumAlgorithm{s3.CRC64NVME}},
		{"md5+crc32+crc64nvme", true, []s3.ChecksumAlgorithm{s3.CRC32, s3.CRC64NVME}},
		{"crc32", false, []s3.ChecksumAlgorithm{s3.CRC32}},
		{"sha256", false, []s3.ChecksumAlgorithm{s3.SHA256}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			m := NewMulti(tc.etag, tc.algs...)
			for b.Loop() {
				m.Write(body)
			}
		})
	}
}

func BenchmarkCombine(b *testing.B) {
	var parts []s3.Part
	for i := range 10000 {
		p := part(s3.CRC64NVME, i+1, []byte("x"))
		p.Size = 5 << 20
		parts = append(parts, p)
	}
	for b.Loop() {
		if _, err := OfParts(s3.CRC64NVME, s3.FullObject, parts); err != nil {
			b.Fatal(err)
		}
	}
}

// crc32's tables are shared: a second New allocates no table.
func TestNewIsCheap(t *testing.T) {
	_ = crc32.MakeTable(crc32.Castagnoli)
	if n := testing.AllocsPerRun(100, func() { New(s3.CRC32C) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
