//go:build !linux

package bench

import "os"

// fdatasync puts the file's bytes on stable storage.
func fdatasync(f *os.File) error { return f.Sync() }
