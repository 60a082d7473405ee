package diskblob

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/farhold/farhold/blob"
)

// recoverers is how many packs are looked at at a time when a volume is opened.
const recoverers = 8

// recoverPacks finds the packs. Of a sealed one only the trailer is read. One
// that is not was appended to when the volume was last used: it is scanned,
// and sealed; no pack is appended to by two Stores.
func (s *Store) recoverPacks() error {
	names, err := s.fs.List(s.packsDir)
	if err != nil {
		return fmt.Errorf("diskblob: %w", err)
	}
	var packs []*pack
	for _, name := range names {
		if id, ok := parseHex(name, 16, 64); ok {
			p := newPack(s, packID(id))
			p.retired, p.named = true, true
			s.packs.add(p)
			packs = append(packs, p)
		}
	}
	errs := make([]error, len(packs))
	scanned := make([]bool, len(packs))
	var wg sync.WaitGroup
	for g := range recoverers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := g; i < len(packs); i += recoverers {
				scanned[i], errs[i] = packs[i].recover()
			}
		}()
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if slices.Contains(scanned, true) {
		// The names of packs that a crash of the process left unsynced.
		if err := s.syncDir(s.packsDir); err != nil {
			return fmt.Errorf("diskblob: %w", err)
		}
	}
	return nil
}

// recover opens a pack that was there. It tells whether it had to be scanned.
func (p *pack) recover() (scanned bool, err error) {
	file, err := p.store.handles.acquire(p)
	if err != nil {
		return false, fmt.Errorf("diskblob: pack %016x: %w", uint64(p.id), err)
	}
	release := true
	defer func() {
		if release {
			p.store.handles.release(file)
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("diskblob: pack %016x: %w", uint64(p.id), err)
	}
	if err := p.checkVersion(file); err != nil {
		return false, err
	}
	size := info.Size()
	for _, at := range []int64{size - indexTrailerSize, packHeaderSize} {
		var b [indexTrailerSize]byte
		if err := readFull(file, b[:], at); err == errShort {
			continue
		} else if err != nil {
			return false, fmt.Errorf("diskblob: pack %016x: %w", uint64(p.id), err)
		}
		if t, ok := parseIndexTrailer(b[:], p.id); ok && (t.end() == size || at == packHeaderSize) {
			p.sealed, p.index, p.live = true, t, liveUnknown
			return false, nil
		}
	}

	entries, sound, err := p.scan(file, size, 0)
	if err != nil {
		return true, err
	}
	p.tail = alignUp(max(size, align))
	p.durable = sound
	p.entries = make(map[uint32]entry, len(entries))
	for _, e := range entries {
		p.entries[e.offset] = e
		if e.state != stateDead {
			p.live++
		}
	}
	p.file = file
	release = false
	if err := p.seal(); err != nil && !errors.Is(err, blob.ErrFull) {
		return true, err // on a full disk the entries stay in memory
	}
	return true, nil
}

// checkVersion refuses a pack of a later format. One whose header was lost is
// read by what its records say.
func (p *pack) checkVersion(file *handle) error {
	var b [packHeaderSize]byte
	if err := readFull(file, b[:], 0); err != nil {
		if err == errShort {
			return nil
		}
		return fmt.Errorf("diskblob: pack %016x: %w", uint64(p.id), err)
	}
	if v, ok := parsePackHeader(b[:]); ok && v != formatVersion {
		return fmt.Errorf("diskblob: pack %016x has format %d; this program knows %d", uint64(p.id), v, formatVersion)
	}
	return nil
}

// scan finds the records of a pack from their headers. durable is how much of
// the pack is known to have been durable; the records tell more.
//
// What is unreadable beyond that was being written when a crash came, and
// nobody was told of it: it is left out. What is unreadable before it was
// acknowledged once: a record with a sound header stays, and fails when it is
// read; a place without one is given as lost. sound is how much is known to
// have been durable in the end.
func (p *pack) scan(file *handle, size, durable int64) (entries []entry, sound int64, err error) {
	var headers []recordHeader
	var gaps []int64
	gap := false
	for at := int64(align); at < max(size, durable); {
		var b [recordHeaderSize]byte
		var h recordHeader
		err := readFull(file, b[:], at)
		if err != nil && err != errShort {
			return nil, 0, fmt.Errorf("diskblob: scan of pack %016x: %w", uint64(p.id), err)
		}
		if err == nil {
			h, err = parseRecordHeader(b[:], p.id, at)
		}
		if err != nil {
			if !gap {
				gaps = append(gaps, at)
			}
			gap = true
			at += align
			continue
		}
		gap = false
		headers = append(headers, h)
		durable = max(durable, h.durable)
		at += recordSpan(h.size)
	}
	entries = make([]entry, 0, len(headers))
	for _, h := range headers {
		if int64(h.offset) >= durable && h.state == stateLive {
			whole, err := p.whole(file, h.record)
			if err != nil {
				return nil, 0, err
			}
			if !whole {
				continue
			}
		}
		entries = append(entries, entry{h.offset, h.size, h.created, h.state})
	}
	for _, at := range gaps {
		if at < durable {
			entries = append(entries, entry{offset: uint32(at), state: stateLost})
		}
	}
	slices.SortFunc(entries, byOffset)
	return entries, durable, nil
}

func byOffset(a, b entry) int { return int(int64(a.offset) - int64(b.offset)) }

// whole tells whether all of a record is there.
func (p *pack) whole(file *handle, r record) (bool, error) {
	buf := p.store.buffers.get(int(recordSize(r.size)))
	defer p.store.buffers.put(buf)
	_, err := p.store.checkRecord(file, r, r.id(p.store.opts.Volume), *buf)
	if errors.Is(err, blob.ErrCorrupt) {
		return false, nil
	}
	return err == nil, err
}

// reindex writes a new index for a sealed pack whose own is spoilt: the headers
// say the same. It is called by the keeper only.
func (p *pack) reindex(file *handle) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	old := p.index
	entries, sound, err := p.scan(file, old.offset, old.sound)
	if err != nil {
		return err
	}
	t := indexTrailer{pack: p.id, offset: alignUp(max(info.Size(), old.offset)), count: len(entries), sound: sound}
	if err := writeIndex(p.store, file, t, entries); err != nil {
		return err
	}
	p.mu.Lock()
	p.index = t
	p.live = countLive(entries)
	p.mu.Unlock()
	return nil
}

func countLive(entries []entry) (n int) {
	for _, e := range entries {
		if e.state != stateDead {
			n++
		}
	}
	return n
}

// sortedEntries gives the records of a pack that is not sealed. mu is held.
func (p *pack) sortedEntries() []entry { return slices.SortedFunc(maps.Values(p.entries), byOffset) }
