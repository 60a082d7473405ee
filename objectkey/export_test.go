package objectkey

// Kept tells how many entries of decisions and bucket keys are kept.
func Kept(k *Keys) int {
	k.uses.mu.Lock()
	defer k.uses.mu.Unlock()
	k.bucketKeys.mu.Lock()
	defer k.bucketKeys.mu.Unlock()
	return len(k.uses.m) + len(k.bucketKeys.m)
}
