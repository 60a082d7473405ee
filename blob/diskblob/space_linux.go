package diskblob

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// isFull tells whether an error says that there is no room.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// punchSystem gives a range of a file of the system back to the file system.
func punchSystem(f vfs.File, offset, length int64) error {
	fd := f.Fd()
	if fd == vfs.InvalidFd || length <= 0 {
		return nil
	}
	err := unix.Fallocate(int(fd), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

// startWrite has the device begin to write a range, so that the sync to come has
// less to do. It is a hint: it waits for nothing and takes no error away from
// the sync.
func startWrite(f vfs.File, offset, length int64) {
	if fd := f.Fd(); fd != vfs.InvalidFd {
		unix.SyncFileRange(int(fd), offset, length, unix.SYNC_FILE_RANGE_WRITE)
	}
}
