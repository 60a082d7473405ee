package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
)

// Prefixes of unique IDs.
const (
	userID   = "AIDA"
	groupID  = "AGPA"
	roleID   = "AROA"
	policyID = "ANPA"
	keyID    = "AKIA"
)

func (k kind) idPrefix() string {
	switch k {
	case userKind:
		return userID
	case groupKind:
		return groupID
	}
	return roleID
}

// newID makes a unique ID of 21 characters: a prefix and 17 of base 32, which
// are 85 random bits.
func newID(prefix string) string { return prefix + random32(17) }

// newKeyID makes an access key ID of 20 characters.
func newKeyID() string { return keyID + random32(16) }

func random32(n int) string {
	var b [11]byte // 88 bits
	rand.Read(b[:])
	return base32.StdEncoding.EncodeToString(b[:])[:n]
}

// newSecret makes a secret access key: 40 characters with 240 random bits.
func newSecret() string {
	var b [30]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}
