package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
)

type entityValue = entity.Value

// Options shape a store. The zero value is ready to use.
type Options struct {
	// Clock gives the time stamps; time.Now unless given.
	Clock store.Clock
	// MaxEntityBytes bounds an entity's stored form; 0 means 104857600.
	MaxEntityBytes int
	// SegmentBytes is the size at which a log file is followed by the next; 0
	// means 256 MiB, more than 2 GiB counts as 2 GiB.
	SegmentBytes int64
	// CacheBytes is the memory for blocks of the index; 0 means 64 MiB.
	CacheBytes int64
	// CacheEntries bounds of how many ids the newest version is remembered in
	// memory, 43 to 48 bytes each; 0 means 4194304. Others are looked up in the
	// index.
	CacheEntries int
	// ReadOnly refuses every write. The folder must exist, and nobody else may
	// hold it. One that cannot be written is read as it is.
	ReadOnly bool
	// InMemory keeps everything in memory; the folder's name is not used.
	InMemory bool
	// FS holds the log and IndexFS the index; the machine's file system unless
	// given.
	FS      FS
	IndexFS vfs.FS

	lateRows int          // that are held back; 0 means lateRows
	overlap  bool         // begin a sync while another goes on, however long they take
	step     int64        // by which the log grows; 0 means growStep
	beside   func(func()) // does work beside the writer; nil means a goroutine
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxEntityBytes == 0 {
		o.MaxEntityBytes = 104857600
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 256 << 20
	}
	o.SegmentBytes = min(o.SegmentBytes, 2<<30)
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.CacheEntries == 0 {
		o.CacheEntries = 4 << 20
	}
	if o.lateRows == 0 {
		o.lateRows = lateRows
	}
	if o.step == 0 {
		o.step = growStep
	}
	if o.beside == nil && !o.InMemory {
		o.beside = func(work func()) { go work() }
	}
	if o.InMemory {
		o.FS, o.IndexFS = newMemFS(), vfs.NewMem()
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.IndexFS == nil {
		o.IndexFS = vfs.Default
	}
	return o
}

// Store is a data folder in use. It implements store.Store.
type Store struct {
	o   Options
	dir string
	format
	opened time.Time
	lock   io.Closer
	log    *wlog
	db     *pebble.DB

	indexCopy string // where the index is, if the folder cannot be written
	reserve   *reserve
	condemned atomic.Bool // the index is to be made anew at the next start

	table *table        // of newest versions
	fills chan *dataset // what the table is to know all of

	// applyMu is held while the index and the table below move from one
	// frame to the next.
	applyMu sync.Mutex
	meta    meta            // how far they are; the writer's
	spare   []newestVersion // memory for apply
	late    late

	recent recent // states

	mu       sync.RWMutex // guards the table and what it points to
	datasets map[string]*dataset
	byID     map[uint32]*dataset

	queue      chan *pending
	underway   atomic.Int64    // batches that were handed over and are not settled
	unsure     atomic.Bool     // a restart may find what was refused last
	tasks      chan func()     // what the writer does between groups
	passing    sync.Mutex      // held by the compaction under way
	compacting sync.Mutex      // held while files of the log change or must not
	barren     map[uint32]bool // files that were rewritten in vain; guarded by compacting
	writerDone chan struct{}
	failed     error // the writer's: why it stopped
	encoders   sync.Pool

	kick   chan struct{}
	behind struct { // datasets whose indexes have not taken in all there is
		sync.Mutex
		set map[*dataset]bool
	}
	indexerDone chan struct{}
	fillerDone  chan struct{}
	nextIndex   uint32 // guarded by applyMu

	watches watches

	life struct {
		sync.RWMutex
		closed bool
		users  sync.WaitGroup
		stop   chan struct{}
	}
}

var _ store.Store = (*Store)(nil)

// Open opens the data folder, or makes one. It fails with store.ErrLocked if
// another process has it, and with store.ErrCorrupt if the log is damaged
// elsewhere than a crash damages it. An index that is missing, broken or
// behind is brought up to date from the log first.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{
		o: o.withDefaults(), dir: dir, datasets: map[string]*dataset{}, byID: map[uint32]*dataset{}, barren: map[uint32]bool{},
		queue: make(chan *pending, queueLength), tasks: make(chan func()), writerDone: make(chan struct{}),
		kick: make(chan struct{}, 1), indexerDone: make(chan struct{}), fillerDone: make(chan struct{}),
	}
	s.opened = s.o.Clock()
	s.life.stop = make(chan struct{})
	s.behind.set = map[*dataset]bool{}
	s.encoders.New = func() any { return &encoder{} }
	s.fills = make(chan *dataset, 1)
	s.remembering()
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", dir, err), s.release())
	}
	go newWriter(s).run()
	go s.runIndexer()
	go s.runFiller()
	return s, nil
}

