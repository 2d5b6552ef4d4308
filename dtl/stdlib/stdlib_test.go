package stdlib_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/dtl/stdlib"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

func lib(t testing.TB) *dtl.Lib {
	t.Helper()
	l, err := stdlib.Lib()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// eval compiles and works out one expression; a failure is text "error: …".
func eval(t testing.TB, l *dtl.Lib, src string) string {
	t.Helper()
	n, errs := jsonpos.Parse("example", []byte(src))
	if errs != nil {
		t.Fatalf("%s: %v", src, errs[0])
	}
	e, finds := dtl.CompileExpr(n, nil, dtl.Options{Lib: l})
	if e == nil {
		return "error: " + messages(finds)
	}
	v, err := dtl.NewRun(e.Program(), &dtl.MemHost{}).Eval(t.Context(), e, entity.NewDict(), entity.NewDict(), entity.NewArena())
	if err != nil {
		return "error: " + err.Error()
	}
	return v.String()
}

func messages(finds diag.List) string {
	var all []string
	for _, f := range finds {
		all = append(all, f.Message)
	}
	return strings.Join(all, "; ")
}

func TestExamples(t *testing.T) {
	l := lib(t)
	for _, name := range l.Names() {
		f, _ := l.Func(name)
		for _, ex := range f.Examples {
			got := eval(t, l, ex[0])
			want, isError := strings.CutPrefix(ex[1], "error: ")
			if isError && !strings.Contains(got, want) || !isError && got != ex[1] {
				t.Errorf("%s = %s, the declaration says %s", ex[0], got, ex[1])
			}
		}
	}
}

func TestDeclarationsAreComplete(t *testing.T) {
	l := lib(t)
	for _, name := range l.Names() {
		f, _ := l.Func(name)
		if !strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: the documentation is a sentence and ends with a full stop", name)
		}
		if (f.Call != nil || f.Build != nil) && len(f.Examples) == 0 {
			t.Errorf("%s: no examples", name)
		}
	}
}

// random functions never answer the same twice.
var random = map[string]bool{"uuid": true, "encrypt": true, "encrypt-pgp": true, "encrypt-pki": true}

// TestOddValues calls every function with every combination of odd values:
// none may panic, and each answers the same twice.
func TestOddValues(t *testing.T) {
	l := lib(t)
	odd := []string{`null`, `true`, `0`, `-1`, `9223372036854775808`, `1.5`, `"~f1.5"`, `""`, `"a"`, `"~t2015-01-01T00:00:00Z"`,
		`"~rx"`, `"~:a:b"`, `"~bAA=="`, `["list"]`, `["list", null, 1, "a", ["list", 1]]`, `{"a": 1}`, `"_S."`, `"_."`, `"_T.x.y"`}
	for _, name := range l.Names() {
		f, _ := l.Func(name)
		if f.Call == nil && f.Build == nil {
			continue
		}
		for _, a := range odd {
			for _, b := range odd {
				for _, args := range []string{"", a, a + ", " + b, a + ", " + b + ", " + a} {
					src := `["` + name + `", ` + args + `]`
					if args == "" {
						src = `["` + name + `"]`
					}
					if one, two := eval(t, l, src), eval(t, l, src); one != two && !random[name] {
						t.Fatalf("%s: %s and then %s", src, one, two)
					}
				}
			}
		}
	}
}

// TestBombs: what would take all time or memory ends with an error, and soon.
func TestBombs(t *testing.T) {
	l := lib(t)
	for src, want := range map[string]string{
		`["range", 0, 1000000000000]`:                                                      "is longer than",
		`["tuples", ["range", 0, 90000], ["range", 0, 90000]]`:                             "is longer than",
		`["^", 10, ["^", 10, 10]]`:                                                         "a million bits",
		`["^", ["decimal", "1.1"], ["decimal", "1e12"]]`:                                   "null",
		`["decimal", "1e999999999"]`:                                                       "null",
		`["round", -1000, ["decimal", "1e4000"]]`:                                          "1",
		`["integer", ["decimal", "1e1000000"]]`:                                            "null",
		`["datetime-plus", "year", 99999999999, "~t2015-01-01T00:00:00Z"]`:                 "null",
		`["datetime-plus", "nanosecond", 9223372036854775807, "~t9999-12-31T00:00:00Z"]`:   "null",
		`["matches", "*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "` + strings.Repeat("a", 5000) + `"]`: "false",
		`["json-parse", "` + strings.Repeat("[", 5000) + `"]`:                              "null",
	} {
		if got := eval(t, l, src); !strings.Contains(got, want) {
			t.Errorf("%.80s: %.200s, want %s", src, got, want)
		}
	}
}

func FuzzRules(f *testing.F) {
	l, err := stdlib.Lib()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`[["copy","*"],["add","x",["upper","_S.a"]],["if",["eq","_S.b",1],["discard"],["merge","_S.c"]]]`, `{"_id":"1","a":"x","b":1,"c":{"d":[1,2]}}`)
	f.Add(`[["add","x",["hops",{"datasets":["d a"],"where":["eq","_S.b","a.b"],"recurse":true}]]]`, `{"_id":"1","b":1}`)
	f.Add(`{"default":[["create",["apply","r","_S."]]],"r":[["add","y",["apply","r","_S."]]]}`, `{"_id":"1"}`)
	f.Fuzz(func(t *testing.T, rules, source string) {
		n, errs := jsonpos.Parse("f", []byte(rules))
		v, err := entity.DecodeString(source)
		if errs != nil || err != nil || v.Kind() != entity.Dict || strings.Contains(rules, "sleep!") || strings.Contains(rules, "crypt") || strings.Contains(rules, "uuid") {
			return
		}
		p, _ := dtl.CompileRules(n, dtl.Options{Lib: l, Limits: dtl.Limits{Steps: 20000, List: 10000, Text: 1 << 16}})
		if p == nil {
			return
		}
		h := &dtl.MemHost{Datasets: map[string][]entity.Value{"d": {v}}}
		one, err1 := dtl.NewRun(p, h).TransformOne(context.Background(), v, entity.NewDict(), entity.NewArena())
		two, err2 := dtl.NewRun(p, h).TransformOne(context.Background(), v, entity.NewDict(), nil)
		if (err1 == nil) != (err2 == nil) || err1 == nil && entity.NewList(one...).String() != entity.NewList(two...).String() {
			t.Fatalf("%s on %s: %v %v, and then %v %v", rules, source, one, err1, two, err2)
		}
	})
}
