package stdlib_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// TestDeepRules: what is nested too deep is refused where it is read or
// compiled, with the place.
func TestDeepRules(t *testing.T) {
	deep := func(n int) []byte {
		return []byte(`[["add","a",` + strings.Repeat(`["list",`, n) + `1` + strings.Repeat(`]`, n) + `]]`)
	}
	_, errs := jsonpos.Parse("deep.json", deep(10_000))
	if len(errs) == 0 || !strings.Contains(errs[0].Error(), "nested deeper") {
		t.Errorf("10,000 levels: %v", errs)
	}
	p, finds := dtl.CompileRules(node(t, "deep.json", deep(450)), dtl.Options{Lib: lib(t)})
	if p != nil || !strings.Contains(messages(finds), "nested deeper than 400") || finds[0].Span.Start.Line != 1 {
		t.Errorf("450 levels: %v", messages(finds))
	}
}

// TestEndless: what goes round in circles ends by itself, with the number of its
// steps, or with its time.
func TestEndless(t *testing.T) {
	h := &dtl.MemHost{Datasets: map[string][]entity.Value{"d": value(t, []byte(`[{"_id":"a","next":"b"},{"_id":"b","next":"a"}]`)).Elems()}}
	circle := `["count",["hops",{"datasets":["d d"],"where":["eq","_S.next","d._id"],"recurse":true,"max_depth":null}]]`
	long := `["count",["map",["count",["map",["count",["list","_S.next","_."]],["range",0,1000]]],["range",0,1000]]]`
	for _, c := range []struct {
		expr   string
		limits dtl.Limits
		want   string
	}{
		{circle, dtl.Limits{}, "2"},
		{`["apply","r","_S."]`, dtl.Limits{}, "deeper than 100 levels"},
		{long, dtl.Limits{Steps: 10_000}, "takes more than 10000 steps"},
		{long, dtl.Limits{Time: time.Millisecond}, "takes longer than 1ms"},
	} {
		rules := `{"default":[["add","x",` + c.expr + `]],"r":[["add","y",["apply","r","_S."]]]}`
		p, finds := dtl.CompileRules(node(t, "rules", []byte(rules)), dtl.Options{Lib: lib(t), Limits: c.limits})
		if p == nil {
			t.Fatal(messages(finds))
		}
		source := value(t, []byte(`{"_id":"a","next":"b"}`))
		out, err := dtl.NewRun(p, h).TransformOne(t.Context(), source, source, entity.NewArena())
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			x, _ := out[0].Get("x")
			got = x.String()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.expr, got, c.want)
		}
	}
}
