package s3

// ChecksumAlgorithm names an additional checksum as clients write it.
type ChecksumAlgorithm string

// The algorithms that S3 knows in November 2026.
const (
	CRC32     ChecksumAlgorithm = "CRC32"
	CRC32C    ChecksumAlgorithm = "CRC32C"
	CRC64NVME ChecksumAlgorithm = "CRC64NVME"
	SHA1      ChecksumAlgorithm = "SHA1"
	SHA256    ChecksumAlgorithm = "SHA256"
	SHA512    ChecksumAlgorithm = "SHA512"
	MD5       ChecksumAlgorithm = "MD5"
	XXHASH64  ChecksumAlgorithm = "XXHASH64"
	XXHASH3   ChecksumAlgorithm = "XXHASH3"
	XXHASH128 ChecksumAlgorithm = "XXHASH128"
)

// ChecksumType says what a multipart object's checksum covers.
type ChecksumType string

// Checksum types.
const (
	FullObject ChecksumType = "FULL_OBJECT"
	Composite  ChecksumType = "COMPOSITE"
)

// Checksum is an additional checksum of an object or a part.
type Checksum struct {
	Algorithm ChecksumAlgorithm
	Type      ChecksumType
	// Value is base64 as the wire has it; composite ones end in -N.
	Value string
}

// IsZero tells that there is none.
func (c Checksum) IsZero() bool { return c.Algorithm == "" }
