package s3api

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/farhold/farhold/awserr"
)

// copySource is the object that x-amz-copy-source names.
type copySource struct{ bucket, key, versionID string }

// parseCopySource reads the header: "bucket/key" or "/bucket/key", escaped as
// in a URL, with "?versionId=…" behind it or not. A plus sign is a space, as
// AWS has it. The path is unescaped once and split at its first slash; what
// follows is a key, in which ".." and "//" mean nothing.
func parseCopySource(header string) (copySource, error) {
	var s copySource
	path, query, hasQuery := header, "", false
	if i := strings.LastIndexByte(header, '?'); i >= 0 {
		path, query, hasQuery = header[:i], header[i+1:], true
	}
	if hasQuery {
		id, ok := strings.CutPrefix(query, "versionId=")
		if !ok {
			return s, badCopySource(header, "Unsupported copy source parameter.")
		}
		var err error
		if s.versionID, err = url.QueryUnescape(id); err != nil || s.versionID == "" {
			return s, badCopySource(header, "Version id cannot be the empty string")
		}
	}
	path, err := url.QueryUnescape(path)
	if err != nil || !utf8.ValidString(path) {
		return s, badCopySource(header, "Invalid copy source encoding.")
	}
	path = strings.TrimPrefix(path, "/")
	if strings.HasPrefix(path, "arn:") {
		return s, notImplemented("x-amz-copy-source", "Access points are not served")
	}
	s.bucket, s.key, _ = strings.Cut(path, "/")
	if s.bucket == "" {
		return s, badCopySource(header, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	if s.key == "" {
		return s, awserr.Argument("x-amz-copy-source", "x-amz-copy-source", "Invalid copy source object key")
	}
	return s, CheckKey(s.key)
}

func badCopySource(header, text string) error {
	return awserr.Argument("x-amz-copy-source", header, "%s", text)
}
