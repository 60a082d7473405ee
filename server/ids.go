package server

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// requestID gives a request that no door names a name: 16 upper-case digits.
func requestID() string {
	var b [8]byte
	rand.Read(b[:])
	return strings.ToUpper(hex.EncodeToString(b[:]))
}
