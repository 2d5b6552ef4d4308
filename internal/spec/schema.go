package spec

import (
	"encoding/json"
	"reflect"
)

// Schema returns the JSON Schema (draft-07) of a configuration struct, ready
// to be marshalled. Properties it does not name are allowed.
func Schema(v any) map[string]any {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return schemaOf(t)
}

func schemaOf(t reflect.Type) map[string]any {
	props := map[string]any{}
	var required []string
	for _, f := range describe(t).fields {
		props[f.Name] = f.schema()
		if f.Required {
			required = append(required, f.Name)
		}
	}
	s := map[string]any{"type": "object", "properties": props}
	if required != nil {
		s["required"] = required
	}
	return s
}

func (f *Field) schema() map[string]any {
	s := map[string]any{"description": f.Doc}
	if len(f.Kinds) == 1 && f.Kinds[0] != "any" {
		s["type"] = f.Kinds[0]
	} else if f.Kinds[0] != "any" {
		s["type"] = f.Kinds
	}
	if f.Fields() != nil {
		inner := schemaOf(f.typ)
		inner["description"] = f.Doc
		return inner
	}
	if f.Default != "" {
		s["default"] = f.scalar(f.Default)
	}
	if f.Min != "" {
		s["minimum"] = json.Number(f.Min)
	}
	if f.Max != "" {
		s["maximum"] = json.Number(f.Max)
	}
	if f.Enum != nil && len(f.Kinds) == 1 {
		s["enum"] = f.Enum
	}
	return s
}

func (f *Field) scalar(text string) any {
	switch f.Kinds[0] {
	case "integer", "number":
		return json.Number(text)
	case "boolean":
		return text == "true"
	default:
		return text
	}
}
