package server

import (
	"context"
	"os"
	"time"

	"github.com/farhold/farhold/config"
)

// realmFile looks, at home, whether the realm's file was changed, and publishes
// the regions that it has. Elsewhere it only remembers the file as it is: a
// region that becomes home has an older copy of it than the tables, and what
// counts is what is changed from then on. It is a Stepper.
type realmFile struct {
	r   *Region
	was os.FileInfo
}

// Step looks once.
func (f *realmFile) Step(ctx context.Context) (again time.Time, err error) {
	if !f.r.realm.IsHome() || f.was == nil && f.r.realm.Moved() {
		f.was, err = os.Stat(f.r.cfg.Realm.File)
		return time.Time{}, err
	}
	info, err := os.Stat(f.r.cfg.Realm.File)
	if err != nil {
		return time.Time{}, err
	}
	if f.was != nil && os.SameFile(info, f.was) && info.ModTime().Equal(f.was.ModTime()) && info.Size() == f.was.Size() {
		return time.Time{}, nil
	}
	now, err := config.LoadRealm(f.r.cfg.Realm.File)
	if err != nil {
		return time.Time{}, err
	}
	if err := f.r.realm.SetRegions(ctx, now.Regions); err != nil {
		return time.Time{}, err
	}
	f.was = info
	return time.Time{}, nil
}
