package s3api

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
)

// keyMax is the longest object key in bytes of UTF-8.
const keyMax = 1024

var (
	errInvalidURI = awserr.New("InvalidURI", 400, "Couldn't parse the specified URI.")
	errKeyTooLong = awserr.New("KeyTooLongError", 400, "Your key is too long")

	errTooManyParams = errors.New("too many query parameters")
)

// Hosts are the base host names of a region, in lower case and without port:
// localhost, s3.us-east-1.amazonaws.com. A request for a base name is path
// style; a request for a name below it is virtual-hosted style, and what stands
// before the base is the bucket.
type Hosts []string

// Bucket gives the bucket that a Host header names, or "" for path style. The
// longest base that fits decides.
func (h Hosts) Bucket(host string) string {
	host = strings.ToLower(stripPort(host))
	longest, bucket := -1, ""
	for _, base := range h {
		if len(base) <= longest || len(host) < len(base) || host[len(host)-len(base):] != base {
			continue
		}
		if len(host) == len(base) {
			longest, bucket = len(base), ""
		} else if rest := host[:len(host)-len(base)]; len(rest) > 1 && rest[len(rest)-1] == '.' {
			longest, bucket = len(base), rest[:len(rest)-1]
		}
	}
	return bucket
}

func stripPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		return host[:i]
	}
	return host
}

// Target is what a request is about, taken from its host and its raw path.
type Target struct {
	Bucket, Key string
	RawQuery    string
	// HasKey tells /bucket/ and /bucket from /bucket/key; a virtual-hosted
	// request for / has none.
	HasKey bool
	// Virtual tells that the bucket came from the host.
	Virtual bool
}

// ParseTarget takes a request line apart. The path is split while it is still
// escaped and decoded once, so that a key is a string of bytes in which "//",
// "..", %2F and %00 mean nothing. Errors: InvalidURI, KeyTooLongError.
func ParseTarget(r *http.Request, hosts Hosts) (Target, error) {
	var t Target
	path := r.RequestURI
	if i := strings.IndexByte(path, '?'); i >= 0 {
		path, t.RawQuery = path[:i], path[i+1:]
	}
	if path == "*" && r.Method == http.MethodOptions {
		return t, nil
	}
	// An absolute URI names a host of its own beside the one that is signed,
	// and only proxies need it.
	if path == "" || path[0] != '/' {
		return t, errInvalidURI
	}
	path = path[1:]
	rawBucket, rawKey := hosts.Bucket(r.Host), path
	if rawBucket != "" {
		t.Virtual = true
	} else {
		rawBucket, rawKey, _ = strings.Cut(path, "/")
	}
	var err error
	if t.Bucket, err = unescapePath(rawBucket); err != nil {
		return t, err
	}
	if t.Key, err = unescapePath(rawKey); err != nil {
		return t, err
	}
	if t.Bucket == "" && t.Key != "" {
		return t, errInvalidURI // "//key": a key needs a bucket
	}
	t.HasKey = t.Key != ""
	return t, CheckKey(t.Key)
}

// CheckKey tells whether a key has a length that S3 takes.
func CheckKey(key string) error {
	if len(key) > keyMax {
		return errKeyTooLong.With("Size", strconv.Itoa(len(key))).With("MaxSizeAllowed", strconv.Itoa(keyMax))
	}
	return nil
}

func unescapePath(s string) (string, error) {
	if strings.IndexByte(s, '%') >= 0 {
		d, err := url.PathUnescape(s)
		if err != nil {
			return "", errInvalidURI.Because(err)
		}
		s = d
	}
	if !utf8.ValidString(s) {
		return "", errInvalidURI
	}
	return s, nil
}
