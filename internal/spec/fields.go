package spec

import (
	"reflect"
	"strings"
	"sync"
)

// Field is one property as its struct declares it.
type Field struct {
	Name     string
	Doc      string
	Kinds    []string // JSON types accepted: "string", "array" …; "any"
	Required bool
	Default  string // JSON scalar without quotes, or ""
	Enum     []string
	Min, Max string // bounds of numbers, or ""
	Aliases  []string
	index    []int
	typ      reflect.Type
}

// Fields returns the properties of a configuration struct (or a pointer to
// one), in the order they are declared.
func Fields(v any) []Field {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return describe(t).fields
}

// Fields are the properties of an object, nil if any may stand there.
func (f *Field) Fields() []Field {
	if f.typ == nil || f.typ.Kind() != reflect.Struct {
		return nil
	}
	return describe(f.typ).fields
}

// described is what is known of a struct type.
type described struct {
	fields []Field
	byName map[string]*Field // aliases too
	names  []string
	base   []int // of the Base to be told its node; nil if there is none
}

// cache keeps what types look like: it only ever gains entries that follow
// from the type, so sharing it changes nothing.
var cache sync.Map

func describe(t reflect.Type) *described {
	if d, ok := cache.Load(t); ok {
		return d.(*described)
	}
	d := &described{byName: map[string]*Field{}}
	d.gather(t, nil)
	for i := range d.fields {
		f := &d.fields[i]
		d.byName[f.Name] = f
		d.names = append(d.names, f.Name)
		for _, a := range f.Aliases {
			d.byName[a] = f
		}
	}
	cache.Store(t, d)
	return d
}

func (d *described) gather(t reflect.Type, at []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(append([]int(nil), at...), i)
		switch {
		case sf.Anonymous && sf.Type == reflect.TypeFor[Base]():
			if d.base == nil {
				d.base = index
			}
		case sf.Anonymous && sf.Type.Kind() == reflect.Struct:
			d.gather(sf.Type, index)
		case sf.Tag.Get("spec") != "":
			d.fields = append(d.fields, newField(sf, index))
		}
	}
}

func newField(sf reflect.StructField, index []int) Field {
	name, rest, _ := strings.Cut(sf.Tag.Get("spec"), ",")
	f := Field{Name: name, Required: rest == "required", Doc: sf.Tag.Get("doc"), Default: sf.Tag.Get("default"),
		Min: sf.Tag.Get("min"), Max: sf.Tag.Get("max"), index: index, typ: sf.Type}
	f.Enum = words(sf.Tag.Get("enum"), ",")
	f.Aliases = words(sf.Tag.Get("alias"), ",")
	if f.Kinds = words(sf.Tag.Get("kind"), "|"); f.Kinds == nil {
		f.Kinds = kindsOf(sf.Type)
	}
	return f
}

func words(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}

// kindsOf are the JSON types a Go type is read from.
func kindsOf(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.String:
		return []string{"string"}
	case reflect.Bool:
		return []string{"boolean"}
	case reflect.Int, reflect.Int64:
		return []string{"integer"}
	case reflect.Float64:
		return []string{"number"}
	case reflect.Slice:
		return []string{"array"}
	case reflect.Map, reflect.Struct:
		return []string{"object"}
	case reflect.Pointer:
		if t != nodeType {
			return kindsOf(t.Elem())
		}
	}
	return []string{"any"}
}
