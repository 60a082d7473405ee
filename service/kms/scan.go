package kms

import (
	"crypto/rand"
	"iter"

	"github.com/farhold/farhold/kv"
)

// scanner is a snapshot, or a transaction.
type scanner interface {
	Scan(span kv.Span) iter.Seq2[kv.Pair, error]
}

// scan yields the rows under a prefix, and doesn't look when n, their number as
// the key's record has it, is 0.
func scan(s scanner, prefix []byte, n int) iter.Seq2[kv.Pair, error] {
	if n == 0 {
		return func(func(kv.Pair, error) bool) {}
	}
	return s.Scan(kv.Prefix(prefix))
}

func random(b []byte) { rand.Read(b) } // never fails
