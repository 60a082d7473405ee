package sigv4

import "testing"

// net/http takes some headers out of the map; a client may have signed them.
func TestHeadersThatNetHTTPMoves(t *testing.T) {
	r := received(t, "PUT / HTTP/1.1\nHost: Example.com:9000\nTransfer-Encoding: chunked\nTrailer: X-Checksum\nExpect: 100-continue\nUser-Agent: a   b\nX-Many:  one  two\nX-Many: three\n\n0\r\n\r\n")
	for name, want := range map[string]string{
		"host":              "host:Example.com:9000\n",
		"transfer-encoding": "transfer-encoding:chunked\n",
		"trailer":           "trailer:X-Checksum\n",
		"expect":            "expect:100-continue\n",
		"user-agent":        "user-agent:a b\n",
		"x-many":            "x-many:one two,three\n",
		"x-absent":          "x-absent:\n",
		"content-length":    "content-length:\n",
	} {
		if got := string(appendHeader(nil, r, name)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	r = received(t, "PUT / HTTP/1.1\nHost: h\nContent-Length: 5\n\nhello")
	if got := string(appendHeader(nil, r, "content-length")); got != "content-length:5\n" {
		t.Errorf("%q", got)
	}
	r.Header.Del("Content-Length") // as a middleware may
	if got := string(appendHeader(nil, r, "content-length")); got != "content-length:5\n" {
		t.Errorf("%q", got)
	}
}

func TestPaths(t *testing.T) {
	for _, tc := range []struct{ raw, s3, other string }{
		{"/", "/", "/"},
		{"", "", "/"},
		{"/a b", "/a%20b", "/a%20b"},
		{"/a%20b", "/a%20b", "/a%2520b"},
		{"/a+b", "/a%2Bb", "/a%2Bb"},
		{"/a%2fb%2Fc", "/a%2Fb%2Fc", "/a%252fb%252Fc"},
		{"/%41%7e", "/A~", "/%2541%257e"},
		{"//a//b/", "//a//b/", "/a/b/"},
		{"/a/./b/../c", "/a/./b/../c", "/a/c"},
		{"/../../a", "/../../a", "/a"},
		{"/a/..", "/a/..", "/"},
		{"/a/b/..", "/a/b/..", "/a/"},
		{"/%zz%4", "/%25zz%254", "/%25zz%254"},
		{"/é", "/%C3%A9", "/%C3%A9"},
		{"/!$'()*,;:@&=", "/%21%24%27%28%29%2A%2C%3B%3A%40%26%3D", "/%21%24%27%28%29%2A%2C%3B%3A%40%26%3D"},
	} {
		if got := string(appendPathS3(nil, tc.raw)); got != tc.s3 {
			t.Errorf("S3: %q becomes %q, want %q", tc.raw, got, tc.s3)
		}
		if got := string(appendPathOther(nil, tc.raw)); got != tc.other {
			t.Errorf("other: %q becomes %q, want %q", tc.raw, got, tc.other)
		}
	}
}

func TestQueries(t *testing.T) {
	for raw, want := range map[string]string{
		"":                     "",
		"acl":                  "acl=",
		"b=2&a=1":              "a=1&b=2",
		"a=b&a=a&a=":           "a=&a=a&a=b",
		"k=a-b&k=a/b":          "k=a%2Fb&k=a-b",
		"a-b=1&a=1&a%2Fb=1":    "a=1&a%2Fb=1&a-b=1",
		"x=a+b%20c":            "x=a%20b%20c",
		"x=%2B%7e%41":          "x=%2B~A",
		"&&a&&=&=b":            "=&=b&a=",
		"a=b=c":                "a=b%3Dc",
		"a;b=c":                "a%3Bb=c",
		"%zz=%":                "%25zz=%25",
		"Z=1&a=1&%C3%A9=1&é=0": "%C3%A9=0&%C3%A9=1&Z=1&a=1",
	} {
		var q query
		q.parse(raw)
		if got := string(q.appendCanonical(nil, "")); got != want {
			t.Errorf("%q becomes %q, want %q", raw, got, want)
		}
	}
}
