package etlworks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/store"
)

// thing is what the configuration holds: a pipe, a system, the schedule of a pipe,
// the node's metadata or a webhook.
type thing struct {
	kind   kind
	name   string
	number int64 // in events; 0: not known yet
	digest string
	entity entity.Value // read or made when an event tells of it
}

// kind is what is told of things of a sort.
type kind struct {
	name, path                string
	created, updated, deleted string // "" tells nothing by itself
}

func kinds() []kind {
	return []kind{
		{"pipe", "flows", pipeCreated, pipeUpdated, pipeDeleted},
		{"system", "connections", systemCreated, systemUpdated, systemDeleted},
		{"schedule", "schedules", scheduleCreated, scheduleUpdated, scheduleDeleted},
		{"webhook", "webhooks", webhookCreated, webhookUpdated, webhookDeleted},
		{name: "metadata", path: "configuration"},
	}
}

func kindOf(name string) kind {
	for _, k := range kinds() {
		if k.name == name {
			return k
		}
	}
	return kind{name: name} // of a later version: nothing is told of it
}

func (t *thing) key() string { return t.kind.name + ":" + t.name }

// digestOf tells one configuration from another, whatever its places in files.
func digestOf(n *jsonpos.Node) string {
	sum := sha256.Sum256(n.AppendJSON(nil))
	return hex.EncodeToString(sum[:16])
}

// present are all things of the configuration there is, by their keys, and the
// keys in a fixed order.
func (f *feed) present() (map[string]*thing, []string, error) {
	all, order := map[string]*thing{}, []string{}
	add := func(t *thing) {
		all[t.key()] = t
		order = append(order, t.key())
	}
	for _, c := range f.n.Config().Components {
		_, own := f.own[c.ID]
		switch {
		case own:
		case c.Type == "pipe":
			add(&thing{kind: kindOf("pipe"), name: c.ID, digest: digestOf(c.Effective), entity: described(c.ID, c.Original)})
			if s := schedule(c); s != nil {
				add(&thing{kind: kindOf("schedule"), name: c.ID, digest: digestOf(s), entity: withID(c.ID, nodeValue(s, 0))})
			}
		case c.Type == "metadata":
			add(&thing{kind: kindOf("metadata"), name: c.ID, digest: digestOf(c.Effective), entity: described(c.ID, c.Original)})
		case strings.HasPrefix(c.Type, "system:"):
			add(&thing{kind: kindOf("system"), name: c.ID, digest: digestOf(c.Effective), entity: described(c.ID, c.Original)})
		}
	}
	for _, s := range f.hooks {
		t, err := s.thing()
		if err != nil {
			return nil, nil, err
		}
		add(t)
	}
	return all, order, nil
}

func withID(id string, v entity.Value) entity.Value {
	return entity.NewDict(append([]entity.Member{text(entity.IDKey, id)}, v.Object().Members()...)...)
}

// thing is a webhook as events tell of it. Whether it is enabled is told apart.
func (s *stored) thing() (*thing, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	w := s.shown()
	w.Enabled, w.Warnings = nil, nil
	if data, err = json.Marshal(w); err != nil {
		return nil, err
	}
	v, err := entity.DecodeString(string(data))
	name := strconv.FormatInt(s.ID, 10)
	return &thing{kind: kindOf("webhook"), name: name, number: s.ID, digest: hex.EncodeToString(sum[:16]), entity: v}, err
}

// known reads what the store says was there before.
func (f *feed) known(ctx context.Context) (map[string]*thing, error) {
	all := map[string]*thing{}
	arena := entity.NewArena()
	for q := (store.Query{Since: store.Start, Limit: 1000}); ; {
		arena.Reset()
		page, err := f.st.Read(ctx, componentsDataset, q, arena)
		if errors.Is(err, store.ErrNoDataset) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entities {
			if entity.Deleted(e) {
				continue
			}
			r := record{e}
			id, _ := entity.ID(e)
			kind, name, _ := strings.Cut(strings.Clone(id), ":")
			all[kind+":"+name] = &thing{kind: kindOf(kind), name: name, number: r.number("number"), digest: strings.Clone(r.text("digest"))}
		}
		if q.Since = page.Next; page.End {
			return all, nil
		}
	}
}