func (s *Store) open() (err error) {
	s.settleFS()
	if s.o.ReadOnly {
		f, err := s.o.FS.Open(filepath.Join(s.dir, formatName))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is no data folder: %w", s.dir, err)
		}
		if err != nil {
			return err
		}
		f.Close()
	}
	if err := s.o.FS.MkdirAll(s.dir); err != nil {
		return err
	}
	// The folder's own entry; one that was there before is durable already, so
	// a parent that must not be opened does not matter.
	_ = s.o.FS.SyncDir(filepath.Dir(filepath.Clean(s.dir)))
	if s.lock, err = s.o.FS.Lock(filepath.Join(s.dir, lockName)); err != nil {
		return err
	}
	if s.format, err = openFormat(s.o.FS, s.dir); err != nil {
		return err
	}
	if !s.o.ReadOnly {
		if err = s.format.renew(s.o.FS, s.dir); err != nil {
			return err
		}
	}
	if err = s.copyIndex(); err != nil {
		return err
	}
	if s.log, err = openLog(s.o.FS, filepath.Join(s.dir, logDir), s.format.id, s.o.SegmentBytes); err != nil {
		return err
	}
	s.log.step, s.log.beside = s.o.step, s.o.beside
	s.reserve = &reserve{fs: s.o.FS, dir: s.dir, stop: s.life.stop}
	if !s.o.InMemory && s.indexCopy == "" {
		s.reserve.keep()
	}
	if err := s.loadIndex(); err != nil {
		return err
	}
	if err := s.removeOthers(!s.o.ReadOnly); err != nil {
		return err
	}
	if err := s.log.scan(s.meta.newest, s.apply); err != nil {
		return err
	}
	if s.late.empty() {
		s.meta.newest = s.meta.at
	}
	return nil
}

// remembering makes the table of newest versions. What it forgets must be found in
// the index from then on.
func (s *Store) remembering() {
	s.table, s.late.most = newTable(s.o.CacheEntries), s.o.lateRows
	s.table.losing = func() { _ = s.spill() } // which remembers that it failed
}

// release gives up what open took, as far as it came.
func (s *Store) release() error {
	var all error
	if s.db != nil {
		all = errors.Join(all, s.db.Close())
	}
	if s.log != nil {
		all = errors.Join(all, s.log.close())
	}
	if s.lock != nil {
		all = errors.Join(all, s.lock.Close())
	}
	return errors.Join(all, s.dropCopy())
}

// enter counts a call in, so that Close can wait for it. Calls may nest, which
// a lock held by readers would not survive.
func (s *Store) enter() error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.life.closed {
		return store.ErrClosed
	}
	s.life.users.Add(1)
	return nil
}

func (s *Store) leave() { s.life.users.Done() }

// Close implements store.Store. Batches that were handed over are finished.
// Closing again does nothing.
func (s *Store) Close() error {
	s.life.Lock()
	again := s.life.closed
	s.life.closed = true
	s.life.Unlock()
	if again {
		return nil
	}
	close(s.life.stop)
	s.life.users.Wait()
	close(s.queue)
	<-s.writerDone
	<-s.indexerDone
	<-s.fillerDone
	s.watches.close()
	var err error
	if !s.reserve.full.Load() {
		err = s.flushAll()
	}
	err = errors.Join(err, s.db.Close(), s.log.finish(), s.lock.Close(), s.dropCopy())
	s.db, s.log, s.lock = nil, nil, nil
	if err != nil {
		return fmt.Errorf("store %s: closing: %w", s.dir, err)
	}
	return nil
}

func (s *Store) indexDamaged(what string) error {
	s.condemnIndex()
	return fmt.Errorf("%w: the row of %s in %s: %w", store.ErrCorrupt, what, s.indexPath(), errIndex)
}

// damaged names a record whose sum is wrong.
func (s *Store) damaged(d *dataset, at location) error {
	return fmt.Errorf("dataset %q: %w", d.name, s.log.corrupt(at.seg, int64(at.pos), "a damaged record"))
}
