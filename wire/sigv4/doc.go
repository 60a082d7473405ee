// Package sigv4 verifies the signatures of AWS requests on the server's side:
// Signature Version 4 in the Authorization header, in a presigned query and in
// a POST form, and Signature Version 2 in the same three places because boto3
// still makes it by default for presigned URLs and forms.
//
// Identity and proof come from one parse of the request, and a request that
// carries two sets of credentials is refused: a server that looks at one and
// believes the other can be talked into anything.
//
// Everything is computed from what came over the wire. The path is taken from
// the request line as it was received, so that empty segments, dots and escaped
// slashes keep the meaning that the client signed.
//
// The verifier proves who sent the head of a request. The body is proved by
// whoever reads it: PayloadReader when Result.PayloadHash is a digest, package
// awschunked with Result.Chain when it begins with STREAMING-.
package sigv4
