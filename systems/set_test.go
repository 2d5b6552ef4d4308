package systems_test

import (
	"slices"
	"testing"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/systems/vendortest"
)

func TestOddConfigurations(t *testing.T) {
	set := systems.NewSet(systems.Standard()...)
	for _, typ := range set.Types() {
		vendortest.Odd(t, typ.Name, typ.Config(), func(n *jsonpos.Node) diag.List {
			_, diags := set.Build(systems.Env{ID: "s", Node: n})
			return diags
		})
	}
}

func TestSet(t *testing.T) {
	one, two := systems.Type{Name: "a", Doc: "1"}, systems.Type{Name: "a", Doc: "2"}
	set := systems.NewSet(one, systems.Type{Name: "b"}, two)
	if got, ok := set.Lookup("a"); !ok || got.Doc != "2" || !slices.Equal(set.Names(), []string{"a", "b"}) {
		t.Errorf("of one name the last counts: %v, %v", got, set.Names())
	}
	for _, name := range systems.Documented() {
		if _, ok := systems.NewSet(systems.Standard()...).Lookup(name); ok {
			t.Errorf("%s is there and listed as not there yet", name)
		}
	}
}
