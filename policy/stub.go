package policy

import "errors"

// Document is a parsed policy. It is immutable and safe for concurrent use.
type Document struct{}

// Parse reads a document of a kind, strictly.
func Parse(raw []byte, k Kind) (*Document, error) { return nil, errors.New("policy: not built yet") }

// Evaluate decides.
func Evaluate(in *Input) Decision { return Decision{} }
