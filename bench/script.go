package main

import (
	"encoding/json"
	"fmt"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
	"github.com/dop251/goja"
	"github.com/expr-lang/expr"
	"google.golang.org/protobuf/types/known/structpb"
)

// exprSources are the tasks in expr's own style.
var exprSources = map[string]string{
	"T1": `object(concat(filter(toPairs(o), not (#[0] in ["orderNumber", "currency"])), [
		["order_no", o.orderNumber], ["currency_code", o.currency],
		["full_name", o.customer.firstName + " " + o.customer.lastName],
		["status_upper", upper(o.status)], ["total_vat", o.total * 1.25]]))`,
	"T2": `{"id": o._id,
		"net": sum(map(filter(o.lines, .qty >= 2), .qty * .price * (1 - .discount))),
		"lines": map(sortBy(o.lines, .price), {{"sku": .sku, "amount": .qty * .price}}),
		"size": o.total > 2000 ? "large" : o.total > 500 ? "medium" : "small"}`,
	"T3": `let c = o.customer; object(concat(
		filter(toPairs(o), not (#[0] startsWith "internal_" or #[0] startsWith "hs_" or #[0] in ["comment", "customer"])),
		[["shipping", {"name": c.firstName + " " + c.lastName,
			"address": {"line1": c.address.street, "postal": c.address.zip + " " + c.address.city, "country": c.address.country},
			"contact": {"email": c.email, "phone": c.phone}}]]))`,
	"T4": `let p = replace(o.customer.phone, " ", ""); {
		"_id": "contact:" + string(int(o.customer.id)),
		"email": lower(o.hs_email ?? o.hs_work_email ?? o.customer.email),
		"phone_norm": p, "is_mobile": p matches "^\\+47[49][0-9]{7}$",
		"object": o.eventType matches "^(contact|company|deal)\\.(creation|propertyChange)$" ? split(o.eventType, ".")[0] : "other",
		"score": string(o.internal_score)}`,
	eventTask: `let gone = o.subscriptionType == "deal.deletion";
		let out = concat([["_id", o._id], ["id", o.id]], gone ? [["_deleted", true]] : []);
		o.status != 404 ? object(concat(out, toPairs(o.response))) : gone ? object(out) : nil`,
}

func exprEngine(task string) (engine, error) {
	program, err := expr.Compile(exprSources[task], expr.Env(map[string]any{"o": object{}}), expr.Function("object", fromPairs))
	if err != nil {
		return nil, err
	}
	return func(dst, line []byte) ([]byte, error) {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, err
		}
		v, err := expr.Run(program, map[string]any{"o": o})
		if v == nil || err != nil {
			return dst, err
		}
		out, err := json.Marshal(v)
		return append(dst, out...), err
	}, nil
}

// fromPairs makes an object of pairs, since expr's own has keys of any type,
// which JSON does not take.
func fromPairs(params ...any) (any, error) {
	pairs, _ := params[0].([]any)
	o := make(object, len(pairs))
	for _, p := range pairs {
		var pair []any
		switch p := p.(type) {
		case [2]any:
			pair = p[:]
		case []any:
			pair = p
		}
		if len(pair) != 2 {
			return nil, fmt.Errorf("%v is no pair", p)
		}
		key, _ := pair[0].(string)
		o[key] = pair[1]
	}
	return o, nil
}

// celSources are the tasks that CEL can express: it has no loops that change
// the keys of a map.
var celSources = map[string]string{
	"T4": `{"_id": "contact:" + string(int(o.customer.id)),
		"email": (has(o.hs_email) && o.hs_email != null ? string(o.hs_email) :
			has(o.hs_work_email) && o.hs_work_email != null ? string(o.hs_work_email) : string(o.customer.email)).lowerAscii(),
		"phone_norm": string(o.customer.phone).replace(" ", ""),
		"is_mobile": string(o.customer.phone).replace(" ", "").matches("^\\+47[49][0-9]{7}$"),
		"object": string(o.eventType).matches("^(contact|company|deal)\\.(creation|propertyChange)$") ? string(o.eventType).split(".")[0] : "other",
		"score": string(o.internal_score)}`,
}

var jsonType = reflect.TypeFor[*structpb.Value]()

func celEngine(task string) (engine, error) {
	source, ok := celSources[task]
	if !ok {
		return nil, nil
	}
	env, err := cel.NewEnv(cel.Variable("o", cel.DynType), ext.Strings())
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := env.Program(ast)
	if err != nil {
		return nil, err
	}
	return func(dst, line []byte) ([]byte, error) {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, err
		}
		v, _, err := program.Eval(object{"o": o})
		if err != nil {
			return nil, err
		}
		native, err := v.ConvertToNative(jsonType)
		if err != nil {
			return nil, err
		}
		out, err := json.Marshal(native)
		return append(dst, out...), err
	}, nil
}

// jsSources are the tasks as functions in JavaScript.
var jsSources = map[string]string{
	"T1": `const {orderNumber, currency, ...rest} = o;
		return {...rest, order_no: orderNumber, currency_code: currency, full_name: o.customer.firstName + " " + o.customer.lastName,
			status_upper: o.status.toUpperCase(), total_vat: o.total * 1.25}`,
	"T2": `return {id: o._id,
		net: o.lines.filter(l => l.qty >= 2).reduce((a, l) => a + l.qty * l.price * (1 - l.discount), 0),
		lines: o.lines.slice().sort((a, b) => a.price - b.price).map(l => ({sku: l.sku, amount: l.qty * l.price})),
		size: o.total > 2000 ? "large" : o.total > 500 ? "medium" : "small"}`,
	"T3": `const c = o.customer, r = {};
		for (const k in o) if (!k.startsWith("internal_") && !k.startsWith("hs_") && k !== "comment" && k !== "customer") r[k] = o[k];
		r.shipping = {name: c.firstName + " " + c.lastName,
			address: {line1: c.address.street, postal: c.address.zip + " " + c.address.city, country: c.address.country},
			contact: {email: c.email, phone: c.phone}};
		return r`,
	"T4": `const p = o.customer.phone.replaceAll(" ", "");
		return {_id: "contact:" + o.customer.id, email: (o.hs_email ?? o.hs_work_email ?? o.customer.email).toLowerCase(),
			phone_norm: p, is_mobile: /^\+47[49]\d{7}$/.test(p),
			object: /^(contact|company|deal)\.(creation|propertyChange)$/.test(o.eventType) ? o.eventType.split(".")[0] : "other",
			score: String(o.internal_score)}`,
	eventTask: `const gone = o.subscriptionType === "deal.deletion", out = {_id: o._id, id: o.id};
		if (gone) out._deleted = true;
		return o.status !== 404 ? {...out, ...o.response} : gone ? out : undefined`,
}

func jsEngine(task string) (engine, error) {
	vm := goja.New()
	v, err := vm.RunString("(line) => { const o = JSON.parse(line); return JSON.stringify((() => {" + jsSources[task] + "})()) }")
	if err != nil {
		return nil, err
	}
	f, ok := goja.AssertFunction(v)
	if !ok {
		return nil, fmt.Errorf("this is no function")
	}
	return func(dst, line []byte) ([]byte, error) {
		out, err := f(goja.Undefined(), vm.ToValue(string(line)))
		if err != nil || goja.IsUndefined(out) {
			return dst, err
		}
		return append(dst, out.String()...), nil
	}, nil
}
