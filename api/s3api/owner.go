package s3api

import (
	"crypto/sha256"
	"encoding/hex"
)

// CanonicalID gives the canonical user ID of an account: the 64 hex digits that
// stand in answers as the ID of an Owner. It follows from the account ID alone,
// so that every region says the same.
func CanonicalID(account string) string {
	sum := sha256.Sum256([]byte("canonical user " + account))
	return hex.EncodeToString(sum[:])
}
