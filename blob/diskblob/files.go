package diskblob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/farhold/farhold/blob"
)

// folderFiles is how many files a folder gets before the next is begun: few
// enough to list at once, many enough that commits share the folder's syncs.
const folderFiles = 4096

// files are the blobs with files of their own.
type files struct {
	store *Store
	dir   string
	tmp   string

	// moving is held shared from the choice of a folder until a file is in
	// it, and alone while an empty folder is removed.
	moving sync.RWMutex

	mu     sync.Mutex
	folder *folder // that gets new files; nil before the first
	next   uint32  // number of the next folder
}

// folder holds files. Only the one that gets new files has this form; the others
// are just names.
type folder struct {
	number uint32
	dir    string
	count  int
	named  group // syncs dir
}

// open clears what was not committed when the volume was last used, and finds
// the newest folder.
func (fl *files) open(s *Store) error {
	fl.store = s
	fl.dir = s.fs.PathJoin(s.opts.Dir, "files")
	fl.tmp = s.fs.PathJoin(s.opts.Dir, "tmp")
	names, err := s.fs.List(fl.tmp)
	if err != nil {
		return fmt.Errorf("diskblob: %w", err)
	}
	for _, name := range names {
		if err := s.fs.Remove(s.fs.PathJoin(fl.tmp, name)); err != nil {
			return fmt.Errorf("diskblob: %w", err)
		}
	}
	folders, err := fl.folders()
	if err != nil {
		return err
	}
	if len(folders) == 0 {
		return nil
	}
	newest := folders[len(folders)-1]
	fl.next = newest + 1
	in, err := fl.list(newest)
	if err != nil {
		return err
	}
	if len(in) < folderFiles {
		// Its name may be one that a crash left unsynced.
		if err := s.syncDir(fl.dir); err != nil {
			return fmt.Errorf("diskblob: %w", err)
		}
		fl.folder = fl.newFolder(newest)
		fl.folder.count = len(in)
	}
	return nil
}

func (fl *files) folderDir(number uint32) string {
	return fl.store.fs.PathJoin(fl.dir, fmt.Sprintf("%06x", number))
}

func (fl *files) path(f single) string {
	return fl.store.fs.PathJoin(fl.folderDir(f.folder), f.name())
}

func (fl *files) newFolder(number uint32) *folder {
	f := &folder{number: number, dir: fl.folderDir(number)}
	f.named.run = func() error { return fl.store.syncNames(f.dir) }
	return f
}