// remember is the change that writes a thing down.
func (t *thing) remember() store.Op {
	return store.Op{Kind: store.Put, Entity: entity.NewDict(text(entity.IDKey, t.key()), count("number", t.number), text("digest", t.digest),
		entity.Member{Key: "entity", Value: t.entity})}
}

// forget is the change that strikes it out.
func (t *thing) forget() store.Op { return store.Op{Kind: store.Delete, ID: t.key()} }

// at once is how many changes are committed together at most.
const atOnce = 200

// compare tells what has changed in the configuration since it was last looked
// at, in this node's life or before; silently if it is looked at for the first
// time, but for webhooks.
func (f *feed) compare(ctx context.Context, silent bool) error {
	before, err := f.known(ctx)
	if err != nil {
		return err
	}
	now, order, err := f.present()
	if err != nil {
		return err
	}
	c := &comparison{f: f, at: f.n.Now(), counts: map[string]int{}}
	for _, t := range before {
		c.next = max(c.next, t.number)
	}
	for _, key := range order {
		c.look(before[key], now[key], silent && now[key].kind.name != "webhook")
		if err := c.commit(ctx, atOnce); err != nil {
			return err
		}
	}
	for key, t := range before {
		if now[key] == nil {
			if t.entity, err = f.stored(ctx, key); err != nil {
				return err
			}
			c.look(t, nil, silent)
		}
	}
	c.conclude(silent)
	return c.commit(ctx, 0)
}

// stored reads what a thing was when it was last written down.
func (f *feed) stored(ctx context.Context, key string) (entity.Value, error) {
	found, err := f.st.Get(ctx, componentsDataset, []string{key}, entity.NewArena())
	if err != nil || found[0].IsNull() {
		return entity.Value{}, err
	}
	v, _ := found[0].Get("entity")
	return v, nil
}

// comparison collects what has changed.
type comparison struct {
	f      *feed
	at     time.Time
	next   int64 // the greatest number that was given
	told   []occurrence
	ops    []store.Op
	counts map[string]int // of pipes, systems and metadata, by what became of them
}

// look compares one thing with what it was; nil is one that is not there.
func (c *comparison) look(was, is *thing, silent bool) {
	var event string
	t, verb := is, ""
	switch {
	case is == nil:
		t, event, verb = was, was.kind.deleted, "deleted"
		c.ops = append(c.ops, was.forget())
	case was == nil:
		event, verb = is.kind.created, "created"
		if is.number == 0 {
			c.next++
			is.number = c.next
		}
		c.ops = append(c.ops, is.remember())
	case was.digest != is.digest:
		event, verb = is.kind.updated, "updated"
		is.number = was.number
		c.ops = append(c.ops, is.remember())
	default:
		return
	}
	if silent {
		return
	}
	if name := t.kind.name; name != "webhook" && name != "schedule" {
		c.counts[verb]++
	}
	if event != "" {
		c.told = append(c.told, occurrence{event: event, path: t.kind.path, name: t.name, id: t.number, entity: t.entity, at: c.at})
	}
}

// conclude tells of the configuration as a whole, if it has changed.
func (c *comparison) conclude(silent bool) {
	if silent || len(c.counts) == 0 {
		return
	}
	var members []entity.Member
	for _, verb := range []string{"created", "updated", "deleted"} {
		members = append(members, count(verb, int64(c.counts[verb])))
	}
	c.told = append(c.told, occurrence{event: configUpdated, path: "configuration", name: "node", entity: entity.NewDict(members...), at: c.at})
}

// commit writes down what was collected, if it is more than that.
func (c *comparison) commit(ctx context.Context, more int) error {
	if len(c.ops) <= more && len(c.told) <= more {
		return nil
	}
	var b store.Batch
	if len(c.ops) > 0 {
		b.Writes = []store.Write{{Dataset: componentsDataset, Ops: c.ops}}
	}
	err := c.f.write(ctx, c.told, b)
	c.told, c.ops = nil, nil
	return err
}
