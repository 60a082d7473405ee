package sigv4

import "crypto/sha256"

const blockSize = sha256.BlockSize

// hmac256 is HMAC-SHA-256 over data in one call. crypto/hmac allocates two
// hashes per key, which is most of the cost of a signature; one-shot sums over
// a caller's buffer allocate nothing. scratch must have no live content; it is
// returned grown for the next call.
func hmac256(scratch []byte, key, data []byte) (sum [sha256.Size]byte, grown []byte) {
	var pad [blockSize]byte
	if len(key) > blockSize {
		k := sha256.Sum256(key)
		copy(pad[:], k[:])
	} else {
		copy(pad[:], key)
	}
	for i := range pad {
		pad[i] ^= 0x36
	}
	buf := append(scratch[:0], pad[:]...)
	buf = append(buf, data...)
	inner := sha256.Sum256(buf)
	var outer [blockSize + sha256.Size]byte
	for i := range pad {
		outer[i] = pad[i] ^ 0x36 ^ 0x5c
	}
	copy(outer[blockSize:], inner[:])
	return sha256.Sum256(outer[:]), buf
}

// deriveKey makes the signing key of a day, region and service.
func deriveKey(secret, date, region, service string) [sha256.Size]byte {
	buf := make([]byte, 0, 256)
	k, buf := hmac256(buf, append([]byte("AWS4"), secret...), []byte(date))
	k, buf = hmac256(buf, k[:], []byte(region))
	k, buf = hmac256(buf, k[:], []byte(service))
	k, _ = hmac256(buf, k[:], []byte(terminal))
	return k
}

const hexDigits = "0123456789abcdef"

// appendHex appends b in lower-case hex.
func appendHex(dst []byte, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}
