package pebblekv

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cockroachdb/pebble/v2"

	"github.com/farhold/farhold/kv"
)

// mapped gives the error of the contract for one of Pebble's.
func mapped(err error) error {
	switch {
	case err == nil:
		return nil
	case pebble.IsCorruptionError(err):
		if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
			return fmt.Errorf("%w: %s: %w", kv.ErrCorrupt, info.Path, err)
		}
		return fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
	case noSpace(err):
		return fmt.Errorf("%w: %w", kv.ErrFull, err)
	case errors.Is(err, pebble.ErrClosed):
		return fmt.Errorf("%w: %w", kv.ErrClosed, err)
	}
	return err
}

// noSpace reports whether err says that the disk or a quota is full.
func noSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
