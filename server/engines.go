package server

import (
	"log/slog"

	"github.com/farhold/farhold/blob"
	"github.com/farhold/farhold/blob/memblob"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/kv/pebblekv"
)

// openKV opens the engine of metadata.
func openKV(dir string, log *slog.Logger) (kv.Store, error) {
	return pebblekv.Open(pebblekv.Options{Dir: dir, Log: func(m string) { log.Warn(m) }})
}

// openBlobs opens the engine of bodies.
func openBlobs(dir string, log *slog.Logger) (blob.Store, error) {
	return memblob.New(memblob.Options{}), nil
}