// folders lists the folders' numbers in order.
func (fl *files) folders() ([]uint32, error) {
	names, err := fl.store.fs.List(fl.dir)
	if err != nil {
		return nil, fmt.Errorf("diskblob: %w", err)
	}
	numbers := make([]uint32, 0, len(names))
	for _, name := range names {
		if n, ok := parseHex(name, 6, 24); ok {
			numbers = append(numbers, uint32(n))
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// list gives a folder's files in the order of their names. A folder that is
// not there has none.
func (fl *files) list(number uint32) ([]single, error) {
	names, err := fl.store.fs.List(fl.folderDir(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("diskblob: %w", err)
	}
	slices.Sort(names)
	list := make([]single, 0, len(names))
	for _, name := range names {
		if f, ok := parseFileName(number, name); ok {
			list = append(list, f)
		}
	}
	return list, nil
}

// place gives the folder for one more file. Its own name is durable.
func (fl *files) place() (*folder, error) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.folder == nil || fl.folder.count >= folderFiles {
		if fl.next > folderMax {
			return nil, fmt.Errorf("%w: all folder numbers are used", blob.ErrFull)
		}
		f := fl.newFolder(fl.next)
		if err := fl.store.fs.MkdirAll(f.dir, 0o700); err != nil {
			return nil, err
		}
		fl.next++
		if err := fl.store.syncNames(fl.dir); err != nil {
			return nil, err
		}
		fl.folder = f
	}
	fl.folder.count++
	return fl.folder, nil
}

// create begins a file under a passing name.
func (fl *files) create() (*fileWriter, error) {
	w := &fileWriter{files: fl, random: rand.Uint64() >> (64 - randomBits)}
	w.tmp = fl.store.fs.PathJoin(fl.tmp, fmt.Sprintf("%012x", w.random))
	f, err := fl.store.fs.OpenReadWrite(w.tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, mapError(fmt.Errorf("diskblob: create file: %w", err))
	}
	w.file = f
	w.buf = fl.store.buffers.get(1 << 20)
	return w, nil
}

// fileWriter writes a file. After an error of its methods only abort follows;
// commit clears up by itself.
type fileWriter struct {
	files  *files
	tmp    string
	random uint64
	file   vfs.File
	buf    *[]byte // gathers small writes
	fill   int     // bytes in it
	size   int64   // written to the file, without them
	sum    summer
}

func (w *fileWriter) write(p []byte) error {
	w.sum.write(p)
	for len(p) > 0 {
		if w.fill == 0 && len(p) >= len(*w.buf) {
			n := len(p) / align * align
			if err := w.writeOut(p[:n]); err != nil {
				return err
			}
			p = p[n:]
			continue
		}
		n := copy((*w.buf)[w.fill:], p)
		w.fill += n
		p = p[n:]
		if w.fill == len(*w.buf) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *fileWriter) flush() error {
	err := w.writeOut((*w.buf)[:w.fill])
	w.fill = 0
	return err
}

func (w *fileWriter) writeOut(p []byte) error {
	if _, err := w.file.WriteAt(p, w.size); err != nil {
		return fmt.Errorf("diskblob: write: %w", err)
	}
	startWrite(w.file, w.size, int64(len(p)))
	w.size += int64(len(p))
	return nil
}

// commit makes the file durable under its name.
func (w *fileWriter) commit() (single, error) {
	f, err := w.finish()
	if err != nil {
		w.abort()
		return single{}, err
	}
	folder, path, err := w.move(&f)
	if err != nil {
		w.remove(w.tmp)
		return single{}, err
	}
	if err := folder.named.wait(); err != nil {
		w.remove(path)
		return single{}, err
	}
	return f, nil
}

// move gives the file its name in a folder.
func (w *fileWriter) move(f *single) (*folder, string, error) {
	w.files.moving.RLock()
	defer w.files.moving.RUnlock()
	folder, err := w.files.place()
	if err != nil {
		return nil, "", err
	}
	f.folder = folder.number
	path := w.files.path(*f)
	if err := w.files.store.fs.Rename(w.tmp, path); err != nil {
		return nil, "", fmt.Errorf("diskblob: %w", err)
	}
	return folder, path, nil
}

// finish completes the file's bytes and makes them durable.
func (w *fileWriter) finish() (f single, err error) {
	if err := w.flush(); err != nil {
		return f, err
	}
	f = single{created: now(), random: w.random, size: w.size}
	if f.size > sizeMax {
		return f, fmt.Errorf("diskblob: a blob of %d bytes", f.size)
	}
	if err := w.writeOut(append(w.sum.finish(), f.trailer()...)); err != nil {
		return f, err
	}
	if w.files.store.opts.Mutant != mutantNoFileSync {
		if err := w.file.Sync(); err != nil {
			return f, fmt.Errorf("diskblob: sync: %w", err)
		}
	}
	w.files.store.buffers.put(w.buf)
	w.buf = nil
	err = w.file.Close()
	w.file = nil
	return f, err
}

// abort gives the file up.
func (w *fileWriter) abort() {
	if w.buf != nil {
		w.files.store.buffers.put(w.buf)
		w.buf = nil
	}
	if w.file != nil {
		w.file.Close() // nobody wants its bytes
		w.file = nil
	}
	w.remove(w.tmp)
}

// remove unlinks what was not committed. If that fails, opening the volume the
// next time removes it, or the collector does.
func (w *fileWriter) remove(name string) { w.files.store.fs.Remove(name) }

// openFile reads a range of a file.
func (fl *files) openFile(id blob.ID, f single, offset, length int64) (io.ReadCloser, error) {
	s := fl.store
	file, err := s.fs.Open(fl.path(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", blob.ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("diskblob: open of %s: %w", id, err)
	}
	r := &blockReader{id: id, file: file, size: f.size, buffers: &s.buffers, release: func() { file.Close() }}
	if err := r.openFile(f, offset, length); err != nil {
		file.Close()
		return nil, err
	}
	return r, nil
}

// openFile checks a file's trailer and takes the checksums with it if they are
// few.
func (r *blockReader) openFile(f single, offset, length int64) error {
	n := min(tableSize(f.size), 4*tableWindow)
	tail := make([]byte, n+fileTrailerSize)
	if err := r.readAt(tail, f.size+tableSize(f.size)-n); err != nil {
		return err
	}
	if err := f.checkTrailer(tail[n:]); err != nil {
		return corrupt(r.id, "%v", err)
	}
	r.table, r.first = tail[:n], blocks(f.size)-n/4
	offset, length, err := blob.Clamp(offset, length, f.size)
	if err != nil {
		return err
	}
	r.start(offset, length)
	return nil
}

// delete unlinks a file, and its folder if that is empty then.
func (fl *files) delete(id blob.ID, f single) error {
	s := fl.store
	if err := s.fs.Remove(fl.path(f)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return mapError(fmt.Errorf("diskblob: delete of %s: %w", id, err))
	}
	fl.mu.Lock()
	current := fl.folder != nil && fl.folder.number == f.folder
	fl.mu.Unlock()
	if !current {
		fl.moving.Lock()
		s.fs.Remove(fl.folderDir(f.folder)) // fails while it holds files
		fl.moving.Unlock()
	}
	return nil
}

// before tells whether all IDs with a prefix come before or at after.
func before(prefix, after string) bool {
	return after > prefix && !strings.HasPrefix(after, prefix)
}
