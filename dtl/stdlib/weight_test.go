package stdlib_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// TestWeight: what takes no room in memory but all there is when it is written
// or compared fails its entity, in no time, however it comes about.
func TestWeight(t *testing.T) {
	l := lib(t)
	doubled := func(step string) string { // forty times
		var b strings.Builder
		for i := range 40 {
			b.WriteString(strings.NewReplacer("$N", fmt.Sprint(i), "$P", fmt.Sprint(max(i-1, 0))).Replace(step) + ",")
		}
		return b.String()
	}
	nested := strings.Repeat(`["map",["list","_.","_."],`, 40) + `"_S.v"` + strings.Repeat(`]`, 40)
	rules := []string{
		`[` + doubled(`["add","x$N",["list","_T.x$P","_T.x$P","_S.v"]]`) + `["comment"]]`,
		`[` + doubled(`["add","x$N",["dict","a","_T.x$P","b","_T.x$P","c","_S.v"]]`) + `["comment"]]`,
		`[` + doubled(`["merge",["dict","x$N",["combine",["list","_T.x$P"],["list","_T.x$P"],["list","_S.v"]]]]`) + `["comment"]]`,
		`[["add","x",["eq",` + nested + `,["list",` + nested + `]]]]`,
		`[["add","x",["count",["sorted",["list",` + nested + `,` + nested + `]]]]]`,
		`[["add","x",["string",["apply","r",["dict","n",0,"v","_S.v"]]]]]`,
		`[["create",["map",["dict","_id","e","all","_S.big"],["range",0,2000]]]]`,
	}
	big := `"` + strings.Repeat("x", 1<<20) + `"`
	for i, rule := range rules {
		src := `{"default":` + rule + `,"r":[["add","n",["plus",1,"_S.n"]],["add","v",["list","_S.v","_S.v"]],["if",["lt","_S.n",60],["merge",["apply","r","_T."]]]]}`
		p, finds := dtl.CompileRules(node(t, "rules", []byte(src)), dtl.Options{Lib: l})
		if p == nil {
			t.Fatal(messages(finds))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		source := value(t, []byte(`{"_id":"1","v":["abcdefgh"],"big":`+big+`}`))
		_, err := dtl.NewRun(p, &dtl.MemHost{}).TransformOne(t.Context(), source, entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString("1")}), entity.NewArena())
		runtime.ReadMemStats(&after)
		if e, ok := dtl.IsRunError(err); !ok || e.Code != "dtl/weight" || e.EntityID != "1" || e.Pointer == "" {
			t.Errorf("rule %d: %v", i, err)
		}
		if took, mem := time.Since(began), after.TotalAlloc-before.TotalAlloc; took > time.Minute || mem > 1<<30 {
			t.Errorf("rule %d took %s and %d bytes", i, took, mem)
		}
	}
}

// TestLongTexts: functions that make texts make none beyond the limit, also of
// one that came longer; as it came it may pass.
func TestLongTexts(t *testing.T) {
	l := lib(t)
	source := entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString("1")}, entity.Member{Key: "s", Value: entity.NewString(strings.Repeat("aB ", 40_000_000))})
	for rule, fails := range map[string]bool{
		`["upper", "_S.s"]`: true, `["lower", "_S.s"]`: true, `["concat", "_S.s", "x"]`: true, `["strip", "_S.s"]`: true,
		`["length", "_S.s"]`: false, `["matches", "*x*", "_S.s"]`: false, `["first", ["list", "_S.s"]]`: false,
	} {
		p, finds := dtl.CompileRules(node(t, "rules", []byte(`[["add","x",`+rule+`]]`)), dtl.Options{Lib: l})
		if p == nil {
			t.Fatal(messages(finds))
		}
		_, err := dtl.NewRun(p, &dtl.MemHost{}).TransformOne(t.Context(), source, entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString("1")}), entity.NewArena())
		e, _ := dtl.IsRunError(err)
		if fails != (err != nil) || fails && e.Code != "dtl/text-size" {
			t.Errorf("%s of 120 MB: %v", rule, err)
		}
	}
}
