package iam

// room checks that an account may have one more of something, whose rows have a
// prefix, and makes the commit depend on it: others may be making one too.
func room(tx Tx, prefix string, limit int, what string) error {
	n := 0
	for range tx.Scan(prefix, "") {
		if n++; n == limit {
			return quota(what, limit)
		}
	}
	tx.Limit(prefix, limit)
	return nil
}
