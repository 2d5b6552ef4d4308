package main

// object is a JSON Schema, or a part of one.
type object = map[string]any

// part requires properties of a part of the pipe to have given values.
func part(name string, props object, required ...string) object {
	p := object{"type": "object", "properties": props}
	if required != nil {
		p["required"] = required
	}
	return object{"properties": object{name: p}}
}

func oneOf(values ...any) object { return object{"enum": values} }

// kinds are the shapes of the webhook pattern's pipes, as their documentation
// prints them. What a shape cannot say is said by the rules of package pipes.
func kinds() map[string]object {
	dataset := part("sink", object{"type": oneOf("dataset", "conditional")})
	return map[string]object{
		"event": {"allOf": []any{dataset,
			part("source", object{"type": oneOf("http_endpoint", "dataset", "conditional"), "subset": object{"type": "array"}}),
		}},
		"event2": {"allOf": []any{dataset,
			part("source", object{"type": oneOf("dataset", "conditional")}),
		}},
		"collect": {"allOf": []any{dataset,
			part("source", object{"type": object{"not": oneOf("http_endpoint", "embedded")}}),
		}},
		"registerwebhook": {"allOf": []any{dataset,
			part("source", object{"type": oneOf("embedded", "conditional"), "entities": object{"type": "array", "minItems": 1}}),
		}},
		"wipe": {"required": []any{"transform"}, "allOf": []any{
			part("source", object{"type": oneOf("dataset", "conditional")}),
			part("pump", object{"mode": oneOf("manual", "off")}),
		}},
	}
}
