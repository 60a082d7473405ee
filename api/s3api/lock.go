package s3api

import (
	"net/http"
	"time"

	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/store"
)

// lockDocMax bounds the bodies of PutObjectRetention and PutObjectLegalHold, in
// bytes.
const lockDocMax = 64 << 10

// lockHeaders reads the three headers that lock an object from its beginning.
func lockHeaders(in *store.PutInput, b *store.Bucket, d *description, now time.Time) (err error) {
	if !b.ObjectLock {
		return rule.ErrObjectLockMissing
	}
	if in.Mode, in.Until, err = rule.LockHeaders(d.mode, d.until, now); err != nil {
		return err
	}
	in.Hold = d.hold
	return rule.HoldHeader(d.hold)
}

// lockDigest refuses an upload that will be locked and says nothing about its
// bytes: what can't be deleted again should at least be what was sent.
func (rq *Request) lockDigest(b *store.Bucket, in *store.PutInput) error {
	if !b.ObjectLock {
		return nil
	}
	if in.Mode != "" || in.Hold != "" {
		return errLockDigest
	}
	raw, err := rq.Door.opt.Store.Document(rq.Ctx, b, "object-lock", "")
	if err != nil || raw == nil {
		return err
	}
	conf, err := rule.ParseObjectLock(raw)
	if err != nil {
		return err
	}
	if conf.Mode != "" {
		return errLockDigest
	}
	return nil
}

// openLocked opens the version whose lock is asked for, in a bucket that has
// Object Lock.
func (d *Door) openLocked(rq *Request) (*store.Object, error) {
	if _, err := rq.lockBucket(); err != nil {
		return nil, err
	}
	return d.openVersion(rq)
}

// lockBucket gives the bucket, which must have Object Lock.
func (rq *Request) lockBucket() (*store.Bucket, error) {
	b, err := rq.LoadBucket()
	if err == nil && !b.ObjectLock {
		err = rule.ErrObjectLockMissing
	}
	return b, err
}

// lockTarget gives the bucket and the ID of the version whose lock is changed.
func (rq *Request) lockTarget() (b *store.Bucket, versionID string, err error) {
	if b, err = rq.lockBucket(); err != nil {
		return nil, "", err
	}
	versionID, err = rq.versionID()
	return b, versionID, err
}

// changed answers a change to the version versionID, which is v now.
func (rq *Request) changed(v *s3.Version, b *store.Bucket, versionID string, err error) error {
	if err != nil {
		return rq.missing(err, rq.Key, versionID)
	}
	showVersionID(rq.Header(), v, b)
	return rq.Empty(http.StatusOK)
}

// openVersion opens the version that the request names, or the current one.
func (d *Door) openVersion(rq *Request) (*store.Object, error) {
	versionID, err := rq.versionID()
	if err != nil {
		return nil, err
	}
	o, err := rq.open(rq.Bucket, rq.Key, versionID)
	if err != nil {
		return nil, rq.missing(err, rq.Key, versionID)
	}
	return o, nil
}

func getObjectRetention(d *Door, rq *Request) error {
	o, err := d.openLocked(rq)
	if err != nil {
		return err
	}
	defer o.Close()
	doc, err := rule.RenderRetention(o.Retention)
	if err != nil {
		return err
	}
	return rq.document(http.StatusOK, doc)
}

func putObjectRetention(d *Door, rq *Request) error {
	b, versionID, err := rq.lockTarget()
	if err != nil {
		return err
	}
	bypass, err := rq.bypass()
	if err != nil {
		return err
	}
	body, err := rq.Document(lockDocMax)
	if err != nil {
		return err
	}
	mode, until, err := rule.ParseRetention(body, d.opt.Now())
	if err != nil {
		return err
	}
	v, err := d.opt.Store.SetRetention(rq.Ctx, rq.Bucket, rq.Key, versionID, s3.RetentionRegister{Mode: mode, Until: until}, bypass)
	return rq.changed(v, b, versionID, err)
}

func getObjectLegalHold(d *Door, rq *Request) error {
	o, err := d.openLocked(rq)
	if err != nil {
		return err
	}
	defer o.Close()
	doc, err := rule.RenderLegalHold(o.Hold)
	if err != nil {
		return err
	}
	return rq.document(http.StatusOK, doc)
}

func putObjectLegalHold(d *Door, rq *Request) error {
	b, versionID, err := rq.lockTarget()
	if err != nil {
		return err
	}
	body, err := rq.Document(lockDocMax)
	if err != nil {
		return err
	}
	on, err := rule.ParseLegalHold(body)
	if err != nil {
		return err
	}
	v, err := d.opt.Store.SetHold(rq.Ctx, rq.Bucket, rq.Key, versionID, on)
	return rq.changed(v, b, versionID, err)
}
