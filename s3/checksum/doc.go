// Package checksum computes and judges S3's additional checksums: the ten
// algorithms, how their values are written, what a multipart object's checksum
// covers, and S3's words for what is wrong.
//
// Values are the raw digest, big-endian for the numbers among them, in standard
// base64.
package checksum
