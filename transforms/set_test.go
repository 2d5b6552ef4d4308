package transforms

import (
	"testing"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/systems/vendortest"
)

func TestOddConfigurations(t *testing.T) {
	set := NewSet(Standard()...)
	for _, typ := range set.Types() {
		vendortest.Odd(t, typ.Name, typ.Config(), func(n *jsonpos.Node) diag.List {
			_, diags := set.Build(oddEnv(t, n))
			return diags
		})
	}
	for _, name := range Documented() {
		if _, ok := set.Lookup(name); ok {
			t.Errorf("%s is there and listed as not there yet", name)
		}
	}
}

func oddEnv(t *testing.T, n *jsonpos.Node) Env {
	return Env{Node: n, Lib: lib(t), System: func(string) systems.System { return nil }}
}
