package kms

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/farhold/farhold/kv"
)

// Rows. IDs are those of keys, 36 characters; grant IDs are 64; times are 16
// hex digits of microseconds, so that they sort.
const (
	rowPrefix   = "~kms/"
	rowKey      = rowPrefix + "k/" // ID → record
	rowPolicy   = rowPrefix + "y/" // ID → the key policy, with unique IDs for ARNs
	rowMaterial = rowPrefix + "m/" // ID / number → material
	rowTag      = rowPrefix + "u/" // ID / tag key → tag value
	rowOwned    = rowPrefix + "a/" // account / ID → nothing
	rowCount    = rowPrefix + "c/" // account → how many keys it has
	rowAlias    = rowPrefix + "n/" // account / alias → aliasRecord
	rowNamed    = rowPrefix + "t/" // ID / alias → nothing
	rowGrant    = rowPrefix + "g/" // ID / grant ID → grant
	rowGrantee  = rowPrefix + "p/" // ID / hash of the grantee / grant ID → nothing
	rowGranted  = rowPrefix + "h/" // ID / hash of the name and all else that makes a grant → grant ID
	rowRetiring = rowPrefix + "r/" // hash of the retiring principal / ID / grant ID → nothing
	rowDue      = rowPrefix + "d/" // time / ID → nothing
)

// rowFormat begins each value that has a structure. What follows is JSON; a
// member that this program does not know is an error, because writing the row
// back would lose it.
const rowFormat = 1

var errRow = errors.New("kms: a row that this program can't read")

func encodeRow(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("kms: " + err.Error()) // our own plain structs
	}
	return append([]byte{rowFormat}, b...)
}

func decodeRow(b []byte, v any) error {
	if len(b) == 0 || b[0] != rowFormat {
		return errRow
	}
	d := json.NewDecoder(bytes.NewReader(b[1:]))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", errRow, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errRow
	}
	return nil
}

func path(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

func materialKey(id string, number int) []byte {
	return fmt.Appendf(nil, "%s%s/%08x", rowMaterial, id, number)
}

func timeText(t time.Time) string { return fmt.Sprintf("%016x", uint64(t.UnixMicro())) }

// hash names a string of any length and content in a row's key.
func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d ", len(p))
		io.WriteString(h, p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// absent is the error of a Get, or nil when there is no row; ok says whether
// there is.
func absent(err error) (ok bool, e error) {
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, kv.ErrNotFound):
		return false, nil
	}
	return false, err
}
