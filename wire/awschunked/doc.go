// Package awschunked decodes bodies in the aws-chunked framing: chunks with a
// size, signed one after another or not at all, and checksums that follow as
// trailers because their sender learned them last.
//
// The reader believes nothing that it has not proved: io.EOF comes only after
// the last chunk, every signature, the announced trailers, the announced length
// and the end of the body beneath. Bytes are handed on before their chunk's
// signature is known, as streaming demands, so whoever stores them must not
// commit before io.EOF.
//
// Its memory is one buffer and one hash whatever the body claims.
package awschunked
