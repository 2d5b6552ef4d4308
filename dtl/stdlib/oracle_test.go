package stdlib_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// The oracle is DTL told once more, slowly and on Go's own values, for the part
// of the language that needs no tables: null, booleans, small integers, texts
// and lists. Random expressions must come out the same from both.

// oracle works out an expression; this is "_.".
func oracle(expr any, this any) any {
	call, ok := expr.([]any)
	if !ok {
		if expr == "_." {
			return this
		}
		return expr
	}
	name := call[0].(string)
	switch name { // those that do not work out every argument
	case "if":
		if truthy(oracle(call[1], this)) {
			return oracle(call[2], this)
		}
		return oracle(call[3], this)
	case "map", "filter":
		return over(name, call[1], asList(oracle(call[2], this)))
	}
	var args []any
	for _, a := range call[1:] {
		args = append(args, oracle(a, this))
	}
	return oracleCall(name, args)
}

func over(name string, f any, values []any) any {
	out := []any{}
	for _, v := range values {
		r := oracle(f, v)
		switch {
		case name == "map":
			out = append(out, r)
		case name == "filter" && truthy(r):
			out = append(out, v)
		}
	}
	return out
}

func oracleCall(name string, a []any) any {
	switch name {
	case "list":
		return append([]any{}, a...)
	case "not":
		return !truthy(a[0])
	case "and":
		return truthy(a[0]) && truthy(a[1])
	case "or":
		return truthy(a[0]) || truthy(a[1])
	case "count":
		return len(asList(a[0]))
	case "first", "last":
		l := asList(a[0])
		if len(l) == 0 {
			return nil
		}
		if name == "first" {
			return l[0]
		}
		return l[len(l)-1]
	case "reversed":
		l, ok := a[0].([]any)
		if !ok {
			return a[0]
		}
		out := []any{}
		for i := range l {
			out = append(out, l[len(l)-1-i])
		}
		return out
	case "+", "-", "*":
		return oracleArithmetic(name, head(a[0]), head(a[1]))
	case "upper", "lower":
		return eachText(name, a[0])
	}
	panic(name)
}

func oracleArithmetic(op string, x, y any) any {
	i, okI := x.(int)
	j, okJ := y.(int)
	switch {
	case !okI || !okJ:
		return nil
	case op == "+":
		return i + j
	case op == "-":
		return i - j
	}
	return i * j
}

func eachText(name string, v any) any {
	change := strings.ToLower
	if name == "upper" {
		change = strings.ToUpper
	}
	if l, ok := v.([]any); ok {
		out := []any{}
		for _, e := range l {
			if s, ok := e.(string); ok {
				out = append(out, change(s))
			}
		}
		return out
	}
	if s, ok := v.(string); ok {
		return change(s)
	}
	return nil
}

// truthy: only false, null and the empty list are false.
func truthy(v any) bool {
	l, isList := v.([]any)
	return v != nil && v != false && (!isList || len(l) > 0)
}

func asList(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func head(v any) any {
	if l, ok := v.([]any); ok {
		if len(l) == 0 {
			return nil
		}
		return l[0]
	}
	return v
}

// randomExpr is a random expression of the oracle's part of DTL.
func randomExpr(r *rand.Rand, depth int) any {
	atoms := []any{nil, true, false, 0, 1, -7, 12, "", "a", "Bc", "_."}
	if depth == 0 || r.IntN(5) == 0 {
		return atoms[r.IntN(len(atoms))]
	}
	sub := func() any { return randomExpr(r, depth-1) }
	switch two := []string{"and", "or", "+", "-", "*", "map", "filter", "list"}; r.IntN(4) {
	case 0:
		return []any{"if", sub(), sub(), sub()}
	case 1:
		return []any{two[r.IntN(len(two))], sub(), sub()}
	case 2:
		return []any{"list", sub(), sub(), sub()}
	default:
		one := []string{"not", "count", "first", "last", "reversed", "upper", "lower", "list"}
		return []any{one[r.IntN(len(one))], sub()}
	}
}

// jsonOf writes an expression or a value as JSON.
func jsonOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, jsonOf(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
		return fmt.Sprint(v)
	}
}

func TestOracle(t *testing.T) {
	l := lib(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	wrong := 0
	for range 5_000 {
		expr := []any{"list", randomExpr(r, 5)} // never a bare value, which would be no call
		want, got := jsonOf(oracle(expr, nil)), eval(t, l, jsonOf(expr))
		if got != want {
			t.Errorf("seed %d: %s gives %s, the oracle says %s", seed, jsonOf(expr), got, want)
			if wrong++; wrong > 10 {
				break
			}
		}
	}
}
