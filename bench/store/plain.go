package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sluiceio/sluice/entity"
)

// plain keeps everything in Pebble, with its log:
//
//	b offset        version: hash, time, content
//	l id            newest version: offset, hash, key in the index
//	i length key id present
type plain struct {
	db    *pebble.DB
	last  uint64
	arena *entity.Arena
	key   []byte
	row   []byte
	body  []byte
}

type quiet struct{ pebble.Logger }

func (quiet) Infof(string, ...any) {}

func openPlain(_ context.Context, dir string) (side, error) {
	cache := pebble.NewCache(64<<20 + 2*32<<20) // of which Pebble takes two tables for itself
	defer cache.Unref()
	o := &pebble.Options{FS: vfs.Default, Cache: cache, MemTableSize: 32 << 20, MemTableStopWritesThreshold: 4,
		L0CompactionThreshold: 4, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{pebble.DefaultLogger}}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, err
	}
	p := &plain{db: db, arena: entity.NewArena()}
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte("b"), UpperBound: []byte("c")})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if it.Last() {
		p.last = binary.BigEndian.Uint64(it.Key()[1:])
	}
	return p, it.Close()
}

const plainHead = 24 // hash and time, or offset and hash

func bodyKey(dst []byte, offset uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 'b'), offset)
}

func idKey(dst []byte, id string) []byte { return append(append(dst, 'l'), id...) }

func indexKey(dst, key []byte, id string) []byte {
	return append(append(append(dst, 'i', byte(len(key))), key...), id...)
}

func (p *plain) append(list []entity.Value) (func() (int, error), error) {
	b := p.db.NewBatch()
	before := p.last
	for _, e := range list {
		if err := p.put(b, e); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	n := int(p.last - before)
	if n == 0 {
		return func() (int, error) { return 0, b.Close() }, nil
	}
	if err := p.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return func() (int, error) { return n, errors.Join(b.SyncWait(), b.Close()) }, nil
}

func (p *plain) put(b *pebble.Batch, e entity.Value) error {
	id, _ := entity.ID(e)
	hash := entity.Hash(e)
	p.key = idKey(p.key[:0], id)
	row, closer, err := p.db.Get(p.key)
	had := err == nil
	if had {
		p.row = append(p.row[:0], row...)
		err = closer.Close()
		if err == nil && [16]byte(p.row[8:plainHead]) == hash {
			return nil
		}
	}
	if err != nil && !errors.Is(err, pebble.ErrNotFound) {
		return err
	}
	if had {
		if err := b.Delete(indexKey(nil, p.row[plainHead:], id), nil); err != nil {
			return err
		}
	}
	return p.version(b, id, hash, e)
}

func (p *plain) version(b *pebble.Batch, id string, hash [16]byte, e entity.Value) error {
	p.last++
	p.body = binary.BigEndian.AppendUint64(append(p.body[:0], hash[:]...), uint64(time.Now().UnixMicro()))
	p.body = entity.AppendJSON(p.body, e)
	if err := b.Set(bodyKey(p.key[:0], p.last), p.body, nil); err != nil {
		return err
	}
	p.row = customerKey(append(binary.BigEndian.AppendUint64(p.row[:0], p.last), hash[:]...), e)
	if err := b.Set(idKey(p.key[:0], id), p.row, nil); err != nil {
		return err
	}
	return b.Set(indexKey(p.key[:0], p.row[plainHead:], id), nil, nil)
}

func (p *plain) scan(entities bool) (n int, err error) {
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: []byte("b"), UpperBound: []byte("c")})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		if n%1000 == 0 {
			p.arena.Reset()
		}
		if n++; entities {
			_, err = p.show(it.Value())
		} else {
			copy(p.arena.Text(len(it.Value())), it.Value())
		}
	}
	return n, errors.Join(err, it.Error(), it.Close())
}

func (p *plain) show(row []byte) (entity.Value, error) {
	body := p.arena.Text(len(row) - plainHead)[:len(row)-plainHead]
	copy(body, row[plainHead:])
	return entity.Decode(p.arena, body, entity.DecodeOptions{Stored: true})
}

func (p *plain) get(ids []string) (n int, err error) {
	p.arena.Reset()
	for _, id := range ids {
		if err = p.one(id); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (p *plain) one(id string) error {
	row, closer, err := p.db.Get(idKey(p.key[:0], id))
	if err != nil {
		return err
	}
	offset := binary.BigEndian.Uint64(row)
	if err := closer.Close(); err != nil {
		return err
	}
	if row, closer, err = p.db.Get(bodyKey(p.key[:0], offset)); err != nil {
		return fmt.Errorf("version %d: %w", offset, err)
	}
	_, err = p.show(row)
	return errors.Join(err, closer.Close())
}

func (p *plain) find(key []byte) (n int, err error) {
	prefix := indexKey(nil, key, "")
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: append(prefix[:len(prefix)-1:len(prefix)-1], prefix[len(prefix)-1]+1)})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, errors.Join(it.Error(), it.Close())
}

// settle has nothing to wait for: the index is written with the entities.
func (p *plain) settle() error { return nil }

func (p *plain) close() error { return p.db.Close() }
