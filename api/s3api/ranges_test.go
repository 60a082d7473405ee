package s3api

import (
	"errors"
	"math"
	"testing"

	"github.com/farhold/farhold/awserr"
)

func TestRange(t *testing.T) {
	const whole, bad = -1, -2 // instead of first
	for _, c := range []struct {
		header        string
		size          int64
		first, length int64
	}{
		{"bytes=0-9", 100, 0, 10},
		{"bytes=0-0", 100, 0, 1},
		{"bytes=90-200", 100, 90, 10},
		{"bytes=90-", 100, 90, 10},
		{"bytes=0-", 100, 0, 100},
		{"bytes=-10", 100, 90, 10},
		{"bytes=-1000", 100, 0, 100},
		{"Bytes=1-2", 100, 1, 2},
		{"bytes= 1-2", 100, 1, 2},
		{"bytes=99-18446744073709551616", 100, 99, 1},
		{"bytes=-99999999999999999999999", 100, 0, 100},
		// Not served as ranges: the whole object goes out.
		{"bytes=0-1,5-6", 100, whole, 0},
		{"items=0-1", 100, whole, 0},
		{"bytes=", 100, whole, 0},
		{"bytes=-", 100, whole, 0},
		{"bytes=a-b", 100, whole, 0},
		{"bytes=5-2", 100, whole, 0},
		{"bytes=1-2-3", 100, whole, 0},
		{"bytes=+1-2", 100, whole, 0},
		{"bytes=--5", 100, whole, 0},
		{"bytes", 100, whole, 0},
		{"", 100, whole, 0},
		// No byte of these exists.
		{"bytes=100-", 100, bad, 0},
		{"bytes=100-200", 100, bad, 0},
		{"bytes=-0", 100, bad, 0},
		{"bytes=0-", 0, bad, 0},
		{"bytes=-1", 0, bad, 0},
		{"bytes=99999999999999999999999-", 100, bad, 0},
	} {
		r, ok, err := parseRange(c.header, c.size)
		switch {
		case c.first == bad:
			e := awserr.From(err)
			if e == nil || e.Code != "InvalidRange" || e.Status != 416 || e.Message != "The requested range is not satisfiable" {
				t.Errorf("parseRange(%q, %d): %v, want InvalidRange", c.header, c.size, err)
			} else if e.Extra[0] != (awserr.Field{Name: "RangeRequested", Value: c.header}) || e.Extra[1].Name != "ActualObjectSize" {
				t.Errorf("parseRange(%q, %d): elements %v", c.header, c.size, e.Extra)
			}
		case err != nil:
			t.Errorf("parseRange(%q, %d): %v", c.header, c.size, err)
		case c.first == whole:
			if ok {
				t.Errorf("parseRange(%q, %d) = %v, want the whole object", c.header, c.size, r)
			}
		case !ok || r.first != c.first || r.length != c.length:
			t.Errorf("parseRange(%q, %d) = %v %v, want %d, %d", c.header, c.size, r, ok, c.first, c.length)
		}
	}
	if got := (byteRange{5, 10}).contentRange(100); got != "bytes 5-14/100" {
		t.Errorf("Content-Range: %s", got)
	}
}

func TestCopyRange(t *testing.T) {
	if r, err := parseCopyRange("bytes=10-19", 20); err != nil || r != (byteRange{10, 10}) {
		t.Errorf("bytes=10-19 of 20: %v, %v", r, err)
	}
	// Behind the end the code is another one.
	if _, err := parseCopyRange("bytes=20-30", 20); !errors.Is(err, errCopyRange) {
		t.Errorf("bytes=20-30 of 20: %v", err)
	}
	const form = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
	for header, text := range map[string]string{
		"bytes=10-20":                 "Range specified is not valid for source object of size: 20",
		"bytes=0-9223372036854775807": "Range specified is not valid for source object of size: 20",
		"bytes=5-":                    form,
		"bytes=-5":                    form,
		"bytes=6-5":                   form,
		"0-5":                         form,
		"bytes=0-1,2-3":               form,
		"":                            form,
	} {
		_, err := parseCopyRange(header, 20)
		if e := awserr.From(err); e == nil || e.Code != "InvalidArgument" || e.Message != text {
			t.Errorf("%q: %v, want %q", header, err, text)
		}
	}
}

// FuzzRange holds what the parser gives against what it promises.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-9", "bytes=-5", "bytes=5-", "bytes=0-1,2-3", "bytes=9223372036854775807-", "=", "bytes=1-99999999999999999999"} {
		f.Add(s, int64(100))
	}
	f.Add("bytes=0-", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		r, ok, err := parseRange(header, size)
		if ok && err != nil {
			t.Fatal("a range and an error")
		}
		if ok && (r.first < 0 || r.length < 1 || r.first > size-r.length) {
			t.Fatalf("%v lies outside of %d bytes", r, size)
		}
		if c, err := parseCopyRange(header, size); err == nil && (c.first < 0 || c.length < 1 || c.first > size-c.length) {
			t.Fatalf("copy: %v lies outside of %d bytes", c, size)
		}
	})
}
