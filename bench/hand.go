package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bytedance/sonic"
)

// The reference of every ratio: what a good Go programmer writes by hand for
// each task, on maps, with the fastest JSON library.

type object = map[string]any

// handMaps is the hand-written form of each task.
var handMaps = map[string]func(o object) object{
	"T1": handT1, "T2": handT2, "T3": handT3, "T4": handT4, eventTask: handEvent,
}

func handEngine(task string) (engine, error) {
	f := handMaps[task]
	return func(dst, line []byte) ([]byte, error) {
		var o object
		if err := sonic.Unmarshal(line, &o); err != nil {
			return nil, err
		}
		mapped := f(o)
		if mapped == nil {
			return dst, nil
		}
		out, err := sonic.Marshal(mapped)
		return append(dst, out...), err
	}, nil
}

// handStandard is handEngine with the standard library's JSON.
func handStandard(task string) (engine, error) {
	f := handMaps[task]
	return func(dst, line []byte) ([]byte, error) {
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, err
		}
		mapped := f(o)
		if mapped == nil {
			return dst, nil
		}
		out, err := json.Marshal(mapped)
		return append(dst, out...), err
	}, nil
}

// sonicOnly decodes and encodes without any mapping: the floor of every engine
// that builds a generic tree.
func sonicOnly(string) (engine, error) {
	return func(dst, line []byte) ([]byte, error) {
		var o object
		if err := sonic.Unmarshal(line, &o); err != nil {
			return nil, err
		}
		out, err := sonic.Marshal(o)
		return append(dst, out...), err
	}, nil
}

func handT1(o object) object {
	out := make(object, len(o)+3)
	for k, v := range o {
		if k != "orderNumber" && k != "currency" {
			out[k] = v
		}
	}
	c, _ := o["customer"].(object)
	first, _ := c["firstName"].(string)
	last, _ := c["lastName"].(string)
	status, _ := o["status"].(string)
	total, _ := o["total"].(float64)
	out["order_no"] = o["orderNumber"]
	out["currency_code"] = o["currency"]
	out["full_name"] = first + " " + last
	out["status_upper"] = strings.ToUpper(status)
	out["total_vat"] = total * 1.25
	return out
}

func handT2(o object) object {
	lines, _ := o["lines"].([]any)
	net := 0.0
	sorted := make([]object, 0, len(lines))
	for _, l := range lines {
		line, _ := l.(object)
		qty, _ := line["qty"].(float64)
		price, _ := line["price"].(float64)
		discount, _ := line["discount"].(float64)
		if qty >= 2 {
			net += qty * price * (1 - discount)
		}
		sorted = append(sorted, line)
	}
	slices.SortStableFunc(sorted, func(a, b object) int {
		pa, _ := a["price"].(float64)
		pb, _ := b["price"].(float64)
		switch {
		case pa < pb:
			return -1
		case pa > pb:
			return 1
		}
		return 0
	})
	short := make([]any, 0, len(sorted))
	for _, line := range sorted {
		qty, _ := line["qty"].(float64)
		price, _ := line["price"].(float64)
		short = append(short, object{"sku": line["sku"], "amount": qty * price})
	}
	total, _ := o["total"].(float64)
	return object{"id": o["_id"], "net": net, "lines": short, "size": size(total)}
}

func size(total float64) string {
	switch {
	case total > 2000:
		return "large"
	case total > 500:
		return "medium"
	}
	return "small"
}

func handT3(o object) object {
	out := make(object, len(o))
	for k, v := range o {
		if k == "comment" || k == "customer" || strings.HasPrefix(k, "internal_") || strings.HasPrefix(k, "hs_") {
			continue
		}
		out[k] = v
	}
	c, _ := o["customer"].(object)
	a, _ := c["address"].(object)
	first, _ := c["firstName"].(string)
	last, _ := c["lastName"].(string)
	zip, _ := a["zip"].(string)
	city, _ := a["city"].(string)
	out["shipping"] = object{
		"name":    first + " " + last,
		"address": object{"line1": a["street"], "postal": zip + " " + city, "country": a["country"]},
		"contact": object{"email": c["email"], "phone": c["phone"]},
	}
	return out
}

var eventObjects = map[string]bool{"contact": true, "company": true, "deal": true}

func handT4(o object) object {
	c, _ := o["customer"].(object)
	id, _ := c["id"].(float64)
	email := firstText(o["hs_email"], o["hs_work_email"], c["email"])
	phone, _ := c["phone"].(string)
	phone = strings.ReplaceAll(phone, " ", "")
	kind, _ := o["eventType"].(string)
	score, _ := o["internal_score"].(float64)
	return object{
		"_id":        "contact:" + strconv.FormatInt(int64(id), 10),
		"email":      strings.ToLower(email),
		"phone_norm": phone,
		"is_mobile":  isMobile(phone),
		"object":     eventObject(kind),
		"score":      strconv.FormatFloat(score, 'g', -1, 64),
	}
}

func firstText(candidates ...any) string {
	for _, v := range candidates {
		if v != nil {
			return fmt.Sprint(v)
		}
	}
	return ""
}

func isMobile(phone string) bool {
	if len(phone) != 11 || phone[:3] != "+47" || (phone[3] != '4' && phone[3] != '9') {
		return false
	}
	for _, c := range []byte(phone[4:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func eventObject(kind string) string {
	object, event, _ := strings.Cut(kind, ".")
	if eventObjects[object] && (event == "creation" || event == "propertyChange") {
		return object
	}
	return "other"
}
