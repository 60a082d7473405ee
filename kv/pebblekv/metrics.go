package pebblekv

import (
	"sync/atomic"
	"time"
)

// counts are what Pebble doesn't count.
type counts struct {
	conflicts atomic.Int64 // guards that did not hold
	failures  atomic.Int64 // flushes and compactions that failed
	stalls    atomic.Int64 // times that writes had to wait for them
	tidied    atomic.Int64 // compactions that wasteful scans asked for
	said      atomic.Int64 // when a failure was logged, in seconds
}

// failed counts what failed in the background, and reports whether to log it:
// once a second at most, because Pebble tries again at once.
func (c *counts) failed() bool {
	c.failures.Add(1)
	now := time.Now().Unix()
	return c.said.Swap(now) != now
}

// Metrics gives figures about the engine, under names as Prometheus has them:
// sizes in bytes, times in seconds, _total for what only grows. It takes the
// engine's mutex for some microseconds, so it is for scrapes and not for
// requests.
func (s *Store) Metrics() map[string]float64 {
	if s.health.closed.Load() {
		return nil
	}
	settled := s.flights.settled.Load() // before issued, which is never less
	m := s.db.Metrics()
	total := m.Total()
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	s.room.mu.Lock()
	reserve := int64(s.room.left) * s.room.piece
	s.room.mu.Unlock()
	return map[string]float64{
		"kv_dead":                      flag(s.health.failed()),
		"kv_full":                      flag(s.room.full.Load()),
		"kv_stalled":                   flag(s.stalled.Load()),
		"kv_reserve_bytes":             float64(reserve),
		"kv_commits_total":             float64(s.flights.issued.Load()),
		"kv_commits_in_flight":         float64(s.flights.issued.Load() - settled),
		"kv_oldest_commit_seconds":     float64(s.flights.age()) / float64(time.Second),
		"kv_disk_bytes":                float64(m.DiskSpaceUsage()),
		"kv_tables":                    float64(total.TablesCount),
		"kv_tables_bytes":              float64(total.TablesSize),
		"kv_l0_sublevels":              float64(m.Levels[0].Sublevels),
		"kv_read_amplification":        float64(m.ReadAmp()),
		"kv_memtable_bytes":            float64(m.MemTable.Size),
		"kv_log_bytes":                 float64(m.WAL.Size),
		"kv_log_written_bytes_total":   float64(m.WAL.BytesWritten),
		"kv_flushed_bytes_total":       float64(total.TableBytesFlushed),
		"kv_compacted_bytes_total":     float64(total.TableBytesCompacted),
		"kv_compactions_total":         float64(m.Compact.Count),
		"kv_compaction_debt_bytes":     float64(m.Compact.EstimatedDebt),
		"kv_block_cache_bytes":         float64(m.BlockCache.Size),
		"kv_block_cache_hits_total":    float64(m.BlockCache.Hits),
		"kv_block_cache_misses_total":  float64(m.BlockCache.Misses),
		"kv_filter_hits_total":         float64(m.Filter.Hits),
		"kv_filter_misses_total":       float64(m.Filter.Misses),
		"kv_open_iterators":            float64(m.TableIters),
		"kv_guard_conflicts_total":     float64(s.counts.conflicts.Load()),
		"kv_background_failures_total": float64(s.counts.failures.Load()),
		"kv_obsolete_tables_bytes":     float64(m.Table.ObsoleteSize),
		"kv_zombie_tables_bytes":       float64(m.Table.ZombieSize),
		"kv_write_stalls_total":        float64(s.counts.stalls.Load()),
		"kv_tidied_total":              float64(s.counts.tidied.Load()),
	}
}
