package main

import (
	"encoding/json"
	"fmt"

	"github.com/itchyny/gojq"
)

// jqQueries are the tasks in jq's own style.
var jqQueries = map[string]string{
	"T1": `del(.orderNumber, .currency) + {
		order_no: .orderNumber, currency_code: .currency,
		full_name: (.customer.firstName + " " + .customer.lastName),
		status_upper: (.status | ascii_upcase), total_vat: (.total * 1.25)}`,
	"T2": `{id: ._id,
		net: ([.lines[] | select(.qty >= 2) | .qty * .price * (1 - .discount)] | add // 0),
		lines: (.lines | sort_by(.price) | map({sku, amount: (.qty * .price)})),
		size: (if .total > 2000 then "large" elif .total > 500 then "medium" else "small" end)}`,
	"T3": `.customer as $c | with_entries(select(.key as $k |
			($k | startswith("internal_") or startswith("hs_")) or $k == "comment" or $k == "customer" | not))
		+ {shipping: {name: ($c.firstName + " " + $c.lastName),
			address: {line1: $c.address.street, postal: ($c.address.zip + " " + $c.address.city), country: $c.address.country},
			contact: {email: $c.email, phone: $c.phone}}}`,
	"T4": `(.customer.phone | gsub(" "; "")) as $p | {
		_id: ("contact:" + (.customer.id | tostring)),
		email: ((.hs_email // .hs_work_email // .customer.email) | ascii_downcase),
		phone_norm: $p,
		is_mobile: ($p | test("^\\+47[49][0-9]{7}$")),
		object: (if .eventType | test("^(contact|company|deal)\\.(creation|propertyChange)$")
			then (.eventType | split(".")[0]) else "other" end),
		score: (.internal_score | tostring)}`,
	eventTask: `(.subscriptionType == "deal.deletion") as $gone |
		({_id, id} + if $gone then {_deleted: true} else {} end) as $out |
		if .status != 404 then $out + .response elif $gone then $out else empty end`,
}

func jqEngine(task string) (engine, error) {
	q, err := gojq.Parse(jqQueries[task])
	if err != nil {
		return nil, err
	}
	code, err := gojq.Compile(q)
	if err != nil {
		return nil, err
	}
	return func(dst, line []byte) ([]byte, error) {
		var in any
		if err := json.Unmarshal(line, &in); err != nil {
			return nil, err
		}
		v, ok := code.Run(in).Next()
		if !ok {
			return dst, nil
		}
		if err, bad := v.(error); bad {
			return nil, fmt.Errorf("jq: %w", err)
		}
		out, err := json.Marshal(v)
		return append(dst, out...), err
	}, nil
}
