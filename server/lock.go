package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFile is the name of the file that a process holds locked while it uses a
// folder. It holds the process's ID, for whoever is refused.
const lockFile = "lock"

// lock is a folder that is this process's alone. The kernel lets go of it when
// the process ends, however it ends.
type lock struct{ f *os.File }

func lockFolder(dir string) (*lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: locking: %w", f.Name(), err)
		}
		b := make([]byte, 32)
		n, _ := f.ReadAt(b, 0)
		who := "another process"
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
			who = fmt.Sprintf("process %d", pid)
		}
		return nil, fmt.Errorf("the data folder %s is in use by %s; two processes on one folder would destroy it", dir, who)
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(f.Truncate(0), func() error { _, err := f.WriteAt([]byte(pid), 0); return err }()); err != nil {
		f.Close()
		return nil, err
	}
	return &lock{f}, nil
}

func (l *lock) release() error { return l.f.Close() }
