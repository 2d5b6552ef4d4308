package dtl

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluiceio/sluice/entity"
)

// anyValue draws values among which many are equal or nearly so.
func anyValue(depth int) *rapid.Generator[entity.Value] {
	leaf := rapid.Custom(func(t *rapid.T) entity.Value {
		src := rapid.SampledFrom([]string{
			`null`, `true`, `false`, `1`, `1.0`, `"~f1.00"`, `-0.0`, `0`, `1e2`, `100`, `0.1`, `"~f0.10"`, `1e300`, `9007199254740993`, `9007199254740993.0`,
			`36893488147419103232`, `36893488147419103232.0`, `"1"`, `"a"`, `""`, `"~ra"`, `"~:a:b"`, `"~bYQ=="`, `"~t2020-01-01"`, `"~t2020-01-01T00:00:00Z"`,
			`"~u531a379e-0000-0000-0000-000000000001"`, `[]`, `{}`, `[[]]`, `{"a":1,"b":2}`, `{"b":2.0,"a":1}`, `["\u0061"]`, `[ "a" ]`, `{"a":[1]}`, `{"a":[1.0]}`,
		}).Draw(t, "json")
		v, err := entity.DecodeString(src)
		if err != nil {
			t.Fatal(src, err)
		}
		return v
	})
	if depth == 0 {
		return leaf
	}
	list := rapid.Map(rapid.SliceOfN(anyValue(depth-1), 0, 3), func(v []entity.Value) entity.Value { return entity.NewList(v...) })
	dict := rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "ab", ""}), anyValue(depth-1), 0, 3), func(m map[string]entity.Value) entity.Value {
		o := &entity.Object{}
		for k, v := range m {
			o.Set(k, v)
		}
		return o.Value()
	})
	return rapid.OneOf(leaf, list, dict)
}

// TestKeysAgreeWithEqual: values have the same key if and only if they are
// equal, however they were written.
func TestKeysAgreeWithEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, w := anyValue(2).Draw(t, "v"), anyValue(2).Draw(t, "w")
		same := bytes.Equal(AppendKey(nil, v), AppendKey(nil, w))
		if same != entity.Equal(v, w) {
			t.Fatalf("%v and %v: equal %v, same key %v", v, w, entity.Equal(v, w), same)
		}
	})
}

func TestKeysOfLeaves(t *testing.T) {
	src := []string{`1`, `1.0`, `"~f1.00"`, `"1"`, `9007199254740993`, `9007199254740993.0`, `9007199254740992.0`, `36893488147419103232`, `36893488147419103232.0`,
		`"~t2020-01-01"`, `"~t2020-01-01T00:00:00Z"`, `[1]`, `[1.0]`, `[[1],[]]`, `[[1,[]]]`, `{"a":1,"b":"x"}`, `{"b":"x","a":1.0}`, `-0.0`, `0`, `true`, `null`}
	for _, x := range src {
		for _, y := range src {
			v, _ := entity.DecodeString(x)
			w, _ := entity.DecodeString(y)
			if same := bytes.Equal(AppendKey(nil, v), AppendKey(nil, w)); same != entity.Equal(v, w) {
				t.Errorf("%s and %s: equal %v, same key %v", x, y, entity.Equal(v, w), same)
			}
		}
	}
}
