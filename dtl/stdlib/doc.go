// Package stdlib has the documented DTL functions, one file for each section
// of the manual, written through package dtl's exported API only.
//
// To add a function, add a literal to its section: name, signature in the
// manual's notation, one sentence, examples and a body. Call gets values;
// Build gets the arguments as written and compiles them itself; Step makes a
// transform. Arity checks, documentation, help and the tests of the examples
// follow. To add a section, write its file and name it in [Lib].
package stdlib

import (
	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// Lib returns the standard functions. The error is a mistake in a declaration
// and is checked by the tests.
func Lib() (*dtl.Lib, error) {
	return dtl.NewLib(
		booleanLogic(), booleans(), comparisons(), conditionals(), dates(), dictionaries(), encryption(), hashes(), identifiers(),
		hops(), jsons(), lists(), mapping(), maths(), misc(), nulls(), numbers(), octets(), phones(), rounding(), sets(), stringFuncs(),
		transforms(), shaping(), uris(), uuids(),
	)
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
