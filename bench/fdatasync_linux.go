package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// fdatasync puts the file's bytes on stable storage.
func fdatasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
