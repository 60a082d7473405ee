package realm

import "github.com/farhold/farhold/kv"

func prefixSpan(sub string) kv.Span { return kv.Prefix([]byte(Prefix + sub)) }
