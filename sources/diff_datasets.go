package sources

import (
	"bytes"
	"slices"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
)

type diffDatasetsConfig struct {
	Type string `spec:"type,required" doc:"diff_datasets"`
	severalConfig
	Whitelist     []string `spec:"whitelist" doc:"Names of the properties that are compared. Unless given: all."`
	Blacklist     []string `spec:"blacklist" doc:"Names of properties that are not compared; goes before whitelist."`
	ListsAsSets   bool     `spec:"treat_lists_as_sets" doc:"Whether the order of lists and what they have twice make no difference, nested ones included."`
	IgnoreDeletes bool     `spec:"ignore_deletes" doc:"Whether a deleted entity is the same as none. Otherwise it differs from one that is there, and from one that never was."`
}

func diffDatasetsType() Type {
	return Type{
		Name:   "diff_datasets",
		Doc:    "Compares datasets and reads one entity for each id that is not the same in all of them, with the properties that differ in $diff. Deprecated.",
		Config: func() any { return new(diffDatasetsConfig) },
		Build:  buildDiffDatasets,
	}
}

func buildDiffDatasets(c any, env Env) (Source, diag.List) {
	cfg := c.(*diffDatasetsConfig)
	common, diags := severalOf(&cfg.severalConfig, env)
	diags.Add(diag.Finding{Rule: "source/deprecated", Severity: diag.Warning, Span: cfg.At("type"),
		Message: "diff_datasets is deprecated", Help: `a merge_datasets source with "strategy": "all" and rules that compare do the same`})
	d := &differ{cfg: cfg, ids: common.ids}
	return &mergeDatasets{common, "diff_datasets", d.diff}, diags
}

// differ compares what datasets have of an id.
type differ struct {
	cfg *diffDatasetsConfig
	ids []string
}

// diff puts the versions of an id side by side with what differs, which is there
// even if the entity is deleted everywhere. If nothing differs there is no entity;
// a run that goes on from another one deletes it, since there may have been one.
func (d *differ) diff(versions []version, newest version, full bool, a *entity.Arena) entity.Value {
	if d.cfg.IgnoreDeletes {
		versions = slices.Clone(versions)
		for i, v := range versions {
			if entity.Deleted(v.e) {
				versions[i].e = entity.Value{}
			}
		}
	}
	diff := a.NewObject(4)
	for _, name := range d.names(versions) {
		if found, differs := d.compare(versions, name, a); differs {
			diff.Set(name, found)
		}
	}
	if found, differs := d.deleted(versions, a); differs {
		diff.Set(entity.DeletedKey, found)
	}
	if diff.Len() > 0 {
		e := sideBySide(d.ids, versions, newest, a)
		e.Object().Delete(entity.DeletedKey)
		e.Object().Set("$diff", diff.Value())
		return e
	}
	if full {
		return entity.Value{}
	}
	gone := a.NewObject(2)
	id, _ := newest.e.Get(entity.IDKey)
	gone.Set(entity.IDKey, id)
	gone.Set(entity.DeletedKey, entity.NewBool(true))
	return gone.Value()
}

// names are the properties that are compared, in the order they come up.
func (d *differ) names(versions []version) (names []string) {
	known := map[string]bool{}
	for _, v := range versions {
		for _, m := range v.e.Object().Members() {
			if !known[m.Key] && !internal(m.Key) && d.compares(m.Key) {
				known[m.Key] = true
				names = append(names, m.Key)
			}
		}
	}
	return names
}

func (d *differ) compares(name string) bool {
	return !slices.Contains(d.cfg.Blacklist, name) && (d.cfg.Whitelist == nil || slices.Contains(d.cfg.Whitelist, name))
}

// compare returns a property's value in each dataset that has it, and whether
// it is not the same in all of them.
func (d *differ) compare(versions []version, name string, a *entity.Arena) (entity.Value, bool) {
	found := a.NewObject(len(versions))
	var first entity.Value
	differs := false
	for i, v := range versions {
		value, ok := v.e.Get(name)
		if !ok {
			differs = true
			continue
		}
		if found.Len() == 0 {
			first = value
		}
		differs = differs || !d.equal(first, value)
		found.Set(d.ids[i], value)
	}
	return found.Value(), differs
}

func (d *differ) equal(x, y entity.Value) bool {
	if !d.cfg.ListsAsSets {
		return entity.Equal(x, y)
	}
	return bytes.Equal(setKey(x), setKey(y))
}

// deleted returns which datasets have the entity as deleted, and whether not
// all of them have.
func (d *differ) deleted(versions []version, a *entity.Arena) (entity.Value, bool) {
	found, n := a.NewObject(len(versions)), 0
	for i, v := range versions {
		if v.e.IsNull() {
			continue
		}
		if entity.Deleted(v.e) {
			n++
		}
		found.Set(d.ids[i], entity.NewBool(entity.Deleted(v.e)))
	}
	return found.Value(), n > 0 && n < len(versions)
}

// setKey is a key that two values have in common if they differ in the order of
// lists and in duplicates only.
func setKey(v entity.Value) []byte { return dtl.AppendKey(nil, asSets(v)) }

func asSets(v entity.Value) entity.Value {
	switch v.Kind() {
	case entity.List:
		elems := make([]entity.Value, v.Len())
		for i, e := range v.Elems() {
			elems[i] = asSets(e)
		}
		elems = unique(elems)
		slices.SortFunc(elems, func(x, y entity.Value) int {
			return bytes.Compare(dtl.AppendKey(nil, x), dtl.AppendKey(nil, y))
		})
		return entity.NewList(elems...)
	case entity.Dict:
		var members []entity.Member
		for _, m := range v.Object().Members() {
			members = append(members, entity.Member{Key: m.Key, Value: asSets(m.Value)})
		}
		return entity.NewDict(members...)
	default:
		return v
	}
}
