package dtl

import (
	"context"
	"time"

	"github.com/sluiceio/sluice/entity"
)

// Host is how a run reaches the world. Everything it gives must be safe for
// concurrent use.
type Host interface {
	// Now is the current time.
	Now() time.Time
	// Secret returns a secret, and whether there is one.
	Secret(name string) (string, bool)
	// Dataset returns a dataset to look things up in, or an error that says
	// why there is none.
	Dataset(name string) (Dataset, error)
	// Previous returns the version of the source entity before this one, null
	// if there is none.
	Previous(ctx context.Context, e entity.Value, a *entity.Arena) (entity.Value, error)
}

// Completeness is the ability of hosts that know up to when a dataset has come
// through another one.
type Completeness interface {
	Completeness(via, dataset string) (time.Time, bool)
}

// Naming is the ability of hosts that keep the names that are made for namespaces of
// URIs which nobody has declared.
type Naming interface {
	// Namespace returns the name that a namespace has in a pipe: the same one always,
	// and no other's; "" if the pipe has MaxMadePrefixes already.
	Namespace(ctx context.Context, pipe, uri string) (string, error)
}

// Dataset is what hops and look-ups need of a dataset: latest versions only.
type Dataset interface {
	// Get returns the latest version of id, deleted or not; false if unknown.
	Get(ctx context.Context, id string, a *entity.Arena) (entity.Value, bool, error)
	// Find yields the live entities that have any of the keys in the index,
	// each once, in order of _id.
	Find(ctx context.Context, ix *Index, keys [][]byte, a *entity.Arena, yield func(entity.Value) bool) error
	// Scan yields all live entities in order of _id.
	Scan(ctx context.Context, a *entity.Arena, yield func(entity.Value) bool) error
}

// Bulk is the ability of datasets that answer for many keys in one go.
type Bulk interface {
	// FindEach yields, for each of keys, the live entities that have it in the
	// index, in order of _id. Keys are best sorted.
	FindEach(ctx context.Context, ix *Index, keys [][]byte, a *entity.Arena, yield func(key int, e entity.Value) bool) error
	// GetEach returns the latest version of each id, deleted or not, null if
	// unknown.
	GetEach(ctx context.Context, ids []string, a *entity.Arena) ([]entity.Value, error)
}

// Headed is the ability of datasets that can tell cheaply whether they have
// changed: as long as their head stays, so does what is found in them.
type Headed interface {
	Head(ctx context.Context) (Head, error)
}

// Head is a state of a dataset.
type Head struct {
	Generation [16]byte
	Last       int64
}

// MemHost is a Host over entities in memory: for the prompt and for tests.
type MemHost struct {
	Datasets map[string][]entity.Value
	Secrets  map[string]string
	Clock    func() time.Time
	// Earlier versions of source entities by _id.
	Earlier map[string]entity.Value
	// Complete has the times of completeness, by VIA and dataset.
	Complete map[string]map[string]time.Time
}

// Completeness looks into Complete.
func (h *MemHost) Completeness(via, dataset string) (time.Time, bool) {
	t, ok := h.Complete[via][dataset]
	return t, ok
}

// Now returns the clock's time, or the zero time without a clock.
func (h *MemHost) Now() time.Time {
	if h.Clock == nil {
		return time.Time{}
	}
	return h.Clock()
}

// Secret looks into Secrets.
func (h *MemHost) Secret(name string) (string, bool) {
	s, ok := h.Secrets[name]
	return s, ok
}

// Previous looks into Earlier.
func (h *MemHost) Previous(_ context.Context, e entity.Value, _ *entity.Arena) (entity.Value, error) {
	id, _ := entity.ID(e)
	return h.Earlier[id], nil
}

// Dataset returns a dataset of Datasets; an unknown one is an error.
func (h *MemHost) Dataset(name string) (Dataset, error) {
	entities, ok := h.Datasets[name]
	if !ok {
		return nil, &unknownDataset{name}
	}
	return memDataset(entities), nil
}

type unknownDataset struct{ name string }

func (u *unknownDataset) Error() string { return "there is no dataset " + u.name }

type memDataset []entity.Value

func (m memDataset) Get(_ context.Context, id string, _ *entity.Arena) (entity.Value, bool, error) {
	for i := len(m) - 1; i >= 0; i-- {
		if have, _ := entity.ID(m[i]); have == id {
			return m[i], true, nil
		}
	}
	return entity.Value{}, false, nil
}

func (m memDataset) Scan(_ context.Context, _ *entity.Arena, yield func(entity.Value) bool) error {
	for _, e := range sortByID(m) {
		if !entity.Deleted(e) && !yield(e) {
			break
		}
	}
	return nil
}

func (m memDataset) Find(ctx context.Context, ix *Index, keys [][]byte, a *entity.Arena, yield func(entity.Value) bool) error {
	wanted := make(map[string]bool, len(keys))
	for _, k := range keys {
		wanted[string(k)] = true
	}
	return m.Scan(ctx, a, func(e entity.Value) bool {
		hit := false
		ix.Keys(e, func(key []byte) { hit = hit || wanted[string(key)] })
		return !hit || yield(e)
	})
}
