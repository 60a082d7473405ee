package bench

const upperHex = "0123456789ABCDEF"

// appendEscaped appends s as SigV4 wants it in a canonical request, which is
// also how it is sent: everything but A-Z a-z 0-9 - . _ ~ becomes %XX, and a
// slash stays when it separates path segments.
func appendEscaped[T string | []byte](dst []byte, s T, keepSlash bool) []byte {
	for i := range len(s) {
		c := s[i]
		if unreserved(c) || c == '/' && keepSlash {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
