package local

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

var errPower = errors.New("the power is off")

// crashFS is a file system in memory that remembers what was synced. It can
// lose power, run full and fail to sync; crash tells what a restart finds.
type crashFS struct {
	mu      sync.Mutex
	r       *rand.Rand
	names   map[string]*crashFile // as the process sees them
	durable map[string]*crashFile // as a restart finds them at least
	pending []func(map[string]*crashFile)

	power    int // operations until the power fails; negative: never
	full     int // operations to come that find the disk full
	badSyncs int // syncs to come that fail
	removed  map[string]func()
}

func newCrashFS(r *rand.Rand) *crashFS {
	return &crashFS{r: r, names: map[string]*crashFile{}, durable: map[string]*crashFile{}, power: -1}
}

// step counts an operation that changes something.
func (c *crashFS) step() error {
	if c.power == 0 {
		return errPower
	}
	if c.power > 0 {
		c.power--
	}
	return nil
}

// space fails while the disk is full.
func (c *crashFS) space() error {
	if c.full > 0 {
		c.full--
		return syscall.ENOSPC
	}
	return nil
}

func (c *crashFS) MkdirAll(string) error { return nil }

func (c *crashFS) Create(name string) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := errors.Join(c.step(), c.space()); err != nil {
		return nil, err
	}
	f := &crashFile{fs: c}
	c.entry(func(m map[string]*crashFile) { m[name] = f })
	return &crashHandle{f, f.lost}, nil
}

// entry changes the folder now and, once synced, for good.
func (c *crashFS) entry(change func(map[string]*crashFile)) {
	change(c.names)
	c.pending = append(c.pending, change)
}

func (c *crashFS) Open(name string) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.names[name]; f != nil {
		return &crashHandle{f, f.lost}, nil
	}
	return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
}

func (c *crashFS) List(dir string) (list []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.names {
		if filepath.Dir(n) == dir {
			list = append(list, filepath.Base(n))
		}
	}
	slices.SortFunc(list, strings.Compare)
	return list, nil
}

func (c *crashFS) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step(); err != nil {
		return err
	}
	f := c.names[from]
	c.entry(func(m map[string]*crashFile) { delete(m, from); m[to] = f })
	return nil
}

func (c *crashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step(); err != nil {
		return err
	}
	c.entry(func(m map[string]*crashFile) { delete(m, name) })
	if call := c.removed[filepath.Base(name)]; call != nil {
		call()
	}
	return nil
}

// onRemove calls back when a file of that name is removed.
func (c *crashFS) onRemove(base string, call func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removed = map[string]func(){base: call}
}

func (c *crashFS) SyncDir(string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.step(); err != nil {
		return err
	}
	for _, change := range c.pending {
		change(c.durable)
	}
	c.pending = nil
	return nil
}

func (c *crashFS) Lock(string) (io.Closer, error) { return &memFile{}, nil }

// off makes every later operation fail.
func (c *crashFS) off() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.power = 0
}

// crash returns what a restart finds: all that was synced, and of the rest as
// much as chance wants.
func (c *crashFS) crash() *crashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := maps.Clone(c.durable)
	for _, change := range c.pending[:c.r.IntN(len(c.pending)+1)] {
		change(names)
	}
	next := newCrashFS(rand.New(rand.NewPCG(c.r.Uint64(), 6)))
	for n, f := range names {
		data := f.survives()
		next.names[n] = &crashFile{fs: next, data: data, durable: slices.Clone(data)}
	}
	next.durable = maps.Clone(next.names)
	return next
}

// crashFile is a file of a crashFS.
type crashFile struct {
	fs      *crashFS
	data    []byte // as the process sees it
	durable []byte // as synced
	ops     []fileOp
	lost    int // syncs that failed
}

// crashHandle is an open crashFile. Each is told once that a sync failed, whoever
// asked for it.
type crashHandle struct {
	*crashFile
	told int
}

// fileOp is a change that has not been synced: a write, or a new length if
// data is nil.
type fileOp struct {
	at   int64
	data []byte
}

func (o fileOp) apply(b []byte) []byte {
	if o.data == nil {
		if int64(len(b)) > o.at {
			return b[:o.at]
		}
		return append(b, make([]byte, o.at-int64(len(b)))...)
	}
	if end := int(o.at) + len(o.data); end > len(b) {
		b = append(b, make([]byte, end-len(b))...)
	}
	copy(b[o.at:], o.data)
	return b
}

// survives returns what is on the disk after a crash: any prefix of the
// operations, of which each write may be torn, at a byte or by sectors in any
// order, or missing: what was written later may be there without it.
func (f *crashFile) survives() []byte {
	b, r := slices.Clone(f.durable), f.fs.r
	n := r.IntN(len(f.ops) + 1)
	for _, op := range f.ops[:n] {
		if op.data == nil || r.IntN(4) > 0 {
			b = op.apply(b)
		} else {
			b = f.tear(b, op)
		}
	}
	if n == len(f.ops) || len(f.ops[n].data) == 0 {
		return b
	}
	return f.tear(b, f.ops[n])
}

// tear applies a part of a write.
func (f *crashFile) tear(b []byte, op fileOp) []byte {
	r := f.fs.r
	if r.IntN(2) == 0 {
		op.data = op.data[:r.IntN(len(op.data)+1)]
		return op.apply(b)
	}
	const sector = 512
	for at := 0; at < len(op.data); at += sector {
		if r.IntN(2) == 0 {
			b = fileOp{op.at + int64(at), op.data[at:min(at+sector, len(op.data))]}.apply(b)
		}
	}
	return b
}

func (f *crashFile) do(op fileOp) {
	f.data = op.apply(f.data)
	f.ops = append(f.ops, op)
}

func (f *crashFile) ReadAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if at > int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	power, space := f.fs.step(), f.fs.space()
	n := len(p)
	if power != nil || space != nil {
		n = f.fs.r.IntN(n + 1)
	}
	if n > 0 {
		f.do(fileOp{at, slices.Clone(p[:n])})
	}
	return n, errors.Join(power, space)
}

func (f *crashFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.step(); err != nil {
		return err
	}
	f.do(fileOp{at: size})
	return nil
}

func (f *crashFile) Grow(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := errors.Join(f.fs.step(), f.fs.space()); err != nil {
		return err
	}
	if size > int64(len(f.data)) {
		f.do(fileOp{at: min(size, int64(len(f.data))+1<<16)}) // small tests need no megabytes of zeros
	}
	return nil
}

// dawdle lets something more be written before a sync counts, if something comes.
func (f *crashHandle) dawdle() {
	for before, n := len(f.ops), f.fs.r.IntN(200); n > 0 && len(f.ops) == before; n-- {
		f.fs.mu.Unlock()
		runtime.Gosched()
		f.fs.mu.Lock()
	}
}

func (f *crashHandle) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.dawdle()
	if err := f.fs.step(); err != nil {
		return err
	}
	defer func() { f.told = f.lost }()
	if f.fs.badSyncs > 0 {
		f.fs.badSyncs--
		// The system forgets what it could not write: a later sync that
		// succeeds does not bring it to the disk.
		f.durable, f.ops = f.survives(), nil
		f.lost++
		return syscall.EIO
	}
	if f.told < f.lost {
		return syscall.EIO
	}
	for _, op := range f.ops {
		f.durable = op.apply(f.durable)
	}
	f.ops = nil
	return nil
}

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *crashFile) Close() error { return nil }
