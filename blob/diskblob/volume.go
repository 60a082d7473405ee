package diskblob

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
)

// volumeFile is what VOLUME holds, as JSON.
type volumeFile struct {
	Format int    `json:"format"`
	Volume string `json:"volume"`
}

// openVolume checks that the folder holds the volume that is asked for, or
// makes it one.
func (s *Store) openVolume() error {
	name := s.fs.PathJoin(s.opts.Dir, "VOLUME")
	text, err := readFile(s.fs, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.createVolume(name); err != nil {
			return fmt.Errorf("diskblob: create volume %s: %w", s.opts.Volume, mapError(err))
		}
		text, err = readFile(s.fs, name)
	}
	if err != nil {
		return fmt.Errorf("diskblob: %w", err)
	}
	var v volumeFile
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("%w: %s: %v", blob.ErrCorrupt, name, err)
	}
	if v.Format != formatVersion {
		return fmt.Errorf("diskblob: %s has format %d; this program knows %d", name, v.Format, formatVersion)
	}
	if v.Volume != s.opts.Volume {
		return fmt.Errorf("diskblob: %s holds volume %q, not %q", s.opts.Dir, v.Volume, s.opts.Volume)
	}
	for _, dir := range []string{"packs", "files", "tmp"} {
		if err := s.makeDir(s.fs.PathJoin(s.opts.Dir, dir)); err != nil {
			return fmt.Errorf("diskblob: %w", mapError(err))
		}
	}
	return nil
}

func (s *Store) createVolume(name string) error {
	// A folder of blobs that lost its VOLUME is not a new one.
	for _, dir := range []string{"packs", "files"} {
		names, err := s.fs.List(s.fs.PathJoin(s.opts.Dir, dir))
		if err == nil && len(names) > 0 {
			return fmt.Errorf("%w: there are blobs, but no %s", blob.ErrCorrupt, name)
		}
	}
	text, err := json.Marshal(volumeFile{formatVersion, s.opts.Volume})
	if err != nil {
		return err
	}
	tmp := name + ".tmp"
	f, err := s.fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.fs.Rename(tmp, name); err != nil {
		return err
	}
	return s.syncDir(s.opts.Dir)
}

func readFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	return text, errors.Join(err, f.Close())
}
