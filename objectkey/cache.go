package objectkey

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farhold/farhold/access"
)

// cache keeps at most cacheMax values, each for life from when it was put.
type cache[K comparable, V any] struct {
	now       func() time.Time
	life      time.Duration
	forgotten *atomic.Uint64

	mu    sync.Mutex
	m     map[K]kept[V]
	sweep time.Time // when what is too old is next dropped
}

type kept[V any] struct {
	value V
	until time.Time
}

func newCache[K comparable, V any](now func() time.Time, life time.Duration, forgotten *atomic.Uint64) *cache[K, V] {
	return &cache[K, V]{now: now, life: life, forgotten: forgotten, m: make(map[K]kept[V])}
}

func (c *cache[K, V]) get(k K) (v V, ok bool) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tidy(now)
	e, ok := c.m[k]
	// A clock that was set back must not make a decision last.
	if !ok || !now.Before(e.until) || e.until.Sub(now) > c.life {
		return v, false
	}
	return e.value, true
}

// put keeps a value that was asked for when forgotten was at a count, unless
// something was forgotten since: the value may be of before the change.
func (c *cache[K, V]) put(at uint64, k K, v V) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forgotten.Load() != at {
		return
	}
	c.tidy(now)
	if len(c.m) >= cacheMax {
		// Whoever fills it gains nothing but calls of KMS.
		drop := cacheMax / 4
		for k := range c.m {
			delete(c.m, k)
			if drop--; drop == 0 {
				break
			}
		}
	}
	c.m[k] = kept[V]{v, now.Add(c.life)}
}

// tidy drops what is too old, now and then, so that keys do not stay in memory
// because nobody asks for them again.
func (c *cache[K, V]) tidy(now time.Time) {
	if now.Before(c.sweep) && c.sweep.Sub(now) <= c.life {
		return
	}
	c.sweep = now.Add(c.life)
	maps.DeleteFunc(c.m, func(_ K, e kept[V]) bool { return !now.Before(e.until) })
}

func (c *cache[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.m)
}

// caller is what of an actor a decision depends on: who it is, with which
// credentials, on whose behalf, from where and how. Two actors that are equal
// in it get the same answer, but for what was changed meanwhile.
type caller struct {
	kind                             access.Kind
	account, arn, user, role         string
	service, accessKey, via          string
	session, from, secure, agent     string
	referer, grants, sourceARN, vpce string
}

func callerOf(a *access.Actor) caller {
	var c caller
	if by := a.Caller; by != nil {
		c = caller{
			kind: by.Kind, account: by.Account, arn: by.ARN, user: by.UserID, role: by.RoleARN,
			service: by.Service, accessKey: by.AccessKey, via: by.Via,
		}
		if s := by.Session; s != nil {
			c.session = sessionOf(s)
		}
	}
	if x := a.Context; x != nil {
		get := func(key string) string {
			v, ok := x.Value(key)
			if !ok {
				return ""
			}
			if len(v) == 1 {
				return v[0]
			}
			return strings.Join(v, "\x00")
		}
		c.from, c.secure, c.agent, c.referer = get("aws:sourceip"), get("aws:securetransport"), get("aws:useragent"), get("aws:referer")
		c.sourceARN, c.vpce = get("aws:sourcearn"), get("aws:sourcevpce")
	}
	if len(a.Grants) > 0 {
		c.grants = strings.Join(a.Grants, "\x00")
	}
	return c
}

// sessionOf tells sessions apart also where no access key does, as with the
// sessions that replication works with.
func sessionOf(s *access.Session) string {
	var b strings.Builder
	word := func(w string) {
		b.WriteString(strconv.Itoa(len(w)))
		b.WriteByte(':')
		b.WriteString(w)
	}
	word(s.Name)
	word(strconv.FormatInt(s.Issued.UnixNano(), 36))
	word(strconv.FormatInt(s.Expiry.UnixNano(), 36))
	word(s.SourceIdentity)
	word(s.ExternalID)
	word(strconv.FormatBool(s.MFA))
	for _, list := range [][]string{s.Policies, s.PolicyARNs} {
		word(strconv.Itoa(len(list)))
		for _, p := range list {
			word(p)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Tags)) {
		word(k)
		word(s.Tags[k])
	}
	return b.String()
}
