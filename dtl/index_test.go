package dtl_test

import (
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/dtl/stdlib"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// What is stored of an index is found again by its name: one whose keys were others in
// an earlier version has another name, and all others have the one they had.
func TestIndexNames(t *testing.T) {
	lib, err := stdlib.Lib()
	if err != nil {
		t.Fatal(err)
	}
	for subset, want := range map[string]string{
		`["eq", "_S.kind", "a"]`:                                 `"_S.kind"`,
		`["eq", ["concat", "_S.a", "_S.b.c"], "a"]`:              `["concat","_S.a","_S.b.c"]`,
		`["eq", "_S._deleted", false]`:                           `"_S._deleted" (2)`,
		`["eq", ["and", ["is-null", "_S._deleted"]], true]`:      `["and",["is-null","_S._deleted"]] (2)`,
		`["eq", ["count", ["keys", "_S."]], 3]`:                  `["count",["keys","_S."]] (2)`,
		`["eq", ["path", ["list", "_deleted"], "_S."], "whole"]`: `["path",["list","_deleted"],"_S."] (2)`,
	} {
		for namespaced, more := range map[bool]string{false: "", true: " in i,p"} {
			n, bad := jsonpos.Parse("subset", []byte(subset))
			if len(bad) > 0 {
				t.Fatal(bad)
			}
			s, finds := dtl.CompileSubset("d", n, dtl.Options{Lib: lib, NamespacedIdentifiers: namespaced, IdentityNS: "i", PropertyNS: "p"})
			if s == nil {
				t.Fatal(subset, finds)
			}
			if s.Index.Name != want+more {
				t.Errorf("%s: the index is called %s, want %s", subset, s.Index.Name, want+more)
			}
		}
	}
}
