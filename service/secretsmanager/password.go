package secretsmanager

import (
	"crypto/rand"
	"errors"
	"strings"

	"github.com/farhold/farhold/awserr"
)

// The types of characters, in the order of recipe.without. Together with the
// space they are all that a password can have.
const (
	lower       = "abcdefghijklmnopqrstuvwxyz"
	upper       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

var (
	errShort  = awserr.New("InvalidParameterException", 400, "Password length is too short based on the required types.")
	errNoneIn = awserr.New("InvalidParameterException", 400, "All characters are excluded. At least one character must be included.")
)

// triesMax bounds how often a password is drawn until it has all types. The
// rarest that can be asked for, one of four characters of which three types
// have one member each, succeeds once in 2,000 draws.
const triesMax = 1_000_000

var errUnlucky = errors.New("secretsmanager: no password of the required types in a million draws")

// recipe says what a password is to be like.
type recipe struct {
	length  int
	without [4]bool // types that are excluded
	exclude string  // characters that are
	space   bool    // the space is in
	require bool    // one of each type at least; the space is none
}

// password draws one. Of all passwords that fulfil the recipe each is as
// likely as any other. A type of which every character is excluded is not
// included, and so not required.
func (r *recipe) password() (string, error) {
	var all []byte
	var types [256]uint8 // which type a character is of, as a bit
	var required uint8
	count := 0
	for i, set := range []string{lower, upper, digits, punctuation} {
		before := len(all)
		for _, c := range []byte(set) {
			if !r.without[i] && strings.IndexByte(r.exclude, c) < 0 {
				all = append(all, c)
				types[c] = 1 << i
			}
		}
		if r.require && len(all) > before {
			required |= 1 << i
			count++
		}
	}
	if r.space && !strings.Contains(r.exclude, " ") {
		all = append(all, ' ')
	}
	switch {
	case len(all) == 0:
		return "", errNoneIn
	case r.length < count:
		return "", errShort
	}
	p := make([]byte, r.length)
	for range triesMax {
		draw(p, all)
		var has uint8
		for _, c := range p {
			has |= types[c]
		}
		if has&required == required {
			return string(p), nil
		}
	}
	return "", errUnlucky
}

// draw fills p with characters of all, each as likely as any other: random
// bytes that would make some more likely are drawn again.
func draw(p, all []byte) {
	limit := 256 - 256%len(all)
	var buf [256]byte
	for i := 0; i < len(p); {
		some := buf[:min(len(buf), 2*(len(p)-i))]
		rand.Read(some) // never fails
		for _, b := range some {
			if int(b) < limit && i < len(p) {
				p[i] = all[int(b)%len(all)]
				i++
			}
		}
	}
}
