// Package restxml is the XML of S3's family of services: a strict reader for
// request bodies, a fast writer for answers, and the schema that both take
// from a struct's tags.
//
// # Reading
//
// Decode reads the subset of XML 1.0 that a service document needs and
// refuses the rest, because each leniency of a general parser is a document
// that means one thing to the checker and another to the reader: no DOCTYPE,
// no processing instructions, no encodings but UTF-8, no unknown or repeated
// elements, no foreign namespaces, nothing after the root. The reader never
// allocates more than a small multiple of the body, whatever the body says.
//
// # Tags
//
// Structs carry the tags of encoding/xml, and three more:
//
//	xml:"Name"              an element; a slice is a flattened list
//	xml:"Outer>Inner"       a slice inside a wrapping element
//	xml:"xsi:type,attr"     an attribute of the schema-instance namespace
//	xml:",chardata"         the element's own text
//	xml:"-"                 not part of the document
//	required:"true"         absence is MalformedXML
//	enum:"Enabled,Disabled" any other value is MalformedXML
//
// A field named XMLName names the root element, with its namespace before the
// name if it has one. A pointer tells an absent element (nil) from an empty
// one. Supported field types: strings, integers, floats, booleans, time.Time,
// []byte (base64), structs, pointers to and slices of these.
package restxml

// Namespace is the namespace of S3's documents.
const Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// ControlNamespace is the namespace of S3 Control's documents.
const ControlNamespace = "http://awss3control.amazonaws.com/doc/2018-08-20/"

// InstanceNamespace is the namespace of xsi:type, which tells what kind of
// grantee a Grantee is.
const InstanceNamespace = "http://www.w3.org/2001/XMLSchema-instance"

const (
	// depthMax bounds the nesting of elements. The deepest document of the S3
	// model nests eight.
	depthMax = 32
	// elementsMax bounds the number of elements: 10,000 parts with a number, an
	// ETag and a checksum each are 40,001.
	elementsMax = 50_000
	// attributesMax bounds the attributes of one element.
	attributesMax = 16
)

// ours tells whether a namespace is one of S3's own: the
// documents of S3 and S3 Control share no root element that means two things. The second host is the spelling
// of the first years, which old clients still send; AWS takes both, with and
// without the last slash.
func ours(space string) bool {
	switch space {
	case "", Namespace, "http://s3.amazonaws.com/doc/2006-03-01",
		"http://doc.s3.amazonaws.com/2006-03-01", "http://doc.s3.amazonaws.com/2006-03-01/", ControlNamespace:
		return true
	}
	return false
}
