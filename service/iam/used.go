package iam

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/s3"
)

const (
	usedMax      = 16 << 10         // access keys and roles whose use is in memory
	usedGrain    = time.Hour        // a row is written again when it is older than this
	usedInterval = 15 * time.Minute // between two runs that write
	usedBatch    = 40               // rows of one transaction
)

// use is when, where and for what an access key or a role was used.
type use struct {
	at              time.Time // whole minutes, as AWS rounds
	region, service string
}

func (u use) encode() []byte {
	b := appendTime([]byte{formPlain}, 1, u.at)
	b = s3.AppendString(b, 2, u.region)
	return s3.AppendString(b, 3, u.service)
}

func decodeUse(row []byte) (u use, err error) {
	err = fields(row, func(num protowire.Number, x uint64, raw, _ []byte) error {
		switch num {
		case 1:
			u.at = fromMillis(x)
		case 2:
			u.region = string(raw)
		case 3:
			u.service = string(raw)
		}
		return nil
	})
	return u, err
}

// usedPrefix begins the keys of rows that nothing else is made from.
const usedPrefix = rowsPrefix + "used/"

func usedKey(id string) string { return usedPrefix + id }

// usedLog holds in memory what was used here last.
type usedLog struct {
	mu sync.RWMutex
	m  map[string]*atomic.Pointer[use]
}

func newUsedLog() *usedLog { return &usedLog{m: map[string]*atomic.Pointer[use]{}} }

// Used notes that a caller was let in with its access key: long-term keys of
// users, and roles, for GetAccessKeyLastUsed and RoleLastUsed. service is as
// in credential scopes. It costs no more than a look into a map within a
// minute of the last use.
func (d *Directory) Used(c *access.Caller, service string) {
	id := c.AccessKey
	switch {
	case c.Kind == access.Role:
		id, _, _ = strings.Cut(c.UserID, ":")
	case c.Kind != access.User || c.Session != nil:
		return
	}
	if id == "" {
		return
	}
	now := d.opt.Now().UTC().Truncate(time.Minute)
	l := d.used
	l.mu.RLock()
	p := l.m[id]
	l.mu.RUnlock()
	if p != nil {
		if last := p.Load(); !now.After(last.at) && last.service == service {
			return
		}
		p.Store(&use{now, d.opt.Region, service})
		return
	}
	p = new(atomic.Pointer[use])
	p.Store(&use{now, d.opt.Region, service})
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.m) < usedMax {
		l.m[id] = p
	}
}

// lastUse gives the last use of an access key or role that this region knows
// of.
func (d *Directory) lastUse(id string) (u use, ok bool) {
	if row, found := d.opt.Rows.Row(usedKey(id)); found {
		if v, err := decodeUse(row); err == nil {
			u, ok = v, true
		}
	}
	d.used.mu.RLock()
	p := d.used.m[id]
	d.used.mu.RUnlock()
	if p != nil {
		if v := p.Load(); !ok || v.at.After(u.at) {
			u, ok = *v, true
		}
	}
	return u, ok
}

// UsedStep writes to the realm's rows what was used here last: a row at most
// once an hour for each key and role, 40 rows in a transaction. It is run as
// work and says when it wants to run again. What it could not write stays for
// the next time.
func (d *Directory) UsedStep(ctx context.Context) (again time.Time, err error) {
	again = d.opt.Now().Add(usedInterval)
	due := map[string]use{}
	var idle []string // written, and not used for a while: the row will do
	d.used.mu.RLock()
	for id, p := range d.used.m {
		u := *p.Load()
		if row, ok := d.opt.Rows.Row(usedKey(id)); ok {
			if old, err := decodeUse(row); err == nil && u.at.Sub(old.at) < usedGrain {
				if !u.at.After(old.at) && d.opt.Now().Sub(u.at) > usedGrain {
					idle = append(idle, id)
				}
				continue
			}
		}
		if due[id] = u; len(due) == usedBatch {
			again = d.opt.Now()
			break
		}
	}
	d.used.mu.RUnlock()
	d.used.drop(idle)
	if len(due) == 0 {
		return again, nil
	}
	var dead []string // keys and roles that are no more
	err = d.opt.Rows.UpdateRows(ctx, func(tx Tx) error {
		dead = dead[:0]
		for id, u := range due {
			// The key or role must still be there when this commits: its row of
			// last use goes with it.
			owner := accessKeyKey(id)
			if strings.HasPrefix(id, roleID) {
				owner = idKey(id)
			}
			if _, ok := tx.Get(owner); !ok {
				dead = append(dead, id)
				continue
			}
			tx.Put(usedKey(id), u.encode())
		}
		return nil
	})
	if err != nil {
		return d.opt.Now().Add(usedInterval), err
	}
	d.used.drop(dead)
	return again, nil
}

func (l *usedLog) drop(ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		delete(l.m, id)
	}
}
