package jinja

import (
	"github.com/sluiceio/sluice/entity"
)

// FromEntity returns a value of the data model as templates see it: NI (with
// its colon), URI and UUID are str, a Decimal is a float that prints exactly, a
// Dict is looked up as the template asks. It shares v's memory, so it is good
// only as long as v is.
func FromEntity(v entity.Value) Value {
	switch v.Kind() {
	case entity.Bool:
		return Bool(v.Bool())
	case entity.Int:
		if i, ok := v.Int64(); ok {
			return Int(i)
		}
		return Big(v.Big())
	case entity.Float:
		return Float(v.Float64())
	case entity.Decimal:
		return Decimal(v.Float64(), v.Text())
	case entity.Date:
		return Date(v.Time())
	case entity.Datetime:
		return Time(v.Time())
	case entity.String, entity.NI, entity.URI, entity.UUID:
		return Str(v.Text())
	case entity.Bytes:
		return Bytes(v.Octets())
	case entity.List:
		elems := v.Elems()
		items := make([]Value, len(elems))
		for i, e := range elems {
			items[i] = FromEntity(e)
		}
		return List(items...)
	case entity.Dict:
		return Map(EntityDict{v.Object()})
	}
	return None()
}

// EntityDict is a dictionary of the data model as a [Mapping], and as [Vars]:
// an entity's properties under their bare names.
type EntityDict struct{ Object *entity.Object }

// Get returns a property.
func (d EntityDict) Get(key string) (Value, bool) {
	v, ok := d.Object.Get(key)
	if !ok {
		return Value{}, false
	}
	return FromEntity(v), true
}

// Keys lists the properties in order.
func (d EntityDict) Keys() []string {
	members := d.Object.Members()
	keys := make([]string, len(members))
	for i, m := range members {
		keys[i] = m.Key
	}
	return keys
}
