package s3

// StorageClass is an object's storage class. The empty class is STANDARD.
type StorageClass string

// Storage classes that an ordinary bucket takes.
const (
	Standard           StorageClass = "STANDARD"
	ReducedRedundancy  StorageClass = "REDUCED_REDUNDANCY"
	StandardIA         StorageClass = "STANDARD_IA"
	OneZoneIA          StorageClass = "ONEZONE_IA"
	IntelligentTiering StorageClass = "INTELLIGENT_TIERING"
	GlacierIR          StorageClass = "GLACIER_IR"
	Glacier            StorageClass = "GLACIER"
	DeepArchive        StorageClass = "DEEP_ARCHIVE"
)

// Valid tells whether clients may ask for the class.
func (c StorageClass) Valid() bool {
	switch c {
	case Standard, ReducedRedundancy, StandardIA, OneZoneIA, IntelligentTiering, GlacierIR, Glacier, DeepArchive:
		return true
	}
	return false
}

// Or gives c, or STANDARD for the empty class.
func (c StorageClass) Or() StorageClass {
	if c == "" {
		return Standard
	}
	return c
}
