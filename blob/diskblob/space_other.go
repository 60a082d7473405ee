//go:build !linux

package diskblob

import "github.com/cockroachdb/pebble/v2/vfs"

// isFull tells whether an error says that there is no room.
func isFull(err error) bool { return vfs.IsNoSpaceError(err) }

// punchSystem does nothing: the space comes back with the file's removal.
func punchSystem(f vfs.File, offset, length int64) error { return nil }

// startWrite is a hint that this system does not take.
func startWrite(f vfs.File, offset, length int64) {}
