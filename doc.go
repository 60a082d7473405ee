// Package farhold holds no code. Its tests keep the documents at the root of
// the repository true: ARCHITECTURE.md's lattice, and docs/fidelity.
package farhold
