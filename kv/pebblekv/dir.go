package pebblekv

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// enter makes the folder, with parents, durably, and locks it. It gives the
// one name of the folder: a process may open it under one name only, because
// the lock on a file is the process's and not the handle's.
func enter(on vfs.FS, dir string) (string, *pebble.Lock, error) {
	if on == vfs.Default {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", nil, err
		}
		dir = abs
	}
	if err := makeDir(on, dir); err != nil {
		return "", nil, err
	}
	if on == vfs.Default {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return "", nil, err
		}
		dir = real
	}
	lock, err := pebble.LockDirectory(dir, on)
	var path *fs.PathError
	switch {
	case err == nil:
		return dir, lock, nil
	case errors.As(err, &path):
		return "", nil, err // the file can't be made, or it can't be read
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES):
		return "", nil, fmt.Errorf("it is in use by another process: %w", err)
	}
	return "", nil, fmt.Errorf("it is in use: %w", err)
}

// makeDir makes a folder and the parents that are missing, and syncs the name
// of each in its parent. The name of the last is synced even when it is there:
// whoever made it may have died before.
func makeDir(on vfs.FS, dir string) error {
	var sync []string
	for at := dir; ; {
		parent := on.PathDir(at)
		sync = append(sync, parent)
		if parent == at {
			break
		}
		if _, err := on.Stat(parent); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		at = parent
	}
	if err := on.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range sync {
		d, err := on.OpenDir(parent)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}
