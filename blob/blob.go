// Package blob keeps immutable runs of bytes. A blob exists, durably, before
// any version names it, and outlives the last version that does. blobtest
// holds the suite that each engine passes.
package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// ID names a blob: the volume that holds it, a full stop, and the place in it.
// It is at most 64 bytes of printable ASCII and opaque to everyone but the
// engine; it never contains anything of an object's key.
type ID string

var (
	// ErrNotFound is returned for a blob that is not there.
	ErrNotFound = errors.New("blob: not found")
	// ErrCorrupt is returned when stored bytes are not what was written. It is
	// never reported as ErrNotFound.
	ErrCorrupt = errors.New("blob: corrupt")
	// ErrFull is returned when there is no room. Reads and deletes go on.
	ErrFull = errors.New("blob: no space left")
	// ErrClosed is returned after Close, and by a volume that stopped taking
	// writes because a sync failed.
	ErrClosed = errors.New("blob: closed")
)

// Store is what an engine implements. All methods may be called concurrently.
type Store interface {
	// Create begins a blob. sizeHint is the expected number of bytes, or -1;
	// it only helps to choose the place.
	Create(ctx context.Context, sizeHint int64) (Writer, error)
	// Open reads length bytes from offset; length -1 means to the end. A range
	// that reaches outside the blob is ErrRange. A blob
	// deleted while a reader is open stays readable through it.
	Open(ctx context.Context, id ID, offset, length int64) (io.ReadCloser, error)
	// Delete frees a blob. Deleting what is not there is no error: whoever
	// crashed between the delete and the note of it asks again. A crash may
	// bring the blob back; the collector finds it by List.
	Delete(ctx context.Context, id ID) error
	// List yields all blobs with an ID greater than after, in the order of
	// their IDs. One that comes or goes meanwhile may be there or not. An
	// ErrCorrupt concerns the place that comes with it, and the listing goes
	// on if the caller does; after any other error it ends.
	List(ctx context.Context, after ID) iter.Seq2[Info, error]
	// Close ends the engine. No call is under way then.
	Close() error
}

// Writer takes a blob's bytes.
type Writer interface {
	io.Writer
	// Commit makes the blob durable (its bytes, its place and its name) and
	// gives its ID. After an error nothing is kept.
	Commit(ctx context.Context) (ID, error)
	// Abort gives the blob up. After Commit it does nothing.
	Abort()
}

// Info describes a stored blob.
type Info struct {
	ID      ID
	Size    int64     // bytes written
	Created time.Time // by the machine's clock; to the second
}
