package server

import (
	"log/slog"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/diskblob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/pebblekv"
)

// volume is the name of the first volume of a region's bodies. It stands in the
// IDs of blobs, so that more can come.
const volume = "v1"

// openKV opens the engine of metadata.
func openKV(dir string, log *slog.Logger) (kv.Store, error) {
	return pebblekv.Open(pebblekv.Options{Dir: dir, Log: func(m string) { log.Warn(m) }})
}

// openBlobs opens the engine of bodies.
func openBlobs(dir string) (blob.Store, error) {
	return diskblob.Open(diskblob.Options{Dir: dir, Volume: volume})
}
