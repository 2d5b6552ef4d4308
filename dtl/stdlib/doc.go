// Package stdlib has the documented DTL functions, one file for each section
// of the manual, written through package dtl's exported API only.
//
// To add a function, add a literal to its section: name, signature in the
// manual's notation, one sentence, examples and a body. Call gets values;
// Build gets the arguments as written and compiles them itself; Step makes a
// transform. Arity checks, documentation, help and the tests of the examples
// follow. To add a section, write its file and name it in [Families].
package stdlib

import (
	"slices"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// Family is a section of the manual with its functions.
type Family struct {
	Name  string // as in the names of files: "date-and-time"
	Funcs []dtl.Func
}

// Families returns all functions, by section.
func Families() []Family {
	return []Family{
		{"boolean-logic", booleanLogic()}, {"booleans", booleans()}, {"bytes", octets()}, {"comparisons", comparisons()},
		{"conditionals", conditionals()}, {"date-and-time", dates()}, {"dictionaries", dictionaries()}, {"encryption", encryption()},
		{"hops", hops()}, {"json", jsons()}, {"lists", slices.Concat(lists(), mapping())}, {"math", slices.Concat(maths(), rounding())},
		{"misc", slices.Concat(misc(), hashes())}, {"namespaced-identifiers", identifiers()}, {"nulls", nulls()}, {"numbers", numbers()},
		{"phonenumbers", phones()}, {"sets", sets()}, {"strings", stringFuncs()}, {"transforms", slices.Concat(transforms(), shaping())},
		{"uris", uris()}, {"uuids", uuids()},
	}
}

// Lib returns the standard functions. The error is a mistake in a declaration
// and is checked by the tests.
func Lib() (*dtl.Lib, error) {
	var all [][]dtl.Func
	for _, f := range Families() {
		all = append(all, f.Funcs)
	}
	return dtl.NewLib(all...)
}

// value is short for what everything here works on.
type value = entity.Value

var null value

func boolean(b bool) value { return entity.NewBool(b) }

// firstIs makes a test of the value, or of the first element of a list.
func firstIs(test func(value) bool) func(*dtl.Ctx, value) value {
	return func(_ *dtl.Ctx, v value) value { return boolean(test(dtl.First(v))) }
}

// elems is a value as a list: null has no elements.
func elems(v value) []value {
	switch v.Kind() {
	case entity.Null:
		return nil
	case entity.List:
		return v.Elems()
	default:
		return []value{v}
	}
}

// list makes a list in the arena, or null if it would be too long.
func list(c *dtl.Ctx, vs []value) value {
	if !c.Room(len(vs)) {
		return null
	}
	return entity.NewList(append(c.Arena().Values(len(vs)), vs...)...)
}

// text returns a String's text.
func text(v value) (string, bool) {
	return v.Text(), v.Kind() == entity.String
}
